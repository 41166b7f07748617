// The door: how the shell header of the one file asks the agent without starting a JavaScript engine. A
// request is one line in a FIFO of the agent; the answer is one line in a FIFO that the client created
// and keeps open. What cannot be answered at once is answered with "again": the client then starts the
// exec or CNI face, which does the same and retries by itself.
//
// An agent that stops never leaves a client waiting: the file `agent` names the agent that answers, and
// clients read it before and after a request; those that asked before it was removed get "lost". After
// an agent was killed, the next one answers "lost" to all clients that still wait.

import { startTimeOf } from "../../runtimes/proc.ts";
import { FAULT_CODES, faultFrom, oneLine } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { run } from "../../util/run.ts";
import { type PodRequest, type PodVerb, type StatusAnswer, statusText } from "../api.ts";
import {
  answerCniLine,
  type CniAnswerer,
  type CniVariables,
  parseCniLine,
  removeConfig,
} from "./cni_door.ts";

/** Returns the folder of the door for the agent's socket. */
export function doorOf(socket: string): string {
  return `${socket}.door`;
}

/** Executes a verb; returns the address for `status`. Faults: those of the verb. */
export type Answerer = (verb: PodVerb, pod: PodRequest) => Promise<StatusAnswer>;

/** What the door's requests are passed to. */
export interface DoorAnswers {
  readonly verb: Answerer;
  readonly cni: CniAnswerer;
}

// A client that was killed before its request leaves its files; others wait for about a minute at most.
const SWEEP_MS = 60_000;
const LEFT_BEHIND_MS = 10 * SWEEP_MS;

/** Opens the door in folder `path`. Faults: unavailable, failed; an agent works without it. */
export async function openDoor(
  path: string,
  answers: DoorAnswers,
  log: Log,
): Promise<AsyncDisposable> {
  const since = await startTimeOf(Deno.pid);
  makeFolder(path);
  await Deno.remove(`${path}/agent`).catch(() => {}); // left by an agent that was killed
  const ask = `${path}/ask`;
  const fresh = `${ask}.new`;
  await Deno.remove(fresh).catch(() => {});
  await run("nsenter", ["--", "mkfifo", "-m", "600", fresh]);
  // Opened for both, so that there is always a writer, and reading never ends, and a reader.
  const file = await Deno.open(fresh, { read: true, write: true });
  // Requests from here on come to us; clients with earlier requests have FIFOs and are answered there.
  await Deno.rename(fresh, ask);
  answerAll(path);
  void removeLeftBehind(path, Date.now() - LEFT_BEHIND_MS);
  const reading = readRequests(file, (line) => void answerRequest(path, line, answers, log));
  await Deno.writeTextFile(`${path}/agent.new`, `${Deno.pid} ${since}\n`, { mode: 0o600 });
  await Deno.rename(`${path}/agent.new`, `${path}/agent`);
  const sweep = setInterval(() => {
    answerAll(path, Date.now() - LEFT_BEHIND_MS);
    void removeLeftBehind(path, Date.now() - LEFT_BEHIND_MS);
  }, SWEEP_MS);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(sweep);
      await Deno.remove(`${path}/agent`).catch(() => {});
      if (!tryWriteLine(ask, STOP)) return; // someone has removed the folder: nobody asks any more
      await reading;
      answerAll(path);
      file.close();
    },
  };
}

const STOP = "stop";

function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Clients trust it because of its owner; its entries are checked one by one.
    if (!(error instanceof Deno.errors.AlreadyExists) || !Deno.lstatSync(path).isDirectory) {
      throw error;
    }
    Deno.chmodSync(path, 0o700);
  }
}

async function readRequests(file: Deno.FsFile, take: (line: string) => void): Promise<void> {
  const chunk = new Uint8Array(65_536);
  const decoder = new TextDecoder();
  let rest = "";
  while (true) {
    const count = await file.read(chunk);
    const lines = (rest + decoder.decode(chunk.subarray(0, count ?? 0))).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== STOP) take(line);
    if (lines.includes(STOP)) return;
  }
}

/** One request: `VERB NAMESPACE NAME SANDBOX REPLY`, or of CNI: parseCniLine(), then REPLY. */
export interface DoorRequest {
  /** Undefined if the request is unknown: the client is of another version. */
  readonly command: PodCommand | CniVariables | undefined;
  /** Name of the FIFO for the answer. */
  readonly reply: string;
}

interface PodCommand {
  readonly verb: PodVerb;
  readonly pod: PodRequest;
}

const WORD = "([A-Za-z0-9][A-Za-z0-9_.-]{0,252})";
const COMMAND = new RegExp(`^(setup|teardown|status) ${WORD} ${WORD} ([0-9a-f]{12,64})$`);

