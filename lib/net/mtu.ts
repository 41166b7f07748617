// The MTU of a network's pods: Ethernet's, or the tunnel's less its overhead. Pure.

/** Ethernet's default payload, IEEE 802.3; bytes. */
const ETHERNET_MTU = 1_500;

/** Bytes that VXLAN over IPv4 adds (RFC 7348): outer Ethernet 14, IP 20, UDP 8, VXLAN 8. */
const VXLAN_OVERHEAD = 50;

/** What a network's MTU depends on. */
export interface MtuFacts {
  readonly encap: "vlan" | "vxlan";
  /** `Mtu` of the intent; takes precedence. */
  readonly override?: number | undefined;
  /** MTUs of the known links that carry tunnels; bytes. */
  readonly vtepMtus: readonly number[];
}

/** Returns the MTU in bytes, and whether it is only assumed because no tunnel link is known. */
export function networkMtu({ encap, override, vtepMtus }: MtuFacts): {
  readonly mtu: number;
  readonly isAssumed: boolean;
} {
  if (override !== undefined) return { mtu: override, isAssumed: false };
  if (encap === "vlan") return { mtu: ETHERNET_MTU, isAssumed: false };
  if (vtepMtus.length === 0) return { mtu: ETHERNET_MTU - VXLAN_OVERHEAD, isAssumed: true };
  return { mtu: Math.min(...vtepMtus) - VXLAN_OVERHEAD, isAssumed: false };
}
