// Calls of kubelets and CNI runtimes as the launcher of the one file passes them on (.ci/launcher.c), without a JavaScript
// engine. The launcher reads no configuration and knows no answers: it sends what it was called with, and prints what it
// gets. What cannot be answered at once is declined, with a status other than 200: the launcher then starts the exec or CNI
// face, which says what is wrong with a call, and tries again by itself.

import { errorToJson, errorWords } from "../../cni/cni_answers.ts";
import { CNI_VERSIONS, type CniInput } from "../../cni/cni_types.ts";
import { CONFIG_LIMIT, CONFIG_MS, configWithoutEnd } from "../../cni/config_limit.ts";
import { FAULT_CODES, faultFrom, oneLine } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import {
  type CniAnswer,
  type PodRequest,
  type PodVerb,
  type StatusAnswer,
  statusText,
} from "../api/pod_requests.ts";

/** Start of the paths of launchers' requests. */
export const LAUNCHER_PATH = "/v1/launcher/";

/** Executes a verb; returns the address for `status`. Faults: those of the verb. */
export type VerbAnswerer = (verb: PodVerb, pod: PodRequest) => Promise<StatusAnswer>;

/** Executes a CNI call. Faults: unavailable, if the agent is starting. */
export type CniAnswerer = (input: CniInput) => Promise<CniAnswer>;

/** What launchers' requests are passed to. */
export interface LauncherAnswers {
  readonly verb: VerbAnswerer;
  readonly cni: CniAnswerer;
}

/** Where an agent answers, and logs. */
export interface LauncherPlace {
  /** Path of the agent's socket. */
  readonly socket: string;
  readonly log: Pick<Log, "debug">;
}

// Variables take at most six times 4,000 characters of it.
const BODY_BYTES = CONFIG_LIMIT + 65_536;

/** Answers a request below LAUNCHER_PATH. Never throws. */
export async function answerLauncher(
  answers: LauncherAnswers,
  { socket, log }: LauncherPlace,
  request: Request,
): Promise<Response> {
  try {
    const { pathname, search } = new URL(request.url);
    const body = await bodyOf(request);
    if (!body) return DECLINED();
    if (pathname === `${LAUNCHER_PATH}pod`) return await answerPod(answers, body, log);
    if (pathname !== `${LAUNCHER_PATH}cni`) return DECLINED();
    const call = parseCniCall(body);
    if (!call || isForOtherAgent(call.config, socket)) return DECLINED();
    const answer = search === "?endless" ? NO_END : await answers.cni(call);
    return answer.isTransient ? DECLINED() : cniResponse(call.command, answer);
  } catch (error) {
    // Whatever it is: the face asks by itself, and prints what is wrong.
    log.debug(`launcher's request declined: ${faultFrom(error).message}`);
    return DECLINED();
  }
}

/** Returns the body, in one piece: a stream of it takes five times as long. Undefined if it is too long. */
async function bodyOf(request: Request): Promise<Uint8Array | undefined> {
  // HTTP keeps who announces a length to it.
  const announced = request.headers.get("content-length");
  return announced !== null && Number(announced) <= BODY_BYTES ? await request.bytes() : undefined;
}

const DECLINED = () => new Response(null, { status: 503 });

async function answerPod(
  answers: Pick<LauncherAnswers, "verb">,
  body: Uint8Array,
  log: Pick<Log, "debug">,
): Promise<Response> {
  const call = parsePodCall(body);
  if (!call) return DECLINED();
  try {
    const { ip } = await answers.verb(call.verb, call.pod);
    return printing(0, call.verb === "status" && ip ? statusText(ip) : "", "");
  } catch (error) {
    const fault = faultFrom(error);
    if (fault.code === "unavailable") throw fault;
    if (fault.code === "failed") log.debug(String((error as Error)?.stack ?? error));
    return printing(FAULT_CODES[fault.code].exit, "", oneLine(fault.message, 2_000));
  }
}

/** A kubelet's call. */
export interface PodCall {
  readonly verb: PodVerb;
  readonly pod: PodRequest;
}

const WORD = String.raw`([A-Za-z0-9](?:\.?[A-Za-z0-9_-]){0,252})`;
const POD_CALL = new RegExp(`^(setup|teardown|status)\0${WORD}\0${WORD}\0([0-9a-f]{12,64})\0$`);

/** Parses `VERB NAMESPACE NAME SANDBOX`, a NUL after each; undefined if the face must say what is wrong. */
export function parsePodCall(body: Uint8Array): PodCall | undefined {
  const [, verb, namespace, name, sandbox] = POD_CALL.exec(new TextDecoder().decode(body)) ?? [];
  if (!verb || !namespace || !name || !sandbox) return undefined;
  return { verb: verb as PodVerb, pod: { namespace, name, sandbox } };
}

const COMMAND = /^(?:ADD|DEL|CHECK|GC|STATUS)$/;
const VALUE = /^[A-Za-z0-9_.:;,=/@%+-]{0,4000}$/;

/**
 * Parses the variables of a CNI call, `NAME=VALUE` with a NUL after each, and after another NUL its configuration.
 * Undefined if the face must say what is wrong with the variables.
 */
export function parseCniCall(body: Uint8Array): CniInput | undefined {
  const end = endOfVariables(body);
  if (end < 0) return undefined;
  const lines = new TextDecoder().decode(body.subarray(0, end)).split("\0");
  const values = new Map(lines.map((line): [string, string] => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)];
  }));
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
  return isPlain
    ? { ...variables, config: new TextDecoder().decode(body.subarray(end + 1)) }
    : undefined;
}

/** Returns where the NUL after the last variable's NUL is; -1 if there is none. */
function endOfVariables(body: Uint8Array): number {
  for (let at = body.indexOf(0); at >= 0; at = body.indexOf(0, at + 1)) {
    if (body[at + 1] === 0) return at + 1;
  }
  return -1;
}

/** Reports whether a configuration has a `socket` that is not this agent's. */
function isForOtherAgent(config: string, own: string): boolean {
  if (!/socket|\\u/.test(config)) return false; // most have none, and are parsed once
  try {
    const { socket } = JSON.parse(config);
    return socket !== undefined && socket !== own;
  } catch {
    return false; // the answer says what is wrong
  }
}

const NO_END: CniAnswer = {
  exit: 1,
  output: errorToJson(CNI_VERSIONS[CNI_VERSIONS.length - 1]!, configWithoutEnd(CONFIG_MS)),
};

/** An error is printed in words too, but that of STATUS: runtimes ask each 5 s, and log standard error. */
function cniResponse(command: string, { exit, output }: CniAnswer): Response {
  const words = exit === 0 || command === "STATUS" ? "" : errorWords(output);
  return printing(exit, output && `${output}\n`, words && oneLine(words, 500));
}

/** What a launcher prints to standard output and, in words, to standard error; and its exit code. */
function printing(exit: number, out: string, words: string): Response {
  const err = words && `k8contivnet: ${words}\n`;
  return new Response(`${exit} ${bytesOf(out)} ${bytesOf(err)}\n${out}${err}`);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
