// CNI calls at the door. A request is `cni PID`, and the agent reads what the runtime passed from the launcher with that
// process id: variables from its environment, the configuration from its standard input, which it has open as file 8.
// So the launcher needs neither time nor a process to read, and what it is passed is not parsed by a shell.
//
// A configuration that was read is gone from the pipe. It is in the file `REPLY.in` of the door until the call is
// answered, for the face that the launcher starts if it is not; REPLY is the number of the FIFO for the answer.
// `REPLY.part` is there while it is read. An answer that is too long for a line is in `REPLY.out`.

import { errorToJson, errorWords } from "../../cni/cni_answers.ts";
import { CNI_VERSIONS, type CniInput } from "../../cni/cni_types.ts";
import { CONFIG_LIMIT, configTooLong } from "../../cni/config_limit.ts";
import { joinBytes } from "../../util/join_bytes.ts";
import type { CniAnswer } from "../api/pod_requests.ts";
import type { OpenPipe, ProcessFiles } from "./process_files.ts";

/** Executes a CNI call. Faults: unavailable, if the agent is starting. */
export type CniAnswerer = (input: CniInput) => Promise<CniAnswer>;

/** The environment variables of a call. */
export type CniVariables = Omit<CniInput, "config">;

/** A launcher that was called by a runtime. */
export interface CniCaller {
  readonly pid: number;
}

const LINE = /^cni ([1-9]\d{0,6})$/;

/** Parses `cni PID`; undefined if the line is of another form. */
export function parseCniLine(line: string): CniCaller | undefined {
  const [, pid] = LINE.exec(line) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid) };
}

const COMMAND = /^(?:ADD|DEL|CHECK|GC|STATUS)$/;
const VALUE = /^[A-Za-z0-9_.:;,=/@%+-]{0,4000}$/;

/** Returns the variables of a call; undefined if the face must say what is wrong with them. */
export function parseVariables(environment: string): CniVariables | undefined {
  const values = new Map(
    environment.split("\0").filter((one) => one.startsWith("CNI_")).map((one) => {
      const at = one.indexOf("=");
      return [one.slice(0, at), one.slice(at + 1)];
    }),
  );
  const valueOf = (name: string) => values.get(name) ?? "";
  const variables = {
    command: valueOf("CNI_COMMAND"),
    containerId: valueOf("CNI_CONTAINERID"),
    netns: valueOf("CNI_NETNS"),
    ifname: valueOf("CNI_IFNAME"),
    args: valueOf("CNI_ARGS"),
    path: valueOf("CNI_PATH"),
  };
  const isPlain = COMMAND.test(variables.command) &&
    Object.values(variables).every((value) => VALUE.test(value));
  return isPlain ? variables : undefined;
}

/** The longest answer that is written to a FIFO in one piece: PIPE_BUF of Linux, with exit code and newline. */
const LINE_BYTES = 4_000;

/** Where one call's files are. */
export interface CniPlace {
  /** Path of the door's folder. */
  readonly door: string;
  /** Number of the FIFO for the answer. */
  readonly reply: string;
  /** Reports whether the launcher still waits for the answer. */
  readonly isAwaited: () => boolean;
}

/**
 * Returns the lines that answer a call: exit code, and the output or the word "file"; after an error, also what the
 * launcher prints on standard error. Undefined if the caller must ask by the socket. Faults: of the answerer.
 */
export async function answerCniCall(
  place: CniPlace,
  launcher: ProcessFiles,
  answerer: CniAnswerer,
): Promise<string | undefined> {
  const variables = parseVariables(launcher.environment() ?? "");
  if (!variables) return undefined;
  const config = await takeConfig(place, launcher);
  if (config === undefined) return undefined;
  if (config === "too long") return await linesOf(place, TOO_LONG);
  if (isForOtherAgent(config.text, place.door)) return undefined;
  const answer = await answerer({ ...variables, config: config.text });
  return answer.isTransient ? undefined : await linesOf(place, answer); // the face tries again
}

