// The MTU of a network's pods. Pure.

/** Ethernet's usual payload, IEEE 802.3. */
const ETHERNET_MTU = 1_500;

/** RFC 7348 on IPv4: outer Ethernet 14, IP 20, UDP 8 and VXLAN 8 bytes. */
const VXLAN_OVERHEAD = 50;

/** What decides a network's MTU. */
export interface MtuFacts {
  readonly encap: "vlan" | "vxlan";
  /** What the intent says; beats all else. */
  readonly override?: number | undefined;
  /** MTUs of the links that carry tunnels, as far as they are known; bytes. */
  readonly vtepMtus: readonly number[];
}

/** Returns the MTU in bytes, and whether it had to be assumed for want of a known tunnel link. */
export function networkMtu({ encap, override, vtepMtus }: MtuFacts): {
  readonly mtu: number;
  readonly isAssumed: boolean;
} {
  if (override !== undefined) return { mtu: override, isAssumed: false };
  if (encap === "vlan") return { mtu: ETHERNET_MTU, isAssumed: false };
  if (vtepMtus.length === 0) return { mtu: ETHERNET_MTU - VXLAN_OVERHEAD, isAssumed: true };
  return { mtu: Math.min(...vtepMtus) - VXLAN_OVERHEAD, isAssumed: false };
}
