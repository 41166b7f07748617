// Watches: a stream from one member, resumed after the last reported commit whenever it breaks, stalls
// or is refused.

import { pause } from "../../util/async/pause.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import { unlessAborted } from "../../util/async/unless_aborted.ts";
import type { Change, WatchBatch } from "../store.ts";
import type { EtcdCluster, Member } from "./etcd_cluster.ts";
import { etcdFault } from "./etcd_faults.ts";
import { type EtcdKeys, revisionOf } from "./etcd_keys.ts";
import { SharedStreams } from "./shared_streams.ts";
import { CODE, TransportError, type WatchResponse } from "./transport.ts";

const PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
// A stream that was silent at this many checks in a row, while the store's revision rose, is reopened:
// its connection may have been lost without notice. Otherwise the changes were below other prefixes.
const MAX_SILENT_CHECKS = 12;
const MAX_DENIALS = 5;

/** What the watches of one client share. */
export class WatchContext {
  readonly cluster: EtcdCluster;
  readonly keys: EtcdKeys;
  readonly #streams = new Map<Member, SharedStreams>();
  readonly #probes = new Map<Member, RevisionProbe>();

  constructor(cluster: EtcdCluster, keys: EtcdKeys) {
    this.cluster = cluster;
    this.keys = keys;
  }

  streamsOf(member: Member): SharedStreams {
    const streams = this.#streams.get(member) ?? new SharedStreams(member.transport);
    this.#streams.set(member, streams);
    return streams;
  }

  probeOf(member: Member): RevisionProbe {
    const read = () => readRevision(this.cluster, this.keys, member);
    const probe = this.#probes.get(member) ?? new RevisionProbe(read);
    this.#probes.set(member, probe);
    return probe;
  }
}

/** Progress of one watch. */
interface Progress {
  readonly prefix: string;
  readonly signal: AbortSignal;
  /** All changes up to this revision have been reported. */
  revision: number;
  /** How often in a row no stream could be opened. */
  failures: number;
}

/** One event of a response; `change` undefined for the watermark. */
interface Part {
  readonly change: Change | undefined;
  readonly revision: number;
}

