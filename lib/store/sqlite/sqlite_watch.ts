// The watchers of a SQLite store and what wakes them. Each watcher reads its changes from the log; here
// it is only recorded that there may be some, so a slow watcher costs no memory and none misses a change.

/** How often commits of other processes are polled for. One poll costs 3 µs (November 2026). */
export const POLL_MS = 250;

/** One watch: its prefix and how far it has read the log. */
export interface Watcher {
  readonly prefix: string;
  /** All changes below `prefix` up to this revision have been reported. */
  revision: number;
  /** The log may contain changes after `revision`, or cannot be read: read it. */
  isBehind: boolean;
  /** Another connection has written since the last read. */
  isForeign: boolean;
  wake(): void;
}

/** Wakes watchers on commits of this connection at once, on those of others within POLL_MS. */
export class Watchers {
  readonly #all = new Set<Watcher>();
  readonly #readVersion: () => number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #version = 0;
  #seen = -1;

  /** Polls `readVersion`, a number that changes when another connection has committed. */
  constructor(readVersion: () => number) {
    this.#readVersion = readVersion;
  }

  /** Adds a watcher of `prefix` that knows everything up to `revision`. */
  add(prefix: string, revision: number): Watcher {
    const watcher = { prefix, revision, isBehind: true, isForeign: false, wake: () => {} };
    this.#all.add(watcher);
    this.#timer ??= setInterval(() => this.poll(), POLL_MS);
    return watcher;
  }

  /** Forgets `watcher`; the last one ends the polling. */
  remove(watcher: Watcher): void {
    this.#all.delete(watcher);
    if (this.#all.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Records the commits `first` to `last` of this connection, which wrote `keys`. */
  committed(first: number, last: number, keys: readonly string[]): void {
    // A gap: another connection committed in between, with unknown keys.
    const hasGap = first !== this.#seen + 1;
    this.#seen = last;
    for (const watcher of this.#all) {
      if (hasGap || keys.some((key) => key.startsWith(watcher.prefix))) wakeUp(watcher);
      // Otherwise it would fall behind what the log keeps while only other keys change.
      else if (!watcher.isBehind) watcher.revision = last;
    }
  }

  /** Makes all watchers read the log. */
  wakeAll(): void {
    for (const watcher of this.#all) wakeUp(watcher);
  }

  /** Returns when `watcher` has to read the log or `signal` aborts. */
  async wait(watcher: Watcher, signal: AbortSignal): Promise<void> {
    if (watcher.isBehind || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const onAbort = () => resolve();
    watcher.wake = resolve;
    signal.addEventListener("abort", onAbort);
    await promise;
    signal.removeEventListener("abort", onAbort);
  }

  /** Makes all watchers read the log; those see that it is a change of another connection if it is. */
  poll(): void {
    try {
      const version = this.#readVersion();
      if (version === this.#version) return;
      const isFirst = this.#version === 0;
      this.#version = version;
      for (const watcher of this.#all) watcher.isForeign ||= !isFirst;
    } catch {
      // Each watcher gets the error from its own read of the log.
    }
    this.wakeAll();
  }
}

function wakeUp(watcher: Watcher): void {
  watcher.isBehind = true;
  watcher.wake();
}
