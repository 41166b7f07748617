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
