// Dynamic endpoints, which set-ups create, are in no file that could be applied again. If such a record is
// lost while its pod runs, it is restored from the pod's attachment or its port's row.
//
// A command deletes such a record only together with its network, so a missing one is damage. If a store was restored from
// a backup, its address may be recorded for a pod of this host that had it before: that record is deleted if its pod is
// gone.

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
import { readableAt } from "../../intent/readable.ts";
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
    const former = formerHolder(documents, host, one);
    if (!planRestoration(documents, one, former)) continue;
    // Checked again in the sandbox's turn: a teardown may have removed all of it meanwhile.
    await sandboxes.queue.run(one.sandbox, () => restore(deps, one));
  }
}

async function restore(deps: RestoreEndpointsDeps, one: AttachmentRecord): Promise<void> {
  const { host, store, plumbing, runtimes, log } = deps;
  const isHere = store.documents.has(attachmentKey(one)) ||
    (await plumbing.observe((name) => name === hostEndOf(one))).rows.length > 0;
  if (!isHere || !await runtimes.isAlive(one)) return;
  const former = formerHolder(store.documents, host, one);
  for (const attachment of former?.attachments ?? []) {
    if (await runtimes.isAlive(attachment)) return;
  }
  const isDone = await store.commit((documents) => {
    const now = formerHolder(documents, host, one);
    return isSameHolder(former, now) ? planRestoration(documents, one, now) : undefined;
  });
  if (!isDone) return;
  log.warn("endpoint restored: its record was lost under its pod", {
    pod: `${one.pod.namespace}/${one.pod.name}`,
    network: `${one.tenant}/${one.network}`,
    address: one.addresses.map(bareAddress).join(","),
  });
}

/** A dynamic endpoint of this host that has the address by the records. */
interface FormerHolder {
  readonly key: string;
  readonly attachments: readonly AttachmentRecord[];
}

/** Returns who has the address of an attachment by the records, if it is a pod without an endpoint of its own here. */
export function formerHolder(
  documents: Documents,
  host: string,
  one: AttachmentRecord,
): FormerHolder | undefined {
  const key = ownerOf(documents, one);
  if (key === undefined || key === endpointKeyOf(one)) return undefined;
  const holder = readableAt<EndpointRecord>(documents, key);
  if (!holder?.dynamic || (holder.bound?.host ?? host) !== host) return undefined;
  const attachments = attachmentsOf(documents, host).filter((other) =>
    endpointKeyOf(other) === key
  );
  return { key, attachments };
}

function isSameHolder(one: FormerHolder | undefined, other: FormerHolder | undefined): boolean {
  const ids = (holder: FormerHolder | undefined) =>
    [holder?.key, ...holder?.attachments.map(({ id }) => id) ?? []].join();
  return ids(one) === ids(other);
}

/** Returns the key of the endpoint that has the address of an attachment. */
export function ownerOf(documents: Documents, one: AttachmentRecord): string | undefined {
  const claim = keys.addressClaim(one.tenant, one.network, bareAddress(one.addresses[0] ?? ""));
  return (documents.get(claim)?.value as { readonly owner: string } | undefined)?.owner;
}

/**
 * Returns the commit that restores the endpoint, and deletes the records of `former`, which is gone; undefined where it
 * is not lost, or its address is taken.
 */
export function planRestoration(
  documents: Documents,
  one: AttachmentRecord,
  former?: FormerHolder,
): CommitPart | undefined {
  const { pod, tenant, network: name, host, generation } = one;
  const network = findNetwork(documents, one);
  const address = one.addresses.map(bareAddress)[0];
  if (one.endpoint !== dynamicEndpointName(pod) || !network || !address) return undefined;
  if (findEndpoint(documents, one)) return undefined;
  const claim = keys.addressClaim(tenant, name, address);
  const owner = ownerOf(documents, one);
  const key = endpointKeyOf(one);
  if (owner !== undefined && owner !== key && owner !== former?.key) return undefined;
  const pool = poolOf((field) => field, `${tenant}/${name}`, network, parseSubnet(network.subnet));
  if (refusalOf(pool, parseAddress(address)) !== undefined) return undefined;
  const endpoint: EndpointRecord = {
    ...{ schema: SCHEMA, tenant, network: name, container: one.endpoint, address },
    ...{ namespace: pod.namespace, addressBy: "pool", bound: { host, generation } },
    dynamic: { pod: pod.name, rule: "rebuilt from its attachment" },
  };
  const outdated = former ? [former.key, ...former.attachments.map(attachmentKey)] : [];
  return {
    checks: [key, claim, keys.network(tenant, name), ...outdated]
      .map((one) => checkOf(documents, one)),
    writes: [
      { key, value: endpoint as unknown as Json },
      { key: claim, value: { schema: SCHEMA, owner: key } },
      { key: keys.arrival(tenant, name), value: { schema: SCHEMA, endpoint: nameOf(key) } },
      ...outdated.map((one) => ({ key: one, value: undefined })),
    ],
  };
}
