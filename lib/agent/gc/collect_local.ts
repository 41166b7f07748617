// `gc` of this host: what the agent has been looking for in vain goes now, not after its grace time. Each
// was missing at a look before, and is looked for once more: one missing answer releases nobody.

import type { AttachmentRecord } from "../../intent/records.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import type { GcAct, GcAnswer } from "../api.ts";
import { bareAddress } from "../pods/port_external_ids.ts";
import { attachmentsOf, endpointKeyOf, findEndpoint, findNetwork } from "../store/documents.ts";
import { unreadableOf } from "../store/remove_host_plan.ts";
import type { World } from "../world.ts";

const [LIMIT_MS, EVERY_MS] = [20_000, 50];

/** Releases what is marked as garbage and says what that was; with `isDry` says what waits for it. */
export async function collectLocal(
  world: World,
  { isDry, pause }: { readonly isDry: boolean; readonly pause: (ms: number) => Promise<void> },
): Promise<GcAnswer> {
  const { host, gracePeriod, reconcileSignal } = world;
  const left = unreadableOf(world.store.documents, host);
  const due = gracePeriod.left();
  const marked = mine(world).filter(({ id }) => due.has(id));
  // Told now: the release may take the endpoint along.
  const acts = new Map(marked.map((one) => [one.id, actOf(world, one)]));
  if (isDry) {
    return {
      host,
      acts: [...acts].map(([id, act]) => ({ ...act, dueMs: due.get(id) ?? 0 })),
      left,
    };
  }
  const waiting = new Set(gracePeriod.hasten());
  reconcileSignal.notify();
  for (let waitedMs = 0; waiting.size > 0 && waitedMs < LIMIT_MS; waitedMs += EVERY_MS) {
    await pause(EVERY_MS);
    const present = new Set(mine(world).map(({ id }) => id));
    for (const id of waiting) if (!present.has(id) || !gracePeriod.isMarked(id)) waiting.delete(id);
  }
  const present = new Set(mine(world).map(({ id }) => id));
  return { host, acts: [...acts].flatMap(([id, act]) => present.has(id) ? [] : [act]), left };
}

function mine({ store, host }: World): AttachmentRecord[] {
  return attachmentsOf(store.documents, host);
}

function actOf({ store: { documents } }: World, one: AttachmentRecord): GcAct {
  const isHeld = (findNetwork(documents, one)?.holdAddress ?? 0) > 0;
  const isMade = findEndpoint(documents, one)?.dynamic !== undefined;
  return {
    act: !isMade ? "forget" : isHeld ? "hold" : "release",
    endpoint: nameOf(endpointKeyOf(one)),
    address: one.addresses.map(bareAddress).join(","),
    pod: `${one.pod.namespace}/${one.pod.name}`,
  };
}
