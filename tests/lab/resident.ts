// How much memory a process has, in MB; 1 MB is 1,024 kB.

/** Returns the resident memory of process `pid` (VmRSS of proc(5)'s status). */
export function residentMb(pid: number): number {
  return fieldOf(pid, "VmRSS");
}

/** Returns the part of it that no file backs, which no other process shares (RssAnon). */
export function ownMb(pid: number): number {
  return fieldOf(pid, "RssAnon");
}

function fieldOf(pid: number, name: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`process ${pid} has no ${name}`);
  return Number(kilobytes) / 1_024;
}

/** Returns how many milliseconds of a processor a process has used (utime and stime of proc(5)'s stat, 100 a second). */
export function processorMs(pid: number): number {
  return ticksOf(pid, [11, 12]) * 10;
}

/** Returns the same of the processes that process `pid` has started and that have ended (cutime and cstime). */
export function endedProcessorMs(pid: number): number {
  return ticksOf(pid, [13, 14]) * 10;
}

/** Returns the sum of fields of proc(5)'s stat, counted from the third on. */
function ticksOf(pid: number, indexes: readonly number[]): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name, in brackets, may contain blanks.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return indexes.reduce((sum, index) => sum + Number(fields[index]), 0);
}
