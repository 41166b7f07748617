// Runs commands: with an array of arguments and a time limit, never by a shell.

import { hookedCall } from "./fault_hooks.ts";
import { Fault, oneLine, systemWords } from "./errors.ts";

const LIMIT_MS = 5_000;

/** Options of one run. */
export interface RunOptions {
  /** Text for the standard input of the command; empty when absent. */
  readonly stdin?: string;
  /** Milliseconds after which the command is killed. @default 5000 */
  readonly limitMs?: number;
}

/** How a command ended; its output is trimmed. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `cmd` and returns its stdout, trimmed. Faults: timeout; unavailable (not installed); failed. */
export async function run(
  cmd: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return await hookedCall(`command.${cmd}`, async () => {
    const { code, stdout, stderr } = await runNow(cmd, args, options);
    if (code === 0) return stdout;
    throw new Fault("failed", `${cmd} failed`, {
      why: `"${oneLine(stderr || stdout)}"`,
      fix: `run "${oneLine([cmd, ...args].join(" "), 60)}" by hand`,
    });
  });
}

/** Runs `cmd` to its end, whatever its exit code. Faults: timeout; unavailable (not installed). */
export function runToEnd(
  cmd: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return hookedCall(`command.${cmd}`, () => runNow(cmd, args, options));
}

/**
 * Runs `cmd` on this process's terminal to its end, without a limit: a person works with it. Returns its exit code;
 * Ctrl-C is the command's. Faults: unavailable (not installed).
 */
export async function runInTerminal(cmd: string, args: readonly string[]): Promise<number> {
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  try {
    return (await new Deno.Command(cmd, { args: [...args], ...folderForCommands() }).spawn().status)
      .code;
  } catch (cause) {
    throw new Fault("unavailable", `${cmd} cannot be started`, { why: systemWords(cause), cause });
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
  }
}

async function runNow(
  cmd: string,
  args: readonly string[],
  { stdin, limitMs = LIMIT_MS }: RunOptions,
): Promise<RunResult> {
  const signal = AbortSignal.timeout(limitMs);
  try {
    const child = new Deno.Command(cmd, {
      args: [...args],
      ...folderForCommands(),
      signal,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    // Written while reading: a command that fills its output before it has read all of its input would hang.
    const written = stdin === undefined ? Promise.resolve() : writeInput(child.stdin, stdin);
    const [{ code, stdout, stderr }] = await Promise.all([child.output(), written]);
    if (code !== 0 && signal.aborted) throw timedOut(cmd, limitMs);
    return { code, stdout: text(stdout), stderr: text(stderr) };
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

const PATH_MAX = 4_096;

/** Deno enters the working folder by its path, which fails from PATH_MAX bytes on: then commands start in `/`. */
function folderForCommands(): { readonly cwd?: string } {
  return new TextEncoder().encode(Deno.cwd()).length < PATH_MAX ? {} : { cwd: "/" };
}

function timedOut(cmd: string, limitMs: number): Fault {
  return new Fault("timeout", `${cmd} did not end within ${limitMs} ms`, {
    fix: "check whether the server that it connects to is running",
  });
}

async function writeInput(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  try {
    const writer = stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch (error) {
    // The command ended without reading its input: its exit code says more than the broken pipe.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).trim();
}
