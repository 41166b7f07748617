// Keeps the indexes of a shared store (intent/store_index.ts) true to what they say of themselves. Each agent writes
// them with its commits; what older versions have written, one agent adds, once no older agent is alive. As soon as one
// appears, or a command of an older version has applied something, the indexes count as incomplete again, and all agents
// read the whole store.

import {
  type AppliesRecord,
  appliesWrite,
  areIndexesComplete,
  INDEX_VERSION,
  type IndexDifference,
  indexDifferences,
  indexKeys,
} from "../../intent/store_index.ts";
import { readableAt } from "../../intent/readable.ts";
import { checkOf, keys, type PresenceRecord, SCHEMA } from "../../intent/records.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import { inParallel } from "../../util/async/in_parallel.ts";
import type { Log, LogFields } from "../../util/log.ts";
import { AgentVersions } from "./agent_versions.ts";
import { isBlank, presencesOf } from "./documents.ts";
import { lastRevision, type RevisionRecord } from "./revisions.ts";
import type { StoreCache } from "./store_cache.ts";

/** What it works with. */
export interface IndexKeeperDeps {
  readonly host: string;
  readonly store: Pick<
    StoreCache,
    "documents" | "tryCommit" | "refresh" | "catchUp" | "isWhole" | "unreachable" | "read"
  >;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Returns 0 up to 1. @default Math.random */
  readonly random?: () => number;
  readonly log: Pick<Log, "info" | "warn">;
}

// Each takes two checks and a write, of the hundred operations that a commit may have.
const BATCH = 30;
const PARALLEL = 16;
// So many of all hosts read all heartbeats in the time of one.
const READERS = 20;
// Others go on writing meanwhile; what they write has its indexes.
const ROUNDS = 5;

/** Completes the indexes, or says that they are incomplete. */
export class IndexKeeper {
  readonly #deps: IndexKeeperDeps;
  readonly #agents = new AgentVersions();
  readonly #checking = new Coalesced(() => this.#check());

  constructor(deps: IndexKeeperDeps) {
    this.#deps = deps;
  }

  /** Does what the agents' presences call for; called when one of them may have changed. Faults: unavailable, timeout. */
  check(): Promise<void> {
    return this.#checking.run();
  }

  async #check(): Promise<void> {
    const { store, host, now, log } = this.#deps;
    if (store.unreachable) return;
    const presences = await this.#presences();
    if (!presences) return;
    const agents = this.#agents.follow(presences, now());
    if (agents.older.length > 0) {
      const hosts = agents.older.slice(0, 5).join(",");
      return await this.#invalidate("agents of an older version are running", { hosts });
    }
    const n = await this.#unindexedRevision();
    if (n !== undefined) {
      return await this.#invalidate("a command of an older version has changed the store", {
        revision: n,
      });
    }
    const isMine = agents.isSettled && agents.alive.every((other) => host <= other);
    if (!isMine || areIndexesComplete(store.documents) || !store.isWhole) return;
    // A store that was lost must not look as if it had an intent.
    if (isBlank(store.documents)) return;
    const count = await completeIndexes(store);
    if (count !== undefined) log.info("indexes of the store are complete", { written: count });
  }

  /**
   * Returns the presences of all agents. One that knows only what it needs does not follow their heartbeats: of many
   * hosts, some read them all in the time of one. Undefined: this one is not among them now.
   */
  async #presences(): Promise<PresenceRecord[] | undefined> {
    const { store, random = Math.random } = this.#deps;
    const known = presencesOf(store.documents);
    if (store.isWhole) return known;
    if (random() * known.length > READERS) return undefined;
    return presencesOf(await store.read("agents/"));
  }

  /**
   * Returns the number of a revision that a command has ended without writing indexes. The commit that ends a revision
   * writes a document beside it otherwise.
   */
  async #unindexedRevision(): Promise<number | undefined> {
    const { store } = this.#deps;
    const { applies } = indexKeys;
    const { n: last } = readableAt<AppliesRecord>(store.documents, applies) ?? {};
    if (!areIndexesComplete(store.documents) || last === undefined) return undefined;
    for (let n = last + 1;; n++) {
      const key = keys.revision(n);
      const documents = await store.read(key);
      const revision = documents.get(key)?.revision;
      if (revision === undefined) return undefined;
      if (readableAt<RevisionRecord>(documents, key)?.state === "applying") continue;
      // It may have been read before the watch reported what its commit wrote.
      await store.refresh(applies);
      if (revision > (store.documents.get(applies)?.revision ?? 0)) return n;
    }
  }

  async #invalidate(why: string, fields: LogFields): Promise<void> {
    const { store, log } = this.#deps;
    const { complete } = indexKeys;
    if (!store.documents.has(complete)) return;
    const result = await store.tryCommit([checkOf(store.documents, complete)], [
      { key: complete, value: undefined },
    ]);
    if (!result.done) return await store.refresh(complete);
    log.warn(`${why}: all agents read the whole store`, fields);
  }
}

/**
 * Writes what is missing in the indexes, and that they are complete; returns how many documents it wrote, undefined if
 * others have changed too much meanwhile. Faults: unavailable, timeout.
 */
export async function completeIndexes(
  store: Pick<StoreCache, "documents" | "tryCommit" | "refresh" | "catchUp">,
): Promise<number | undefined> {
  let written = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await store.catchUp();
    const found = indexDifferences(store.documents);
    if (found.length === 0) {
      await sayComplete(store);
      return written;
    }
    written += await writeIndexes(store, found);
  }
  return undefined;
}

async function sayComplete(
  store: Pick<StoreCache, "documents" | "tryCommit" | "refresh">,
): Promise<void> {
  const key = indexKeys.complete;
  if (areIndexesComplete(store.documents)) return;
  const value = { schema: SCHEMA, version: INDEX_VERSION };
  // What older versions have applied so far is indexed now.
  const applies = appliesWrite(store.documents, lastRevision(store.documents));
  const checks = [key, applies.key].map((one) => checkOf(store.documents, one));
  const result = await store.tryCommit(checks, [{ key, value }, applies]);
  if (!result.done) await store.refresh(result.conflict);
}

/** Writes index documents, each if the document that it is derived from has not changed; returns how many. */
async function writeIndexes(
  store: Pick<StoreCache, "documents" | "tryCommit" | "refresh">,
  found: readonly IndexDifference[],
): Promise<number> {
  let written = 0;
  const batches = Array.from(
    { length: Math.ceil(found.length / BATCH) },
    (_, at) => found.slice(at * BATCH, (at + 1) * BATCH),
  );
  await inParallel(PARALLEL, batches, async (batch) => {
    const checked = new Set(batch.flatMap(({ key, source }) => source ? [key, source] : [key]));
    const result = await store.tryCommit(
      [...checked].map((key) => checkOf(store.documents, key)),
      batch.map(({ key, value }) => ({ key, value })),
    );
    if (result.done) written += batch.length;
    else await store.refresh(result.conflict);
  });
  return written;
}
