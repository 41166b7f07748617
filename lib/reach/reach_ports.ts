// What flows need to know of this host's Open vSwitch.

/** OpenFlow numbers of the integration bridge's ports. */
export interface BridgePorts {
  /** The host's own port. */
  readonly host: number;
  /** To the tunnel bridge; undefined without tunnels. */
  readonly patch?: number | undefined;
  readonly uplink?: number | undefined;
}

/** OpenFlow numbers of the tunnel bridge's ports. */
export interface TunnelBridgePorts {
  readonly patch: number;
  readonly tunnel: number;
}

/** Access tags under policy. */
export interface PolicyTags {
  has(tag: number): boolean;
}
