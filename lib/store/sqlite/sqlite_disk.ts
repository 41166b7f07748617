// Takes what was committed to the disk. SQLite would do so inside each commit, and block the event loop for it: 1 to
// 10 ms. Here commits are in its log (WAL) first, and the log is synced on another thread: once for all commits that
// wait, while the next ones are made. The log is written in order, so a commit is never there without those before it.
//
// SQLite's own way (synchronous=FULL) is the same call on the same file. Before it moves the log's pages into the
// database it syncs both in any mode, so what has left the log is on the disk. Locks are on other files: closing this
// one drops none (https://sqlite.org/howtocorrupt.html, 2.2).

import { Coalesced } from "../../util/async/coalesced.ts";

/** The disk below one store's log. */
export class LogDisk {
  readonly #path: string;
  readonly #synced = new Coalesced(() => this.#sync());
  #file: Deno.FsFile | undefined;

  /** `path` is the database's. */
  constructor(path: string) {
    this.#path = `${path}-wal`;
  }

  /** Resolves when all that is in the log now is on the disk. Throws what the file system throws. */
  sync(): Promise<void> {
    return this.#synced.run();
  }

  /** Closes the log, after all calls of sync() have ended. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  async #sync(): Promise<void> {
    this.#file ??= await Deno.open(this.#path, { read: true, write: true });
    await this.#file.syncData();
  }
}
