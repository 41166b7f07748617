// The Container Network Interface: a runtime calls with CNI_COMMAND in the environment and the network configuration on
// standard input, and reads one JSON value from standard output. The agent does the work; what is wrong with a call is
// answered here, as is VERSION.
//
// containerd and podman set no time limit, and a kubelet waits for minutes: so retries happen here. Every pod waits for
// the start-up of this file: no npm package, no node: module, no subprocess.

import { DEFAULT_SOCKET } from "../agent/api/agent_socket.ts";
import { CNI_PATH, type CniAnswer } from "../agent/api/pod_requests.ts";
import { type AgentRequest, askAgent } from "../agent/client.ts";
import { cniErrorFrom, errorToJson, errorWords, versionAnswer } from "../cni/cni_answers.ts";
import { cniNoteName } from "../cni/cni_note.ts";
import { CNI_CODES, type CniCall, CniError, type CniInput } from "../cni/cni_types.ts";
import { isObject, type JsonObject } from "../cni/json_fields.ts";
import { parseCall } from "../cni/parse_call.ts";
import { answerVersionOf } from "../cni/parse_config.ts";
import { Fault, isUnreachable, oneLine } from "../util/errors.ts";
import { readSeconds } from "../util/read_settings.ts";
import { parseSocketPath } from "../util/socket_path.ts";
import { readConfig, type Reader } from "./cni_stdin.ts";
import { type FaceIo, processIo } from "./process_io.ts";
import { launcherWaitMs, repeatedly, type RetryClock } from "./repeatedly.ts";
import { leaveNote, notesFolder, type TeardownNote } from "./teardown_note.ts";

/** What is used of the process; tests pass an agent in memory. */
export interface CniIo extends FaceIo {
  readonly stdin: Reader;
  readonly ask: (request: AgentRequest) => Promise<unknown>;
  readonly leaveNote: (folder: string, note: TeardownNote) => Promise<void>;
  /** @default the clock of this process */
  readonly clock?: RetryClock;
}

/** Returns what this process has. */
export function cniProcessIo(): CniIo {
  return { ...processIo(), stdin: Deno.stdin, ask: askAgent, leaveNote };
}

/** Answers one call; returns the exit code, 0 or 1. */
export async function cniMain(io: CniIo): Promise<0 | 1> {
  let config = "";
  try {
    const command = variable(io, "CNI_COMMAND");
    if (command === "VERSION") return print(io, { exit: 0, output: versionAnswer() });
    config = await readConfig(io.stdin);
    return print(io, await answer({ ...inputOf(io, command), config }, io));
  } catch (error) {
    const fault = cniErrorFrom(error);
    return print(io, { exit: 1, output: errorToJson(answerVersionOf(config), fault) });
  }
}

/** Prints an answer, and an error in words too, on standard error; returns the exit code. */
function print(io: CniIo, { exit, output }: CniAnswer): 0 | 1 {
  try {
    if (output !== "") io.out(`${output}\n`);
  } catch {
    return 1; // nobody reads it
  }
  if (exit === 1 && !isStatus(io)) warn(io, errorWords(output));
  return exit;
}

/** Prints a line to standard error, if somebody reads it. */
function warn(io: CniIo, words: string): void {
  try {
    io.err(`k8contivnet: ${oneLine(words, 500)}`);
  } catch {
    // The answer is on standard output.
  }
}

/** STATUS is silent: runtimes ask each 5 s and log what they get on standard error. */
function isStatus(io: CniIo): boolean {
  try {
    return io.env("CNI_COMMAND") === "STATUS";
  } catch {
    return false;
  }
}

/** Returns an environment variable, empty if it is not set. Errors: code 4. */
function variable(io: CniIo, name: string): string {
  try {
    return io.env(name) ?? "";
  } catch {
    throw new CniError(CNI_CODES.invalidEnvironment, `${name} is not valid UTF-8`);
  }
}

function inputOf(io: CniIo, command: string): Omit<CniInput, "config"> {
  return {
    command,
    containerId: variable(io, "CNI_CONTAINERID"),
    netns: variable(io, "CNI_NETNS"),
    ifname: variable(io, "CNI_IFNAME"),
    args: variable(io, "CNI_ARGS"),
    path: variable(io, "CNI_PATH"),
  };
}

/** How long the agent is asked again while it is unavailable, and how long one attempt may take. */
interface Limits {
  readonly retryMs: number;
  readonly answerMs: number;
}

const LIMITS: Readonly<Record<CniCall["command"], Limits>> = {
  // An agent that works has answered by then: Docker 3 s, Open vSwitch 8 s, undo 1.5 s.
  ADD: { retryMs: 20_000, answerMs: 15_000 },
  CHECK: { retryMs: 5_000, answerMs: 15_000 },
  DEL: { retryMs: 5_000, answerMs: 30_000 },
  GC: { retryMs: 5_000, answerMs: 60_000 },
  STATUS: { retryMs: 2_000, answerMs: 2_000 },
};

