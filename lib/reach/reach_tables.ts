// Tables, zones and text of the flows of networks with a distributed gateway. The policy tables 10-31 come
// before table 40; what each table does is in bridge_flows.ts.

/** Tables of the integration bridge. */
export const REACH_TABLES = {
  /** The policy tables' first one. */
  entry: 10,
  forward: 40,
  answers: 41,
  gateway: 42,
  toHost: 43,
  aliased: 44,
  intoHost: 45,
  toOtherHost: 46,
  fromHost: 50,
  byAddress: 51,
  ofAsker: 52,
  unaliased: 53,
  deliver: 54,
} as const;

/** Table of the tunnel bridge, behind its own (ovs/tunnel/tunnel_flows.ts): frames to another host's gateway. */
export const TO_GATEWAY = 3;

/** Cookie of all flows here, on both bridges. */
export const REACH_COOKIE = 0x6b38_0007_0000_0000n;

/** Returns the conntrack zone of a network's connections from services; `tag` is its access tag. */
export function serviceZone(tag: number): number {
  return 0x1000 + tag;
}

/** Returns the conntrack zone of a network's translations between addresses and aliases. */
export function aliasZone(tag: number): number {
  return 0x2000 + tag;
}

/** Conntrack zone of fragments that are copies; it is also the policies'. */
export const COPIES = 65_535;

/** A flow: table, priority, match, actions. */
export type FlowRow = readonly [table: number, priority: number, match: string, actions: string];

/** Returns a flow as `ovs-ofctl dump-flows --no-stats --no-names` prints it. */
export function flowOfRow([table, priority, match, actions]: FlowRow): string {
  const where = table === 0 ? "" : `table=${table}, `;
  return `cookie=0x${REACH_COOKIE.toString(16)}, ${where}priority=${priority}` +
    `${match && `,${match}`} actions=${actions}`;
}

/** Returns the action that continues in `table`. */
export function resubmit(table: number): string {
  return `resubmit(,${table})`;
}

/** Returns the match on packets of the network with that access tag. */
export function ofNetwork(tag: number): string {
  return `reg0=${hex(tag)}`;
}

/** Returns the action that makes the network with that access tag the packet's own. */
export function setNetwork(tag: number): string {
  return `load:${hex(tag)}->NXM_NX_REG0[]`;
}

/** Returns the actions that send an untagged frame out at a trunk. */
export function outTagged(tag: number, port: number): string {
  // Bit 12 of an OpenFlow vlan_vid means that the frame has a tag (OpenFlow 1.3.5, §7.2.3.7).
  return `push_vlan:0x8100,set_field:${0x1000 | tag}->vlan_vid,output:${port}`;
}

/** Returns a number as Open vSwitch prints it. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** Returns a CIDR as Open vSwitch prints it: one address has no length. */
export function bare(cidr: string): string {
  return cidr.endsWith("/32") ? cidr.slice(0, -3) : cidr;
}
