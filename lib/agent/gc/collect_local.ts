// `gc` of this host: what the reconcile loop has marked as garbage is released now, not after the grace
// period. Each sandbox was missing once before, and is checked once more: one missing answer releases
// nothing.

import type { AttachmentRecord } from "../../intent/records.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { GcAct, GcAnswer } from "../api/repair_requests.ts";
import { bareAddress } from "../pods/port_external_ids.ts";
import {
  attachmentKey,
  attachmentsOf,
  endpointKeyOf,
  findEndpoint,
  findNetwork,
  type HostView,
} from "../store/documents.ts";
import { unreadableOf } from "../store/remove_host_plan.ts";
import type { GracePeriod } from "./grace_period.ts";

/** What a local collection works with. */
export interface CollectLocalDeps extends HostView {
  readonly gracePeriod: Pick<GracePeriod, "remainingMs" | "expireAll" | "isMarked">;
  /** Notified for the reconciliation that does the work. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

const [LIMIT_MS, EVERY_MS] = [20_000, 50];

/** Releases what is marked as garbage and returns what that was; with `isDry`, what is marked. */
export async function collectLocal(
  deps: CollectLocalDeps,
  { isDry, pause }: { readonly isDry: boolean; readonly pause: (ms: number) => Promise<void> },
): Promise<GcAnswer> {
  const { host, store, gracePeriod, reconcileSignal } = deps;
  const left = unreadableOf(store.documents, host);
  const due = gracePeriod.remainingMs();
  const marked = attachmentsOf(store.documents, host).filter(({ id }) => due.has(id));
  // Described now: the release may delete the endpoint, too.
  const described = marked.map((one) => ({ one, act: actOf(deps, one) }));
  if (isDry) {
    const acts = described.map(({ one, act }) => ({ ...act, dueMs: due.get(one.id) ?? 0 }));
    return { host, acts, left };
  }
  const present = () => new Set(attachmentsOf(store.documents, host).map(({ id }) => id));
  const waiting = new Set(gracePeriod.expireAll());
  reconcileSignal.notify();
  for (let waitedMs = 0; waiting.size > 0 && waitedMs < LIMIT_MS; waitedMs += EVERY_MS) {
    await pause(EVERY_MS);
    const ids = present();
    for (const id of waiting) if (!ids.has(id) || !gracePeriod.isMarked(id)) waiting.delete(id);
  }
  // By key: a sandbox that was restarted meanwhile has its interface back, with another id.
  const released = described.filter(({ one }) => !store.documents.has(attachmentKey(one)));
  return { host, acts: released.map(({ act }) => act), left };
}

function actOf({ store: { documents } }: HostView, one: AttachmentRecord): GcAct {
  const isHeld = (findNetwork(documents, one)?.holdAddress ?? 0) > 0;
  const isDynamic = findEndpoint(documents, one)?.dynamic !== undefined;
  return {
    act: !isDynamic ? "forget" : isHeld ? "hold" : "release",
    endpoint: nameOf(endpointKeyOf(one)),
    address: one.addresses.map(bareAddress).join(","),
    pod: `${one.pod.namespace}/${one.pod.name}`,
  };
}
