// Running pods follow what of their network can change without moving traffic: MTU, default gateway, and the alias
// of an aliased network. The records say it first; the steps of a reconciliation then change links and ports
// in place.

import type { AttachmentRecord, Documents, NetworkRecord } from "../../intent/records.ts";
import type { Json } from "../../store/store.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { attachmentKey, findNetwork } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { Mtus } from "./mtus.ts";
import { type AliasesInFlight, chooseAlias } from "./pod_alias.ts";
import { bareAddress } from "./port_external_ids.ts";

/** What following works with. */
export interface FollowNetworkDeps {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly mtus: Pick<Mtus, "settledOf">;
  readonly aliasesInFlight: AliasesInFlight;
  readonly log: Pick<Log, "info">;
}

/** Records what has changed of the networks of `mine`; returns the attachments as they are recorded now. */
export async function followNetworks(
  { store, mtus, aliasesInFlight, log }: FollowNetworkDeps,
  mine: readonly AttachmentRecord[],
): Promise<AttachmentRecord[]> {
  const plan = (one: AttachmentRecord, documents: Documents) => {
    const network = findNetwork(documents, one);
    return network && followed(one, mine, network, {
      mtus,
      alias: one.alias ?? aliasOrNone(documents, one, network, aliasesInFlight),
    });
  };
  return await Promise.all(mine.map(async (one) => {
    const next = plan(one, store.documents);
    if (!next) return one;
    const key = attachmentKey(one);
    let recorded: AttachmentRecord = one;
    const decide = (documents: Documents) => {
      const document = documents.get(key);
      const now = document?.value as AttachmentRecord | undefined;
      // Torn down or replaced meanwhile, which has considered its network.
      if (now?.id !== one.id) return { attachments: [], checks: [], writes: [] };
      recorded = plan(now, documents) ?? now;
      return {
        attachments: [recorded],
        checks: [{ key, revision: document?.revision ?? 0 }],
        writes: recorded === now ? [] : [{ key, value: recorded as unknown as Json }],
      };
    };
    const isDone = await aliasesInFlight.during(decide, (guarded) =>
      store.commit((documents) => {
        const part = guarded(documents);
        return part.writes.length > 0 ? part : undefined;
      }));
    if (isDone) logChange(log, one, recorded);
    return recorded;
  }));
}

/** Without a free alias a running pod stays as it is: it reaches its own network alone. */
function aliasOrNone(
  documents: Documents,
  { host, addresses }: AttachmentRecord,
  network: NetworkRecord,
  inFlight: AliasesInFlight,
): string | undefined {
  try {
    const at = { host, address: bareAddress(addresses[0] ?? "") };
    return chooseAlias(documents, at, network, (alias) => inFlight.has(alias));
  } catch (error) {
    if (faultFrom(error).code !== "exhausted") throw error;
    return undefined;
  }
}

/** Returns the attachment as its network is now; undefined where nothing differs. Pure. */
export function followed(
  one: AttachmentRecord,
  all: readonly AttachmentRecord[],
  network: NetworkRecord,
  { mtus, alias: given }: {
    readonly mtus: Pick<Mtus, "settledOf">;
    /** The pod's alias, if its network is aliased. */
    readonly alias: string | undefined;
  },
): AttachmentRecord | undefined {
  const mtu = mtus.settledOf(network) ?? one.mtu;
  const gateway = hasDefaultRoute(one, all) ? network.gateway : undefined;
  const alias = network.aliasedBecause === undefined ? undefined : given;
  if (mtu === one.mtu && gateway === one.gateway && alias === one.alias) return undefined;
  const { gateway: _, alias: __, ...rest } = one;
  return {
    ...{ ...rest, mtu },
    ...gateway === undefined ? {} : { gateway },
    ...alias === undefined ? {} : { alias },
  };
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
  { pod, tenant, network, mtu, gateway, alias }: AttachmentRecord,
): void {
  log.info("pod follows its network", {
    pod: `${pod.namespace}/${pod.name}`,
    network: `${tenant}/${network}`,
    mtu: mtu === before.mtu ? undefined : `${before.mtu} -> ${mtu}`,
    gateway: gateway === before.gateway
      ? undefined
      : `${before.gateway ?? "none"} -> ${gateway ?? "none"}`,
    alias: alias === before.alias ? undefined : `${before.alias ?? "none"} -> ${alias ?? "none"}`,
  });
}
