// The tables of networks with a distributed gateway as far as the flows of ports use them, and the numbers that
// such a flow derives from the access tag. What the tables do is in lib/reach/bridge_flows.ts.

/** Tables of the bridge. */
export const PORT_REACH_TABLES = {
  entry: 10,
  forward: 40,
  answers: 41,
  toHost: 43,
  aliased: 44,
  intoHost: 45,
  fromHost: 50,
  ofAsker: 52,
  unaliased: 53,
  deliver: 54,
} as const;

/** Value of register 10 of a packet that is delivered by its address, not by its MAC. */
export const BY_ADDRESS = 1;

/** Mark of connections whose answers go back through the host. */
export const SERVICE_MARK = 1;

/** Returns the zone of a network's connections from services. */
export function serviceZone(tag: number): number {
  return 0x1000 + tag;
}

/** Returns the zone of a network's translations between addresses and aliases. */
export function aliasZone(tag: number): number {
  return 0x2000 + tag;
}
