// Which parts of a shared store an agent needs: the small folders, its own host's attachments, and of each network that
// concerns its host the endpoints, attachments of all hosts and claims on addresses. Pure.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import { idOf } from "../../intent/reach_settings.ts";
import { readableAt } from "../../intent/readable.ts";
import {
  type Documents,
  type EndpointRecord,
  keys,
  type TenantRecord,
} from "../../intent/records.ts";
import { indexKeys, indexOf, nameKey } from "../../intent/store_index.ts";
import { attachmentsOf, distributedNetworksOf, dynamicEndpoints } from "./documents.ts";

/** Prefixes that every agent of a host needs. */
export function basePrefixes(host: string): string[] {
  return [
    // The second one has hosts and hostnumbers.
    ...["clusters/", "host", "networks/", "tenants/", "claims/host/", "claims/vlan/"],
    ...[`attachments/${host}/`, indexKeys.hosts, indexKeys.state],
  ];
}

/** Returns the keys of what only the agent of a host writes, again and again: it need not follow them. */
export function ownKeys(host: string): string[] {
  return [keys.presence(host), keys.report(host)];
}

/**
 * Returns the networks (`tenant/network`) that concern a host by the documents: those of its pods, those with a
 * distributed gateway, which every host has, and those where it has to release a held address.
 */
export function neededNetworks(documents: Documents, host: string): Set<string> {
  const held = dynamicEndpoints(documents).filter(({ dynamic, bound }) =>
    dynamic?.heldSince !== undefined && bound?.host === host
  );
  return new Set([
    ...attachmentsOf(documents, host).map(({ tenant, network }) => `${tenant}/${network}`),
    ...distributedNetworksOf(documents).map(idOf),
    ...held.map(({ tenant, network }) => `${tenant}/${network}`),
  ]);
}

/**
 * Returns the prefixes that are needed for networks (`tenant/network`), and for those whose pods policies name as the
 * other side.
 */
export function prefixesOf(
  documents: Documents,
  networks: ReadonlySet<string>,
  hasKubePolicies: boolean,
): Set<string> {
  const found = new Set<string>();
  for (const id of networks) found.add(`claims/ip/${id}/`);
  // What a policy of Kubernetes selects may be in any network of the tenant.
  const places = hasKubePolicies
    ? [...networks].map(tenantOf)
    : [...networks, ...peersOf(documents, networks)];
  for (const place of places) found.add(`endpoints/${place}/`).add(`members/${place}/`);
  return found;
}

function tenantOf(id: string): string {
  return id.slice(0, id.indexOf("/"));
}

/** Returns the networks of the groups that the policies of groups in `networks` name. */
function peersOf(documents: Documents, networks: ReadonlySet<string>): string[] {
  return [...new Set([...networks].map(tenantOf))].flatMap((name) => {
    const tenant = readableAt<TenantRecord>(documents, keys.tenant(name));
    if (!tenant) return [];
    return [...peersByNetwork(tenant)].flatMap(([network, peers]) =>
      networks.has(`${name}/${network}`) ? peers.map((peer) => `${name}/${peer}`) : []
    );
  });
}

/** A tenant's record is replaced when it changes, and asked for with each set-up. */
const known = new WeakMap<TenantRecord, ReadonlyMap<string, readonly string[]>>();

/** Returns by network the networks of the groups that its groups' policies name; a group is in one network. */
function peersByNetwork(tenant: TenantRecord): ReadonlyMap<string, readonly string[]> {
  const before = known.get(tenant);
  if (before) return before;
  const { groups: all = [], policies = [] } = tenant;
  const networkOf = new Map(all.map(({ Name, Network }) => [Name, String(Network)]));
  const namedBy = new Map(policies.map(({ Name, Rules }) => [Name, groupsIn(Rules)]));
  const peers = new Map<string, Set<string>>();
  for (const { Network, Policies } of all) {
    const named = arrayOf(Policies).flatMap((policy) => namedBy.get(policy) ?? [])
      .flatMap((group) => networkOf.get(group) ?? []);
    const network = String(Network);
    peers.set(network, new Set([...peers.get(network) ?? [], ...named]));
  }
  const found = new Map([...peers].map(([network, others]) => [network, [...others]]));
  known.set(tenant, found);
  return found;
}

function groupsIn(rules: unknown): unknown[] {
  return (arrayOf(rules) as readonly Readonly<Record<string, unknown>>[])
    .flatMap(({ FromGroup, ToGroup }) => [FromGroup, ToGroup]);
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Returns the networks of the endpoints among `documents` that `word` names. */
export function namedIn(documents: Documents, word: string): string[] {
  const named = endpointsNamed(documents, word);
  return [...new Set(named.map(([, { tenant, network }]) => `${tenant}/${network}`))];
}

/** Returns the keys of the endpoints among `documents` that the index of names has for `word`. */
export function indexedIn(documents: Documents, word: string): string[] {
  const found = endpointsNamed(documents, word)
    .filter(([key, endpoint]) => indexOf(key, endpoint).has(nameKey(word, key)));
  return [...new Set(found.map(([key]) => key))];
}

function endpointsNamed(documents: Documents, word: string): [key: string, EndpointRecord][] {
  return [groups.podName(word), groups.uuid(word), groups.shortUuid(word)]
    .flatMap((group) => documentsIn<EndpointRecord>(documents, group));
}
