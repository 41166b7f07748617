// Ends endpoints that set-ups made and that nobody needs any more: those whose address was held for a
// pod that did not come back in time, by whichever agent sees it first; and on this host one without
// any attachment, which only somebody's hand in the store leaves, after the grace time.
//
// Only what is marked as held ends by the clock, and a set-up takes the mark away in the commit that
// gives the pod its address. So a clock that jumps ends a courtesy early; no pod that lives loses by it.

import { heldUntil } from "../../intent/dynamic.ts";
import { type Documents, type EndpointRecord, keys } from "../../intent/records.ts";
import { faultFrom } from "../../util/errors.ts";
import { pause } from "../../util/async/pause.ts";
import { GracePeriod } from "../gc/grace_period.ts";
import { attachmentsOf, endpointKeyOf, endpointsOf } from "../store/documents.ts";
import type { World } from "../world.ts";
import { deleting } from "./endpoint_release.ts";

const LOOK_MS = 2_000;
const SHORTEST_MS = 20;

/** Ends what is over until `signal` aborts. */
export async function expireHeldAddresses(
  world: World,
  graceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const lost = new GracePeriod(graceMs, world.now);
  let said = "";
  while (!signal.aborted) {
    const nextMs = nextExpiryMs(world.store.documents, world.wallMs());
    await pause(Math.max(SHORTEST_MS, Math.min(LOOK_MS, nextMs)), signal);
    // Without the store, what is known of it may be long over.
    if (signal.aborted || world.store.unreachable) continue;
    const words = await endAll(world, lost).then(() => "", (error) => faultFrom(error).message);
    if (words !== "" && words !== said) world.log.warn(`held addresses stay for now: ${words}`);
    said = words;
  }
}

async function endAll(world: World, lost: GracePeriod): Promise<void> {
  const { store, log } = world;
  const { documents } = store;
  const over = endpointsOf(documents).filter((one) => isExpired(documents, one, world.wallMs()));
  const orphans = orphanedEndpoints(documents, world.host);
  lost.keepOnly(new Set(orphans.map(keyOf)));
  const due = orphans.filter((one) => lost.isDue(keyOf(one), "missing"));
  for (const endpoint of [...over, ...due]) {
    const key = keyOf(endpoint);
    const isEnded = await store.commit((now) => {
      const present = now.get(key)?.value as EndpointRecord | undefined;
      const isStillDue = present && (isExpired(now, present, world.wallMs()) ||
        orphanedEndpoints(now, world.host).some((one) => keyOf(one) === key));
      return isStillDue ? deleting(now, key) : undefined;
    });
    if (!isEnded) continue;
    log.info("address released", {
      address: endpoint.address,
      network: `${endpoint.tenant}/${endpoint.network}`,
      pod: `${endpoint.namespace}/${endpoint.dynamic?.pod}`,
      why: due.includes(endpoint) ? "nothing is attached to it" : "its time is over",
    });
  }
}

/** Returns the milliseconds until the next held address is over; infinite where none is held. */
export function nextExpiryMs(documents: Documents, nowMs: number): number {
  const ends = endpointsOf(documents).map((one) => heldUntil(documents, one) ?? Infinity);
  return Math.max(0, ends.reduce((a, b) => Math.min(a, b), Infinity) - nowMs);
}

/** Reports whether an endpoint was held for its pod as long as its network says. */
export function isExpired(documents: Documents, endpoint: EndpointRecord, nowMs: number): boolean {
  const until = heldUntil(documents, endpoint);
  return until !== undefined && until <= nowMs;
}

/** Returns the endpoints that were made for pods of `host` and have no attachment. */
export function orphanedEndpoints(documents: Documents, host: string): EndpointRecord[] {
  const made = endpointsOf(documents).filter(({ dynamic, bound }) =>
    dynamic && dynamic.heldSince === undefined && bound?.host === host
  );
  if (made.length === 0) return [];
  const attached = new Set(attachmentsOf(documents, host).map(endpointKeyOf));
  return made.filter((one) => !attached.has(keyOf(one)));
}

function keyOf({ tenant, network, container }: EndpointRecord): string {
  return keys.endpoint(tenant, network, container);
}
