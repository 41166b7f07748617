// Fields of a stored record that this version does not know, written by a newer one: an update keeps them.

import {
  type ClusterRecord,
  type EndpointRecord,
  type HostRecord,
  type NetworkRecord,
  type ReachFields,
  SCHEMA,
  type TenantRecord,
} from "../records.ts";
import type { ObjectRecord } from "./stored.ts";

type Fields<T> = Readonly<Record<Exclude<keyof T, "schema">, true>>;

const cluster: Fields<ClusterRecord> = { hostRange: true, serviceCidrs: true };

const host: Fields<HostRecord> = { name: true, intf: true, vtepIp: true, netId: true };

const REACH: Fields<ReachFields> = {
  gatewayType: true,
  reach: true,
  reachNetworks: true,
  natOutgoing: true,
};

const tenant: Fields<TenantRecord> = {
  ...REACH,
  name: true,
  defaultNetType: true,
  subnetPool: true,
  allocSubnetLen: true,
  vlans: true,
  vxlans: true,
  namespaces: true,
  groups: true,
  policies: true,
};

const network: Fields<NetworkRecord> = {
  ...REACH,
  tenant: true,
  name: true,
  description: true,
  encap: true,
  tag: true,
  tagBy: true,
  subnet: true,
  subnetBy: true,
  gateway: true,
  default: true,
  namespaces: true,
  podSelector: true,
  namespaceSelector: true,
  holdAddress: true,
  mtu: true,
  reserve: true,
  allocRange: true,
  owner: true,
  aliasedBecause: true,
};

const endpoint: Fields<EndpointRecord> = {
  tenant: true,
  network: true,
  container: true,
  namespace: true,
  host: true,
  attachUuid: true,
  pin: true,
  bound: true,
  address: true,
  addressBy: true,
  mac: true,
  interface: true,
  labels: true,
  group: true,
  dynamic: true,
};

const KNOWN = { cluster, host, tenant, network, endpoint };

/** A kind of object that an intent lists. */
export type ObjectKind = keyof typeof KNOWN;

/** Returns the schema and the unknown fields that a record of `kind` starts with. */
export function unknownFields(
  kind: ObjectKind,
  record: ObjectRecord | undefined,
): Record<string, unknown> {
  const unknown = Object.entries(record ?? {}).filter(([field]) =>
    !Object.hasOwn(KNOWN[kind], field)
  );
  return { schema: SCHEMA, ...Object.fromEntries(unknown) };
}
