// Watches: a stream from one member, taken up again from the last commit that was told whenever it
// breaks, stands still or is refused.

import type { Change, WatchBatch } from "../store.ts";
import type { EtcdCluster, Member } from "./etcd_cluster.ts";
import { etcdFault } from "./etcd_faults.ts";
import type { EtcdKeys } from "./etcd_keys.ts";
import { CODE, TransportError, type WatchResponse } from "./transport.ts";

const PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
// A stream that told nothing at so many looks in a row, while the store went on, is made anew: its
// connection may be gone without a word. Else, the changes were another prefix's.
const MUTE_LOOKS = 12;
const MOST_DENIALS = 5;

/** Where one watch has got to. */
interface Course {
  readonly prefix: string;
  readonly signal: AbortSignal;
  /** All changes up to here have been told. */
  revision: number;
  /** How often in a row no stream came about. */
  failures: number;
}

/** Tells changes below `prefix` after `revision`, as Store.watch() promises. */
export async function* watchEtcd(
  cluster: EtcdCluster,
  keys: EtcdKeys,
  prefix: string,
  revision: number,
  signal: AbortSignal,
): AsyncIterable<WatchBatch> {
  const course: Course = { prefix, signal, revision, failures: 0 };
  while (!signal.aborted) {
    cluster.throwIfClosed();
    const member = cluster.current;
    try {
      for await (const batch of follow(cluster, keys, course, member)) {
        if (signal.aborted) return;
        yield batch;
        if (batch.kind === "compacted") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      await standBack(cluster, course, member, error);
    }
  }
}

async function standBack(
  cluster: EtcdCluster,
  course: Course,
  member: Member,
  error: unknown,
): Promise<void> {
  cluster.throwIfClosed();
  if (!(error instanceof TransportError)) throw error;
  // Refused for good, which no waiting changes; all else may pass.
  const isDenied = error.code === CODE.permissionDenied && course.failures >= MOST_DENIALS;
  if (isDenied || (error.code === CODE.invalidArgument && !error.needsLogin)) {
    throw etcdFault(member.endpoint, error, cluster.limitMs);
  }
  cluster.recordFailure(member, error);
  const pause = Math.min(PAUSE_MS * 2 ** course.failures++, LONGEST_PAUSE_MS);
  await sleep(pause, AbortSignal.any([course.signal, cluster.closing]));
}

async function* follow(
  cluster: EtcdCluster,
  keys: EtcdKeys,
  course: Course,
  member: Member,
): AsyncIterable<WatchBatch> {
  const ended = AbortSignal.any([course.signal, cluster.closing]);
  const now = await before(ended, readRevision(cluster, keys, member));
  // From a future that only another store can have had.
  if (course.revision > now) {
    yield { kind: "compacted", revision: now };
    return;
  }
  using guard = new Guard(cluster, keys, course, member);
  const options = {
    token: await cluster.token(member),
    limitMs: cluster.tryMs,
    signal: AbortSignal.any([ended, guard.signal]),
  };
  const parts: Change[] = [];
  try {
    for await (const answer of member.transport.watch(question(keys, course), options)) {
      cluster.checkCluster(member, answer.header);
      guard.heard();
      const batch = read(keys, course, parts, answer);
      course.failures = 0;
      if (batch) yield batch;
    }
  } catch (error) {
    throw guard.reason ?? error;
  }
}

function question(keys: EtcdKeys, { prefix, revision }: Course) {
  return {
    ...keys.range(prefix),
    "start_revision": String(revision + 1),
    "progress_notify": true,
    // Many changes at once come in pieces that pass etcd's limit of a message.
    fragment: true,
  };
}

/** Returns what `answer` adds, undefined while that is nothing whole. */
function read(
  keys: EtcdKeys,
  course: Course,
  parts: Change[],
  answer: WatchResponse,
): WatchBatch | undefined {
  if (answer.canceled) return readEnd(answer);
  for (const { type, kv } of answer.events ?? []) {
    if (kv) parts.push(keys.change(isDelete(type), kv));
  }
  // A piece may end in the middle of a commit.
  if (answer.fragment) return undefined;
  const changes = parts.splice(0).filter(({ revision }) => revision > course.revision);
  const last = changes.at(-1)?.revision;
  // Without events it says that all is told up to the revision in its head.
  const told = answer.created ? course.revision : Number(answer.header?.revision ?? 0);
  course.revision = Math.max(course.revision, last ?? told);
  return last === undefined ? undefined : { kind: "changes", changes, revision: last };
}

// The names of enumerations are spelt one way in etcd and another in etcd3.
function isDelete(type: string | undefined): boolean {
  return type?.toUpperCase() === "DELETE";
}

function readEnd(answer: WatchResponse): WatchBatch {
  const revision = Number(answer["compact_revision"] ?? 0);
  if (revision > 0) return { kind: "compacted", revision };
  const words = answer["cancel_reason"] || "ended the watch";
  // Of a login that has run out, etcd 3.4 says the same as of one that may not look.
  throw new TransportError(
    /denied|auth/.test(words) ? CODE.permissionDenied : CODE.unavailable,
    words,
  );
}

/**
 * Looks at the member beside the stream: a member that stands still, or that has lost the others,
 * says nothing on the stream either, and neither does a connection that is gone without a word.
 */
class Guard implements Disposable {
  readonly #stop = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #look: () => Promise<number>;
  readonly #course: Course;
  #mute = 0;
  /** Why the stream was given up. */
  reason: TransportError | undefined;

  constructor(cluster: EtcdCluster, keys: EtcdKeys, course: Course, member: Member) {
    this.#course = course;
    this.#look = () => readRevision(cluster, keys, member);
    this.#timer = setInterval(() => void this.#check(), cluster.limitMs);
  }

  /** Aborts when the stream is to be given up. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Takes note of a sign of life. */
  heard(): void {
    this.#mute = 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    try {
      const now = await this.#look();
      this.#mute = now > this.#course.revision ? this.#mute + 1 : 0;
      if (this.#mute >= MUTE_LOOKS) throw new TransportError(CODE.unavailable, "tells nothing");
    } catch (error) {
      if (error instanceof TransportError && !error.needsLogin) this.reason = error;
      if (this.reason || !(error instanceof TransportError)) this.#stop.abort();
    }
  }
}

// Asked of this one member, which has to ask the majority: a member without it gives no answer.
async function readRevision(cluster: EtcdCluster, keys: EtcdKeys, member: Member): Promise<number> {
  const options = { token: await cluster.token(member), limitMs: cluster.tryMs };
  const question = { key: keys.bytes(""), "keys_only": true };
  const { header } = await member.transport.call("kv/range", question, options);
  cluster.checkCluster(member, header);
  return Number(header?.revision ?? 0);
}

// Gives what `wanted` gives, or throws when `signal` aborts first.
async function before<T>(signal: AbortSignal, wanted: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new TransportError(CODE.unavailable, "was left"));
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([wanted, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
}
