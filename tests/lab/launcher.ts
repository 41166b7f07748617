// Launchers that ask an agent of the test's own, and a one file whose program prints what it gets: what the launcher does
// with a CNI call can be seen without Open vSwitch and without JavaScript.

import { variablesOf } from "../fixtures/cni_variables.ts";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { answerLauncher, type LauncherAnswers } from "../../lib/agent/server/launcher_calls.ts";
import type { CniAnswer } from "../../lib/agent/api/pod_requests.ts";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { MemoryLog } from "../memory/memory_log.ts";
import { hangSignal } from "./limits.ts";
import { waitFor } from "./wait.ts";
import { type Ended, start, tempDir, writeVariant } from "./one_file.ts";

/** Handles a call. */
export type Handler = (input: CniInput) => Promise<CniAnswer> | CniAnswer;

/** An agent that answers launchers, the file that asks it, and the calls that came. */
export interface LauncherLab extends AsyncDisposable {
  readonly dir: string;
  /** Path of the one file. */
  readonly file: string;
  readonly socket: string;
  /** Environment of a call of the one file. */
  readonly env: Readonly<Record<string, string>>;
  readonly calls: CniInput[];
  /** Ends the agent. */
  close(): Promise<void>;
}

/** What the program of the file prints before its standard input, with exit code 7: the face was started. */
export const FACE = "FACE ";
/** The same after a request that may have been executed. */
export const FACE_RETRY = "FACE1 ";

/** Answers launchers at a socket as the agent does. */
export function serveLaunchers(
  socket: string,
  answers: LauncherAnswers,
): Deno.HttpServer<Deno.UnixAddr> {
  const place = { socket, log: new MemoryLog() };
  return Deno.serve(
    { path: socket, onListen: () => {} },
    (request) => answerLauncher(answers, place, request),
  );
}

/** Makes a one file, and an agent that answers with `handler`; without it, there is none. */
export async function startLauncherLab(handler?: Handler): Promise<LauncherLab> {
  const stack = new AsyncDisposableStack();
  const dir = `${stack.use(await tempDir())}`;
  const socket = `${dir}/agent.sock`;
  const calls: CniInput[] = [];
  await writeVariant(`${dir}/file`, `printf 'FACE%s ' "\$K8CONTIVNET_RETRY"; cat; exit 7`);
  await start([`${dir}/file`], { env: { K8CONTIVNET_CACHE: `${dir}/cache` } }); // fills the cache
  const server = handler && serveLaunchers(socket, {
    verb: () => Promise.resolve({}),
    cni: async (input) => {
      calls.push(input);
      return await handler(input);
    },
  });
  let isOpen = server !== undefined;
  const close = async () => {
    if (isOpen) await server?.shutdown();
    isOpen = false;
  };
  stack.defer(close);
  return {
    ...{ dir, file: `${dir}/file`, socket, calls, close },
    env: { K8CONTIVNET_SOCKET: socket, K8CONTIVNET_CACHE: `${dir}/cache` },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Makes a call by the one file; `by` are words before it. */
export function callCni(
  { file, env }: Pick<LauncherLab, "file" | "env">,
  input: CniInput,
  { by = [], more = {} }: {
    readonly by?: readonly string[];
    readonly more?: Readonly<Record<string, string>>;
  } = {},
): Promise<Ended> {
  const { config: stdin } = input;
  return start([...by, file], { env: { ...env, ...variablesOf(input), ...more }, stdin });
}

/** A call whose standard input the test writes by itself. */
export interface BegunCall {
  readonly pid: number;
  write(text: string): Promise<void>;
  /** Ends standard input. */
  close(): Promise<void>;
  kill(): void;
  readonly ended: Promise<Ended>;
}

/** Starts a call by the one file, with standard input open. */
export function beginCni(
  { file, env }: Pick<LauncherLab, "file" | "env">,
  input: Omit<CniInput, "config">,
): BegunCall {
  const child = new Deno.Command(file, {
    env: { ...env, ...variablesOf(input) },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: hangSignal(60_000),
  }).spawn();
  const writer = child.stdin.getWriter();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    pid: child.pid,
    write: (words) => writer.write(new TextEncoder().encode(words)).catch(() => {}),
    close: () => writer.close().catch(() => {}),
    kill: () => child.kill("SIGKILL"),
    ended: child.output().then(({ code, stdout, stderr }) => ({
      code,
      out: text(stdout),
      err: text(stderr),
    })),
  };
}

/** The agent's side of launchers' calls in a process of its own. */
export interface LauncherAgent extends AsyncDisposable {
  readonly pid: number;
  /** Returns the calls that came so far. */
  calls(): Promise<CniInput[]>;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
}

/** Starts an agent where none is; `how` it answers is said in launcher_agent.ts. */
export async function startLauncherAgent(
  { dir, socket }: Pick<LauncherLab, "dir" | "socket">,
  how: "at once" | "never",
): Promise<LauncherAgent> {
  const log = await Deno.makeTempFile({ dir });
  const program = new URL("./launcher_agent.ts", import.meta.url).pathname;
  await Deno.remove(socket).catch(() => {}); // of one that was killed
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, socket, log, how],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let isRunning = true;
  const kill = async () => {
    if (isRunning) child.kill("SIGKILL");
    isRunning = false;
    await child.status;
  };
  await waitFor("the agent's socket", async () => {
    return await Deno.lstat(socket).then(() => true, () => false);
  });
  return {
    pid: child.pid,
    calls: async () => {
      const lines = (await Deno.readTextFile(log)).split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line));
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

/** Waits until each of these processes has sent its request, or is about to: it has a socket, and its input was read. */
export async function waitUntilSent(pids: readonly number[]): Promise<void> {
  await waitFor("all to ask", async () => {
    const asking = await Promise.all(pids.map(isAsking));
    return asking.every((one) => one);
  });
}

/**
 * Reports whether a process is a launcher that waits with a connection: in poll(2), which is system call 7 on x86-64, or
 * in ppoll(2), 73 on ARM.
 */
async function isAsking(pid: number): Promise<boolean> {
  try {
    const [call, , count, limit] = (await Deno.readTextFile(`/proc/${pid}/syscall`)).split(" ");
    if (!["7", "73"].includes(call ?? "") || count !== "0x1" || limit === "0x0") return false;
    const names = await Array.fromAsync(
      Deno.readDir(`/proc/${pid}/fd`),
      ({ name }) => Deno.readLink(`/proc/${pid}/fd/${name}`),
    );
    return names.some((name) => name.startsWith("socket:"));
  } catch {
    return false;
  }
}

/** Asserts that a call ended with one error in JSON. */
export function assertCniError({ code, out }: Ended, want: number, words: string): void {
  const value = JSON.parse(out);
  assertEquals([code, value.code, out.split("\n").length], [1, want, 2], out);
  assertStringIncludes(`${value.msg}; ${value.details}`, words);
}
