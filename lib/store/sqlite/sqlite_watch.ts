// Who watches, and what wakes them. A watcher pulls its changes from the log by itself; here is only
// known that there may be some, so a slow one costs no memory and none can miss anything.

/** How soon another process's commit is seen. One look costs 3 µs (November 2026). */
export const POLL_MS = 250;

/** One watch: what it wants, and up to where it has told all. */
export interface Watcher {
  readonly prefix: string;
  /** All changes below `prefix` up to here have been told. */
  revision: number;
  /** The log may hold changes behind `revision`, or cannot be read: look. */
  isBehind: boolean;
  /** Another connection has written since the last look. */
  isForeign: boolean;
  wake(): void;
}

/** Wakes watchers on commits of this connection at once, on others' within POLL_MS. */
export class Watchers {
  readonly #all = new Set<Watcher>();
  readonly #look: () => number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #version = 0;
  #seen = -1;

  /** Polls `look`, a number that changes when another connection has committed. */
  constructor(look: () => number) {
    this.#look = look;
  }

  /** Adds a watcher of `prefix` that has been told all up to `revision`. */
  add(prefix: string, revision: number): Watcher {
    const watcher = { prefix, revision, isBehind: true, isForeign: false, wake: () => {} };
    this.#all.add(watcher);
    this.#timer ??= setInterval(() => this.#poll(), POLL_MS);
    return watcher;
  }

  /** Forgets `watcher`; the last one ends the polling. */
  remove(watcher: Watcher): void {
    this.#all.delete(watcher);
    if (this.#all.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Takes note of own commits `first` to `last` that wrote `keys`. */
  committed(first: number, last: number, keys: readonly string[]): void {
    // A gap: another connection committed in between, and its keys are not known here.
    const hasGap = first !== this.#seen + 1;
    this.#seen = last;
    for (const watcher of this.#all) {
      if (hasGap || keys.some((key) => key.startsWith(watcher.prefix))) awaken(watcher);
      // Else it would fall behind what the log keeps while only others' keys change.
      else if (!watcher.isBehind) watcher.revision = last;
    }
  }

  /** Lets all watchers look at the log. */
  wakeAll(): void {
    for (const watcher of this.#all) awaken(watcher);
  }

  /** Returns when `watcher` has to look or `signal` aborts. */
  async wait(watcher: Watcher, signal: AbortSignal): Promise<void> {
    if (watcher.isBehind || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const onAbort = () => resolve();
    watcher.wake = resolve;
    signal.addEventListener("abort", onAbort);
    await promise;
    signal.removeEventListener("abort", onAbort);
  }

  #poll(): void {
    try {
      const version = this.#look();
      if (version === this.#version) return;
      const isFirst = this.#version === 0;
      this.#version = version;
      for (const watcher of this.#all) watcher.isForeign ||= !isFirst;
    } catch {
      // What is wrong is told to each watcher by its own look at the log.
    }
    this.wakeAll();
  }
}

function awaken(watcher: Watcher): void {
  watcher.isBehind = true;
  watcher.wake();
}
