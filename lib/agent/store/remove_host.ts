// Gives up a host that never comes back: `gc --host`. Nothing goes by its age alone: a person says
// that the host is gone, and we look whether its agent is silent, as long as that takes.
//
// First a mark goes into the host's own sign of life, and every commit checks that sign: an agent that
// comes back writes it anew, and from then on nothing more of its host is given up. So it may be cut
// off or run twice at any moment: whoever finds the mark goes on where the other one was.

import { whyUnreadable } from "../../intent/readable.ts";
import { keys, type PresenceRecord } from "../../intent/records.ts";
import type { Check, Json } from "../../store/store.ts";
import { Fault } from "../../util/errors.ts";
import type { GcAct, GcAnswer } from "../api.ts";
import { firstCommit, knownHosts, planHostRemoval, unreadableOf } from "./remove_host_plan.ts";
import type { StoreCache } from "./store_cache.ts";
import { SILENT_BEATS } from "./presence.ts";

// Of an agent that does not tell its interval, as none before this version did: longer than people make it.
const BEAT_MS = 60_000;
const LOOKS = 10;
// Each conflict means that somebody else has written; that many in a row only in a store that is fought over.
const TRIES = 200;

/** What is wanted. */
export interface RemoveHostOptions {
  readonly host: string;
  /** Host of the agent that is asked; absent where a store is opened directly. */
  readonly self?: string;
  /** Only say what would be done. */
  readonly isDry: boolean;
  /** Also where the host has no sign of life at all. */
  readonly isForced: boolean;
  readonly pause: (ms: number) => Promise<void>;
  /** Milliseconds of the epoch. */
  readonly wallMs: () => number;
}

/**
 * Returns up a host and says what that did. Repeatable. Faults: not_found, where nothing names it;
 * conflict, where it is alive, comes back meanwhile, or cannot be told from one that is; unavailable.
 */
export async function removeHost(mirror: StoreCache, wish: RemoveHostOptions): Promise<GcAnswer> {
  const { host, self, isDry, wallMs } = wish;
  if (host === self) {
    throw new Fault("conflict", `host ${host} is not given up`, {
      why: "it is this one, and its agent answers",
      fix: `tear its pods down, or ask another host's agent when this one is gone`,
    });
  }
  await mirror.catchUp();
  if (!knownHosts(mirror.documents).has(host)) throw unknownHost(mirror, host);
  const silent = await silenceOf(mirror, wish);
  const at = silent.record?.at;
  const answer = (acts: readonly GcAct[]): GcAnswer => ({
    host,
    ...at === undefined ? {} : { lastSeen: at },
    acts,
    left: unreadableOf(mirror.documents, host),
  });
  if (isDry) return answer(planHostRemoval(mirror.documents, host, wallMs()).map(({ act }) => act));
  return answer(await release(mirror, wish, await mark(mirror, host, silent)));
}

/** A host's sign of life as it was when nothing more came. */
interface Silent {
  /** Absent where there is none, which is the case at revision 0. */
  readonly record: PresenceRecord | undefined;
  readonly revision: number;
}

/** Looks as long as it takes to hear an agent that lives. */
async function silenceOf(
  mirror: StoreCache,
  { host, isForced, pause }: RemoveHostOptions,
): Promise<Silent> {
  const first = await readSign(mirror, host);
  if (!first.record && !isForced) {
    throw new Fault("conflict", `host ${host} is not given up`, {
      why: "it has never given a sign of life in this store, so nothing tells that it is gone",
      fix: "see that no agent has that label, and add --force",
    });
  }
  if (!first.record || first.record.lost) return first;
  const limitMs = (first.record.everyMs ?? BEAT_MS) * SILENT_BEATS;
  for (let looks = 0; looks < LOOKS; looks++) {
    await pause(limitMs / LOOKS);
    const now = await readSign(mirror, host);
    if (now.record?.lost) return now; // by somebody who does the same
    if (now.revision !== first.revision) throw isAlive(host, now.record);
  }
  return first;
}

/** Marks the host as given up; from then on its sign of life must stay as it is. */
async function mark(
  mirror: StoreCache,
  host: string,
  { record, revision }: Silent,
): Promise<number> {
  if (!record || record.lost) return revision;
  const key = keys.presence(host);
  // What its links carried is no other host's concern any more.
  const { mtu: _, ...rest } = record;
  const value = { ...rest, lost: true } as unknown as Json;
  const result = await mirror.tryCommit([{ key, revision }], [{ key, value }]);
  if (result.done) return result.revision;
  const now = await readSign(mirror, host);
  if (now.record?.lost) return now.revision;
  throw isAlive(host, now.record);
}

async function release(
  mirror: StoreCache,
  { host, wallMs }: RemoveHostOptions,
  sign: number,
): Promise<readonly GcAct[]> {
  const done: GcAct[] = [];
  const fence: Check = { key: keys.presence(host), revision: sign };
  for (let tries = 0; tries < TRIES;) {
    const losses = firstCommit(planHostRemoval(mirror.documents, host, wallMs()), 1);
    if (losses.length === 0) return done;
    const result = await mirror.tryCommit(
      [fence, ...losses.flatMap(({ checks }) => checks)],
      losses.flatMap(({ writes }) => writes),
    );
    if (result.done) {
      done.push(...losses.map(({ act }) => act));
      tries = 0;
      continue;
    }
    if (result.conflict === fence.key) throw isBack(host, done.length);
    await mirror.learn(result.conflict);
    tries++;
  }
  throw new Fault("conflict", "store does not come to rest", {
    why: `${TRIES} commits in a row met a change by somebody else`,
    fix: "try again",
  });
}

async function readSign(mirror: StoreCache, host: string): Promise<Silent> {
  const key = keys.presence(host);
  await mirror.refresh(key);
  const document = mirror.documents.get(key);
  const why = document && whyUnreadable(key, document.value);
  if (why !== undefined) {
    throw new Fault("conflict", `host ${host} is not given up`, {
      why: `its sign of life cannot be read: ${why}`,
      fix: "use a newer k8contivnet",
    });
  }
  const record = document?.value as PresenceRecord | undefined;
  return { record, revision: document?.revision ?? 0 };
}

function unknownHost(mirror: StoreCache, host: string): Fault {
  const known = [...knownHosts(mirror.documents)].sort();
  return new Fault("not_found", `no host is named "${host}"`, {
    why: known.length > 0 ? `known: ${known.slice(0, 10).join(", ")}` : "no host is known",
    fix: "see k8contivnet get hosts",
  });
}

function isAlive(host: string, record: PresenceRecord | undefined): Fault {
  return new Fault("conflict", `host ${host} is not given up`, {
    why: `its agent is alive: it gave a sign of life while we looked, ${seenAt(record)}`,
    fix: "stop it first if the host shall go",
  });
}

function isBack(host: string, count: number): Fault {
  return new Fault("conflict", `host ${host} has come back`, {
    why: `its agent gave a sign of life after ${count} releases`,
    fix: "nothing: it connects its pods anew, as far as their places are free",
  });
}

function seenAt(record: PresenceRecord | undefined): string {
  return record?.at === undefined ? "just now" : `at ${record.at} by its clock`;
}
