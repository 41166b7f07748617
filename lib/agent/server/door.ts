// The door: how the one file's shell header asks the agent, without starting a JavaScript engine. A
// question is one line in a FIFO of ours; the answer is one line in a FIFO that the asker made and
// holds open. What cannot be settled at once is answered with "again": the asker then starts the
// exec face, which has the same meaning and repeats by itself.
//
// An asker is never left waiting by an agent that stops: `agent` names who answers, and is looked at
// before and after a question; whoever asked before it was removed is told "again". One that was
// killed is followed by an agent that tells all who wait there the same.

import { startTimeOf } from "../../runtimes/proc.ts";
import { FAULT_CODES, faultFrom, oneLine } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { run } from "../../util/run.ts";
import { type PodRequest, type PodVerb, type StatusAnswer, statusText } from "../api.ts";

/** Returns the door's folder for the agent's socket. */
export function doorOf(socket: string): string {
  return `${socket}.door`;
}

/** Does what a verb asks; for `status` gives the address. Faults: as the verb's. */
export type Answerer = (verb: PodVerb, pod: PodRequest) => Promise<StatusAnswer>;

// An asker that was killed before it asked leaves its FIFO; others wait a minute or so at most.
const SWEEP_MS = 60_000;
const LEFT_BEHIND_MS = 10 * SWEEP_MS;

/** Opens the door in folder `path`. Faults: unavailable, failed; an agent works without it. */
export async function openDoor(
  path: string,
  answerer: Answerer,
  log: Log,
): Promise<AsyncDisposable> {
  const since = await startTimeOf(Deno.pid);
  makeFolder(path);
  await Deno.remove(`${path}/agent`).catch(() => {}); // of an agent that was killed
  const ask = `${path}/ask`;
  const fresh = `${ask}.new`;
  await Deno.remove(fresh).catch(() => {});
  await run("nsenter", ["--", "mkfifo", "-m", "600", fresh]);
  // Open for both: there is always a writer, so that reading never comes to an end, and a reader.
  const file = await Deno.open(fresh, { read: true, write: true });
  // Whoever asks from here on asks us; who asked before has made a FIFO, and is told there.
  await Deno.rename(fresh, ask);
  answerAll(path);
  const reading = readQuestions(file, (line) => void answerQuestion(path, line, answerer, log));
  await Deno.writeTextFile(`${path}/agent.new`, `${Deno.pid} ${since}\n`, { mode: 0o600 });
  await Deno.rename(`${path}/agent.new`, `${path}/agent`);
  const sweep = setInterval(() => answerAll(path, Date.now() - LEFT_BEHIND_MS), SWEEP_MS);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(sweep);
      await Deno.remove(`${path}/agent`);
      writeLine(ask, STOP);
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
    // Askers trust it by its owner; what lies there is looked at name by name.
    if (!(error instanceof Deno.errors.AlreadyExists) || !Deno.lstatSync(path).isDirectory) {
      throw error;
    }
    Deno.chmodSync(path, 0o700);
  }
}

async function readQuestions(file: Deno.FsFile, take: (line: string) => void): Promise<void> {
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

/** One question: `VERB NAMESPACE NAME SANDBOX ASKER`. */
export interface Question {
  /** Undefined where the asker's words are none of ours: a file of another version. */
  readonly wish: { readonly verb: PodVerb; readonly pod: PodRequest } | undefined;
  /** Name of the FIFO that the answer goes to. */
  readonly asker: string;
}

const WORD = "([A-Za-z0-9][A-Za-z0-9_.-]{0,252})";
const WISH = new RegExp(`^(setup|teardown|status) ${WORD} ${WORD} ([0-9a-f]{12,64})$`);

/** Reads a question; undefined where nobody can be answered. */
export function parseQuestion(line: string): Question | undefined {
  const [, words = "", asker] = /^(.*) ([1-9]\d{0,9})$/.exec(line) ?? [];
  if (asker === undefined) return undefined;
  const [, verb, namespace, name, sandbox] = WISH.exec(words) ?? [];
  if (!verb || !namespace || !name || !sandbox || /\.\./.test(words)) {
    return { wish: undefined, asker };
  }
  return { wish: { verb: verb as PodVerb, pod: { namespace, name, sandbox } }, asker };
}

async function answerQuestion(
  path: string,
  line: string,
  answerer: Answerer,
  log: Log,
): Promise<void> {
  const question = parseQuestion(line);
  if (!question) return log.debug(`no question: "${oneLine(line)}"`);
  const { wish, asker } = question;
  const said = wish ? await answerTo(wish, answerer, log) : AGAIN;
  try {
    answer(`${path}/${asker}`, said);
  } catch (error) {
    // The asker is gone; what it asked for is done all the same.
    log.debug(`nobody waits for the answer: ${faultFrom(error).message}`);
  }
}

const AGAIN = "again";

/** Returns the answer's line: exit code, then what the asker prints. */
async function answerTo(
  { verb, pod }: NonNullable<Question["wish"]>,
  answerer: Answerer,
  log: Log,
): Promise<string> {
  try {
    const { ip } = await answerer(verb, pod);
    return `0 ${verb === "status" && ip ? statusText(ip) : ""}`;
  } catch (error) {
    const { code, message } = faultFrom(error);
    if (code === "failed") log.debug(String((error as Error)?.stack ?? error));
    return code === "unavailable" ? AGAIN : `${FAULT_CODES[code].exit} ${oneLine(message, 2_000)}`;
  }
}

/** Tells all who wait, or who are here since before `beforeMs`, to ask again by the exec face. */
function answerAll(path: string, beforeMs = Infinity): void {
  for (const { name } of [...Deno.readDirSync(path)]) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const made = Deno.lstatSync(`${path}/${name}`).mtime?.getTime() ?? 0;
      if (made < beforeMs) answer(`${path}/${name}`, AGAIN);
    } catch {
      // The asker took it away itself; whatever else it is, the next sweep sees it again.
    }
  }
}

/**
 * Answers the asker at `fifo`, whose name goes first: the next process of that number makes its own.
 * The asker holds the FIFO open, so the line stays there when we have closed it; where nobody holds
 * it any more, it is gone with it. Nothing here ever waits.
 */
function answer(fifo: string, line: string): void {
  if (!Deno.lstatSync(fifo).isFifo) return; // nobody but root can have put it there
  const bytes = new TextEncoder().encode(`${line}\n`);
  using file = Deno.openSync(fifo, { read: true, write: true });
  Deno.removeSync(fifo);
  file.writeSync(bytes);
}

function writeLine(fifo: string, line: string): void {
  using file = Deno.openSync(fifo, { read: true, write: true });
  file.writeSync(new TextEncoder().encode(`${line}\n`));
}
