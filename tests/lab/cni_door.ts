// A door with an agent of the test's own, and a one file whose program prints what it gets: what the launcher does with
// a CNI call can be seen without Open vSwitch and without JavaScript.

import { variablesOf } from "../fixtures/cni_variables.ts";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { doorOf, openDoor } from "../../lib/agent/server/door.ts";
import type { CniAnswer } from "../../lib/agent/api/pod_requests.ts";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { MemoryLog } from "../memory/memory_log.ts";
import { hangSignal } from "./limits.ts";
import { waitFor } from "./wait.ts";
import { type Ended, start, tempDir, writeVariant } from "./one_file.ts";

/** How shells are started, on each of which the launcher must work; none: by the file's first line. */
export const SHELLS: readonly (readonly string[])[] = [
  [],
  ["/bin/dash"],
  ["/bin/bash"],
  ["/bin/bash", "--posix"],
  ["/bin/busybox", "ash"],
];

/** Handles a call. */
export type Handler = (input: CniInput) => Promise<CniAnswer> | CniAnswer;

/** A door, the file that asks it, and the calls that came. */
export interface CniDoor extends AsyncDisposable {
  readonly dir: string;
  /** Path of the one file. */
  readonly file: string;
  readonly socket: string;
  readonly door: string;
  /** Environment of a call of the one file. */
  readonly env: Readonly<Record<string, string>>;
  readonly calls: CniInput[];
  /** Closes the door as an agent that stops. */
  close(): Promise<void>;
  /** Returns the files of calls in the door: FIFOs, or what takes one of the agent's, and configurations. */
  left(): Promise<string[]>;
  /** Returns all files in the door. */
  names(): Promise<string[]>;
}

/** What the program of the file prints before its standard input, with exit code 7: the face was started. */
export const FACE = "FACE ";
/** The same after a request that may have been executed. */
export const FACE_RETRY = "FACE1 ";

/** Opens a door that answers with `handler`; without it, there is none. */
export async function openCniDoor(handler?: Handler): Promise<CniDoor> {
  const stack = new AsyncDisposableStack();
  const dir = `${stack.use(await tempDir())}`;
  const socket = `${dir}/agent.sock`;
  const door = doorOf(socket);
  const calls: CniInput[] = [];
  await writeVariant(`${dir}/file`, `printf 'FACE%s ' "\$K8CONTIVNET_RETRY"; cat; exit 7`);
  await start([`${dir}/file`], { env: { K8CONTIVNET_CACHE: `${dir}/cache` } }); // fills the cache
  const opened = handler && await openDoor(door, {
    verb: () => Promise.resolve({}),
    cni: async (input) => {
      calls.push(input);
      return await handler(input);
    },
  }, new MemoryLog());
  let isOpen = opened !== undefined;
  const close = async () => {
    if (isOpen) await opened?.[Symbol.asyncDispose]();
    isOpen = false;
  };
  stack.defer(close);
  const names = async () => (await Array.fromAsync(Deno.readDir(door), ({ name }) => name)).sort();
  return {
    ...{ dir, file: `${dir}/file`, socket, door, calls, close },
    env: { K8CONTIVNET_SOCKET: socket, K8CONTIVNET_CACHE: `${dir}/cache` },
    left: async () => (await names()).filter((name) => /^\d/.test(name)),
    names,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Makes a call by the one file. */
export function callCni(
  { file, env }: Pick<CniDoor, "file" | "env">,
  input: CniInput,
  { shell = [], more = {} }: {
    readonly shell?: readonly string[];
    readonly more?: Readonly<Record<string, string>>;
  } = {},
): Promise<Ended> {
  const { config: stdin } = input;
  return start([...shell, file], { env: { ...env, ...variablesOf(input), ...more }, stdin });
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
  { file, env }: Pick<CniDoor, "file" | "env">,
  input: Omit<CniInput, "config">,
  shell: readonly string[] = [],
): BegunCall {
  const [command = "", ...args] = [...shell, file];
  const child = new Deno.Command(command, {
    args,
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

/** The agent's side of a door in a process of its own. */
export interface DoorAgent extends AsyncDisposable {
  readonly pid: number;
  /** Returns the calls that came so far. */
  calls(): Promise<CniInput[]>;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
}

/** Starts an agent for a door that is closed; `how` it answers is said in door_agent.ts. */
export async function startDoorAgent(
  { dir, door }: Pick<CniDoor, "dir" | "door">,
  how: "at once" | "never",
): Promise<DoorAgent> {
  const log = await Deno.makeTempFile({ dir });
  const program = new URL("./door_agent.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, door, log, how],
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
  await waitFor("the door's agent", async () => {
    const text = await Deno.readTextFile(`${door}/agent`).catch(() => "");
    return text.startsWith(`${child.pid} `);
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

/** Returns the command lines of shells and commands that have a file of the door's folder open. */
async function usersOf(dir: string): Promise<string[]> {
  const users: string[] = [];
  for await (const { name: pid } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === Deno.pid) continue;
    try {
      for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
        if (!(await Deno.readLink(`/proc/${pid}/fd/${name}`)).startsWith(dir)) continue;
        const words = (await Deno.readTextFile(`/proc/${pid}/cmdline`)).split("\0");
        if (!words.some((word) => word.endsWith("door_agent.ts"))) users.push(words.join(" "));
      }
    } catch {
      // It has ended.
    }
  }
  return users;
}

/** Waits until no call has a file or a process. */
export async function waitUntilNothingIsLeft(door: CniDoor): Promise<void> {
  await waitFor("the door's folder to be empty", async () => (await door.left()).length === 0);
  await waitFor("all processes to be gone", async () => (await usersOf(door.dir)).length === 0);
}

/** Asserts that a call ended with one error in JSON. */
export function assertCniError({ code, out }: Ended, want: number, words: string): void {
  const value = JSON.parse(out);
  assertEquals([code, value.code, out.split("\n").length], [1, want, 2], out);
  assertStringIncludes(`${value.msg}; ${value.details}`, words);
}
