// The files of the door: FIFOs for answers, and what clients leave when they are killed.
//
// The agent creates FIFOs ahead, `free.NUMBER`: a client takes one by creating the file NUMBER, which only one can.
// Shells do that without a command, while mkfifo takes a fifth of the time of a whole STATUS. A client that finds none,
// or is of an older version, creates a FIFO itself, named by its process id. Process ids have at most 7 digits, the
// agent's numbers have 10.

import { startTimeOf } from "../../runtimes/proc.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { run } from "../../util/run.ts";

/** FIFOs that wait for clients: enough for the pods of a node that start at once. */
const AHEAD = 64;
/** With fewer left, more are created, by one command for all of them. */
const LOW = 32;

/** So long a launcher may take to print a long answer. */
const PRINTING_MS = 20_000;

const FREE = /^free\.(\d{10})$/;
const [FIRST_NUMBER, NUMBERS] = [1_000_000_000, 8_000_000_000];

/** The answer to a request that may have been executed, or not. */
const LOST = "lost";

/** The folder of one door. */
export class DoorFolder {
  readonly #path: string;
  readonly #log: Pick<Log, "debug">;
  readonly #now: () => number;
  #nextNumber = FIRST_NUMBER + Math.floor(Math.random() * NUMBERS);
  /** Numbers of the FIFOs that were created ahead and not answered. */
  readonly #ahead = new Set<string>();
  /** When FIFOs of which files are left were first seen without a client, by number; monotonic milliseconds. */
  readonly #ended = new Map<string, number>();
  #filling: Promise<void> | undefined;
  #isClosed = false;

  /** `now` returns monotonic milliseconds. */
  constructor(path: string, log: Pick<Log, "debug">, now = () => performance.now()) {
    this.#path = path;
    this.#log = log;
    this.#now = now;
  }

  /** Creates the folder. */
  make(): void {
    try {
      Deno.mkdirSync(this.#path, { mode: 0o700 });
    } catch (error) {
      // Clients trust it because of its owner; its entries are checked one by one.
      if (
        !(error instanceof Deno.errors.AlreadyExists) || !Deno.lstatSync(this.#path).isDirectory
      ) throw error;
      Deno.chmodSync(this.#path, 0o700);
    }
  }

  /** Creates FIFOs ahead, as many as are missing. Never fails: without them, clients create their own. */
  fill(): Promise<void> {
    return this.#filling ??= this.#fill().finally(() => this.#filling = undefined);
  }

  async #fill(): Promise<void> {
    const count = AHEAD - this.#ahead.size;
    const numbers = Array.from({ length: count }, () => `${this.#nextNumber++}`);
    try {
      const fifos = numbers.map((number) => this.#fifoOf(number));
      await run("nsenter", ["--", "mkfifo", "-m", "600", ...fifos]);
      numbers.forEach((number) => this.#ahead.add(number));
    } catch (error) {
      this.#log.debug(`door: no FIFOs created ahead: ${faultFrom(error).message}`);
    }
  }

  /** Ends the creation of FIFOs; later ones answer nobody. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#filling;
  }

  /**
   * Writes an answer to the FIFO of a client and removes its name first: the next process with that number
   * creates its own. The client keeps the FIFO open, so the line stays there after we have closed it; if the
   * client is gone, the line is lost with the FIFO. Nothing here ever waits. Throws if the client is gone.
   */
  answer(reply: string, line: string): void {
    const fifo = this.#fifoOf(reply);
    try {
      if (!Deno.lstatSync(fifo).isFifo) return; // only root can have created it
      const bytes = new TextEncoder().encode(`${line}\n`);
      using file = Deno.openSync(fifo, { read: true, write: true });
      Deno.removeSync(fifo);
      file.writeSync(bytes);
    } finally {
      // After the FIFO: nobody else may take it.
      if (!isProcess(reply)) this.#remove(`${this.#path}/${reply}`);
      const isTaken = this.#ahead.delete(reply);
      if (isTaken && this.#ahead.size < LOW && !this.#isClosed) void this.fill();
    }
  }

  /** Answers "lost" to all clients that began before `beforeMs`. */
  loseAll(beforeMs = Infinity): void {
    for (const name of this.#names()) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const createdMs = Deno.lstatSync(`${this.#path}/${name}`).mtime?.getTime() ?? 0;
        if (createdMs < beforeMs) this.answer(name, LOST);
      } catch {
        // The client removed it itself; anything else is found again by the next sweep.
      }
    }
  }

  /** Removes the FIFOs that were created ahead, by an agent that was killed or by this one. */
  removeAhead(): void {
    for (const name of this.#names()) {
      const [, number] = FREE.exec(name) ?? [];
      try {
        // A client may be about to take it.
        if (number !== undefined) this.answer(number, LOST);
      } catch {
        this.#remove(`${this.#path}/${name}`);
      }
    }
  }

  /**
   * Removes what clients left that have ended, or that asked before `beforeMs`: long answers, files without use. Never
   * throws.
   */
  async removeLeftBehind(beforeMs: number): Promise<void> {
    const names = this.#names();
    for (const number of this.#ended.keys()) {
      if (!names.includes(`${number}.out`)) this.#ended.delete(number);
    }
    for (const name of names) {
      const [, number] = /^(\d+)(?:\.out)?$/.exec(name) ?? [];
      if (number === undefined) continue;
      try {
        const { mtime, isFifo } = await Deno.lstat(`${this.#path}/${name}`);
        if (isFifo) continue;
        const isLeft = (mtime?.getTime() ?? 0) < beforeMs ||
          (isProcess(number)
            ? await startTimeOf(Number(number)) === undefined
            : this.#isLongEnded(number));
        if (!isLeft) continue;
        await Deno.remove(`${this.#path}/${name}`);
        this.#ended.delete(number);
      } catch {
        // The client removed it itself; anything else is found again by the next sweep.
      }
    }
  }

  #fifoOf(reply: string): string {
    return isProcess(reply) ? `${this.#path}/${reply}` : `${this.#path}/free.${reply}`;
  }

  /** Returns what is in the folder; nothing if someone has removed it. */
  #names(): string[] {
    try {
      return [...Deno.readDirSync(this.#path)].map(({ name }) => name);
    } catch {
      return [];
    }
  }

  /** Reports whether the client that had taken this FIFO was seen to be answered or to have given up a while ago. */
  #isLongEnded(number: string): boolean {
    if (this.#names().includes(number)) {
      this.#ended.delete(number);
      return false;
    }
    const nowMs = this.#now();
    const sinceMs = this.#ended.get(number) ?? nowMs;
    this.#ended.set(number, sinceMs);
    return nowMs - sinceMs >= PRINTING_MS;
  }

  #remove(path: string): void {
    try {
      Deno.removeSync(path);
    } catch {
      // It is gone.
    }
  }
}

/** Reports whether a FIFO's number is the process id of the client that created it. */
function isProcess(number: string): boolean {
  return number.length < `${FIRST_NUMBER}`.length;
}