const TOO_LONG: CniAnswer = {
  exit: 1,
  output: errorToJson(CNI_VERSIONS[CNI_VERSIONS.length - 1]!, configTooLong("bytes")),
};

async function linesOf(
  { door, reply }: CniPlace,
  { exit, output }: CniAnswer,
): Promise<string> {
  const words = exit === 0 ? "" : `\n${errorWords(output)}`;
  const isLong = new TextEncoder().encode(output + words).length > LINE_BYTES;
  if (isLong) await Deno.writeTextFile(`${door}/${reply}.out`, `${output}\n`, { mode: 0o600 });
  return `${exit} ${isLong ? "file" : output}${words}`;
}

/** Removes the configuration of a call that is answered. */
export function removeConfig({ door, reply }: Pick<CniPlace, "door" | "reply">): void {
  for (const name of ["part", "in"]) removeIfThere(`${door}/${reply}.${name}`);
}

/** The file number of the caller's standard input in a launcher. */
const STDIN = 8;
const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [1, 20];

/** Reports whether a launcher still has its configuration open: until it knows what was read of it. */
export function holdsConfig(launcher: ProcessFiles): boolean {
  using pipe = launcher.openPipe(STDIN);
  return pipe !== undefined;
}

type Config = { readonly text: string } | "too long";

/**
 * Reads a configuration to its end. Returns undefined if standard input is not a pipe, if the launcher does not wait any
 * more, or if it was killed: a launcher that is gone asks for nothing. Synchronously, but for pauses: what a runtime has
 * written is there, and these calls take some 10 µs each in a file system in memory.
 *
 * The launcher takes its FIFO away before it looks for `REPLY.part`, and this looks for the FIFO after it has made
 * that file. So either nothing is read, and the launcher's standard input is whole, or the launcher sees that it is not.
 */
async function takeConfig(place: CniPlace, launcher: ProcessFiles): Promise<Config | undefined> {
  using pipe = launcher.openPipe(STDIN);
  if (!pipe) return undefined;
  const path = `${place.door}/${place.reply}`;
  using file = create(`${path}.part`);
  const bytes = await readToEnd(pipe, place);
  if (bytes === "too long") return bytes;
  if (!bytes) {
    // Of what a launcher still needs to know, it knows by this file that it was read.
    if (bytes === undefined || !pipe.isHeld()) removeIfThere(`${path}.part`);
    return undefined;
  }
  if (!pipe.isHeld()) return void removeIfThere(`${path}.part`);
  keep(file, bytes, path);
  return { text: new TextDecoder().decode(bytes) };
}

/** Returns all of a pipe; undefined if nothing was read, false if it was not read to its end. */
async function readToEnd(
  pipe: OpenPipe,
  { isAwaited }: CniPlace,
): Promise<Uint8Array | "too long" | false | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  let pauseMs = FIRST_PAUSE_MS;
  while (isAwaited() && pipe.isHeld()) {
    const part = pipe.read();
    if (part === "end") return parts.length === 1 ? parts[0]! : joinBytes(parts);
    if (part === "later") {
      await new Promise((done) => setTimeout(done, pauseMs));
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
      continue;
    }
    parts.push(part);
    length += part.length;
    if (length > CONFIG_LIMIT) return "too long";
  }
  return length === 0 ? undefined : false;
}

/** Keeps a configuration for the face. On a full file system it is not kept, and the call is executed all the same. */
function keep(file: Deno.FsFile, bytes: Uint8Array, path: string): void {
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    Deno.renameSync(`${path}.part`, `${path}.in`);
  } catch {
    // A launcher without an answer finds REPLY.part, and says so.
  }
}

function create(path: string): Deno.FsFile {
  return Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // The launcher has removed it.
  }
}

/** Reports whether a configuration has a `socket` that is not the one of this door's agent. */
function isForOtherAgent(config: string, door: string): boolean {
  if (!/socket|\\u/.test(config)) return false; // most have none, and are parsed once
  try {
    const { socket } = JSON.parse(config);
    return socket !== undefined && `${socket}.door` !== door;
  } catch {
    return false; // the answer says what is wrong
  }
}
