// Runs outside commands: an argument array, a time limit, never a shell.

import { hookedCall } from "./fault_hooks.ts";
import { Fault, oneLine } from "./errors.ts";

/** Options of one run. */
export interface RunOptions {
  /** Text for the command's standard input; none when absent. */
  readonly stdin?: string;
  /** The run is killed after this time. @default 5000 */
  readonly limitMs?: number;
}

/** Runs `cmd` and gives its stdout, trimmed. Faults: timeout, unavailable, failed. */
export function run(
  cmd: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return hookedCall(`command.${cmd}`, () => runNow(cmd, args, options));
}

async function runNow(
  cmd: string,
  args: readonly string[],
  { stdin, limitMs = 5_000 }: RunOptions,
): Promise<string> {
  const signal = AbortSignal.timeout(limitMs);
  try {
    const child = new Deno.Command(cmd, {
      args: [...args],
      signal,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    // Written beside the read: a command that fills its output before it has read all would hang.
    const fed = stdin === undefined ? Promise.resolve() : feed(child.stdin, stdin);
    const [{ success, stdout, stderr }] = await Promise.all([child.output(), fed]);
    if (success) return text(stdout);
    if (signal.aborted) throw timedOut(cmd, limitMs);
    throw new Fault("failed", `${cmd} refused`, {
      why: `"${oneLine(text(stderr) || text(stdout))}"`,
      fix: `see what "${oneLine([cmd, ...args].join(" "), 60)}" says`,
    });
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    if (signal.aborted) throw timedOut(cmd, limitMs);
    if (/Too many open files/.test(String(cause))) {
      throw new Fault("unavailable", `${cmd} cannot be started`, {
        why: "too many files are open",
        fix: "raise the limit of open files (ulimit -n)",
        cause,
      });
    }
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Fault("unavailable", `${cmd} is not installed`, { fix: "run ./install.sh", cause });
  }
}

function timedOut(cmd: string, limitMs: number): Fault {
  return new Fault("timeout", `${cmd} gave no answer in ${limitMs} ms`, {
    fix: "see whether what it talks to is running",
  });
}

async function feed(stdin: WritableStream<Uint8Array>, words: string): Promise<void> {
  try {
    const writer = stdin.getWriter();
    await writer.write(new TextEncoder().encode(words));
    await writer.close();
  } catch (error) {
    // The command ended without reading: its exit code says more than the broken pipe.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).trim();
}
