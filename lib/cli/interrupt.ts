// Ctrl-C and a supervisor's end of a command. The command ends at once with a sentence about what it leaves, or by
// itself where it holds the interrupt. The system ends it at a second signal, and at the first one while it writes.

import { hasTerminal } from "./output.ts";

/** The sentence of a command that was asked to end. */
export class Interrupted extends Error {}

/** Exit codes by signal, as of shells: 128 and the signal's number. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Name = keyof typeof CODES;
const NAMES = Object.keys(CODES) as Name[];

/** Where signals come from; a test passes its own. */
export interface SignalSource {
  readonly add: (name: Name, listener: () => void) => void;
  readonly remove: (name: Name, listener: () => void) => void;
}

const PROCESS: SignalSource = {
  add: (name, listener) => {
    // nohup(1) leaves no terminal. Deno (2.9.6) undoes at its start that nohup ignores SIGHUP.
    Deno.addSignalListener(name, name === "SIGHUP" && !hasTerminal() ? () => {} : listener);
  },
  remove: (name, listener) => Deno.removeSignalListener(name, listener),
};

const NOTHING = "nothing was changed";

/** The interrupt of one command. */
export class Interrupt implements Disposable {
  readonly #source: SignalSource;
  readonly #abort = new AbortController();
  readonly #ended = Promise.withResolvers<never>();
  readonly #listeners = new Map<Name, () => void>();
  #holds = 0;
  #left = NOTHING;
  #code = 0;

  constructor(source: SignalSource = PROCESS) {
    this.#source = source;
    this.#ended.promise.catch(() => {}); // nobody may wait for it
    NAMES.forEach((name) => this.#listen(name));
  }

  /** Aborts when the command is asked to end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Rejects with Interrupted when the command is to end at once. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  /** The exit code of a command that was asked to end. */
  get code(): number {
    return this.#code;
  }

  /** Until this is disposed of, the command ends by itself when `signal` aborts. */
  hold(): Disposable {
    this.#holds++;
    return { [Symbol.dispose]: () => void this.#holds-- };
  }

  /** Does `work`; if it is interrupted, `left` says what that leaves. */
  async during<T>(left: string, work: () => Promise<T>): Promise<T> {
    const before = this.#left;
    this.#left = left;
    try {
      return await work();
    } finally {
      this.#left = before;
    }
  }

  /**
   * Does `write`. It blocks while a reader has stopped, and no listener is called meanwhile: the system ends the process
   * at a signal.
   */
  whileWriting<T>(write: () => T): T {
    const listeners = [...this.#listeners].filter(([name]) => name !== "SIGHUP"); // nohup's is never the system's
    listeners.forEach(([name]) => this.#ignore(name));
    try {
      return write();
    } finally {
      listeners.forEach(([name, listener]) => this.#listen(name, listener));
    }
  }

  /** Does `work` of another program on the same terminal, for which Ctrl-C is meant. */
  async leaveTo<T>(work: () => Promise<T>): Promise<T> {
    this.#ignore("SIGINT");
    this.#listen("SIGINT", () => {});
    // If it fails, the signal that has ended it may come a moment later: it stays the other program's.
    const value = await work();
    this.#ignore("SIGINT");
    if (!this.signal.aborted) this.#listen("SIGINT");
    return value;
  }

  [Symbol.dispose](): void {
    NAMES.forEach((name) => this.#ignore(name));
  }

  #listen(name: Name, listener: () => void = () => this.#interrupt(name)): void {
    this.#listeners.set(name, listener);
    this.#source.add(name, listener);
  }

  #ignore(name: Name): void {
    const listener = this.#listeners.get(name);
    if (listener) this.#source.remove(name, listener);
    this.#listeners.delete(name);
  }

  #interrupt(name: Name): void {
    NAMES.forEach((one) => this.#ignore(one));
    this.#code = CODES[name];
    this.#abort.abort();
    if (this.#holds === 0) this.#ended.reject(new Interrupted(`interrupted: ${this.#left}`));
  }
}
