// Documents of a default network with endpoints that set-ups made, for tests.

import type { EndpointRecord } from "../../../../lib/intent/records.ts";
import { unknownPod } from "../../../../lib/agent/pods/pod_metadata.ts";

export const HOUR = 3_600_000;

export const tenant = {
  ...{ schema: 1, name: "t", defaultNetType: "vlan", subnetPool: "10.9.0.0/16" },
  allocSubnetLen: 29,
};

export const network = {
  ...{ schema: 1, tenant: "t", name: "blue", encap: "vlan", tag: 100, tagBy: "pool" },
  ...{ subnet: "10.9.0.0/29", subnetBy: "pool", gateway: "10.9.0.6", default: true },
};

/** Returns the endpoint of pod default/NAME. */
export function endpointOf(name: string, address: string, more: object = {}): EndpointRecord {
  return {
    ...{ schema: 1, tenant: "t", network: "blue", container: `default~${name}` },
    ...{ namespace: "default", address, addressBy: "pool" },
    bound: { host: "host1", generation: 1 },
    dynamic: { pod: name, rule: "a rule", ...more },
  };
}

/** Returns the attachment of pod default/NAME. */
export function attachmentOf(name: string, address: string, more: object = {}) {
  return {
    ...{ schema: 1, id: `id-${name}`, host: "host1", tenant: "t", network: "blue" },
    ...{ endpoint: `default~${name}`, pod: { namespace: "default", name }, sandbox: `5b${name}` },
    ...{ netns: "/run/netns/x", netnsInode: 7, interface: "eth0", addresses: [`${address}/29`] },
    ...{ mac: "02:02:0a:09:00:01", mtu: 1500, generation: 1, state: "ready" as const },
    ...more,
  };
}

/** Returns the documents of a network and of these endpoints, with their claims. */
export function documentsOf(
  { holdAddress, endpoints = [], attachments = [], more = {} }: {
    readonly holdAddress?: number;
    readonly endpoints?: readonly EndpointRecord[];
    readonly attachments?: readonly ReturnType<typeof attachmentOf>[];
    readonly more?: Readonly<Record<string, unknown>>;
  } = {},
) {
  const all: Record<string, unknown> = {
    "tenants/t": tenant,
    "networks/t/blue": { ...network, ...(holdAddress === undefined ? {} : { holdAddress }) },
    ...more,
  };
  for (const one of endpoints) {
    const key = `endpoints/t/blue/${one.container}`;
    all[key] = one;
    all[`claims/ip/t/blue/${one.address}`] = { schema: 1, owner: key };
  }
  for (const one of attachments) all[`attachments/${one.host}/${one.sandbox}/eth0`] = one;
  return new Map(Object.entries(all).map(([key, value]) => [key, { value, revision: 5 }]));
}

export const unknown = (name: string, namespace = "default") => unknownPod({ namespace, name });
