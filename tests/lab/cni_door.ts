// A door with an agent of the test's own, and a one file whose program prints what it gets: what the launcher does with
// a CNI call can be seen without Open vSwitch and without JavaScript.

import { doorOf, openDoor } from "../../lib/agent/server/door.ts";
import type { CniAnswer } from "../../lib/agent/api.ts";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { MemoryLog } from "../memory/memory_log.ts";
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
  /** Returns the files of calls in the door. */
  left(): Promise<string[]>;
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
  return {
    ...{ dir, file: `${dir}/file`, socket, door, calls, close },
    env: { K8CONTIVNET_SOCKET: socket, K8CONTIVNET_CACHE: `${dir}/cache` },
    left: async () => {
      const names = await Array.fromAsync(Deno.readDir(door), ({ name }) => name);
      return names.filter((name) => /^\d/.test(name)).sort();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Returns the environment variables of a call. */
export function variablesOf(input: Omit<CniInput, "config">): Record<string, string> {
  return {
    CNI_COMMAND: input.command,
    CNI_CONTAINERID: input.containerId,
    CNI_NETNS: input.netns,
    CNI_IFNAME: input.ifname,
    CNI_ARGS: input.args,
    CNI_PATH: input.path,
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
