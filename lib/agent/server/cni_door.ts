// CNI calls at the door: variables come in the line of the request, the configuration in the file `REPLY.in`
// of the door, where REPLY is the number of the FIFO for the answer. An answer that is too long for a line goes into the
// file `REPLY.out`.

import { errorWords } from "../../cni/cni_answers.ts";
import { CONFIG_LIMIT } from "../../cni/parse_config.ts";
import type { CniInput } from "../../cni/cni_types.ts";
import type { CniAnswer } from "../api.ts";

/** Executes a CNI call. Faults: unavailable, if the agent is starting. */
export type CniAnswerer = (input: CniInput) => Promise<CniAnswer>;

/** The environment variables of a call. */
export type CniVariables = Omit<CniInput, "config">;

const VALUE = " =([A-Za-z0-9_.:;,=/@%+-]*)";
const LINE = new RegExp(`^cni =(ADD|DEL|CHECK|GC|STATUS)${VALUE.repeat(5)}$`);

/** Parses `cni =COMMAND =CONTAINERID =NETNS =IFNAME =ARGS =PATH`; undefined if the line is of another form. */
export function parseCniLine(line: string): CniVariables | undefined {
  const [, command, containerId, netns, ifname, args, path] = LINE.exec(line) ?? [];
  if (!command || path === undefined) return undefined;
  return { command, containerId: containerId!, netns: netns!, ifname: ifname!, args: args!, path };
}

/** The longest answer that is written to a FIFO in one piece: PIPE_BUF of Linux, with exit code and newline. */
const LINE_BYTES = 4_000;

/** Where one call's files are. */
export interface CniPlace {
  /** Path of the door's folder. */
  readonly door: string;
  /** Number of the FIFO for the answer. */
  readonly reply: string;
}

/**
 * Returns the lines that answer a call: exit code, and the output or the word "file"; after an error, also what the
 * launcher prints on standard error. Undefined if the caller must ask by the socket. Faults: of the answerer.
 */
export async function answerCniLine(
  { door, reply }: CniPlace,
  variables: CniVariables,
  answerer: CniAnswerer,
): Promise<string | undefined> {
  const config = readConfig(`${door}/${reply}.in`);
  if (config === undefined || isForOtherAgent(config, door)) return undefined;
  const { exit, output, isTransient } = await answerer({ ...variables, config });
  if (isTransient) return undefined; // the face tries again
  const words = exit === 0 ? "" : `\n${errorWords(output)}`;
  const isLong = new TextEncoder().encode(output + words).length > LINE_BYTES;
  if (isLong) await Deno.writeTextFile(`${door}/${reply}.out`, `${output}\n`, { mode: 0o600 });
  return `${exit} ${isLong ? "file" : output}${words}`;
}

/** Removes the configuration of a call that is answered. */
export function removeConfig({ door, reply }: CniPlace): void {
  try {
    Deno.removeSync(`${door}/${reply}.in`);
  } catch {
    // The launcher has removed it.
  }
}

/** Returns a configuration; undefined if there is none, or if it is too long: the face says so. */
function readConfig(path: string): string | undefined {
  try {
    // Synchronously: that takes some 30 µs in a file system in memory, an asynchronous read several times as long.
    if (Deno.statSync(path).size > CONFIG_LIMIT) return undefined;
    return new TextDecoder().decode(Deno.readFileSync(path));
  } catch {
    return undefined;
  }
}

/** Reports whether a configuration has a `socket` that is not the one of this door's agent. */
function isForOtherAgent(config: string, door: string): boolean {
  try {
    const { socket } = JSON.parse(config);
    return socket !== undefined && `${socket}.door` !== door;
  } catch {
    return false; // the answer says what is wrong
  }
}
