// Dynamic endpoints, which set-ups create, are in no file that could be applied again. If such a record is
// lost while its pod runs, it is restored from the pod's attachment or its port's row.
//
// A command deletes such a record only together with its network, so a missing one is damage.

import { refusalOf } from "../../ipam/addresses.ts";
import { parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { dynamicEndpointName } from "../../intent/dynamic.ts";
import {
  type AttachmentRecord,
  checkOf,
  type Documents,
  type EndpointRecord,
  keys,
  SCHEMA,
} from "../../intent/records.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import { poolOf } from "../../intent/field_rules.ts";
import type { Json } from "../../store/store.ts";
import type { PortRow } from "../../ovs/switch.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import type { Log } from "../../util/log.ts";
import type { CommitPart } from "../pods/endpoint_release.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { attachmentFromPort, bareAddress, hostEndOf } from "../pods/port_external_ids.ts";
import {
  attachmentKey,
  attachmentsOf,
  endpointKeyOf,
  findEndpoint,
  findNetwork,
  type HostView,
} from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";

/** What restoring endpoints works with. */
export interface RestoreEndpointsDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly plumbing: Pick<Plumbing, "observe">;
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly log: Pick<Log, "warn">;
}

/** Restores the lost endpoints of this host's running pods. */
export async function restoreEndpoints(
  deps: RestoreEndpointsDeps,
  rows: readonly PortRow[],
): Promise<void> {
  const { host, store: { documents }, sandboxes } = deps;
  const recorded = attachmentsOf(documents, host);
  const unrecorded = rows.flatMap((row) => attachmentFromPort(row) ?? [])
    .filter((one) => one.host === host && !documents.has(attachmentKey(one)));
  for (const one of [...recorded, ...unrecorded]) {
    if (!planRestoration(documents, one)) continue;
    // Checked again in the sandbox's turn: a teardown may have removed all of it meanwhile.
    await sandboxes.queue.run(one.sandbox, () => restore(deps, one));
  }
}

async function restore(deps: RestoreEndpointsDeps, one: AttachmentRecord): Promise<void> {
  const { store, plumbing, runtimes, log } = deps;
  const isHere = store.documents.has(attachmentKey(one)) ||
    (await plumbing.observe((name) => name === hostEndOf(one))).rows.length > 0;
  if (!isHere || !await runtimes.isAlive(one)) return;
  const isDone = await store.commit((documents) => planRestoration(documents, one));
  if (!isDone) return;
  log.warn("endpoint restored: its record was lost under its pod", {
    pod: `${one.pod.namespace}/${one.pod.name}`,
    network: `${one.tenant}/${one.network}`,
    address: one.addresses.map(bareAddress).join(","),
  });
}

/** Returns the commit that restores the endpoint; undefined where it is not lost, or its address is taken. */
export function planRestoration(
  documents: Documents,
  one: AttachmentRecord,
): CommitPart | undefined {
  const { pod, tenant, network: name, host, generation } = one;
  const network = findNetwork(documents, one);
  const address = one.addresses.map(bareAddress)[0];
  if (one.endpoint !== dynamicEndpointName(pod) || !network || !address) return undefined;
  if (findEndpoint(documents, one)) return undefined;
  const claim = keys.addressClaim(tenant, name, address);
  const owner = (documents.get(claim)?.value as { readonly owner: string } | undefined)?.owner;
  const key = endpointKeyOf(one);
  if (owner !== undefined && owner !== key) return undefined;
  const pool = poolOf((field) => field, `${tenant}/${name}`, network, parseSubnet(network.subnet));
  if (refusalOf(pool, parseAddress(address)) !== undefined) return undefined;
  const endpoint: EndpointRecord = {
    ...{ schema: SCHEMA, tenant, network: name, container: one.endpoint, address },
    ...{ namespace: pod.namespace, addressBy: "pool", bound: { host, generation } },
    dynamic: { pod: pod.name, rule: "rebuilt from its attachment" },
  };
  const networkKey = keys.network(tenant, name);
  return {
    checks: [key, claim, networkKey].map((one) => checkOf(documents, one)),
    writes: [
      { key, value: endpoint as unknown as Json },
      { key: claim, value: { schema: SCHEMA, owner: key } },
      { key: keys.arrival(tenant, name), value: { schema: SCHEMA, endpoint: nameOf(key) } },
    ],
  };
}
