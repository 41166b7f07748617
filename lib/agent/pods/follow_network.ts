// Running pods follow what of their network can change without moving traffic: MTU and default gateway. The
// records say it first; the steps of a reconciliation then change links and ports in place.

import type { AttachmentRecord, Documents, NetworkRecord } from "../../intent/records.ts";
import type { Json } from "../../store/store.ts";
import type { Log } from "../../util/log.ts";
import { attachmentKey, findNetwork } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { Mtus } from "./mtus.ts";

/** What following works with. */
export interface FollowNetworkDeps {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly mtus: Pick<Mtus, "settledOf">;
  readonly log: Pick<Log, "info">;
}

/** Records what has changed of the networks of `mine`; returns the attachments as they are recorded now. */
export async function followNetworks(
  { store, mtus, log }: FollowNetworkDeps,
  mine: readonly AttachmentRecord[],
): Promise<AttachmentRecord[]> {
  const plan = (one: AttachmentRecord, documents: Documents) =>
    followed(one, mine, findNetwork(documents, one), mtus);
  return await Promise.all(mine.map(async (one) => {
    const next = plan(one, store.documents);
    if (!next) return one;
    const key = attachmentKey(one);
    let recorded: AttachmentRecord = one;
    const isDone = await store.commit((documents) => {
      const document = documents.get(key);
      const now = document?.value as AttachmentRecord | undefined;
      // Torn down or replaced meanwhile, which has considered its network.
      if (now?.id !== one.id) return undefined;
      recorded = plan(now, documents) ?? now;
      return recorded === now ? undefined : {
        checks: [{ key, revision: document?.revision ?? 0 }],
        writes: [{ key, value: recorded as unknown as Json }],
      };
    });
    if (isDone) logChange(log, one, recorded);
    return recorded;
  }));
}

/** Returns the attachment as its network is now; undefined where nothing differs. Pure. */
export function followed(
  one: AttachmentRecord,
  all: readonly AttachmentRecord[],
  network: NetworkRecord | undefined,
  mtus: Pick<Mtus, "settledOf">,
): AttachmentRecord | undefined {
  if (!network) return undefined;
  const mtu = mtus.settledOf(network) ?? one.mtu;
  const gateway = hasDefaultRoute(one, all) ? network.gateway : undefined;
  if (mtu === one.mtu && gateway === one.gateway) return undefined;
  const { gateway: _, ...rest } = one;
  return { ...rest, mtu, ...(gateway === undefined ? {} : { gateway }) };
}

/** One default route per pod: of the interface that has it, else of the first by name (eth0, net1 …). */
function hasDefaultRoute(one: AttachmentRecord, all: readonly AttachmentRecord[]): boolean {
  if (one.gateway !== undefined) return true;
  const siblings = all.filter(({ sandbox }) => sandbox === one.sandbox);
  if (siblings.some(({ gateway }) => gateway !== undefined)) return false;
  return siblings.every((other) => other.interface >= one.interface);
}

function logChange(
  log: Pick<Log, "info">,
  before: AttachmentRecord,
  { pod, tenant, network, mtu, gateway }: AttachmentRecord,
): void {
  log.info("pod follows its network", {
    pod: `${pod.namespace}/${pod.name}`,
    network: `${tenant}/${network}`,
    mtu: mtu === before.mtu ? undefined : `${before.mtu} -> ${mtu}`,
    gateway: gateway === before.gateway
      ? undefined
      : `${before.gateway ?? "none"} -> ${gateway ?? "none"}`,
  });
}
