// Keeps one connection up: opens it, and after its end opens it again, with growing pauses.

import { Fault, faultFrom } from "../../util/errors.ts";

// A restarted server is back in 0.1 to 0.5 s, and what pods send meanwhile is lost: it is asked all the
// time, for 0.2 ms each. A host without one is asked once a second.
const [FIRST_PAUSE_MS, LAST_PAUSE_MS, EAGER_MS] = [10, 1_000, 3_000];

/** A connection as far as it is kept. */
export interface Kept {
  /** Resolves once, with the reason, when the connection is over. */
  readonly ended: Promise<Fault>;
  close(): void;
}

/** What a Keeper works with. */
export interface ReconnectingOptions<C extends Kept> {
  /** Opens the connection and makes it ready for use, within a limit of its own. */
  readonly open: () => Promise<C>;
  /** Called when an open connection was lost. */
  readonly onLost: () => void;
  /** Called when a connection is ready. */
  readonly onReady: (connection: C) => void;
}

/** The one connection to a server, as long as `close` is not called. */
export class Reconnecting<C extends Kept> implements Disposable {
  readonly #options: ReconnectingOptions<C>;
  #current: C | undefined;
  #why: Fault | undefined;
  #isClosed = false;
  #wake: () => void = () => {};
  readonly #waiting = new Set<() => void>();

  constructor(options: ReconnectingOptions<C>) {
    this.#options = options;
    void this.#run();
  }

  /** The connection while it is up. */
  get current(): C | undefined {
    return this.#current;
  }

  /** Returns the connection as soon as it is up. Faults: unavailable, with the last reason, at `endMs`. */
  async get(endMs: number): Promise<C> {
    while (!this.#current) {
      const leftMs = endMs - performance.now();
      if (this.#isClosed || leftMs <= 0) throw this.#fault();
      await this.#change(leftMs);
    }
    return this.#current;
  }

  /** Ends the connection for good. Repeatable. */
  close(): void {
    this.#isClosed = true;
    this.#current?.close();
    this.#wake();
    this.#tell();
  }

  /** Closes, so that `using` cleans up. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #run(): Promise<void> {
    let [pauseMs, eagerUntilMs] = [FIRST_PAUSE_MS, 0];
    while (!this.#isClosed) {
      const startMs = performance.now();
      await this.#live();
      const nowMs = performance.now();
      // A server that accepts and drops at once is asked as seldom as one that is not there.
      if (nowMs - startMs > LAST_PAUSE_MS) {
        [pauseMs, eagerUntilMs] = [FIRST_PAUSE_MS, nowMs + EAGER_MS];
      }
      await this.#pause(pauseMs);
      if (nowMs > eagerUntilMs) pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
  }

  async #live(): Promise<void> {
    try {
      const connection = await this.#options.open();
      if (this.#isClosed) return connection.close();
      this.#current = connection;
      this.#options.onReady(connection);
      this.#tell();
      this.#why = await connection.ended;
    } catch (error) {
      this.#why = faultFrom(error);
    }
    if (!this.#current) return;
    this.#current = undefined;
    this.#options.onLost();
  }

  #fault(): Fault {
    return this.#why ?? new Fault("unavailable", "Open vSwitch has not answered yet");
  }

  #tell(): void {
    this.#waiting.forEach((tell) => tell());
    this.#waiting.clear();
  }

  #change(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const tell = () => {
        clearTimeout(timer);
        this.#waiting.delete(tell);
        resolve();
      };
      const timer = setTimeout(tell, limitMs);
      this.#waiting.add(tell);
    });
  }

  #pause(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