/** Checks the call and asks the agent. Errors and Faults: those of both. */
async function answer(input: CniInput, io: CniIo): Promise<CniAnswer> {
  const call = parseCall(input);
  const socket = call.config.socket ?? socketOf(io);
  const { answerMs } = LIMITS[call.command];
  // The launcher asks the agent first, and sets this if the call may have been executed.
  let isRetry = variable(io, "K8CONTIVNET_RETRY") !== "";
  const attempt = async (leftMs: number) => {
    const body: CniInput = { ...input, isRetry };
    isRetry = true;
    const limitMs = Math.max(leftMs, answerMs);
    return checkAnswer(socket, await io.ask({ socket, path: CNI_PATH, body, limitMs }));
  };
  const isFinal = ({ exit, isTransient }: CniAnswer) => exit === 0 || isTransient !== true;
  try {
    const options = { isFinal, ...(io.clock && { clock: io.clock }) };
    const limitMs = retryMs(call.command, io) - launcherWaitMs(variable(io, "K8CONTIVNET_WAITED"));
    const answer = await repeatedly(limitMs, attempt, options);
    return isFinal(answer) ? answer : await without(call, input, socket, io, errorIn(answer));
  } catch (error) {
    if (!isUnreachable(error)) throw faultOfAnswer(socket, error);
    return await without(call, input, socket, io, cniErrorFrom(error));
  }
}

/** Returns the socket of the environment. Errors: code 4. */
function socketOf(io: CniIo): string {
  const name = "K8CONTIVNET_SOCKET";
  return checkedSetting(() => parseSocketPath(name, variable(io, name) || DEFAULT_SOCKET));
}

/** Returns how long the command is retried; K8CONTIVNET_SETUP_SECONDS is about ADD. Errors: code 4. */
function retryMs(command: CniCall["command"], io: CniIo): number {
  const name = "K8CONTIVNET_SETUP_SECONDS";
  const text = command === "ADD" ? variable(io, name).trim() : "";
  if (text === "") return LIMITS[command].retryMs;
  return checkedSetting(() => readSeconds(name, text, { least: 0.001, most: 86_399 })) * 1_000;
}

/** Returns a setting of the environment, with its Fault as code 4. */
function checkedSetting<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const details = [error.why, error.fix].filter(Boolean).join("; ");
    throw new CniError(CNI_CODES.invalidEnvironment, error.what, details);
  }
}

/** Returns what the agent answered, if it is an answer. Errors: code 104. */
function checkAnswer(socket: string, value: unknown): CniAnswer {
  const { exit, output } = (value ?? {}) as Partial<CniAnswer>;
  if (exit === 0 && (output === "" || fieldsOf(output))) return value as CniAnswer;
  const { code, msg } = (exit === 1 && fieldsOf(output)) || {};
  if (typeof code === "number" && typeof msg === "string" && msg !== "") return value as CniAnswer;
  throw new CniError(
    CNI_CODES.failed,
    `agent at ${socket} sent an answer that is not of this version`,
    "restart it with this version of the program",
  );
}

/** Returns the fields of the object that an answer is; undefined if it is none. */
function fieldsOf(output: unknown): JsonObject | undefined {
  try {
    const value: unknown = typeof output === "string" ? JSON.parse(output) : undefined;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the error that an answer with exit code 1 holds. */
function errorIn({ output }: CniAnswer): CniError {
  const { code, msg, details } = JSON.parse(output);
  return new CniError(code, msg, details);
}

/** Returns a failure of the request itself: an agent of an older version does not have its path. */
function faultOfAnswer(socket: string, error: unknown): unknown {
  if (!(error instanceof Fault && error.code === "not_found")) return error;
  return new CniError(
    CNI_CODES.failed,
    `agent at ${socket} does not answer CNI calls`,
    "restart it with this version of the program",
  );
}

/** Answers without the agent, which is unavailable for the reason `error`: a DEL is noted. Errors: `error`. */
async function without(
  { command, containerId, ifname, config }: CniCall,
  input: CniInput,
  socket: string,
  io: CniIo,
  error: CniError,
): Promise<CniAnswer> {
  if (command === "STATUS") {
    throw new CniError(CNI_CODES.notAvailable, error.message, error.details);
  }
  if (command !== "DEL") throw error;
  await io.leaveNote(notesFolder(socket, { env: (name) => variable(io, name) }), {
    name: await cniNoteName(containerId, ifname),
    text: JSON.stringify(input),
    what: `DEL of ${ifname} of container ${containerId} from network ${config.name}`,
  });
  const what = `DEL of ${ifname} of container ${containerId}`;
  warn(io, `${what} is noted, and done when the agent runs: ${error.message}`);
  return { exit: 0, output: "" };
}
