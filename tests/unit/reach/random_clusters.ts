// Random clusters: an intent with overlapping tenants, pods placed on three hosts, services, and packets.

import fc from "fast-check";
import type { Documents } from "../../../lib/intent/records.ts";
import { macOf } from "../../../lib/ipam/macs.ts";
import { IntentDatabase } from "../intent/intent_database.ts";

/** A network as the file states it. */
export interface FileNetwork {
  readonly Name: string;
  readonly PktTagType?: string | undefined;
  readonly SubnetCIDR: string;
  readonly DefaultGw: string;
  readonly GatewayType?: string | undefined;
  readonly Reach?: readonly string[] | undefined;
  readonly ReachNetworks?: readonly string[] | undefined;
  readonly NatOutgoing?: boolean | undefined;
  readonly Endpoints: readonly { readonly Container: string; readonly IpAddress: string }[];
}

/** A tenant as the file states it. */
export interface FileTenant {
  readonly Name: string;
  readonly GatewayType?: string | undefined;
  readonly Reach?: readonly string[] | undefined;
  readonly ReachNetworks?: readonly string[] | undefined;
  readonly Networks: readonly FileNetwork[];
}

/** A service, or a NodePort of strangers: packets to `address` go to `backend`. */
export interface Service {
  readonly address: string;
  readonly backend: string;
}

/** A cluster before anything of it runs. */
export interface RandomCluster {
  readonly tenants: readonly FileTenant[];
  /** Host of each pod, by `tenant/network/container`. */
  readonly places: ReadonlyMap<string, string>;
  readonly services: readonly Service[];
  readonly probes: readonly Probe[];
}

/** The first packet of a connection. */
export interface Probe {
  /** `pod ID`, `host NAME`, `outside NAME` (behind that host's uplink). */
  readonly from: string;
  readonly to: string;
}

export const HOSTS = ["h1", "h2", "h3"];
export const UPLINKS = { h1: "192.0.2.1", h2: "192.0.2.2", h3: "192.0.2.3" };
export const SERVICE_CIDRS = ["10.96.0.0/12", "169.254.20.10/32"];
export const WORLD = ["198.51.100.7", "203.0.113.9"];
/** Where strangers meet NodePorts and the like. */
export const STRANGERS_ADDRESS = "203.0.113.80";

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 });
const reach = fc.subarray(["host", "services", "outside", "ports"]);
const networkNames = fc.subarray(["n1", "n2", "t1/n1", "t1/n2", "t2/n1", "t2/n2"]);

/** Subnets with their gateway and addresses; the last one holds the first two. */
const SUBNETS = [
  ["10.0.1.0/24", "10.0.1.254", ["10.0.1.10", "10.0.1.11", "10.0.1.12"]],
  ["10.0.2.0/24", "10.0.2.254", ["10.0.2.10", "10.0.2.11"]],
  ["10.0.1.0/25", "10.0.1.126", ["10.0.1.10", "10.0.1.11"]],
  ["10.7.0.0/24", "10.7.0.1", ["10.7.0.10", "10.7.0.11"]],
  ["10.0.0.0/16", "10.0.0.1", ["10.0.1.10", "10.0.2.11", "10.0.9.10"]],
] as const;

// A pod has the endpoints of its name in all networks of its tenant, so names are the network's own.
const endpointsOf = (network: string, addresses: readonly string[]) =>
  fc.subarray([...addresses], { minLength: 1 })
    .map((some) => some.map((IpAddress, at) => ({ Container: `${network}c${at}`, IpAddress })));

const network = (number: number): fc.Arbitrary<FileNetwork> =>
  fc.constantFrom(...SUBNETS).chain(([SubnetCIDR, DefaultGw, addresses]) =>
    fc.record({
      ...{ Name: fc.constant(`n${number}`), SubnetCIDR: fc.constant(SubnetCIDR) },
      DefaultGw: fc.constant(DefaultGw),
      PktTagType: maybe(fc.constantFrom("vlan", "vxlan")),
      GatewayType: fc.constantFrom("distributed", "distributed", "distributed", "external"),
      Reach: maybe(reach),
      ReachNetworks: maybe(networkNames),
      NatOutgoing: maybe(fc.boolean()),
      Endpoints: endpointsOf(`n${number}`, addresses),
    })
  ).map((one) =>
    one.GatewayType === "external"
      ? { ...one, Reach: undefined, ReachNetworks: undefined, NatOutgoing: undefined }
      : one
  );

