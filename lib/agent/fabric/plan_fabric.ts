// The desired fabric of this host: the VLANs on its uplink, and for each VXLAN network the endpoints on other
// hosts. Pure; derived from the records alone, so that all hosts follow one that joins, leaves or changes
// its tunnel address.
//
// A host takes part in a network while it has an attachment there. Attachments of other hosts count as soon
// as they are claimed, before their pods are ready, so that the path exists when they are.

import { isDistributed } from "../../intent/reach_settings.ts";
import { readableAt } from "../../intent/readable.ts";
import {
  type AttachmentRecord,
  type Documents,
  type HostRecord,
  keys,
  type NetworkRecord,
} from "../../intent/records.ts";
import type { DesiredUplink } from "../../ovs/uplink/uplink.ts";
import type { DesiredTunnel, Member, TunnelNetwork } from "../../ovs/tunnel/desired_tunnel.ts";
import {
  attachmentsAt,
  attachmentsOf,
  distributedNetworksOf,
  findEndpoint,
  findNetwork,
  hostsOf,
  networksOf,
} from "../store/documents.ts";
import { bareAddress } from "../pods/port_external_ids.ts";
import { isUnlisted } from "./fabric_problems.ts";

/** Options from flags, which override the intent's record of this host. */
export interface FabricOptions {
  readonly host: string;
  readonly uplink?: string | undefined;
  readonly vtepIp?: string | undefined;
}

/** Desired state of both fabrics in the switch; undefined for one that this host does not use. */
export interface DesiredFabric {
  readonly uplink: DesiredUplink | undefined;
  readonly overlay: DesiredTunnel | undefined;
  /** Other hosts have no tunnels to this one, as it is not in the intent; absent where no pod needs one. */
  readonly isUnlisted?: true;
}

/** Returns the desired fabric of this host; `tagOf` returns the access tag of a network here, if any. */
export function planFabric(
  documents: Documents,
  options: FabricOptions,
  tagOf: (network: NetworkRecord) => number | undefined,
): DesiredFabric {
  const record = readableAt<HostRecord>(documents, keys.host(options.host));
  const networks = networksHere(documents, options.host);
  const device = options.uplink ?? record?.intf;
  const localIp = options.vtepIp ?? record?.vtepIp;
  return {
    uplink: device === undefined ? undefined : { device, ...tagsOnUplink(networks) },
    overlay: localIp === undefined ? undefined : {
      localIp,
      hosts: hostsOf(documents).flatMap(({ vtepIp }) => vtepIp ?? [])
        .filter((vtep) => vtep !== localIp).sort(),
      networks: overlayOf(documents, { host: options.host, networks, tagOf }),
    },
    ...isHostUnlisted(documents, options.host) && { isUnlisted: true },
  };
}

function isHostUnlisted(documents: Documents, host: string): boolean {
  // Networks may be many: they are read only where the host is unlisted indeed.
  return !documents.has(keys.host(host)) &&
    isUnlisted(host, { hosts: hostsOf(documents), networks: networksOf(documents) });
}

function tagsOnUplink(networks: readonly NetworkRecord[]): Omit<DesiredUplink, "device"> {
  const vlans = networks.filter(({ encap }) => encap === "vlan");
  const sorted = (some: readonly NetworkRecord[]) =>
    some.map(({ tag }) => tag).sort((a, b) => a - b);
  const distributedTags = sorted(vlans.filter(isDistributed));
  return { tags: sorted(vlans), ...distributedTags.length > 0 && { distributedTags } };
}

/**
 * Returns the networks that have an attachment on `host`, and those with a distributed gateway, which every host
 * has; in the order of their keys.
 */
function networksHere(documents: Documents, host: string): NetworkRecord[] {
  const found = new Map<string, NetworkRecord>();
  for (const one of attachmentsOf(documents, host)) {
    const network = findNetwork(documents, one);
    if (network) found.set(keys.network(network.tenant, network.name), network);
  }
  for (const network of distributedNetworksOf(documents)) {
    found.set(keys.network(network.tenant, network.name), network);
  }
  return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([, network]) => network);
}

function overlayOf(
  documents: Documents,
  { host, networks, tagOf }: {
    readonly host: string;
    readonly networks: readonly NetworkRecord[];
    readonly tagOf: (network: NetworkRecord) => number | undefined;
  },
): TunnelNetwork[] {
  const tunnelled = networks.filter(({ encap }) => encap === "vxlan");
  if (tunnelled.length === 0) return [];
  return tunnelled.flatMap((network) => {
    const localTag = tagOf(network);
    if (localTag === undefined) return [];
    const members = membersElsewhere(documents, host, network);
    const distributed = isDistributed(network) ? { isDistributed: true } : {};
    return [{ vni: network.tag, localTag, members, ...distributed }];
  });
}

/** Returns the endpoints of `network` on other hosts, ordered by address. */
function membersElsewhere(documents: Documents, host: string, network: NetworkRecord): Member[] {
  const elsewhere = attachmentsAt(documents, network)
    .filter((one) => one.host !== host && isNewest(documents, one));
  return elsewhere.flatMap((one) => {
    const vtep = readableAt<HostRecord>(documents, keys.host(one.host))?.vtepIp;
    if (vtep === undefined) return [];
    return one.addresses.map((cidr) => ({ ip: bareAddress(cidr), mac: one.mac, vtep }));
  }).sort((a, b) => orderOf(a) < orderOf(b) ? -1 : 1);
}

const orderOf = ({ ip, vtep }: Member) => `${ip} ${vtep}`;

/** Reports whether an attachment is the newest of its endpoint: an old one may exist for a moment. */
export function isNewest(documents: Documents, one: AttachmentRecord): boolean {
  const bound = findEndpoint(documents, one)?.bound;
  return bound === undefined || (bound.host === one.host && bound.generation === one.generation);
}
