// Commands whose output goes into a bundle. `nsenter` without a namespace only starts them, and is permitted.

import { run } from "../../util/run.ts";

const LIMIT_MS = 12_000;

/** Returns what a command prints. Faults: as run(). */
export async function outputOf(...command: readonly string[]): Promise<string> {
  return await run("nsenter", ["--", "env", "LC_ALL=C", ...command], { limitMs: LIMIT_MS });
}