const tenant = (number: number): fc.Arbitrary<FileTenant> =>
  fc.record({
    Name: fc.constant(`t${number}`),
    GatewayType: maybe(fc.constantFrom("external", "distributed")),
    Reach: maybe(reach),
    ReachNetworks: maybe(fc.constantFrom(["n1", "n2"], ["t1/n1", "t2/n1"])),
    Networks: fc.tuple(network(1), network(2), maybe(network(3)))
      .map((some) => some.filter((one) => one !== undefined)),
  });

const FILE_HOSTS = HOSTS.map((Name, at) => ({
  ...{ Name, Intf: "eth1", VtepIp: Object.values(UPLINKS)[at] },
}));

/** Returns the intent of a cluster as a file. */
export function fileOf(
  { tenants }: Pick<RandomCluster, "tenants">,
  hosts: readonly object[] = FILE_HOSTS,
): object {
  return {
    ServiceCIDR: SERVICE_CIDRS,
    Hosts: hosts,
    Tenants: tenants.map((one) => ({
      Namespaces: [one.Name],
      ...{ DefaultNetType: "vxlan", SubnetPool: "11.0.0.0/16", AllocSubnetLen: 24 },
      ...{ Vlans: "100-200", Vxlans: "1000-1999" },
      ...one,
    })),
  };
}

/** Returns the pods of a cluster: `tenant/network/container`, with their addresses. */
export function podsOf(tenants: readonly FileTenant[]): { id: string; address: string }[] {
  return tenants.flatMap(({ Name: tenant, Networks }) =>
    Networks.flatMap(({ Name, Endpoints }) =>
      Endpoints.map(({ Container, IpAddress }) => ({
        ...{ id: `${tenant}/${Name}/${Container}`, address: IpAddress },
      }))
    )
  );
}

/** Returns the store of a cluster, with every pod attached. Faults: those of planning the intent. */
export function storeOf(cluster: RandomCluster): Documents {
  const store = new IntentDatabase();
  store.applyFile("replace", fileOf(cluster));
  store.put({ "clusters/settings": { ...store.get("clusters/settings"), schema: 1 } });
  for (const [at, host] of HOSTS.entries()) {
    store.put({ [`hostnumbers/${host}`]: { schema: 1, host, number: at + 1 } });
  }
  const aliased: string[] = [];
  for (const { id, address } of podsOf(cluster.tenants)) {
    const [tenant = "", network = "", endpoint = ""] = id.split("/");
    const host = cluster.places.get(id)!;
    const isAliased = store.get(`networks/${tenant}/${network}`)?.aliasedBecause !== undefined;
    // Hosts use the same aliases: each means its own pod.
    const alias = isAliased
      ? `100.64.0.${aliased.filter((one) => one === host).length + 1}`
      : undefined;
    if (isAliased) aliased.push(host);
    const length = String(store.get(`networks/${tenant}/${network}`)?.subnet).split("/")[1];
    const sandbox = `${tenant}${network}${endpoint}`.padEnd(12, "0");
    store.put({
      [`attachments/${host}/${sandbox}/eth0`]: {
        ...{ schema: 1, id: sandbox, host, tenant, network, endpoint, sandbox },
        ...{ pod: { namespace: "default", name: endpoint }, interface: "eth0", generation: 1 },
        ...{ addresses: [`${address}/${length}`], mac: macOf(address), state: "ready" },
        ...alias === undefined ? {} : { alias },
      },
    });
  }
  return store.documents;
}

const NOT_OUTSIDE = ["169.254.169.254", "224.0.0.251", "127.0.0.1", "10.0.77.77", "10.0.1.99"];

