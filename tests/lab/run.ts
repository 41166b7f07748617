// Outside commands of tests: as the product runs them, with the limits of tests.

import { run as runLimited, type RunOptions } from "../../lib/util/run.ts";
import { patient } from "./limits.ts";

/** Runs `cmd` and returns its stdout, trimmed; `limitMs` is what it takes at most on a quiet machine. */
export function run(
  cmd: string,
  args: readonly string[],
  { limitMs = 5_000, ...options }: RunOptions = {},
): Promise<string> {
  return runLimited(cmd, args, { ...options, limitMs: patient(limitMs) });
}
