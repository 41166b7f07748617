// The door: how the shell header of the one file asks the agent without starting a JavaScript engine. A
// request is one line in a FIFO of the agent; the answer is one line in a FIFO that the client keeps open
// (door_folder.ts). What cannot be answered at once is answered with "again": the client then starts the
// exec or CNI face, which does the same and retries by itself.
//
// An agent that stops never leaves a client waiting: the file `agent` names the agent that answers, and
// clients read it before and after a request; those that asked before it was removed get "lost". After
// an agent was killed, the next one answers "lost" to all clients that still wait.

import { startTimeOf } from "../../runtimes/proc.ts";
import { FAULT_CODES, faultFrom, oneLine } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { run } from "../../util/run.ts";
import {
  type PodRequest,
  type PodVerb,
  type StatusAnswer,
  statusText,
} from "../api/pod_requests.ts";
import {
  answerCniCall,
  type CniAnswerer,
  type CniCaller,
  type CniPlace,
  parseCniLine,
} from "./cni_door.ts";
import { DoorFolder } from "./door_folder.ts";
import { filesOf } from "./process_files.ts";

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
  const folder = new DoorFolder(path, log);
  folder.make();
  await Deno.remove(`${path}/agent`).catch(() => {}); // left by an agent that was killed
  const ask = `${path}/ask`;
  const fresh = `${ask}.new`;
  await Deno.remove(fresh).catch(() => {});
  await run("nsenter", ["--", "mkfifo", "-m", "600", fresh]);
  // Opened for both, so that there is always a writer, and reading never ends, and a reader.
  const file = await Deno.open(fresh, { read: true, write: true });
  // Requests from here on come to us; clients with earlier requests have FIFOs and are answered there.
  await Deno.rename(fresh, ask);
  folder.removeAhead();
  folder.loseAll();
  await folder.fill();
  void folder.removeLeftBehind(Date.now() - LEFT_BEHIND_MS);
  const place: DoorPlace = { path, folder, answers, log };
  const reading = readRequests(file, (line) => void answerRequest(place, line));
  await Deno.writeTextFile(`${path}/agent.new`, `${Deno.pid} ${since}\n`, { mode: 0o600 });
  await Deno.rename(`${path}/agent.new`, `${path}/agent`);
  const sweep = setInterval(() => {
    folder.loseAll(Date.now() - LEFT_BEHIND_MS);
    void folder.removeLeftBehind(Date.now() - LEFT_BEHIND_MS);
  }, SWEEP_MS);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(sweep);
      await Deno.remove(`${path}/agent`).catch(() => {});
      if (!tryWriteLine(ask, STOP)) return; // someone has removed the folder: nobody asks any more
      await reading;
      await folder.close();
      folder.removeAhead();
      folder.loseAll();
      file.close();
    },
  };
}

/** An open door. */
interface DoorPlace {
  readonly path: string;
  readonly folder: DoorFolder;
  readonly answers: DoorAnswers;
  readonly log: Log;
}

const STOP = "stop";

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

/** One request: `VERB NAMESPACE NAME SANDBOX REPLY`, or of CNI: `cni PID REPLY`. */
export interface DoorRequest {
  /** Undefined if the request is unknown: the client is of another version. */
  readonly command: PodCommand | CniCaller | undefined;
  /** Number of the FIFO for the answer. */
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
  { path, folder, answers, log }: DoorPlace,
  line: string,
): Promise<void> {
  const request = parseDoorRequest(line);
  if (!request) return log.debug(`door: invalid request "${oneLine(line)}"`);
  const { command, reply } = request;
  const text = command === undefined
    ? AGAIN
    : await ("verb" in command
      ? answerTo(command, answers, log)
      : answerCni({ door: path, reply }, command, answers, log));
  try {
    folder.answer(reply, text);
  } catch (error) {
    // The client is gone; its request is done all the same.
    log.debug(`door: answer not delivered: ${faultFrom(error).message}`);
  }
}

async function answerCni(
  place: CniPlace,
  { pid }: CniCaller,
  answers: DoorAnswers,
  log: Log,
): Promise<string> {
  try {
    return await answerCniCall(place, filesOf(pid), (input) => answers.cni(input)) ?? AGAIN;
  } catch (error) {
    // Whatever it is: the CNI face asks by the socket, and prints what is wrong.
    log.debug(`door: ${faultFrom(error).message}`);
    return AGAIN;
  }
}

/** The answer to a request that is not executed. */
const AGAIN = "again";

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
