// CNI calls at the door. A request is `cni PID`, and the agent reads what the runtime passed from the launcher with that
// process id: variables from its environment, the configuration from its standard input, which it has open as file 8.
// So the launcher needs neither time nor a process to read, and what it is passed is not parsed by a shell.
//
// The configuration stays in the launcher's pipe, for the face that the launcher starts if the call is not answered
// here. What the plugin prints follows as a line for the shell: it reads that in one piece, and others byte by byte. An
// answer that is too long for a line, or has several, is in `REPLY.out` of the door; REPLY is the number of the FIFO for it.

import { errorToJson, errorWords } from "../../cni/cni_answers.ts";
import { CNI_VERSIONS, type CniInput } from "../../cni/cni_types.ts";
import { CONFIG_LIMIT, CONFIG_MS, configWithoutEnd } from "../../cni/config_limit.ts";
import type { CniAnswer } from "../api/pod_requests.ts";
import type { ProcessFiles } from "./process_files.ts";

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
}

/**
 * Returns the lines that answer a call: exit code, and the output, or the word "file", or "print" with the line for the
 * shell; after an error, also what the launcher prints on standard error. Undefined if the caller must ask by the socket.
 * Faults: of the answerer.
 */
export async function answerCniCall(
  place: CniPlace,
  launcher: ProcessFiles,
  answerer: CniAnswerer,
): Promise<string | undefined> {
  const variables = parseVariables(launcher.environment() ?? "");
  if (!variables) return undefined;
  const config = await readConfig(launcher);
  if (config === undefined) return undefined;
  if ("error" in config) return await linesOf(place, config.error);
  if (isForOtherAgent(config.text, place.door)) return undefined;
  const answer = await answerer({ ...variables, config: config.text });
  return answer.isTransient ? undefined : await linesOf(place, answer); // the face tries again
}

const NO_END: CniAnswer = {
  exit: 1,
  output: errorToJson(CNI_VERSIONS[CNI_VERSIONS.length - 1]!, configWithoutEnd(CONFIG_MS)),
};

async function linesOf(
  { door, reply }: CniPlace,
  { exit, output }: CniAnswer,
): Promise<string> {
  if (exit === 0 && output === "") return "0 ";
  const words = exit === 0 ? "" : `\n${errorWords(output)}`;
  const line = exit === 0 ? `0 print\n${printing(output)}` : `${exit} ${output}${words}`;
  const isShort = !output.includes("\n") && new TextEncoder().encode(line).length <= LINE_BYTES;
  if (isShort) return line;
  await Deno.writeTextFile(`${door}/${reply}.out`, `${output}\n`, { mode: 0o600 });
  return `${exit} file${words}`;
}

/** Returns the line by which a shell prints `text` and a newline. */
function printing(text: string): string {
  return `printf '%s\\n' '${text.replaceAll("'", String.raw`'\''`)}'; return`;
}

/** The file number of the caller's standard input in a launcher. */
const STDIN = 8;
const [FIRST_PAUSE_MS, LAST_PAUSE_MS, FULL_MS] = [1, 20, 1_000];

type Config = { readonly text: string } | { readonly error: CniAnswer };

/**
 * Returns a copy of a configuration once it is complete; undefined if the face has to read it: where standard input is
 * not a pipe, cannot hold all of it, or where the launcher does not wait any more, or was killed, and asks for nothing.
 */
async function readConfig(launcher: ProcessFiles): Promise<Config | undefined> {
  using pipe = launcher.openPipe(STDIN);
  const started = performance.now();
  let fullSince: number | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  while (pipe?.isHeld()) {
    const look = pipe.copy(CONFIG_LIMIT);
    if (typeof look !== "string") return { text: new TextDecoder().decode(look) };
    if (look === "never") return undefined;
    const now = performance.now();
    if (now - started > CONFIG_MS) return look === "later" ? { error: NO_END } : undefined;
    // A writer may be about to close a pipe that has room for all it wrote.
    fullSince = look === "full" ? fullSince ?? now : undefined;
    if (fullSince !== undefined && now - fullSince > FULL_MS) return undefined;
    await new Promise((done) => setTimeout(done, pauseMs));
    pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
  }
  return undefined;
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
