// Removes a host that never comes back: `gc --host`. Nothing is removed because of its age alone: the
// operator says that the host is gone, and we check that its agent sends no heartbeats.
//
// First the host's own heartbeat record is marked as lost, and every commit checks that record: an agent
// that comes back writes it, and from then on nothing more of its host is removed. So the removal may be
// interrupted or run twice at any time: another one that finds the mark continues it.

import { silentMs } from "../../intent/heartbeats.ts";
import { whyUnreadable } from "../../intent/readable.ts";
import { keys, type PresenceRecord } from "../../intent/records.ts";
import type { Check, Json } from "../../store/store.ts";
import { Fault } from "../../util/errors.ts";
import type { Report } from "../../util/progress.ts";
import type { GcAct, GcAnswer } from "../api/repair_requests.ts";
import {
  firstCommit,
  type HostRemoval,
  knownHosts,
  planHostRemoval,
  unreadableOf,
} from "./remove_host_plan.ts";
import type { StoreCache } from "./store_cache.ts";

const CHECKS = 10;
// Each conflict means that another client has written; this many in a row only under heavy contention.
const TRIES = 200;

/** Options of removeHost(). */
export interface RemoveHostOptions {
  readonly host: string;
  /** Host of the agent that runs this; absent if a command opened the store. */
  readonly self?: string;
  /** Only report what would be done. */
  readonly isDry: boolean;
  /** Also if the host has never written a heartbeat. */
  readonly isForced: boolean;
  readonly pause: (ms: number) => Promise<void>;
  /** Milliseconds of the epoch. */
  readonly wallMs: () => number;
  /** First the checks of its heartbeat, then what is removed. */
  readonly report?: Report;
}

/**
 * Removes a host and reports what that did. Repeatable. Faults: not_found, if nothing names it;
 * conflict, if it is alive or comes back meanwhile, or if that cannot be known; unavailable.
 */
export async function removeHost(cache: StoreCache, options: RemoveHostOptions): Promise<GcAnswer> {
  const { host, self, isDry, wallMs } = options;
  if (host === self) {
    throw new Fault("conflict", `host ${host} is not removed`, {
      why: "it is this host, and its agent is running",
      fix: "tear down its pods, or ask the agent of another host when this one is gone",
    });
  }
  await cache.catchUp();
  if (!knownHosts(cache.documents).has(host)) throw unknownHostFault(cache, host);
  const last = await lastHeartbeat(cache, options);
  const at = last.record?.at;
  const answer = (acts: readonly GcAct[]): GcAnswer => ({
    host,
    ...at === undefined ? {} : { lastSeen: at },
    acts,
    left: unreadableOf(cache.documents, host),
    ...cache.documents.has(keys.host(host)) ? { isInIntent: true as const } : {},
  });
  if (isDry) return answer(actsOf(planHostRemoval(cache.documents, host, wallMs())));
  return answer(await release(cache, options, await markLost(cache, host, last)));
}

/** The last heartbeat of a host. */
interface Heartbeat {
  /** Absent if there is none, at revision 0. */
  readonly record: PresenceRecord | undefined;
  readonly revision: number;
}

/** Watches the heartbeat of a host until a living agent would have written one; returns the last one. */
async function lastHeartbeat(
  cache: StoreCache,
  { host, isForced, pause, report }: RemoveHostOptions,
): Promise<Heartbeat> {
  const first = await readHeartbeat(cache, host);
  if (!first.record && !isForced) {
    throw new Fault("conflict", `host ${host} is not removed`, {
      why: "it has never written a heartbeat to this store, so nothing shows that it is gone",
      fix: "make sure that no agent has that label, and add --force",
    });
  }
  if (!first.record || first.record.lost) return first;
  const limitMs = silentMs(first.record);
  for (let checks = 0; checks < CHECKS; checks++) {
    report?.(checks, CHECKS);
    await pause(limitMs / CHECKS);
    const now = await readHeartbeat(cache, host);
    if (now.record?.lost) return now; // by another removal of the same host
    if (now.revision !== first.revision) throw aliveFault(host, now.record);
  }
  return first;
}

/** Marks the host as lost and returns the revision of its record, which must not change from then on. */
async function markLost(
  cache: StoreCache,
  host: string,
  { record, revision }: Heartbeat,
): Promise<number> {
  if (!record || record.lost) return revision;
  const key = keys.presence(host);
  // The MTU of its links no longer concerns other hosts.
  const { mtu: _, ...rest } = record;
  const value = { ...rest, lost: true } as unknown as Json;
  const result = await cache.tryCommit([{ key, revision }], [{ key, value }]);
  if (result.done) return result.revision;
  const now = await readHeartbeat(cache, host);
  if (now.record?.lost) return now.revision;
  throw aliveFault(host, now.record);
}

function actsOf(removals: readonly HostRemoval[]): GcAct[] {
  return removals.flatMap(({ act }) => act ?? []);
}

async function release(
  cache: StoreCache,
  { host, wallMs, report }: RemoveHostOptions,
  markRevision: number,
): Promise<readonly GcAct[]> {
  const done: GcAct[] = [];
  const markCheck: Check = { key: keys.presence(host), revision: markRevision };
  for (let tries = 0; tries < TRIES;) {
    const { documents } = cache;
    const left = planHostRemoval(documents, host, wallMs());
    report?.(done.length, done.length + left.length);
    const removals = firstCommit(documents, left, 1);
    if (removals.length === 0) return done;
    const result = await cache.tryCommit(
      [markCheck, ...removals.flatMap(({ checks }) => checks)],
      removals.flatMap(({ writes }) => writes),
    );
    if (result.done) {
      done.push(...actsOf(removals));
      tries = 0;
      continue;
    }
    if (result.conflict === markCheck.key) throw cameBackFault(host, done.length);
    await cache.learn(result.conflict);
    tries++;
  }
  throw new Fault("conflict", "store keeps changing", {
    why: `${TRIES} commits in a row conflicted with changes by other clients`,
    fix: "try again",
  });
}

async function readHeartbeat(cache: StoreCache, host: string): Promise<Heartbeat> {
  const key = keys.presence(host);
  await cache.refresh(key);
  const document = cache.documents.get(key);
  const why = document && whyUnreadable(key, document.value);
  if (why !== undefined) {
    throw new Fault("conflict", `host ${host} is not removed`, {
      why: `its heartbeat record cannot be read: ${why}`,
      fix: "use a newer k8contivnet",
    });
  }
  const record = document?.value as PresenceRecord | undefined;
  return { record, revision: document?.revision ?? 0 };
}

function unknownHostFault(cache: StoreCache, host: string): Fault {
  const known = [...knownHosts(cache.documents)].sort();
  return new Fault("not_found", `no host is named "${host}"`, {
    why: known.length > 0 ? `known: ${known.slice(0, 10).join(", ")}` : "no host is known",
    fix: "list them with k8contivnet get hosts",
  });
}

function aliveFault(host: string, record: PresenceRecord | undefined): Fault {
  return new Fault("conflict", `host ${host} is not removed`, {
    why: `its agent is alive: it wrote a heartbeat during the check, ${seenAt(record)}`,
    fix: "stop it first if the host is to be removed",
  });
}

function cameBackFault(host: string, count: number): Fault {
  return new Fault("conflict", `host ${host} has come back`, {
    why: `its agent wrote a heartbeat after ${count} releases`,
    fix: "nothing to do: it attaches its pods again if their addresses are still free",
  });
}

function seenAt(record: PresenceRecord | undefined): string {
  return record?.at === undefined ? "just now" : `at ${record.at} by its clock`;
}
