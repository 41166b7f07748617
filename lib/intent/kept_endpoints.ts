// Running pods that a plan's endpoints name, and that keep the dynamic endpoint which their set-up made: what is chosen for
// a running pod does not move under it. Until they are set up again they are not where the intent wants them, and no
// policy of the endpoint's group protects them. Pure.

import { isBoundTo, namesPod } from "./bind.ts";
import { documentsIn, groups, shortId, uuidOf } from "./indexed_documents.ts";
import type { IntentChange } from "./intent_changes.ts";
import { endpointKeyOf, networkKeyOf } from "./plan/stored.ts";
import { readableAt } from "./readable.ts";
import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type TenantRecord,
} from "./records.ts";

/** A running pod that keeps its endpoint. */
export interface KeptEndpoint {
  /** Where it runs. */
  readonly host: string;
  /** `namespace/name` */
  readonly pod: string;
  /** The endpoint that it keeps, `tenant/network/name`. */
  readonly endpoint: string;
  readonly why: string;
  readonly until: string;
}

/** Returns the running pods that keep their dynamic endpoint though `changes` write one that names them. */
export function keptEndpoints(
  documents: Documents,
  changes: readonly IntentChange[],
): KeptEndpoint[] {
  const written = changes.filter(({ kind, after }) => kind === "endpoint" && after !== undefined);
  if (written.length === 0) return [];
  const attachments = documentsIn<AttachmentRecord>(documents, groups.folder("attachments"))
    .map(([, one]) => one);
  const used = new Set(attachments.map(endpointKeyOf));
  const podsNamed = findDynamicPods(documents, attachments, deletedKeys(changes));
  const tenantOf = tenantsAfter(documents, changes);
  return written.flatMap(({ key, after }) => {
    // A pod that has it already follows it, and no other pod gets it.
    if (used.has(`endpoints/${key}`)) return [];
    const endpoint = after as EndpointRecord;
    const tenant = tenantOf(endpoint.tenant);
    return podsNamed(endpoint, tenant).map((one): KeptEndpoint => ({
      host: one.host,
      pod: `${one.pod.namespace}/${one.pod.name}`,
      endpoint: `${one.tenant}/${one.network}/${one.endpoint}`,
      why: `endpoint ${key} names it now${policyText(documents, one, endpoint, tenant)}`,
      until: "until it is torn down and set up again",
    }));
  });
}

/** Returns the keys of the endpoints and networks that a plan deletes. */
export function deletedKeys(changes: readonly IntentChange[]): ReadonlySet<string> {
  return new Set(
    changes.filter(({ op, kind }) => op === "delete" && (kind === "endpoint" || kind === "network"))
      .map(({ kind, key }) => `${kind}s/${key}`),
  );
}

/** Returns a function for the attachments, one of each sandbox, of the pods with a dynamic endpoint that an endpoint names. */
function findDynamicPods(
  documents: Documents,
  attachments: readonly AttachmentRecord[],
  deleted: ReadonlySet<string>,
) {
  const kept = attachments.filter((one) =>
    isDynamic(documents, one) && !deleted.has(endpointKeyOf(one)) && !deleted.has(networkKeyOf(one))
  );
  const bySandbox = new Map(kept.map((one) => [`${one.host}/${one.sandbox}`, one]));
  const pods = [...bySandbox.values()];
  const byName = Map.groupBy(pods, ({ pod }) => pod.name);
  const byId = Map.groupBy(pods, ({ sandbox }) => shortId(sandbox));
  return (endpoint: EndpointRecord, tenant: TenantRecord | undefined): AttachmentRecord[] => {
    const uuid = uuidOf(endpoint) ?? "";
    const near = [
      ...byName.get(endpoint.container) ?? [],
      ...byName.get(uuid) ?? [],
      ...byId.get(shortId(uuid)) ?? [],
    ];
    return [...new Set(near)].filter(({ pod: { namespace, name }, sandbox }) =>
      isBoundTo(sandbox, endpoint) || namesPod(endpoint, { namespace, pod: name }, tenant)
    );
  };
}

/** Reports whether a set-up made the attachment's endpoint, which is bound to it still. */
function isDynamic(documents: Documents, one: AttachmentRecord): boolean {
  const endpoint = readableAt<EndpointRecord>(documents, endpointKeyOf(one));
  return endpoint?.dynamic !== undefined && endpoint.bound?.host === one.host &&
    endpoint.bound.generation === one.generation;
}

/** Returns a function for the record that a tenant has after the plan. */
function tenantsAfter(documents: Documents, changes: readonly IntentChange[]) {
  const changed = new Map(
    changes.filter(({ kind }) => kind === "tenant").map(({ key, after }) => [key, after]),
  );
  return (tenant: string): TenantRecord | undefined =>
    changed.get(tenant) as TenantRecord | undefined ??
      readableAt<TenantRecord>(documents, keys.tenant(tenant));
}

/** Returns in words that the policies of the endpoint's group are not in force for the pod; nothing if there are none. */
function policyText(
  documents: Documents,
  one: AttachmentRecord,
  { group, tenant: owner }: EndpointRecord,
  tenant: TenantRecord | undefined,
): string {
  const policies = tenant?.groups?.find(({ Name }) => Name === group)?.Policies;
  if (group === undefined || !Array.isArray(policies) || policies.length === 0) return "";
  const has = readableAt<EndpointRecord>(documents, endpointKeyOf(one));
  if (has?.tenant === owner && has.group === group) return "";
  return `; until then no policy of group ${group} protects it`;
}
