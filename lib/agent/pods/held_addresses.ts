// Deletes dynamic endpoints that are not needed any more: those whose address was held for a pod that did
// not come back in time, by whichever agent sees it first; and on this host, after the grace period, those
// without any attachment, which only a manual change of the store leaves.
//
// Only what is marked as held expires by the clock, and a set-up removes the mark in the commit that
// assigns the address to its pod. So a clock that jumps ends a courtesy early; no running pod is affected.
//
// An agent that knows only what its host needs sees what its host holds until it restarts, and nobody sees what a removed
// host has held in a network without pods. So once an hour one of all agents looks at the networks with a hold time.

import { heldUntil } from "../../intent/dynamic.ts";
import { type Documents, type EndpointRecord, keys } from "../../intent/records.ts";
import { pause } from "../../util/async/pause.ts";
import type { Clock } from "../../util/clock.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { GracePeriod } from "../gc/grace_period.ts";
import {
  attachmentsOf,
  dynamicEndpoints,
  endpointKeyOf,
  type HostView,
  networksOf,
} from "../store/documents.ts";
import { countHosts } from "../store/spread_hosts.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { deleting } from "./endpoint_release.ts";

/** What expiry works with. */
export interface HeldAddressesDeps extends HostView {
  readonly store: Pick<
    StoreCache,
    "documents" | "commit" | "unreachable" | "knows" | "need"
  >;
  readonly clock: Clock;
  /** Returns 0 up to 1. @default Math.random */
  readonly random?: () => number;
  readonly log: Pick<Log, "info" | "warn">;
}

const PERIOD_MS = 2_000;
const SHORTEST_MS = 20;
const UNSEEN_MS = 3_600_000;

/** Deletes what has expired, until `signal` aborts. */
export async function expireHeldAddresses(
  deps: HeldAddressesDeps,
  graceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, log } = deps;
  const orphans = new GracePeriod(graceMs, clock.now);
  let unseenDueMs = clock.now();
  let lastProblem = "";
  const deleteAll = async () => {
    await deleteExpired(deps, orphans);
    if (clock.now() < unseenDueMs) return;
    unseenDueMs = clock.now() + UNSEEN_MS;
    await deleteUnseen(deps);
  };
  while (!signal.aborted) {
    const nextMs = nextExpiryMs(store.documents, clock.wallMs());
    await pause(Math.max(SHORTEST_MS, Math.min(PERIOD_MS, nextMs)), signal);
    // While the store is unreachable, what is known of it may be out of date.
    if (signal.aborted || store.unreachable) continue;
    const problem = await deleteAll()
      .then(() => "", (error) => faultFrom(error).message);
    if (problem !== "" && problem !== lastProblem) {
      log.warn(`held addresses stay for now: ${problem}`);
    }
    lastProblem = problem;
  }
}

/**
 * Deletes what has expired in networks with a hold time that this host does not follow, if it is this agent's turn: on
 * average, one of all agents has it.
 */
export async function deleteUnseen(deps: HeldAddressesDeps): Promise<void> {
  const { store, clock, random = Math.random } = deps;
  if (random() * countHosts(store.documents) >= 1) return;
  const unseen = networksOf(store.documents).filter(({ tenant, name, holdAddress }) =>
    holdAddress !== undefined && !store.knows({ tenant, network: name })
  );
  // Endpoints without attachment are left to agents that see them longer.
  const never = new GracePeriod(Infinity, clock.now);
  for (const network of unseen) {
    using _ = await store.need({ networks: [network] });
    await deleteExpired(deps, never);
  }
}

/** Deletes once what has expired; `orphans` measures the grace period of those without attachment. */
export async function deleteExpired(
  { store, host, clock, log }: HeldAddressesDeps,
  orphans: GracePeriod,
): Promise<void> {
  const { documents } = store;
  const expired = dynamicEndpoints(documents).filter((one) =>
    isExpired(documents, one, clock.wallMs())
  );
  const orphaned = orphanedEndpoints(documents, host);
  orphans.keepOnly(new Set(orphaned.map(keyOf)));
  const due = orphaned.filter((one) => orphans.isDue(keyOf(one), "missing"));
  for (const endpoint of [...expired, ...due]) {
    const key = keyOf(endpoint);
    const isDeleted = await store.commit((now) => {
      const present = now.get(key)?.value as EndpointRecord | undefined;
      const isStillDue = present &&
        (due.includes(endpoint)
          ? orphanedEndpoints(now, host).some((one) => keyOf(one) === key)
          : isExpired(now, present, clock.wallMs()));
      return isStillDue ? deleting(now, key) : undefined;
    });
    if (!isDeleted) continue;
    log.info("address released", {
      address: endpoint.address,
      network: `${endpoint.tenant}/${endpoint.network}`,
      pod: `${endpoint.namespace}/${endpoint.dynamic?.pod}`,
      why: due.includes(endpoint) ? "it has no attachment" : "its hold time is over",
    });
  }
}

/** Returns the milliseconds until the next held address expires; infinite where none is held. */
export function nextExpiryMs(documents: Documents, nowMs: number): number {
  const ends = dynamicEndpoints(documents).map((one) => heldUntil(documents, one) ?? Infinity);
  return Math.max(0, ends.reduce((a, b) => Math.min(a, b), Infinity) - nowMs);
}

/** Reports whether an endpoint was held for its pod as long as its network says. */
export function isExpired(documents: Documents, endpoint: EndpointRecord, nowMs: number): boolean {
  const until = heldUntil(documents, endpoint);
  return until !== undefined && until <= nowMs;
}

/** Returns the dynamic endpoints of `host` that have no attachment. */
export function orphanedEndpoints(documents: Documents, host: string): EndpointRecord[] {
  const made = dynamicEndpoints(documents).filter(({ dynamic, bound }) =>
    dynamic && dynamic.heldSince === undefined && bound?.host === host
  );
  if (made.length === 0) return [];
  const attached = new Set(attachmentsOf(documents, host).map(endpointKeyOf));
  return made.filter((one) => !attached.has(keyOf(one)));
}

function keyOf({ tenant, network, container }: EndpointRecord): string {
  return keys.endpoint(tenant, network, container);
}
