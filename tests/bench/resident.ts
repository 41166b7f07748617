// How much memory a process has.

/** Returns the resident memory of process `pid` in MB (VmRSS of proc(5)'s status; 1 MB is 1,024 kB). */
export function residentMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024;
}
