// The fields of what `get` lists, by kind: for -l, which refuses any other, and for help. The type checker compares them
// with the items.

import type { AttachmentItem, EventItem, PodItem } from "../agent/api/listed_items.ts";
import type { PolicyItem } from "../agent/policy/policy_items.ts";
import type { EndpointItem } from "../agent/server/items.ts";
import type { GroupItem } from "../agent/server/list_items.ts";
import type { HostRecord, NetworkRecord, TenantRecord } from "../intent/records.ts";

/** Each field of an item once. */
type Fields<Item> = Readonly<Record<Exclude<keyof Item, "schema">, true>>;

const host: Fields<HostRecord & { node: string; nat: string }> = {
  ...{ name: true, intf: true, vtepIp: true, netId: true, node: true, nat: true },
};

const tenant: Fields<TenantRecord> = {
  ...{ name: true, defaultNetType: true, subnetPool: true, allocSubnetLen: true, vlans: true },
  ...{ vxlans: true, namespaces: true, groups: true, policies: true, gatewayType: true },
  ...{ reach: true, reachNetworks: true, natOutgoing: true },
};

const network: Fields<NetworkRecord> = {
  ...{ tenant: true, name: true, description: true, encap: true, tag: true, tagBy: true },
  ...{ subnet: true, subnetBy: true, gateway: true, default: true, namespaces: true },
  ...{ podSelector: true, namespaceSelector: true, holdAddress: true, mtu: true, reserve: true },
  ...{ allocRange: true, owner: true, aliasedBecause: true, gatewayType: true, reach: true },
  ...{ reachNetworks: true, natOutgoing: true },
};

const endpoint: Fields<EndpointItem> = {
  ...{ tenant: true, network: true, endpoint: true, namespace: true, address: true, host: true },
  ...{ boundTo: true, generation: true, rule: true, group: true, labels: true },
};

const attachment: Fields<AttachmentItem> = {
  ...{ tenant: true, network: true, endpoint: true, pod: true, host: true, sandbox: true },
  ...{ interface: true, addresses: true, mac: true, alias: true, vlan: true, state: true },
  reason: true,
};

const group: Fields<GroupItem> = {
  ...{ tenant: true, name: true, network: true, policies: true, endpoints: true },
};

const policy: Fields<PolicyItem> = {
  ...{ name: true, source: true, rules: true, ruleTexts: true, groups: true, guarded: true },
  drops: true,
};

const pod: Fields<PodItem> = {
  ...{ namespace: true, name: true, networks: true, ips: true, node: true },
};

const event: Fields<EventItem> = {
  ...{ at: true, kind: true, host: true, pod: true, peer: true, network: true, address: true },
  ...{ ms: true, message: true },
};

/** The fields of each kind. */
export const ITEM_FIELDS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries({
    ...{ hosts: host, tenants: tenant, networks: network, endpoints: endpoint, groups: group },
    ...{ attachments: attachment, policies: policy, pods: pod, events: event },
  }).map(([kind, fields]) => [kind, Object.keys(fields)]),
);

/** Fields that have fields of their own. */
export const INNER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  attachments: ["pod.namespace", "pod.name"],
};
