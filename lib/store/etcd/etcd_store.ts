// The store in etcd, for many hosts.
//
// There are two transports to a member, with the same code above them (transport.ts):
// - gateway.ts: etcd's JSON gateway by fetch, for everything except client certificates. Measured on Deno
//   2.9.6 with etcd 3.4 against etcd3 1.1.2: calls are equally fast (1.1 ms a get, 1.6 ms a transaction),
//   but a process that makes one call takes 47 ms and 32 MB instead of 269 ms and 63 MB, and every call
//   ends at its time limit.
// - grpc.ts: etcd3, if a client certificate is configured. etcd's gateway accepts no login by client
//   certificate, and does not work with a server certificate that is not valid for client use.
// Only those parts of etcd3 are used which work reliably; for the others see grpc.ts.
//
// etcd_cluster.ts treats all members as one: time limits, the next member, logins. etcd_commits.ts and
// idempotency_keys.ts apply a commit at most once, also when its answer is lost. etcd_watch.ts resumes a
// broken watch.

import type { OpenOptions } from "../open_options.ts";
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
import { countKeys } from "./count_keys.ts";
import { closedFault } from "./etcd_faults.ts";
import { EtcdKeys } from "./etcd_keys.ts";
import { listPages } from "./list_pages.ts";
import { type Access, type EtcdUrl, parseEtcdUrl, readAccess } from "./etcd_url.ts";
import { CommitScheduler } from "./commit_scheduler.ts";
import { WatchContext, watchEtcd } from "./etcd_watch.ts";
import type { Transport } from "./transport.ts";

// How long close() may take to remove idempotency keys; otherwise their lease expires.
const CLOSE_MS = 500;

/**
 * Opens the store at `url`; nothing is sent to etcd yet, so it may be down. Faults: usage (URL,
 * options, files), and from the first call on unavailable and timeout.
 */
export async function openEtcd(url: string, options: OpenOptions = {}): Promise<Store> {
  return new EtcdStore(await openCluster(url, options), new EtcdKeys(parseEtcdUrl(url).root));
}

/** Opens the members of `url`; nothing is sent yet. Faults: usage. */
export async function openCluster(url: string, options: OpenOptions): Promise<EtcdCluster> {
  const target = parseEtcdUrl(url);
  const access = await readAccess(target, options);
  const limitMs = options.limitMs ?? 5_000;
  const members = await Promise.all(target.endpoints.map(async (endpoint): Promise<Member> => ({
    endpoint,
    transport: await openTransport(endpoint, target, access, limitMs),
  })));
  const { user, passwordFile } = access;
  const login = user !== undefined && passwordFile !== undefined
    ? { user, passwordFile }
    : undefined;
  return new EtcdCluster(members, login, limitMs);
}

async function openTransport(
  endpoint: string,
  target: EtcdUrl,
  access: Access,
  limitMs: number,
): Promise<Transport> {
  if (access.cert !== undefined) {
    const { grpcTransport } = await import("./grpc.ts");
    return grpcTransport(endpoint, access, limitMs);
  }
  const { gatewayTransport } = await import("./gateway.ts");
  return gatewayTransport(endpoint, target.isSecure ? access : undefined);
}

class EtcdStore implements Store {
  readonly #cluster: EtcdCluster;
  readonly #keys: EtcdKeys;
  readonly #commits: EtcdCommits;
  readonly #watches: WatchContext;
  readonly #scheduler = new CommitScheduler();
  readonly #pending = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(cluster: EtcdCluster, keys: EtcdKeys) {
    this.#cluster = cluster;
    this.#keys = keys;
    this.#commits = new EtcdCommits(cluster, keys);
    this.#watches = new WatchContext(cluster, keys);
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#do(async () => {
      // Such characters would be replaced, and the key would find another document.
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

  count(prefixes: readonly string[]): Promise<number[]> {
    return this.#do(() => countKeys(this.#cluster, this.#keys, prefixes));
  }

  async commit(checks: readonly Check[], writes: readonly Write[]): Promise<CommitResult> {
    if (this.#closing) throw closedFault();
    checkCommitLimits(checks, writes);
    const prepared = prepareCommit(this.#keys, checks, writes);
    const keys = {
      checks: checks.map(({ key }) => key),
      writes: writes.map(({ key }) => key),
    };
    return await this.#do(() => this.#scheduler.run(keys, () => this.#commits.apply(prepared)));
  }

  /** A quorum of etcd's members has each commit on its disks before it is answered. */
  persist(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Writes a key that only watches of the whole store see, as each watch reports events in order. etcd's own
   * way, a progress request, needs a stream of requests, which its gateway does not have; and before 3.4.25
   * and 3.5.8 its answer may overtake events (https://github.com/etcd-io/etcd/issues/15220).
   */
  watermark(): Promise<number> {
    return this.#do(async () => {
      const put = { "request_put": { key: this.#keys.watermark } };
      const { header } = await this.#cluster.ask("kv/txn", { success: [put] });
      return Number(header?.revision ?? 0);
    });
  }

  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    if (this.#closing) throw closedFault();
    yield* watchEtcd(this.#watches, prefix, revision, signal);
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

  // Calls made before are still finished, each within its time limit.
  async #end(): Promise<void> {
    await Promise.allSettled(this.#pending);
    await this.#commits.close(CLOSE_MS);
    this.#cluster.close();
  }
}
