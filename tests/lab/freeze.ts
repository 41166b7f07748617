// Stops processes where they stand.

/** A thread that runs on a busy machine takes a moment to stop. */
const LIMIT_MS = 10_000;

/** Stops a process by SIGSTOP, and returns when none of its threads runs: a signal alone is only sent. */
export function freezeProcess(pid: number): void {
  Deno.kill(pid, "SIGSTOP");
  const end = Date.now() + LIMIT_MS;
  while (!isFrozen(pid)) {
    if (Date.now() > end) throw new Error(`process ${pid} still runs after SIGSTOP`);
  }
}

/** Reports whether all threads are stopped, or gone (proc(5), field 3 of stat). */
function isFrozen(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  return [...Deno.readDirSync(tasks)].every(({ name }) => {
    try {
      return /^[TtZX]/.test(Deno.readTextFileSync(`${tasks}/${name}/stat`).replace(/^.*\) /s, ""));
    } catch {
      return true; // it has ended
    }
  });
}
