// Endpoints that set-ups made have no file to be applied from again. Where such a record is lost while
// its pod lives, it is rebuilt from what is left of the pod: its attachment, or its port's row.
//
// No command deletes such a record but together with its network, so one that lacks is damage.

import { refusalOf } from "../../ipam/addresses.ts";
import { parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { dynamicName } from "../../intent/dynamic.ts";
import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
  SCHEMA,
} from "../../intent/records.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import { poolOf } from "../../intent/field_rules.ts";
import type { Json } from "../../store/store.ts";
import type { PortRow } from "../../ovs/switch.ts";
import type { Part } from "../pods/endpoint_release.ts";
import { observe } from "../pods/apply_claim.ts";
import { attachmentFromPort, bareAddress, hostEndOf } from "../pods/port_external_ids.ts";
import {
  attachmentKey,
  attachmentsOf,
  endpointKeyOf,
  findEndpoint,
  findNetwork,
} from "../store/documents.ts";
import type { World } from "../world.ts";

/** Rebuilds the lost endpoints of this host's living pods. */
export async function restoreEndpoints(world: World, rows: readonly PortRow[]): Promise<void> {
  const { documents } = world.store;
  const recorded = attachmentsOf(documents, world.host);
  const told = rows.flatMap((row) => attachmentFromPort(row) ?? [])
    .filter((one) => one.host === world.host && !documents.has(attachmentKey(one)));
  for (const one of [...recorded, ...told]) {
    if (!planRestoration(documents, one)) continue;
    // In the sandbox's turn and looked at again: a teardown may have taken all of it meanwhile.
    await world.queue.run(one.sandbox, () => revive(world, one));
  }
}

async function revive(world: World, one: AttachmentRecord): Promise<void> {
  const isThere = world.store.documents.has(attachmentKey(one)) ||
    (await observe(world, (name) => name === hostEndOf(one))).rows.length > 0;
  if (!isThere || !await world.runtimes.isAlive(one)) return;
  const isDone = await world.store.commit((documents) => planRestoration(documents, one));
  if (!isDone) return;
  world.log.warn("endpoint rebuilt: its record was lost under its pod", {
    pod: `${one.pod.namespace}/${one.pod.name}`,
    network: `${one.tenant}/${one.network}`,
    address: one.addresses.map(bareAddress).join(","),
  });
}

/** Returns what rebuilds the endpoint; undefined where it is not lost, or its address is another's. */
export function planRestoration(documents: Documents, one: AttachmentRecord): Part | undefined {
  const { pod, tenant, network: name, host, generation } = one;
  const network = findNetwork(documents, one);
  const address = one.addresses.map(bareAddress)[0];
  if (one.endpoint !== dynamicName(pod) || !network || !address) return undefined;
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
    checks: [key, claim, networkKey].map((one) => ({
      key: one,
      revision: documents.get(one)?.revision ?? 0,
    })),
    writes: [
      { key, value: endpoint as unknown as Json },
      { key: claim, value: { schema: SCHEMA, owner: key } },
      { key: keys.arrival(tenant, name), value: { schema: SCHEMA, endpoint: nameOf(key) } },
    ],
  };
}
