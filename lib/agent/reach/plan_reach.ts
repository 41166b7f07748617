// What this host has to know to connect pods with more than their own network, from the records. Pure. The result is
// computed anew at each change: what differs from before is the drivers' work.

import { clusterSettingsIn, idOf } from "../../intent/reach_settings.ts";
import {
  type AttachmentRecord,
  type Documents,
  type HostNumberRecord,
  type HostRecord,
  keys,
  type NetworkRecord,
} from "../../intent/records.ts";
import { readableAt } from "../../intent/readable.ts";
import {
  addressesOfHost,
  hairpinOf,
  type HostRange,
  parseHostRange,
} from "../../ipam/host_range.ts";
import { macOf } from "../../ipam/macs.ts";
import { subnetToText } from "../../ipam/subnets.ts";
import type {
  LocalPod,
  ReachHost,
  ReachModel,
  ReachNetwork,
  RemotePod,
} from "../../reach/reach_model.ts";
import { isNewest } from "../fabric/plan_fabric.ts";
import { bareAddress } from "../pods/port_external_ids.ts";
import {
  attachmentsAt,
  connectionOf,
  distributedNetworksOf,
  hostNumbersOf,
  routesIn,
} from "../store/documents.ts";

/** What planReach() needs beside the records. */
export interface ReachView {
  /** This host's label. */
  readonly host: string;
  /** This host's tunnel address from its flags, which precedes the record's. */
  readonly vtepIp?: string | undefined;
  /** Returns the access tag of a network on this host; undefined if none is left. */
  readonly tagOf: (network: NetworkRecord) => number | undefined;
  /** Returns the bytes that a pod of a network may send. */
  readonly mtuOf: (network: NetworkRecord) => number;
}

/** Returns the model for one host; undefined without such networks, or while the host has no number. */
export function planReach(documents: Documents, view: ReachView): ReachModel | undefined {
  const networks = distributedNetworksOf(documents);
  if (networks.length === 0) return undefined;
  const { hostRange, serviceCidrs } = clusterSettingsIn(documents);
  const range = parseHostRange(hostRange);
  const hosts = hostsIn(documents, range, view);
  const self = hosts.find(({ name }) => name === view.host);
  if (!self) return undefined;
  const routes = routesIn(documents);
  return {
    self,
    others: hosts.filter((one) => one !== self),
    networks: networks.flatMap((network) => {
      const tag = view.tagOf(network);
      if (tag === undefined) return [];
      const routedTo = routes.get(idOf(network)) ?? [];
      return [{ ...networkIn(documents, network, { range, view }), tag, routedTo }];
    }),
    serviceCidrs,
    aliasRange: subnetToText(range.aliases),
  };
}

function hostsIn(documents: Documents, range: HostRange, view: ReachView): ReachHost[] {
  return hostNumbersOf(documents).filter(({ number }) => number >= 1 && number <= range.lastHost)
    .map(({ host, number }: HostNumberRecord): ReachHost => {
      const { node, nat } = addressesOfHost(range, number);
      const recorded = readableAt<HostRecord>(documents, keys.host(host))?.vtepIp;
      const vtep = host === view.host ? view.vtepIp ?? recorded : recorded;
      return { name: host, node, nat, mac: macOf(node), vtep };
    })
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

function networkIn(
  documents: Documents,
  network: NetworkRecord,
  { range, view }: { readonly range: HostRange; readonly view: ReachView },
): Omit<ReachNetwork, "tag" | "routedTo"> {
  const { encap, tag, subnet, gateway = "", aliasedBecause } = network;
  const { reach, natOutgoing } = connectionOf(documents, network);
  const pods = attachmentsAt(documents, network).filter((one) => isNewest(documents, one));
  const isHere = ({ host }: AttachmentRecord) => host === view.host;
  return {
    id: idOf(network),
    vni: encap === "vxlan" ? tag : undefined,
    subnet,
    gateway,
    aliasedBecause,
    reach: new Set(reach),
    natOutgoing,
    mtu: view.mtuOf(network),
    local: byAddress(
      pods.filter(isHere).flatMap((one) =>
        localPods(one, aliasedBecause === undefined ? undefined : range)
      ),
    ),
    remote: byAddress(pods.filter((one) => !isHere(one)).flatMap(remotePods)),
  };
}

/** Returns the pod of an attachment, with its alias if `range` says where aliases are. */
function localPods(
  { addresses, mac, alias }: AttachmentRecord,
  range: HostRange | undefined,
): LocalPod[] {
  return addresses.map((cidr) => ({
    address: bareAddress(cidr),
    mac,
    alias: alias === undefined || !range
      ? undefined
      : { address: alias, hairpin: hairpinOf(range, alias) },
  }));
}

function remotePods({ addresses, mac, host }: AttachmentRecord): RemotePod[] {
  return addresses.map((cidr) => ({ address: bareAddress(cidr), mac, host }));
}

function byAddress<T extends { readonly address: string }>(pods: readonly T[]): T[] {
  return [...pods].sort((a, b) => a.address < b.address ? -1 : 1);
}