/** Parses a request; undefined if there is no FIFO for an answer. */
export function parseDoorRequest(line: string): DoorRequest | undefined {
  const [, text = "", reply] = /^(.*) ([1-9]\d{0,9})$/.exec(line) ?? [];
  if (reply === undefined) return undefined;
  return { command: parsePodCommand(text) ?? parseCniLine(text), reply };
}

function parsePodCommand(text: string): PodCommand | undefined {
  const [, verb, namespace, name, sandbox] = COMMAND.exec(text) ?? [];
  if (!verb || !namespace || !name || !sandbox || /\.\./.test(text)) return undefined;
  return { verb: verb as PodVerb, pod: { namespace, name, sandbox } };
}

async function answerRequest(
  path: string,
  line: string,
  answers: DoorAnswers,
  log: Log,
): Promise<void> {
  const request = parseDoorRequest(line);
  if (!request) return log.debug(`door: invalid request "${oneLine(line)}"`);
  const { command, reply } = request;
  const place = { door: path, reply };
  const text = command === undefined
    ? AGAIN
    : await ("verb" in command
      ? answerTo(command, answers, log)
      : answerCni(place, command, answers, log));
  try {
    answer(`${path}/${reply}`, text);
    // The launcher of an answer "again" passes the configuration on to the CNI face.
    if (text !== AGAIN) removeConfig(place);
  } catch (error) {
    // The client is gone; its request is done all the same.
    log.debug(`door: answer not delivered: ${faultFrom(error).message}`);
    removeConfig(place);
  }
}

async function answerCni(
  place: { readonly door: string; readonly reply: string },
  variables: CniVariables,
  answers: DoorAnswers,
  log: Log,
): Promise<string> {
  try {
    return await answerCniLine(place, variables, (input) => answers.cni(input)) ?? AGAIN;
  } catch (error) {
    // Whatever it is: the CNI face asks by the socket, and prints what is wrong.
    log.debug(`door: ${faultFrom(error).message}`);
    return AGAIN;
  }
}

/** The answer to a request that is not executed. */
const AGAIN = "again";
/** The answer to a request that may have been executed, or not. */
const LOST = "lost";

/** Returns the line of the answer: exit code, then what the client prints. */
async function answerTo(
  { verb, pod }: PodCommand,
  answers: DoorAnswers,
  log: Log,
): Promise<string> {
  try {
    const { ip } = await answers.verb(verb, pod);
    return `0 ${verb === "status" && ip ? statusText(ip) : ""}`;
  } catch (error) {
    const { code, message } = faultFrom(error);
    if (code === "failed") log.debug(String((error as Error)?.stack ?? error));
    return code === "unavailable" ? AGAIN : `${FAULT_CODES[code].exit} ${oneLine(message, 2_000)}`;
  }
}

/** Returns what is in a folder; nothing if someone has removed it. */
function namesIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Answers "lost" to all clients whose FIFOs were created before `beforeMs`. */
function answerAll(path: string, beforeMs = Infinity): void {
  for (const name of namesIn(path)) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const createdMs = Deno.lstatSync(`${path}/${name}`).mtime?.getTime() ?? 0;
      if (createdMs < beforeMs) answer(`${path}/${name}`, LOST);
    } catch {
      // The client removed it itself; anything else is found again by the next sweep.
    }
  }
}

/**
 * Removes what clients left that have ended, or that asked before `beforeMs`: configurations, answers, files without
 * use. An agent that was killed just after it had answered left the configuration. Never throws.
 */
async function removeLeftBehind(path: string, beforeMs: number): Promise<void> {
  for (const name of namesIn(path)) {
    const [, pid] = /^(\d+)(?:\.(?:in|out|part))?$/.exec(name) ?? [];
    if (pid === undefined) continue;
    try {
      const { mtime, isFifo } = await Deno.lstat(`${path}/${name}`);
      if (isFifo) continue;
      const isLeft = (mtime?.getTime() ?? 0) < beforeMs ||
        await startTimeOf(Number(pid)) === undefined;
      if (isLeft) await Deno.remove(`${path}/${name}`);
    } catch {
      // The client removed it itself; anything else is found again by the next sweep.
    }
  }
}

/**
 * Writes an answer to the FIFO of a client and removes its name first: the next process with that number
 * creates its own. The client keeps the FIFO open, so the line stays there after we have closed it; if the
 * client is gone, the line is lost with the FIFO. Nothing here ever waits.
 */
function answer(fifo: string, line: string): void {
  if (!Deno.lstatSync(fifo).isFifo) return; // only root can have created it
  const bytes = new TextEncoder().encode(`${line}\n`);
  using file = Deno.openSync(fifo, { read: true, write: true });
  Deno.removeSync(fifo);
  file.writeSync(bytes);
}

/** Reports whether the line was written; it is not if the FIFO is gone. */
function tryWriteLine(fifo: string, line: string): boolean {
  try {
    using file = Deno.openSync(fifo, { read: true, write: true });
    file.writeSync(new TextEncoder().encode(`${line}\n`));
    return true;
  } catch {
    return false;
  }
}
