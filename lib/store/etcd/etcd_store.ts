// The store in etcd, for many hosts.
//
// What is here and why. Two ways lead to a member, with one code above them (wire.ts):
// - gateway.ts, etcd's JSON gateway by fetch, carries all but the next. Measured on Deno 2.9.6 with
//   etcd 3.4 against etcd3 1.1.2: calls equally fast (1.1 ms a get, 1.6 ms a transaction), but a
//   process that asks once 47 ms and 32 MB against 269 ms and 63 MB, and every call ends at its limit.
// - grpc.ts, etcd3, where a client certificate is given: etcd's gateway takes no login by one, and is
//   broken by a server certificate that is not for use as a client's.
// Of etcd3's parts those are used that keep their promises; for the others see grpc.ts.
//
// cluster.ts makes one of the members: limits, the next member, logins. commits.ts and marks.ts do a
// commit at most once, also when its answer is lost. watch.ts takes a broken watch up again.

import type { OpenOptions } from "../open_store.ts";
import {
  type Check,
  checkCommitLimits,
  type CommitResult,
  type Entry,
  type Store,
  type WatchBatch,
  type Write,
} from "../store.ts";
import { EtcdCluster, type Member } from "./etcd_cluster.ts";
import { EtcdCommits, prepareCommit } from "./etcd_commits.ts";
import { closedFault } from "./etcd_faults.ts";
import { EtcdKeys } from "./etcd_keys.ts";
import { listPages } from "./list_pages.ts";
import { type Access, type EtcdUrl, parseEtcdUrl, readAccess } from "./etcd_url.ts";
import { CommitScheduler } from "./commit_scheduler.ts";
import { watchEtcd } from "./etcd_watch.ts";
import type { Transport } from "./transport.ts";

// How long close() may take to remove marks; their lease does it otherwise.
const FAREWELL_MS = 500;

/**
 * Opens the store at `url`; etcd itself is not asked yet, so it may be down. Faults: usage (URL,
 * options, files), and from the first call on unavailable and timeout.
 */
export async function openEtcd(url: string, options: OpenOptions = {}): Promise<Store> {
  const place = parseEtcdUrl(url);
  const access = await readAccess(place, options);
  const limitMs = options.limitMs ?? 5_000;
  const members = await Promise.all(place.endpoints.map(async (endpoint): Promise<Member> => ({
    endpoint,
    transport: await openTransport(endpoint, place, access, limitMs),
  })));
  const { user, passwordFile } = access;
  const login = user !== undefined && passwordFile !== undefined
    ? { user, passwordFile }
    : undefined;
  return new EtcdStore(new EtcdCluster(members, login, limitMs), new EtcdKeys(place.root));
}

async function openTransport(
  endpoint: string,
  place: EtcdUrl,
  access: Access,
  limitMs: number,
): Promise<Transport> {
  if (access.cert !== undefined) {
    const { grpcTransport } = await import("./grpc.ts");
    return grpcTransport(endpoint, access, limitMs);
  }
  const { gatewayTransport } = await import("./gateway.ts");
  return gatewayTransport(endpoint, place.isSecure ? access : undefined);
}

class EtcdStore implements Store {
  readonly #cluster: EtcdCluster;
  readonly #keys: EtcdKeys;
  readonly #commits: EtcdCommits;
  readonly #turns = new CommitScheduler();
  readonly #pending = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(cluster: EtcdCluster, keys: EtcdKeys) {
    this.#cluster = cluster;
    this.#keys = keys;
    this.#commits = new EtcdCommits(cluster, keys);
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#do(async () => {
      // What is no text would find the key that its replacement names.
      if (!key.isWellFormed() || key.includes("\0")) return undefined;
      const { kvs } = await this.#cluster.ask("kv/range", { key: this.#keys.bytes(key) });
      return kvs?.[0] && this.#keys.entry(kvs[0]);
    });
  }

  list(
    prefix: string,
    onPage?: (page: readonly Entry[]) => void,
  ): Promise<{ entries: Entry[]; revision: number }> {
    return this.#do(() => listPages(this.#cluster, this.#keys, prefix, onPage));
  }

  async commit(checks: readonly Check[], writes: readonly Write[]): Promise<CommitResult> {
    if (this.#closing) throw closedFault();
    checkCommitLimits(checks, writes);
    const prepared = prepareCommit(this.#keys, checks, writes);
    const uses = {
      checks: checks.map(({ key }) => key),
      writes: writes.map(({ key }) => key),
    };
    return await this.#do(() => this.#turns.run(uses, () => this.#commits.do(prepared)));
  }

  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    if (this.#closing) throw closedFault();
    yield* watchEtcd(this.#cluster, this.#keys, prefix, revision, signal);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#end();
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw closedFault();
    const pending = work();
    this.#pending.add(pending);
    try {
      return await pending;
    } finally {
      this.#pending.delete(pending);
    }
  }

  // What was asked before is still done, each within its limit.
  async #end(): Promise<void> {
    await Promise.allSettled(this.#pending);
    await this.#commits.close(FAREWELL_MS);
    this.#cluster.close();
  }
}
