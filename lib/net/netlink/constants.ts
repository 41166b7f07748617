// Constants of <linux/rtnetlink.h>, <linux/if_link.h> and related headers.

/** Message types. */
export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  deleteNeighbour: 29,
  newNetconf: 80,
  newNamespaceId: 88,
} as const;

/** Multicast groups: links, and what IPv4 has of them. */
export const RTNLGRP = { link: 1, neighbour: 3, address: 5, route: 7, netconf: 24 } as const;

/** Attributes of a link. */
export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  linkInfo: 18,
  alias: 20,
  afSpec: 26,
  group: 27,
  netnsFd: 28,
  promiscuity: 30,
} as const;

/** Attributes of IFLA_LINKINFO. */
export const IFLA_INFO = { kind: 1, data: 2 } as const;
export const VETH_INFO_PEER = 1;
/** IFLA_MACVLAN_MODE, and its value MACVLAN_MODE_PASSTHRU. */
export const [MACVLAN_INFO_MODE, MACVLAN_PASSTHRU] = [1, 8];
/** Attributes of the id that a namespace has in another one. */
export const NETNSA = { id: 1, fd: 3 } as const;
/** Attributes of an address. */
export const IFA = { address: 1, local: 2, label: 3 } as const;
/** Attributes of an entry of the neighbour table. */
export const NDA = { destination: 1 } as const;
/** Attributes of a link's settings. */
export const NETCONFA = { linkIndex: 1 } as const;
/** Attributes of a route. */
export const RTA = {
  destination: 1,
  outLink: 4,
  gateway: 5,
  priority: 6,
  multipath: 9,
  table: 15,
} as const;
/** Address families. */
export const AF = { inet: 2, inet6: 10 } as const;
/** Flags of a link. */
export const IFF = { up: 0x1, loopback: 0x8 } as const;
export const RT_TABLE_MAIN = 254;
export const RTPROT_BOOT = 3; // as `ip route` sets it
export const RTN_UNICAST = 1;
export const RTNH_F_ONLINK = 4;
