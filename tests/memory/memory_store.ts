// A store in memory for unit tests. It keeps all promises of the store's contract (tests/contract runs on it, too)
// and fails as a test wants it to: unreachable, no answer in time, a conflict, an answer that is lost.

import { setImmediate } from "node:timers";
import type {
  Check,
  CommitResult,
  Entry,
  Store,
  WatchBatch,
  Write,
} from "../../lib/store/store.ts";
import { Fault } from "../../lib/util/errors.ts";
import { MemoryDatabase } from "./memory_database.ts";

/** How one call fails: `conflict` and `answer lost` (it is done, but not confirmed) only fail a commit. */
export type Failure = "unreachable" | "timeout" | "conflict" | "answer lost";

type Call = "get" | "list" | "count" | "commit" | "persist" | "watermark";

/** Entries that list() shows at a time, as drivers do that read page by page. */
const PAGE = 100;

/** One client of a MemoryDatabase; failures are this client's only. */
export class MemoryStore implements Store {
  readonly database: MemoryDatabase;
  /** Runs before a commit is judged; what it throws, the commit throws. */
  beforeCommit: (writes: readonly Write[]) => Promise<void> | void = () => {};

  readonly #failures: { readonly call: Call; readonly failure: Failure }[] = [];
  #isUnreachable = false;
  #isClosed = false;
  #interrupted = Promise.withResolvers<void>();

  constructor(database: MemoryDatabase = new MemoryDatabase()) {
    this.database = database;
  }

  /** Returns one more client of the same content, as another process would have. */
  another(): MemoryStore {
    return new MemoryStore(this.database);
  }

  get isUnreachable(): boolean {
    return this.#isUnreachable;
  }

  /** While true, every call faults; watches that wait end with a fault, too. */
  set isUnreachable(isUnreachable: boolean) {
    this.#isUnreachable = isUnreachable;
    this.#interrupt();
  }

  /** Lets the next `call` that has no failure yet fail like this. */
  failNext(call: Call, failure: Failure): void {
    this.#failures.push({ call, failure });
  }

  async get(key: string): Promise<Entry | undefined> {
    await this.#begin("get");
    return this.database.documents.get(key);
  }

  async list(
    prefix: string,
    onPage: (page: readonly Entry[]) => void = () => {},
  ): Promise<{ entries: Entry[]; revision: number }> {
    await this.#begin("list");
    const { documents, revision } = this.database;
    const entries = this.database.keysBelow(prefix).map((key) => documents.get(key)!);
    for (let at = 0; at < entries.length; at += PAGE) onPage(entries.slice(at, at + PAGE));
    return { entries, revision };
  }

  async count(prefixes: readonly string[]): Promise<number[]> {
    await this.#begin("count");
    return prefixes.map((prefix) => this.database.keysBelow(prefix).length);
  }

  async commit(checks: readonly Check[], writes: readonly Write[]): Promise<CommitResult> {
    // Copied now: the caller may go on changing its documents.
    const asked = structuredClone({ checks, writes });
    const failure = await this.#begin("commit");
    await this.beforeCommit(asked.writes);
    const [first] = asked.checks;
    if (failure === "conflict" && first) return { done: false, conflict: first.key };
    const result = this.database.commit(asked.checks, asked.writes);
    if (failure === "answer lost") throw timeoutFault("commit");
    return result;
  }

  async *watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    for (let revision = from; !signal.aborted;) {
      this.#checkReachable();
      const batch = this.database.changesAfter(prefix, revision);
      const isDue = prefix === "" && this.database.watermark > revision;
      revision = batch.revision;
      if (batch.kind === "compacted") return yield batch;
      if (batch.changes.length > 0 || isDue) yield batch;
      else await Promise.race([this.database.changed, aborted, this.#interrupted.promise]);
    }
  }

  async persist(): Promise<void> {
    await this.#begin("persist");
  }

  async watermark(): Promise<number> {
    await this.#begin("watermark");
    return this.database.writeWatermark();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#interrupt();
    return Promise.resolve();
  }

  /** Faults or returns how the call is to fail later; ends in a later turn, as with a real store. */
  async #begin(call: Call): Promise<Failure | undefined> {
    this.#checkReachable();
    const at = this.#failures.findIndex((one) => one.call === call);
    const failure = at < 0 ? undefined : this.#failures.splice(at, 1)[0]?.failure;
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (failure === "unreachable") throw unreachableFault();
    if (failure === "timeout") throw timeoutFault(call);
    return failure;
  }

  #checkReachable(): void {
    if (this.#isClosed) throw new Fault("unavailable", "store in memory is closed");
    if (this.#isUnreachable) throw unreachableFault();
  }

  /** Lets watches that wait look again whether the store can be reached. */
  #interrupt(): void {
    this.#interrupted.resolve();
    this.#interrupted = Promise.withResolvers();
  }
}

function unreachableFault(): Fault {
  return new Fault("unavailable", "store in memory is unreachable");
}

function timeoutFault(call: Call): Fault {
  return new Fault("timeout", `store in memory did not answer ${call}() in time`);
}