/** Yields changes below `prefix` after `revision`, as Store.watch() promises. */
export async function* watchEtcd(
  context: WatchContext,
  prefix: string,
  revision: number,
  signal: AbortSignal,
): AsyncIterable<WatchBatch> {
  const { cluster } = context;
  const progress: Progress = { prefix, signal, revision, failures: 0 };
  while (!signal.aborted) {
    cluster.throwIfClosed();
    const member = cluster.current;
    try {
      for await (const batch of follow(context, progress, member)) {
        if (signal.aborted) return;
        yield batch;
        if (batch.kind === "compacted") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      await recover(cluster, progress, member, error);
    }
  }
}

async function recover(
  cluster: EtcdCluster,
  progress: Progress,
  member: Member,
  error: unknown,
): Promise<void> {
  cluster.throwIfClosed();
  if (!(error instanceof TransportError)) throw error;
  // Refused permanently: waiting does not help. Everything else may be temporary.
  const isDenied = error.code === CODE.permissionDenied && progress.failures >= MAX_DENIALS;
  if (isDenied || (error.code === CODE.invalidArgument && !error.needsLogin)) {
    throw etcdFault(member, error, cluster.limitMs);
  }
  cluster.recordFailure(member, error);
  const pauseMs = Math.min(PAUSE_MS * 2 ** progress.failures++, MAX_PAUSE_MS);
  const ended = AbortSignal.any([progress.signal, cluster.closing]);
  await pause(PAUSE_MS, ended);
  // Of many watches, the first one that gets through calls the others.
  const waiting = new DisposableStack();
  await pause(pauseMs - PAUSE_MS, ended, (wake) => waiting.use(cluster.onWatchMessage(wake)));
  waiting.dispose();
}

async function* follow(
  context: WatchContext,
  progress: Progress,
  member: Member,
): AsyncIterable<WatchBatch> {
  const { cluster, keys } = context;
  const ended = AbortSignal.any([progress.signal, cluster.closing]);
  const now = await unlessAborted(context.probeOf(member).ask(), ended, wasAborted);
  // A revision that only another store can have had.
  if (progress.revision > now) {
    yield { kind: "compacted", revision: now };
    return;
  }
  using monitor = new Monitor(context, progress, member);
  const options = {
    token: await cluster.token(member),
    limitMs: cluster.tryMs,
    signal: AbortSignal.any([ended, monitor.signal]),
  };
  const parts: Part[] = [];
  const watch = context.streamsOf(member).watch(watchRequest(keys, progress), options);
  monitor.lastMessageMs = watch.lastMessageMs;
  try {
    for await (const response of watch.responses) {
      cluster.checkCluster(member, response.header);
      const batch = read(keys, progress, parts, response);
      progress.failures = 0;
      cluster.noteWatchMessage();
      if (batch) yield batch;
    }
    // It was aborted, which ends a watch without an error.
    if (monitor.reason) throw monitor.reason;
  } catch (error) {
    throw monitor.reason ?? error;
  }
}

function watchRequest(keys: EtcdKeys, { prefix, revision }: Progress) {
  return {
    ...keys.watchRange(prefix),
    "start_revision": String(revision + 1),
    "progress_notify": true,
    // Large sets of changes come in fragments, each below etcd's limit of a message.
    fragment: true,
  };
}

/** Returns the changes that `response` completes; undefined if there are none. */
function read(
  keys: EtcdKeys,
  progress: Progress,
  parts: Part[],
  response: WatchResponse,
): WatchBatch | undefined {
  if (response.canceled) return readEnd(response);
  for (const { type, kv } of response.events ?? []) {
    if (!kv) continue;
    const change = keys.isWatermark(kv) ? undefined : keys.change(isDelete(type), kv);
    parts.push({ change, revision: revisionOf(kv) });
  }
  // A fragment may end in the middle of a commit.
  if (response.fragment) return undefined;
  const fresh = parts.splice(0).filter(({ revision }) => revision > progress.revision);
  const last = fresh.at(-1)?.revision;
  // A response without events means that everything up to the revision in its header was sent.
  const sent = response.created ? progress.revision : Number(response.header?.revision ?? 0);
  progress.revision = Math.max(progress.revision, last ?? sent);
  if (last === undefined) return undefined;
  return { kind: "changes", changes: fresh.flatMap(({ change }) => change ?? []), revision: last };
}

// etcd and etcd3 spell the names of enumerations differently.
function isDelete(type: string | undefined): boolean {
  return type?.toUpperCase() === "DELETE";
}

function readEnd(response: WatchResponse): WatchBatch {
  const revision = Number(response["compact_revision"] ?? 0);
  if (revision > 0) return { kind: "compacted", revision };
  const reason = response["cancel_reason"] || "ended the watch";
  // etcd 3.4 says the same of an expired login as of one without access.
  throw new TransportError(
    /denied|auth/.test(reason) ? CODE.permissionDenied : CODE.unavailable,
    reason,
  );
}

/**
 * Probes the member of a stream: a member that hangs or has lost its quorum sends nothing on the stream,
 * and neither does a connection that was lost without notice.
 */
class Monitor implements Disposable {
  /** When the stream has last sent something, in performance.now()'s time. */
  lastMessageMs = (): number => Infinity;
  readonly #stop = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #probe: RevisionProbe;
  readonly #progress: Progress;
  readonly #everyMs: number;
  #silentChecks = 0;
  /** Why the stream was aborted. */
  reason: TransportError | undefined;

  constructor(context: WatchContext, progress: Progress, member: Member) {
    this.#progress = progress;
    this.#probe = context.probeOf(member);
    this.#everyMs = context.cluster.limitMs;
    this.#timer = setInterval(() => void this.#check(), this.#everyMs);
  }

  /** Aborts when the stream must be reopened. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    try {
      const now = await this.#probe.recent(this.#everyMs / 2);
      const isSilent = this.lastMessageMs() < performance.now() - this.#everyMs;
      const isBehind = isSilent && now > this.#progress.revision;
      this.#silentChecks = isBehind ? this.#silentChecks + 1 : 0;
      if (this.#silentChecks >= MAX_SILENT_CHECKS) {
        throw new TransportError(CODE.unavailable, "sends no changes");
      }
    } catch (error) {
      if (error instanceof TransportError && !error.needsLogin) this.reason = error;
      if (this.reason || !(error instanceof TransportError)) this.#stop.abort();
    }
  }
}

/** Asks a member for its revision: once for all watches, which are many. */
class RevisionProbe {
  readonly #asking: Coalesced;
  #revision = 0;
  #last: { readonly atMs: number; readonly answer: Promise<number> } | undefined;

  constructor(read: () => Promise<number>) {
    this.#asking = new Coalesced(async () => {
      this.#revision = await read();
    });
  }

  /** Returns the revision by an answer that was asked for after this call. */
  ask(): Promise<number> {
    const answer = this.#asking.run().then(() => this.#revision);
    this.#last = { atMs: performance.now(), answer };
    return answer;
  }

  /** Returns what the last question led to, if it is at most so old. */
  recent(maxAgeMs: number): Promise<number> {
    const { atMs, answer } = this.#last ?? { atMs: -Infinity, answer: undefined };
    return answer && atMs >= performance.now() - maxAgeMs ? answer : this.ask();
  }
}

// Asks this one member, which has to ask the majority: a member without quorum does not answer.
async function readRevision(cluster: EtcdCluster, keys: EtcdKeys, member: Member): Promise<number> {
  const options = { token: await cluster.token(member), limitMs: cluster.tryMs };
  const request = { key: keys.bytes(""), "keys_only": true };
  const { header } = await member.transport.call("kv/range", request, options);
  cluster.checkCluster(member, header);
  return Number(header?.revision ?? 0);
}

function wasAborted(): TransportError {
  return new TransportError(CODE.unavailable, "was aborted");
}
