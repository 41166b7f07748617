// Running pods whose endpoint has got another address (`rollback --force`): each keeps its interface's name, its sandbox
// and what its runtime calls it, and is attached anew with the address that the endpoint has. The record says it first;
// then the former port goes, and the steps of the reconciliation make the new one. So a crash at any moment leaves a
// stray port and an attachment without a port, which every reconciliation repairs.
//
// It is a new attachment and not a changed one: a MAC that was made from the former address is another pod's from now on.

import { type AttachmentRecord, checkOf, type Documents, keys } from "../../intent/records.ts";
import { macOf } from "../../ipam/macs.ts";
import type { Json } from "../../store/store.ts";
import type { Clock } from "../../util/clock.ts";
import { faultFrom, isUnreachable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import {
  attachmentKey,
  endpointKeyOf,
  findEndpoint,
  findNetwork,
  type HostView,
} from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { logDetached } from "./attachment_log.ts";
import { withoutPort } from "./lost_ports.ts";
import type { Plumbing } from "./plumbing.ts";
import { bareAddress, hostEndOf } from "./port_external_ids.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** What following addresses works with. */
export interface NewAddressesDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "commit" | "knows">;
  readonly plumbing: Pick<Plumbing, "detach">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  /** Returns 11 random hex digits. */
  readonly newId: () => string;
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "info" | "warn">;
}

/**
 * Records new attachments for those of `mine` that are alive and whose endpoint has another address, and removes their
 * ports; returns the attachments as they are recorded now, without those that were torn down meanwhile. If the store is
 * unreachable, a pod keeps what it has. Faults: of the switch, once all are done.
 */
export async function followAddresses(
  deps: NewAddressesDeps,
  mine: readonly AttachmentRecord[],
  isAlive: (one: AttachmentRecord) => boolean,
): Promise<AttachmentRecord[]> {
  const results = await Promise.allSettled(mine.map(async (one) => {
    if (!deps.store.knows(one) || !isAlive(one) || !hasNewAddress(deps, one)) return one;
    // Not beside a set-up or teardown of that sandbox.
    return await deps.sandboxes.queue.run(one.sandbox, () => renew(deps, one));
  }));
  const failed = results.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return results.flatMap((one) => one.status === "fulfilled" ? one.value ?? [] : []);
}

/** Reports whether the endpoint is still bound to its attachment, with another address or in another subnet. */
export function hasNewAddress(view: HostView, one: AttachmentRecord): boolean {
  return withAddress(view, one) !== undefined;
}

/**
 * Returns the attachment with its endpoint's address; undefined if it has that, or is not the endpoint's. Another default
 * gateway follows as under any pod: followNetworks().
 */
function withAddress(
  { host, store: { documents } }: HostView,
  one: AttachmentRecord,
): AttachmentRecord | undefined {
  const [endpoint, network] = [findEndpoint(documents, one), findNetwork(documents, one)];
  const bound = endpoint?.bound;
  if (!network || bound?.host !== host || bound.generation !== one.generation) return undefined;
  const address = `${endpoint!.address}/${network.subnet.split("/")[1]}`;
  if (one.addresses.includes(address)) return undefined;
  const { mac, reason: _, ...rest } = withoutPort(one);
  const isMade = mac === macOf(bareAddress(one.addresses[0] ?? ""));
  return {
    ...rest,
    addresses: [address],
    mac: isMade ? endpoint!.mac ?? macOf(endpoint!.address) : mac,
    state: "planned",
  };
}

/** Returns undefined if it was torn down while this waited for its turn. */
async function renew(
  deps: NewAddressesDeps,
  one: AttachmentRecord,
): Promise<AttachmentRecord | undefined> {
  const { host, store, plumbing, clock, log } = deps;
  const started = clock.now();
  const key = attachmentKey(one);
  const id = deps.newId();
  let recorded = one;
  const sameIn = (documents: Documents) => {
    const now = documents.get(key)?.value as AttachmentRecord | undefined;
    return now?.id === one.id ? now : undefined;
  };
  const plan = (documents: Documents) => {
    const now = sameIn(documents);
    const next = now && withAddress({ host, store: { documents } }, now);
    if (!next) return undefined;
    recorded = { ...next, id };
    return {
      // A set-up of another host, or another rollback, changes the endpoint.
      checks: [key, endpointKeyOf(one), keys.network(one.tenant, one.network)]
        .map((each) => checkOf(documents, each)),
      writes: [{ key, value: recorded as unknown as Json }],
    };
  };
  try {
    if (!await store.commit(plan)) return sameIn(store.documents);
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    const pod = `${one.pod.namespace}/${one.pod.name}`;
    log.warn(`pod keeps its earlier address for now: ${faultFrom(error).message}`, { pod });
    return one;
  }
  const { linksGone } = await plumbing.detach([hostEndOf(one)]);
  await linksGone;
  logDetached(deps, one, started, whyDetached(recorded));
  return recorded;
}

function whyDetached({ addresses, cni }: AttachmentRecord): string {
  const address = addresses.map(bareAddress).join(",");
  // Runtimes remember what a CNI plugin has answered.
  const left = cni
    ? "; its runtime reports the earlier one until it is torn down and set up again"
    : "";
  return `its endpoint's address changed to ${address}: attaching it again${left}`;
}
