// Facts below /proc, asked of commands: without -A, Deno refuses /proc whatever else it may read
// (seen with 2.9.6). `nsenter` without a namespace only starts the command, and is allowed anyway.

import { Fault } from "../util/errors.ts";
import { run } from "../util/run.ts";

/** A file's identity. */
export interface Identity {
  readonly dev: number;
  readonly inode: number;
}

/** Returns device and inode of what the link at `path` leads to; undefined where there is none. */
export async function identify(path: string, limitMs = 3_000): Promise<Identity | undefined> {
  const words = await ask(["stat", "-L", "-c", "%d %i", path], limitMs);
  if (words === undefined) return undefined;
  const [dev, inode] = words.split(" ").map(Number);
  if (dev !== undefined && inode !== undefined && dev >= 0 && inode > 0) return { dev, inode };
  throw new Fault("failed", `stat of ${path} gave "${words}"`);
}

/** Returns when process `pid` started, in clock ticks after boot; undefined where there is none. */
export async function startTimeOf(pid: number, limitMs = 3_000): Promise<number | undefined> {
  const words = await ask(["cat", `/proc/${pid}/stat`], limitMs);
  return words === undefined ? undefined : parseStartTime(words);
}

/** Reads the start time in a line of /proc/PID/stat; undefined where it is no such line. */
export function parseStartTime(stat: string): number | undefined {
  // proc(5): field 22; the second one, in brackets, is the program's name and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 1).trim().split(" ");
  const ticks = Number(fields[22 - 3]);
  return Number.isSafeInteger(ticks) && ticks > 0 ? ticks : undefined;
}

async function ask(words: readonly string[], limitMs: number): Promise<string | undefined> {
  try {
    return await run("nsenter", ["--", "env", "LC_ALL=C", ...words], { limitMs });
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
