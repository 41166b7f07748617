// Which network a pod without an endpoint gets: the one that its labels and annotations request, or those of its
// namespace; else the network whose selectors match it; else its tenant's default. Pure.
//
// A namespace may use only what the intent permits: Namespaces of the tenant and of the network. A request
// beyond that is refused, never reinterpreted; a selector that needs unknown labels selects nothing.

import { Fault } from "../../util/errors.ts";
import { selectorMatchesKnown } from "../../util/label_selectors.ts";
import type { NetworkRecord, TenantRecord } from "../records.ts";
import {
  type KnownPod,
  NETWORK_KEY,
  requestedBy,
  type RequestedNetwork,
  type RequestedValue,
  shorten,
  TENANT_KEY,
  titleOf,
} from "./requested_network.ts";
import { ambiguousNetwork, networkNames, notPermitted, requestedNotFound } from "./refusals.ts";

/** The networks to choose from, with their tenants. */
export interface AvailableNetworks {
  readonly tenants: readonly TenantRecord[];
  readonly networks: readonly NetworkRecord[];
}

/** A network for a pod; `rule` says why, for people. */
export interface NetworkChoice {
  readonly network: NetworkRecord;
  readonly group?: string;
  readonly rule: string;
}

/** The pod requests no network, and no network selects it. */
export interface NoChoice {
  readonly network: undefined;
  readonly why: string;
}

/**
 * Returns the network of a pod without an endpoint; `requested` is what it asks for, if not by its labels and
 * annotations. Faults: not_found, where it requests something that does
 * not exist; conflict, where it may not use it, or several networks match.
 */
export function chooseNetwork(
  available: AvailableNetworks,
  pod: KnownPod,
  requested: RequestedNetwork = requestedBy(pod),
): NetworkChoice | NoChoice {
  const tenants = requested.tenant
    ? [requestedTenant(available, pod, requested.tenant)]
    : available.tenants.filter((one) => serves(one, pod.namespace));
  if (requested.network || requested.group) {
    return chooseRequested(available, pod, requested, tenants);
  }
  const networks = available.networks.filter((one) =>
    tenants.some(({ name }) => name === one.tenant) && isOpenTo(one, pod.namespace)
  );
  const rule = (text: string) => [requested.tenant?.source, text].filter(Boolean).join(", ");
  const { matching, undecided } = matchBySelectors(networks, pod);
  if (matching.length > 1) throw ambiguousNetwork(pod, "the selectors of", matching);
  if (matching[0]) return { network: matching[0], rule: rule(selectorText(matching[0])) };
  const defaults = networks.filter((one) => one.default);
  if (defaults.length > 1) throw ambiguousNetwork(pod, "the default networks", defaults);
  if (defaults[0]) {
    const { tenant } = defaults[0];
    return {
      network: defaults[0],
      rule: rule(`default network of tenant ${tenant} for namespace ${pod.namespace}`),
    };
  }
  const why = whyNone(pod, tenants, undecided);
  if (!requested.tenant) return { network: undefined, why };
  throw new Fault("not_found", `pod ${titleOf(pod)} gets no network`, {
    why: `${requested.tenant.source} names only a tenant: ${why}`,
    fix: `add label ${NETWORK_KEY}`,
  });
}

function requestedTenant(
  { tenants }: AvailableNetworks,
  pod: KnownPod,
  requested: RequestedValue,
): TenantRecord {
  const tenant = tenants.find(({ name }) => name === requested.value);
  if (!tenant) throw requestedNotFound(pod, requested, `tenant ${shorten(requested.value)}`);
  if (serves(tenant, pod.namespace)) return tenant;
  throw notPermitted(pod, requested, `tenant ${tenant.name}`, namespacesOf(tenant));
}

