// What the overlay of this host should be, as a whole. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { isIpv4, isUnicastMac, parseTag } from "../ports/port_spec.ts";

/** An attachment on another host. */
export interface Member {
  /** Bare IPv4 address of the pod. */
  readonly ip: string;
  readonly mac: string;
  /** Tunnel address of the pod's host. */
  readonly vtep: string;
}

/** A VXLAN network that has pods on this host. */
export interface TunnelNetwork {
  /** 1–16777215, unique in the wish. */
  readonly vni: number;
  /** Tag of the network's pods on this host alone, 1–4094, unique in the wish. */
  readonly localTag: number;
  /** Those on other hosts only. */
  readonly members: readonly Member[];
}

/** The whole overlay of one host. */
export interface DesiredTunnel {
  /** This host's tunnel address. */
  readonly localIp: string;
  /** Tunnel addresses of all other hosts of the cluster: nobody else's frames are let in. */
  readonly hosts: readonly string[];
  readonly networks: readonly TunnelNetwork[];
}

// RFC 7348 §5: 24 bits. Zero is nobody's, so that a frame without a number is never let in.
const [FIRST_VNI, LAST_VNI] = [1, 0xff_ffff];

/** Returns the wish with MACs in lower case. Faults: usage, which names the network and the member. */
export function parseTunnel(wish: DesiredTunnel): DesiredTunnel {
  if (!isIpv4(wish.localIp)) {
    throw wrong("overlay", `"${oneLine(wish.localIp, 40)}" is no IPv4 tunnel address`);
  }
  for (const host of wish.hosts) {
    if (!isIpv4(host)) {
      throw wrong("overlay", `"${oneLine(host, 40)}" is no tunnel address of a host`);
    }
  }
  const networks = wish.networks.map(parseNetwork);
  const vni = repeated(networks.map((network) => network.vni));
  if (vni !== undefined) throw wrong(`network ${vni}`, "another network has its VNI");
  const tag = repeated(networks.map((network) => network.localTag));
  if (tag !== undefined) throw wrong(`local tag ${tag}`, "two networks have it");
  return { localIp: wish.localIp, hosts: wish.hosts, networks };
}

/** Returns the VTEPs that have members in these networks, sorted. */
export function vtepsOf(networks: readonly TunnelNetwork[]): string[] {
  const all = networks.flatMap(({ members }) => members.map(({ vtep }) => vtep));
  return [...new Set(all)].sort();
}

/**
 * Returns the networks without members at this host's own address, and says which those were: another
 * host that claims our VTEP would make us send to ourselves.
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

function parseNetwork({ vni, localTag, members }: TunnelNetwork): TunnelNetwork {
  const name = `network ${vni}`;
  if (!Number.isInteger(vni) || vni < FIRST_VNI || vni > LAST_VNI) {
    throw wrong(name, `a VNI is ${FIRST_VNI} to ${LAST_VNI}`);
  }
  parseTag(name, localTag);
  const parsed = members.map((member) => parseMember(name, member));
  const ip = repeated(parsed.map((member) => member.ip));
  if (ip !== undefined) throw wrong(name, `two members have ${ip}`);
  const places = [...new Set(parsed.map(({ mac, vtep }) => `${mac} ${vtep}`))];
  const mac = repeated(places.map((place) => place.split(" ")[0]));
  if (mac !== undefined) throw wrong(name, `${mac} is on two hosts`);
  return { vni, localTag, members: parsed };
}

function parseMember(name: string, { ip, mac, vtep }: Member): Member {
  const lower = mac.toLowerCase();
  if (!isIpv4(ip)) throw wrong(name, `"${oneLine(ip, 40)}" is no IPv4 address of a member`);
  if (!isIpv4(vtep)) throw wrong(name, `"${oneLine(vtep, 40)}" is no VTEP of a member`);
  if (!isUnicastMac(lower)) throw wrong(name, `"${oneLine(mac, 20)}" is no unicast MAC`);
  return { ip, mac: lower, vtep };
}

function repeated<T>(values: readonly T[]): T | undefined {
  const seen = new Set<T>();
  return values.find((value) => seen.has(value) || (seen.add(value), false));
}

function wrong(what: string, why: string): Fault {
  return new Fault("usage", `${what} refused`, { why, fix: "correct the record it comes from" });
}
