// Facts below /proc, read by commands: without -A, Deno refuses /proc whatever else it may read (seen with 2.9.6).
// `nsenter` without a namespace only starts the command, and is permitted anyway.

import { Fault } from "../util/errors.ts";
import { run } from "../util/run.ts";
import { RUNTIME_LIMIT_MS } from "./runtime.ts";

/** The identity of a file. */
export interface Identity {
  readonly dev: number;
  readonly inode: number;
}

/** Returns device and inode of the file at `path`, links followed; undefined if there is none. */
export async function identify(
  path: string,
  limitMs = RUNTIME_LIMIT_MS,
): Promise<Identity | undefined> {
  const output = await runOutside(["stat", "-L", "-c", "%d %i", path], limitMs);
  if (output === undefined) return undefined;
  const [dev, inode] = output.split(" ").map(Number);
  if (dev !== undefined && inode !== undefined && dev >= 0 && inode > 0) return { dev, inode };
  throw new Fault("failed", `stat of ${path} printed "${output}"`);
}

/** Returns when process `pid` started, in clock ticks after boot; undefined if it does not exist. */
export async function startTimeOf(
  pid: number,
  limitMs = RUNTIME_LIMIT_MS,
): Promise<number | undefined> {
  const stat = await runOutside(["cat", `/proc/${pid}/stat`], limitMs);
  return stat === undefined ? undefined : parseStartTime(stat);
}

/** Returns the start time in a line of /proc/PID/stat; undefined if it is not such a line. */
export function parseStartTime(stat: string): number | undefined {
  // proc(5): field 22. The second field, in parentheses, is the program's name and may contain anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 1).trim().split(" ");
  const ticks = Number(fields[22 - 3]);
  return Number.isSafeInteger(ticks) && ticks > 0 ? ticks : undefined;
}

/** Returns the output of a command; undefined if what it reads does not exist. */
async function runOutside(
  command: readonly string[],
  limitMs: number,
): Promise<string | undefined> {
  try {
    return await run("nsenter", ["--", "env", "LC_ALL=C", ...command], { limitMs });
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

// ESRCH: the process ended between the open and the read.
function isGone(error: unknown): boolean {
  return error instanceof Fault && error.code === "failed" &&
    /No such (file or directory|process)/.test(error.why ?? "");
}
