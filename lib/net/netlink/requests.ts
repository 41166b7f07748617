// The rtnetlink requests for links, addresses and routes. Pure.

import { parseCidr } from "../pair_spec.ts";
import {
  AF,
  IFA,
  IFF,
  IFLA,
  IFLA_INFO,
  MACVLAN_INFO_MODE,
  MACVLAN_PASSTHRU,
  NETNSA,
  RT_TABLE_MAIN,
  RTA,
  RTM,
  RTN_UNICAST,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
  VETH_INFO_PEER,
} from "./constants.ts";
import { type Attribute, encodeBody, NLM_F, type Request } from "./encoding.ts";

export { AF, IFLA } from "./constants.ts";

/** A change of a link; what is absent stays as it is. */
export interface LinkChange {
  readonly isUp?: boolean;
  readonly attributes?: readonly Attribute[];
}

/** IPv4 setting of a link: announce its addresses when it comes up (IPV4_DEVCONF_ARP_NOTIFY). */
export const ARP_NOTIFY: Attribute = [IFLA.afSpec, [[AF.inet, [[1, [[22, 1]]]]]]];

/** IPv6 setting of a link: generate no address (IN6_ADDR_GEN_MODE_NONE). */
export const NO_IPV6_ADDRESS: Attribute = [
  IFLA.afSpec,
  [[AF.inet6, [[8, new Uint8Array([1])]]]],
];

/** Creates a veth pair, both ends down; the peer appears in the namespace of the file `netnsFd`. */
export function newPair(
  { name, peer, mac, mtu, group, netnsFd }: {
    readonly name: string;
    readonly peer: string;
    /** Of the peer; the kernel chooses one where it is absent. */
    readonly mac?: string;
    readonly mtu: number;
    readonly group: number;
    readonly netnsFd: number;
  },
): Request {
  // The peer is a nested message: first a header, then attributes.
  const peerBody = encodeBody(linkHeader({}), [
    [IFLA.name, peer],
    [IFLA.mtu, mtu],
    ...mac === undefined ? [] : [[IFLA.address, macToBytes(mac)] as const],
    [IFLA.netnsFd, netnsFd],
  ]);
  return {
    what: `pair ${name}`,
    type: RTM.newLink,
    flags: NLM_F.create | NLM_F.exclusive,
    header: linkHeader({}),
    attributes: [
      [IFLA.name, name],
      [IFLA.mtu, mtu],
      [IFLA.group, group],
      // The alias is ignored here (seen with Linux 6.18), and so are the settings of IPv4 and IPv6.
      [IFLA.linkInfo, [[IFLA_INFO.kind, "veth"], [IFLA_INFO.data, [[VETH_INFO_PEER, peerBody]]]]],
    ],
  };
}

/**
 * Creates a macvlan in passthru mode, down, in the namespace of the file `netnsFd`; `lower` is a link of the socket's
 * namespace. A MAC would be ignored (seen with Linux 6.18).
 */
export function newPassthru(
  { name, index, lower, mtu, netnsFd }: {
    readonly name: string;
    /** That it gets in its namespace; 0: the kernel chooses. */
    readonly index: number;
    readonly lower: number;
    readonly mtu: number;
    readonly netnsFd: number;
  },
): Request {
  const mode = [[MACVLAN_INFO_MODE, MACVLAN_PASSTHRU]] as const;
  return {
    what: `interface ${name}`,
    type: RTM.newLink,
    flags: NLM_F.create | NLM_F.exclusive,
    header: linkHeader({ index }),
    attributes: [
      [IFLA.name, name],
      [IFLA.mtu, mtu],
      [IFLA.link, lower],
      [IFLA.netnsFd, netnsFd],
      [IFLA.linkInfo, [[IFLA_INFO.kind, "macvlan"], [IFLA_INFO.data, mode]]],
    ],
  };
}

/** Assigns an id here to the namespace of the file `netnsFd`: only of such namespaces come notifications. */
export function nameNamespace(netnsFd: number): Request {
  return {
    what: "id of a namespace",
    type: RTM.newNamespaceId,
    flags: 0,
    header: new Uint8Array(4), // struct rtgenmsg, padded
    attributes: [[NETNSA.id, -1], [NETNSA.fd, netnsFd]],
  };
}

/** Lists all links, or gets the one of that name. */
export function getLinks(name?: string): Request {
  return {
    what: name === undefined ? "list of links" : `link ${name}`,
    type: RTM.getLink,
    flags: name === undefined ? NLM_F.dump : 0,
    header: linkHeader({}),
    attributes: name === undefined ? [] : [[IFLA.name, name]],
  };
}