/** A requested group implies its network; a requested network must be the same. */
function chooseRequested(
  available: AvailableNetworks,
  pod: KnownPod,
  requested: RequestedNetwork,
  tenants: readonly TenantRecord[],
): NetworkChoice {
  const isNamed = ({ name }: NetworkRecord) =>
    !requested.network || name === requested.network.value;
  const hasGroup = ({ tenant, name }: NetworkRecord) =>
    !requested.group ||
    groupsOf(available, tenant).some((one) =>
      one.Name === requested.group?.value && one.Network === name
    );
  const permitted = available.networks.filter((one) =>
    tenants.some(({ name }) => name === one.tenant)
  );
  const named = permitted.filter(isNamed);
  const found = named.filter(hasGroup);
  const [network] = found;
  const sources = [requested.tenant, requested.network, requested.group].flatMap((one) =>
    one?.source ?? []
  );
  if (!network) throw requestNotFound(available, pod, requested, named);
  if (found.length > 1) {
    throw new Fault("conflict", `pod ${titleOf(pod)} asks for more than one network`, {
      why: `${sources.at(-1)} is in ${networkNames(found)}`,
      fix: `add label ${requested.tenant ? NETWORK_KEY : TENANT_KEY}`,
    });
  }
  if (!isOpenTo(network, pod.namespace)) {
    const reason = requested.network ?? requested.group;
    throw notPermitted(pod, reason, `network ${networkNames([network])}`, network.namespaces ?? []);
  }
  return {
    network,
    ...(requested.group ? { group: requested.group.value } : {}),
    rule: sources.join(", "),
  };
}

function requestNotFound(
  available: AvailableNetworks,
  pod: KnownPod,
  { tenant, network, group }: RequestedNetwork,
  named: readonly NetworkRecord[],
): Fault {
  const inTenant = tenant ? ` of tenant ${tenant.value}` : "";
  if (!network || named.length > 0) {
    const inNetwork = network ? ` in network ${networkNames(named)}` : "";
    return requestedNotFound(
      pod,
      group,
      `group ${shorten(group?.value ?? "")}${inTenant}${inNetwork}`,
    );
  }
  const others = available.networks.filter(({ name }) => name === network.value);
  if (tenant || others.length === 0) {
    return requestedNotFound(pod, network, `network ${shorten(network.value)}${inTenant}`);
  }
  const owner = available.tenants.find(({ name }) => name === others[0]?.tenant);
  return notPermitted(
    pod,
    network,
    `network ${networkNames(others)}`,
    owner ? namespacesOf(owner) : [],
  );
}

function matchBySelectors(networks: readonly NetworkRecord[], pod: KnownPod) {
  const verdicts = networks.flatMap((network) => {
    const { podSelector, namespaceSelector } = network;
    if (!podSelector && !namespaceSelector) return [];
    const each = [
      podSelector ? selectorMatchesKnown(podSelector, pod.labels) : true,
      namespaceSelector ? selectorMatchesKnown(namespaceSelector, pod.namespaceLabels) : true,
    ];
    return each.includes(false) ? [] : [{ network, isDecided: !each.includes(undefined) }];
  });
  return {
    matching: verdicts.filter(({ isDecided }) => isDecided).map(({ network }) => network),
    undecided: verdicts.filter(({ isDecided }) => !isDecided).map(({ network }) => network),
  };
}

function selectorText({ podSelector, namespaceSelector, tenant, name }: NetworkRecord): string {
  const fields = [podSelector && "PodSelector", namespaceSelector && "NamespaceSelector"];
  return `${fields.filter(Boolean).join(" and ")} of ${tenant}/${name}`;
}

function whyNone(
  { namespace }: KnownPod,
  tenants: readonly TenantRecord[],
  undecided: readonly NetworkRecord[],
): string {
  if (tenants.length === 0) return `no tenant serves namespace ${namespace}`;
  const names = tenants.slice(0, 3).map(({ name }) => name).join(", ");
  const none = `no network of ${names} is the default or selects it`;
  if (undecided.length === 0) return none;
  return `${none}, and its labels are not known, which ${networkNames(undecided)} requires`;
}

/** Reports whether the tenant serves pods of `namespace`. */
export function serves(tenant: TenantRecord, namespace: string): boolean {
  return namespacesOf(tenant).includes(namespace);
}

function namespacesOf({ namespaces = ["default"] }: TenantRecord): readonly string[] {
  return namespaces;
}

function isOpenTo({ namespaces }: NetworkRecord, namespace: string): boolean {
  return namespaces === undefined || namespaces.includes(namespace);
}

function groupsOf(
  { tenants }: AvailableNetworks,
  name: string,
): NonNullable<TenantRecord["groups"]> {
  return tenants.find((one) => one.name === name)?.groups ?? [];
}
