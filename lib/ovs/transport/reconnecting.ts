// Keeps one connection open: opens it, and re-opens it after its end, with growing pauses.

import { Fault, faultFrom } from "../../util/errors.ts";

// A restarted server is back in 0.1 to 0.5 s, and what pods send meanwhile is lost: so it is tried every few
// milliseconds, for 0.2 ms each. A host without a server is tried once a second.
const [FIRST_PAUSE_MS, LAST_PAUSE_MS, RETRY_FAST_MS] = [10, 1_000, 3_000];

/** What a Reconnecting needs of a connection. */
export interface Connection {
  /** Resolves once, with the reason, when the connection is over. */
  readonly ended: Promise<Fault>;
  close(): void;
}

/** What a Reconnecting works with. */
export interface ReconnectingOptions<C extends Connection> {
  /** Opens the connection and makes it ready for use, within its own time limit. */
  readonly open: () => Promise<C>;
  /** Called when an open connection was lost. */
  readonly onLost: () => void;
  /** Called when a connection is ready. */
  readonly onReady: (connection: C) => void;
}

/** The one connection to a server, until `close` is called. */
export class Reconnecting<C extends Connection> implements Disposable {
  readonly #options: ReconnectingOptions<C>;
  #current: C | undefined;
  #why: Fault | undefined;
  #isClosed = false;
  #openedCount = 0;
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

  /** How often the connection was opened again after it had been lost. */
  get reconnects(): number {
    return Math.max(0, this.#openedCount - 1);
  }

  /** Returns the connection as soon as it is up. Faults: unavailable, with the last reason, at `endMs`. */
  async get(endMs: number): Promise<C> {
    while (!this.#current) {
      const leftMs = endMs - performance.now();
      if (this.#isClosed || leftMs <= 0) throw this.#whyDown();
      await this.#nextChange(leftMs);
    }
    return this.#current;
  }

  /** Ends the connection for good. Repeatable. */
  close(): void {
    this.#isClosed = true;
    this.#current?.close();
    this.#wake();
    this.#wakeWaiting();
  }

  /** Closes, so that `using` cleans up. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #run(): Promise<void> {
    let [pauseMs, retryFastUntilMs] = [FIRST_PAUSE_MS, 0];
    while (!this.#isClosed) {
      const startMs = performance.now();
      await this.#holdConnection();
      const nowMs = performance.now();
      // A server that accepts and drops at once is tried as rarely as one that does not run.
      if (nowMs - startMs > LAST_PAUSE_MS) {
        [pauseMs, retryFastUntilMs] = [FIRST_PAUSE_MS, nowMs + RETRY_FAST_MS];
      }
      await this.#pause(pauseMs);
      if (nowMs > retryFastUntilMs) pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
  }

  async #holdConnection(): Promise<void> {
    try {
      const connection = await this.#options.open();
      if (this.#isClosed) return connection.close();
      this.#current = connection;
      this.#openedCount++;
      this.#options.onReady(connection);
      this.#wakeWaiting();
      this.#why = await connection.ended;
    } catch (error) {
      this.#why = faultFrom(error);
    }
    if (!this.#current) return;
    this.#current = undefined;
    this.#options.onLost();
  }

  #whyDown(): Fault {
    return this.#why ?? new Fault("unavailable", "Open vSwitch has not answered yet");
  }

  #wakeWaiting(): void {
    this.#waiting.forEach((wake) => wake());
    this.#waiting.clear();
  }

  #nextChange(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, limitMs);
      this.#waiting.add(wake);
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