/** Changes a link; `what` names it in a Fault. */
export function setLink(
  what: string,
  index: number,
  { isUp, attributes = [] }: LinkChange,
): Request {
  const header = linkHeader({ index, ...(isUp === undefined ? {} : { isUp }) });
  return { what, type: RTM.setLink, flags: 0, header, attributes };
}

/** Deletes one link. */
export function deleteLink(name: string, index: number): Request {
  const header = linkHeader({ index });
  return { what: `removal of ${name}`, type: RTM.deleteLink, flags: 0, header, attributes: [] };
}

/** Deletes all links of a group, in one step. */
export function deleteGroup(group: number): Request {
  return {
    what: `removal of group ${group}`,
    type: RTM.deleteLink,
    flags: 0,
    header: linkHeader({}),
    attributes: [[IFLA.group, group]],
  };
}

/** Adds an address to a link; success if it exists already. */
export function putAddress(cidr: string, linkIndex: number): Request {
  const { address, prefixLength } = parseCidr(cidr);
  const header = new DataView(new ArrayBuffer(8)); // struct ifaddrmsg
  header.setUint8(0, AF.inet);
  header.setUint8(1, prefixLength);
  header.setUint32(4, linkIndex, true);
  const bytes = addressToBytes(address);
  return {
    what: `address ${cidr}`,
    type: RTM.newAddress,
    flags: NLM_F.create | NLM_F.replace,
    header: new Uint8Array(header.buffer),
    attributes: [[IFA.local, bytes], [IFA.address, bytes]],
  };
}

/** Lists all IPv4 addresses. */
export function getAddresses(): Request {
  const header = new Uint8Array(8);
  header[0] = AF.inet;
  const type = RTM.getAddress;
  return { what: "list of addresses", type, flags: NLM_F.dump, header, attributes: [] };
}

/** Adds the default route via `gateway`; an existing one makes it fail, or is replaced. */
export function putDefaultRoute(
  gateway: string,
  linkIndex: number,
  { isOnLink, replace }: { readonly isOnLink: boolean; readonly replace: boolean },
): Request {
  return {
    what: `default route via ${gateway}`,
    type: RTM.newRoute,
    flags: NLM_F.create | (replace ? NLM_F.replace : NLM_F.exclusive),
    // Without the flag a gateway outside of all subnets is refused.
    header: routeHeader(isOnLink ? 0 : RTNH_F_ONLINK),
    attributes: [[RTA.gateway, addressToBytes(gateway)], [RTA.outLink, linkIndex]],
  };
}

/** Deletes the default route via `gateway` through a link. */
export function deleteDefaultRoute(gateway: string, linkIndex: number): Request {
  return {
    what: `former default route via ${gateway}`,
    type: RTM.deleteRoute,
    flags: 0,
    header: routeHeader(0),
    attributes: [[RTA.gateway, addressToBytes(gateway)], [RTA.outLink, linkIndex]],
  };
}

/** Lists all routes of an address family. */
export function getRoutes(family: number = AF.inet): Request {
  const header = new Uint8Array(12);
  header[0] = family;
  return { what: "list of routes", type: RTM.getRoute, flags: NLM_F.dump, header, attributes: [] };
}

/** Returns the bytes of a MAC address. */
export function macToBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(":"), (pair) => Number.parseInt(pair, 16));
}

function addressToBytes(address: string): Uint8Array {
  return Uint8Array.from(address.split("."), Number);
}

/** struct ifinfomsg */
function linkHeader(
  { index = 0, isUp }: { readonly index?: number; readonly isUp?: boolean },
): Uint8Array {
  const header = new DataView(new ArrayBuffer(16));
  header.setInt32(4, index, true);
  header.setUint32(8, isUp ? IFF.up : 0, true);
  header.setUint32(12, isUp === undefined ? 0 : IFF.up, true);
  return new Uint8Array(header.buffer);
}

/** struct rtmsg */
function routeHeader(flags: number): Uint8Array {
  const header = new DataView(new ArrayBuffer(12));
  header.setUint8(0, AF.inet);
  header.setUint8(4, RT_TABLE_MAIN);
  header.setUint8(5, RTPROT_BOOT);
  header.setUint8(7, RTN_UNICAST);
  header.setUint32(8, flags, true);
  return new Uint8Array(header.buffer);
}
