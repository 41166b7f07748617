// Which network a pod gets that no endpoint names: what its labels and annotations ask for, or those
// of its namespace; else the network whose selectors take it; else its tenant's default. Pure.
//
// A namespace uses only what the intent lets it: its tenants' Namespaces, its networks' Namespaces. A
// wish beyond that is refused, never bent; what cannot be told for lack of labels chooses nothing.

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

/** The networks to choose from, and whose they are. */
export interface AvailableNetworks {
  readonly tenants: readonly TenantRecord[];
  readonly networks: readonly NetworkRecord[];
}

/** A network for a pod, and what led to it, in words. */
export interface NetworkChoice {
  readonly network: NetworkRecord;
  readonly group?: string;
  readonly rule: string;
}

/** No network asks for the pod, and the pod for none. */
export interface NoChoice {
  readonly network: undefined;
  readonly why: string;
}

/**
 * Returns the network of a pod that no endpoint names. Faults: not_found, where it asks for what is not
 * there; conflict, where it may not have it, or two networks are equally right.
 */
export function chooseNetwork(offer: AvailableNetworks, pod: KnownPod): NetworkChoice | NoChoice {
  const asked = requestedBy(pod);
  const tenants = asked.tenant
    ? [requestedTenant(offer, pod, asked.tenant)]
    : offer.tenants.filter((one) => serves(one, pod.namespace));
  if (asked.network || asked.group) return chooseRequested(offer, pod, asked, tenants);
  const networks = offer.networks.filter((one) =>
    tenants.some(({ name }) => name === one.tenant) && isOpenTo(one, pod.namespace)
  );
  const rule = (words: string) => [asked.tenant?.source, words].filter(Boolean).join(", ");
  const { taking, unsure } = matchBySelectors(networks, pod);
  if (taking.length > 1) throw ambiguousNetwork(pod, "the selectors of", taking);
  if (taking[0]) return { network: taking[0], rule: rule(selectorText(taking[0])) };
  const defaults = networks.filter((one) => one.default);
  if (defaults.length > 1) throw ambiguousNetwork(pod, "defaults of", defaults);
  if (defaults[0]) {
    const { tenant } = defaults[0];
    return {
      network: defaults[0],
      rule: rule(`default network of tenant ${tenant} for namespace ${pod.namespace}`),
    };
  }
  const why = whyNone(pod, tenants, unsure);
  if (!asked.tenant) return { network: undefined, why };
  throw new Fault("not_found", `pod ${titleOf(pod)} gets no network`, {
    why: `${asked.tenant.source} names just a tenant: ${why}`,
    fix: `add label ${NETWORK_KEY}`,
  });
}

function requestedTenant(
  { tenants }: AvailableNetworks,
  pod: KnownPod,
  asked: RequestedValue,
): TenantRecord {
  const tenant = tenants.find(({ name }) => name === asked.value);
  if (!tenant) throw requestedNotFound(pod, asked, `tenant ${shorten(asked.value)}`);
  if (serves(tenant, pod.namespace)) return tenant;
  throw notPermitted(pod, asked, `tenant ${tenant.name}`, namespacesOf(tenant));
}

/** A group stands for its network; both together must agree. */
function chooseRequested(
  offer: AvailableNetworks,
  pod: KnownPod,
  asked: RequestedNetwork,
  tenants: readonly TenantRecord[],
): NetworkChoice {
  const isNamed = ({ name }: NetworkRecord) => !asked.network || name === asked.network.value;
  const hasGroup = ({ tenant, name }: NetworkRecord) =>
    !asked.group ||
    groupsOf(offer, tenant).some((one) => one.Name === asked.group?.value && one.Network === name);
  const mine = offer.networks.filter((one) => tenants.some(({ name }) => name === one.tenant));
  const named = mine.filter(isNamed);
  const found = named.filter(hasGroup);
  const [network] = found;
  const words = [asked.tenant, asked.network, asked.group].flatMap((one) => one?.source ?? []);
  if (!network) throw requestNotFound(offer, pod, asked, named);
  if (found.length > 1) {
    throw new Fault("conflict", `pod ${titleOf(pod)} asks for more than one network`, {
      why: `${words.at(-1)} is in ${networkNames(found)}`,
      fix: `add label ${asked.tenant ? NETWORK_KEY : TENANT_KEY}`,
    });
  }
  if (!isOpenTo(network, pod.namespace)) {
    const asking = asked.network ?? asked.group;
    throw notPermitted(pod, asking, `network ${networkNames([network])}`, network.namespaces ?? []);
  }
  return {
    network,
    ...(asked.group ? { group: asked.group.value } : {}),
    rule: words.join(", "),
  };
}

function requestNotFound(
  offer: AvailableNetworks,
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
  const others = offer.networks.filter(({ name }) => name === network.value);
  if (tenant || others.length === 0) {
    return requestedNotFound(pod, network, `network ${shorten(network.value)}${inTenant}`);
  }
  const owner = offer.tenants.find(({ name }) => name === others[0]?.tenant);
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
    return each.includes(false) ? [] : [{ network, isSure: !each.includes(undefined) }];
  });
  return {
    taking: verdicts.filter(({ isSure }) => isSure).map(({ network }) => network),
    unsure: verdicts.filter(({ isSure }) => !isSure).map(({ network }) => network),
  };
}

function selectorText({ podSelector, namespaceSelector, tenant, name }: NetworkRecord): string {
  const fields = [podSelector && "PodSelector", namespaceSelector && "NamespaceSelector"];
  return `${fields.filter(Boolean).join(" and ")} of ${tenant}/${name}`;
}

function whyNone(
  { namespace }: KnownPod,
  tenants: readonly TenantRecord[],
  unsure: readonly NetworkRecord[],
): string {
  if (tenants.length === 0) return `no tenant serves namespace ${namespace}`;
  const names = tenants.slice(0, 3).map(({ name }) => name).join(", ");
  const none = `no network of ${names} is the default or selects it`;
  if (unsure.length === 0) return none;
  return `${none}, and its labels are not known, which ${networkNames(unsure)} asks for`;
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
