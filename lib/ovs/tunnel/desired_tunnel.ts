// The desired VXLAN tunnel of this host, as a whole. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { isIpv4, isUnicastMac, parseTag } from "../ports/port_spec.ts";

/** A pod's attachment on another host. */
export interface Member {
  /** Bare IPv4 address of the pod. */
  readonly ip: string;
  readonly mac: string;
  /** Tunnel address of the pod's host. */
  readonly vtep: string;
}

/** A VXLAN network that has pods on this host. */
export interface TunnelNetwork {
  /** 1–16777215, unique among the networks. */
  readonly vni: number;
  /** Tag of the network's pods on this host only, 1–4094, unique among the networks. */
  readonly localTag: number;
  /** It has a distributed gateway. @default false */
  readonly isDistributed?: boolean;
  /** Pods of the network on other hosts. */
  readonly members: readonly Member[];
}

/** The whole tunnel of one host. */
export interface DesiredTunnel {
  /** This host's tunnel address. */
  readonly localIp: string;
  /** Tunnel addresses of all other hosts of the cluster: only their frames are let in. */
  readonly hosts: readonly string[];
  readonly networks: readonly TunnelNetwork[];
}

// RFC 7348 §5: 24 bits. Zero is not used, so that a frame without a VNI is never let in.
const [FIRST_VNI, LAST_VNI] = [1, 0xff_ffff];

/** Returns the desired tunnel with MACs in lower case. Faults: usage, which names network and member. */
export function parseTunnel(desired: DesiredTunnel): DesiredTunnel {
  if (!isIpv4(desired.localIp)) {
    throw invalid("tunnel", `"${oneLine(desired.localIp, 40)}" is not a valid IPv4 tunnel address`);
  }
  for (const host of desired.hosts) {
    if (!isIpv4(host)) {
      throw invalid("tunnel", `"${oneLine(host, 40)}" is not a valid tunnel address of a host`);
    }
  }
  const networks = desired.networks.map(parseNetwork);
  const vni = repeated(networks.map((network) => network.vni));
  if (vni !== undefined) throw invalid(`network ${vni}`, "another network has the same VNI");
  const tag = repeated(networks.map((network) => network.localTag));
  if (tag !== undefined) throw invalid(`local tag ${tag}`, "two networks use it");
  return { localIp: desired.localIp, hosts: desired.hosts, networks };
}

/** Returns the VTEPs that have members in these networks, sorted. */
export function vtepsOf(networks: readonly TunnelNetwork[]): string[] {
  const all = networks.flatMap(({ members }) => members.map(({ vtep }) => vtep));
  return [...new Set(all)].sort();
}

/**
 * Returns the networks without members at this host's own address, and those members: another host that
 * claims our VTEP would make us send to ourselves.
 */
export function withoutOwn(
  { localIp, networks }: DesiredTunnel,
): { readonly networks: TunnelNetwork[]; readonly own: Member[] } {
  const isOwn = ({ vtep }: Member) => vtep === localIp;
  return {
    networks: networks.map((network) => ({
      ...network,
      members: network.members.filter((member) => !isOwn(member)),
    })),
    own: networks.flatMap(({ members }) => members.filter(isOwn)),
  };
}

function parseNetwork(network: TunnelNetwork): TunnelNetwork {
  const { vni, localTag, members } = network;
  const name = `network ${vni}`;
  if (!Number.isInteger(vni) || vni < FIRST_VNI || vni > LAST_VNI) {
    throw invalid(name, `VNI is out of range (${FIRST_VNI}-${LAST_VNI})`);
  }
  parseTag(name, localTag);
  const parsed = members.map((member) => parseMember(name, member));
  const ip = repeated(parsed.map((member) => member.ip));
  if (ip !== undefined) throw invalid(name, `two members have ${ip}`);
  const places = [...new Set(parsed.map(({ mac, vtep }) => `${mac} ${vtep}`))];
  const mac = repeated(places.map((place) => place.split(" ")[0]));
  if (mac !== undefined) throw invalid(name, `${mac} is on two hosts`);
  return { ...network, members: parsed };
}

function parseMember(name: string, { ip, mac, vtep }: Member): Member {
  const lower = mac.toLowerCase();
  if (!isIpv4(ip)) {
    throw invalid(name, `"${oneLine(ip, 40)}" is not a valid IPv4 address of a member`);
  }
  if (!isIpv4(vtep)) throw invalid(name, `"${oneLine(vtep, 40)}" is not a valid VTEP of a member`);
  if (!isUnicastMac(lower)) throw invalid(name, `"${oneLine(mac, 20)}" is not a unicast MAC`);
  return { ip, mac: lower, vtep };
}

function repeated<T>(values: readonly T[]): T | undefined {
  const seen = new Set<T>();
  return values.find((value) => seen.has(value) || (seen.add(value), false));
}

function invalid(what: string, why: string): Fault {
  return new Fault("usage", `${what} refused`, { why, fix: "correct the record it comes from" });
}