function probe(pods: readonly { id: string; address: string }[]): fc.Arbitrary<Probe> {
  const nodes = [1, 2, 3].flatMap((n) => [`100.65.0.${n}`, `100.66.0.${n}`]);
  const aliases = ["100.64.0.1", "100.64.0.2", "100.64.128.1"];
  const addresses = [...new Set(pods.map(({ address }) => address))];
  const vips = ["10.96.0.1", "10.96.0.2", "10.96.0.3", "169.254.20.10", "10.96.9.9"];
  const fromPod = fc.record({
    from: fc.constantFrom(...pods.map(({ id }) => `pod ${id}`)),
    to: fc.oneof(
      ...[addresses, addresses, vips, vips, nodes, Object.values(UPLINKS), WORLD, NOT_OUTSIDE]
        .concat([aliases]).map((some) => fc.constantFrom(...some)),
    ),
  });
  const fromHost = fc.record({
    from: fc.constantFrom(...HOSTS.map((name) => `host ${name}`)),
    to: fc.constantFrom(...addresses, ...aliases, ...vips, ...Object.values(UPLINKS), ...WORLD),
  });
  const fromOutside = fc.record({
    from: fc.constantFrom(...HOSTS.map((name) => `outside ${name}`)),
    to: fc.constantFrom(...addresses, ...aliases, ...nodes, STRANGERS_ADDRESS, STRANGERS_ADDRESS),
  });
  return fc.oneof({ weight: 4, arbitrary: fromPod }, fromHost, fromOutside);
}

/**
 * The same networks and pods with other words: what they may reach, and which networks they name. Everything that
 * a file could keep by leaving it out is said.
 */
export function otherWords(tenants: readonly FileTenant[]): fc.Arbitrary<readonly FileTenant[]> {
  const isDistributed = (tenant: FileTenant, one: FileNetwork) =>
    (one.GatewayType ?? tenant.GatewayType) === "distributed";
  const words = fc.record({ Reach: maybe(reach), ReachNetworks: maybe(networkNames) });
  return fc.tuple(
    ...tenants.map((tenant) =>
      fc.tuple(reach, networkNames, fc.tuple(...tenant.Networks.map(() => words)))
        .map(([Reach, ReachNetworks, own]) => ({
          ...tenant,
          ...{ Reach, ReachNetworks },
          Networks: tenant.Networks.map((one, at) =>
            isDistributed(tenant, one) ? { ...one, ...own[at], NatOutgoing: undefined } : one
          ),
        }))
    ),
  ).filter(isPossible);
}

/** Random packets of a cluster's pods and hosts, and from outside. */
export function probesOf(tenants: readonly FileTenant[], count: number): fc.Arbitrary<Probe[]> {
  return fc.array(probe(podsOf(tenants)), { minLength: count, maxLength: count });
}

/** Clusters with a distributed gateway whose intent an empty store takes, with `count` packets each. */
export function randomClusters(count: number): fc.Arbitrary<RandomCluster> {
  return fc.tuple(tenant(1), tenant(2), maybe(tenant(3)))
    .map((some) => some.filter((one) => one !== undefined))
    .filter(isPossible)
    .chain((tenants) => {
      const pods = podsOf(tenants);
      const backends = [
        ...pods.map(({ address }) => address),
        ...Object.values(UPLINKS),
        WORLD[0]!,
      ];
      return fc.record({
        tenants: fc.constant(tenants),
        places: fc.tuple(
          ...pods.map(({ id }) => fc.constantFrom(...HOSTS).map((host) => [id, host] as const)),
        ).map((entries) => new Map(entries)),
        services: fc.tuple(
          ...["10.96.0.1", "10.96.0.2", "10.96.0.3", "169.254.20.10", STRANGERS_ADDRESS].map((
            address,
          ) => fc.constantFrom(...backends).map((backend) => ({ address, backend }))),
        ),
        probes: probesOf(tenants, count),
      });
    });
}

function isPossible(tenants: readonly FileTenant[]): boolean {
  try {
    const store = new IntentDatabase();
    store.applyFile("replace", fileOf({ tenants }));
    return store.keysBelow("owners/").length > 0;
  } catch {
    return false;
  }
}
