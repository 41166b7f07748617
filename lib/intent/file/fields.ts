// The keys of an intent file for each kind of object, and the names of these fields in this program. The
// original's spelling is the canonical one; parsing ignores case and accepts later spellings.

const CLUSTER = { ServiceCIDR: "serviceCidrs", HostRange: "hostRange" } as const;

const REACH = {
  GatewayType: "gatewayType",
  Reach: "reach",
  ReachNetworks: "reachNetworks",
  NatOutgoing: "natOutgoing",
} as const;

/** Key in the file → name in an intent and in a record. */
export const NAMES = {
  /** What holds for the whole cluster; in the file it is beside hosts and tenants. */
  cluster: CLUSTER,
  intent: {
    ...CLUSTER,
    Hosts: "hosts",
    InfraNetworks: "infraNetworks",
    Tenants: "tenants",
    HostBindings: "hostBindings",
  },
  host: { Name: "name", Intf: "intf", VtepIp: "vtepIp", NetId: "netId" },
  infraNetwork: { Name: "name", PktTagType: "encap", PktTag: "tag" },
  tenant: {
    Name: "name",
    DefaultNetType: "defaultNetType",
    SubnetPool: "subnetPool",
    AllocSubnetLen: "allocSubnetLen",
    Vlans: "vlans",
    Vxlans: "vxlans",
    Namespaces: "namespaces",
    ...REACH,
    Groups: "groups",
    Policies: "policies",
    Networks: "networks",
  },
  network: {
    Name: "name",
    Description: "description",
    PktTagType: "encap",
    PktTag: "tag",
    SubnetCIDR: "subnet",
    DefaultGw: "gateway",
    ...REACH,
    Default: "default",
    Namespaces: "namespaces",
    PodSelector: "podSelector",
    NamespaceSelector: "namespaceSelector",
    HoldAddress: "holdAddress",
    Mtu: "mtu",
    Reserve: "reserve",
    AllocRange: "allocRange",
    Endpoints: "endpoints",
  },
  endpoint: {
    Container: "container",
    Namespace: "namespace",
    Host: "host",
    AttachUUID: "attachUuid",
    IpAddress: "address",
    Mac: "mac",
    Interface: "interface",
    Labels: "labels",
    Group: "group",
  },
  binding: {
    Container: "container",
    Host: "host",
    AttachUUID: "attachUuid",
    IpAddress: "address",
  },
  group: { Name: "Name", Network: "Network", Policies: "Policies" },
  policy: { Name: "Name", Rules: "Rules" },
  rule: {
    Id: "Id",
    Priority: "Priority",
    Direction: "Direction",
    FromGroup: "FromGroup",
    FromNetwork: "FromNetwork",
    FromIpAddress: "FromIpAddress",
    ToGroup: "ToGroup",
    ToNetwork: "ToNetwork",
    ToIpAddress: "ToIpAddress",
    Protocol: "Protocol",
    Port: "Port",
    Action: "Action",
  },
  selector: { matchLabels: "matchLabels", matchExpressions: "matchExpressions" },
  expression: { key: "key", operator: "operator", values: "values" },
} as const;

/** A kind of object of the file. */
export type Kind = keyof typeof NAMES;

/** The kind of the object, or of the array's elements, below a key. */
export const CHILD_KINDS: Readonly<Partial<Record<Kind, Readonly<Record<string, Kind>>>>> = {
  intent: {
    Hosts: "host",
    InfraNetworks: "infraNetwork",
    Tenants: "tenant",
    HostBindings: "binding",
  },
  tenant: { Networks: "network", Groups: "group", Policies: "policy" },
  network: { Endpoints: "endpoint", PodSelector: "selector", NamespaceSelector: "selector" },
  policy: { Rules: "rule" },
  selector: { matchExpressions: "expression" },
};

/** Other spellings of a key, as written by later releases of the original. */
export const OTHER_SPELLINGS: Readonly<Partial<Record<Kind, Readonly<Record<string, string>>>>> = {
  network: { Gateway: "DefaultGw" },
};

/** Keys whose number 0 means absent: the original's programs wrote zero values. */
export const ZERO_IS_ABSENT: ReadonlySet<string> = new Set(["AllocSubnetLen", "PktTag"]);

/** Keys that are known and not supported yet, with the feature that they belong to. */
export const NOT_SUPPORTED: ReadonlyMap<string, string> = new Map([["SubnetCIDR6", "IPv6"]]);

type Renamed<T, M> = {
  [K in keyof T as K extends keyof M ? M[K] & string : never]: T[K];
};

/** Returns a file's object with this program's field names. */
export function rename<T extends object, M extends Readonly<Record<string, string>>>(
  object: T,
  names: M,
): Renamed<T, M> {
  const renamed = Object.entries(object).map(([key, value]) => [names[key] ?? key, value]);
  return Object.fromEntries(renamed) as Renamed<T, M>;
}

/** Returns an object of this program with the file's keys, in the file's order. */
export function renameBack(
  object: object,
  names: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const fields = new Map(Object.entries(object));
  return Object.fromEntries(
    Object.entries(names)
      .filter(([, name]) => fields.get(name) !== undefined)
      .map(([key, name]) => [key, fields.get(name)]),
  );
}
