// What the agent needs of this host's Open vSwitch, in rows and ports. The drivers below it
// (ports/socket_driver.ts, ports/cli_driver.ts) keep the same promises by other means, and pass the same
// tests (tests/contract/switch_contract.ts), as does the in-memory one for unit tests of the agent.

/** Some access tags. */
export interface VlanSet {
  has(tag: number): boolean;
}

/** What the flows of a port in a network with a distributed gateway need. */
export interface PortReach {
  /** Bare address that the switch answers ARP requests for. */
  readonly gateway: string;
  /** This host's gateway MAC. */
  readonly hostMac: string;
  /** Answers to connections from services are tracked. */
  readonly hasServices: boolean;
  /** Addresses that stand for the pod in this host's stack, where its own belongs to another network. */
  readonly alias?: { readonly address: string; readonly hairpin: string } | undefined;
}

/** The desired port of one pod. */
export interface PortSpec {
  /** Host end of the pod's link, at most 15 characters; it must exist when the port is added. */
  readonly name: string;
  /** Access tag, 1–4094. */
  readonly tag: number;
  /** The only source MAC that the pod may use, as `02:02:0a:01:01:02`. */
  readonly mac: string;
  /** Bare IPv4 addresses that the pod may use as source. */
  readonly addresses: readonly string[];
  /** Undefined in a network without a distributed gateway. */
  readonly reach?: PortReach | undefined;
  /** Stored in the port's row, for people and for the agent's next start; key `k8contivnet` is the driver's. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/** A port without a pod: its link exists, it has no flows. */
export interface ParkedPort extends Pick<PortSpec, "name" | "tag"> {
  /** Stored in the port's row; key `k8contivnet` is the driver's. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/** A MAC that may have been learned at a port. */
export interface LearnedMac extends Pick<PortSpec, "name" | "tag"> {
  readonly mac: string;
}

/** One port of ours, as the database has it now. */
export interface PortRow {
  readonly name: string;
  readonly tag?: number;
  /** OpenFlow port number; absent until Open vSwitch has the port, and where it could not open the link. */
  readonly ofport?: number;
  /** Open vSwitch's error message for a port that it could not open. */
  readonly error?: string;
  /** Absent, as the addresses, for a parked port. */
  readonly mac?: string;
  readonly addresses?: readonly string[];
  readonly reach?: PortReach | undefined;
  /** As in the spec: keys that the driver adds for itself are left out. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/** Open vSwitch's error message for an interface of ours. */
export interface InterfaceError {
  readonly name: string;
  readonly error: string;
}

/** Whether each of the two connections is up, and what does not work behind them. */
export interface SwitchState {
  readonly ovsdb: "up" | "down";
  readonly openflow: "up" | "down";
  /** How often each connection was lost and opened again; absent from a driver without connections. */
  readonly reconnects?: { readonly ovsdb: number; readonly openflow: number };
  /** Of our bridges themselves, of uplink, tunnel and pods' ports; absent where there is none. */
  readonly interfaceErrors?: readonly InterfaceError[];
}

/** Datapath of the bridge; `auto` uses the kernel's where it exists. */
export type Datapath = "auto" | "system" | "netdev";

/** What a driver needs to reach one bridge of one Open vSwitch. */
export interface SwitchOptions {
  /** `unix:PATH` of ovsdb-server's socket. */
  readonly ovsdb: string;
  /** Folder in which ovs-vswitchd has `<bridge>.mgmt`. */
  readonly rundir: string;
  readonly bridge: string;
  /** Host label; rows carry it in `external_ids:k8contivnet`, rows without it are never touched. */
  readonly owner: string;
  /** @default "auto" */
  readonly datapath?: Datapath;
  /** Limit of one call. @default 8000 */
  readonly limitMs?: number;
  /** Access tags whose frames go to the policy tables; they may change, see `refreshAntispoofFlows`. @default none */
  readonly policyVlans?: VlanSet;
  /** Frames between ports of this host are delivered by flows, not by the learning switch. @default false */
  readonly hasDelivery?: boolean;
}

/**
 * One bridge of this host's Open vSwitch, with only our ports on it.
 * Every call ends within its limit. Faults: timeout, unavailable, conflict, usage, not_found, failed.
 */
export interface Switch {
  /**
   * Creates or corrects the bridge: owner, datapath, fail_mode=secure, drop by default. Repeatable;
   * ports stay. Returns its datapath, `system` or `netdev`. Faults: conflict, where the bridge belongs to
   * another owner and has ports.
   */
  ensureBridge(): Promise<string>;
  /** Returns our rows as they are now, all or those of these names. */
  ports(names?: readonly string[]): Promise<PortRow[]>;
  /**
   * Adds the port; resolves when it forwards and its anti-spoofing flows are installed, so that the
   * first packet of the pod arrives. A port of ours with that name is replaced. On a Fault nothing is
   * left: neither row nor flow.
   */
  addPort(spec: PortSpec): Promise<void>;
  /** Removes rows and flows of these ports of ours. Absent ones are a success. */
  removePorts(names: readonly string[]): Promise<void>;
  /**
   * Adds ports that no pod has yet, all in one transaction; resolves when ovs-vswitchd has them. On a Fault none is
   * left. Faults: conflict, if a name is taken.
   */
  addParkedPorts(ports: readonly ParkedPort[]): Promise<void>;
  /** Says that a parked port becomes a pod's within milliseconds: that will take less time. */
  expectPort(): void;
  /**
   * Makes a parked port that of a pod; resolves as addPort() does. On a Fault it is parked. Calls `onSent` when the
   * flows are on their way, or about to be. Faults: not_found, unless a parked port has that name and tag.
   */
  assignPort(spec: PortSpec, onSent?: () => void): Promise<void>;
  /**
   * Takes ports from their pods: no flow is left, and their rows have just these external ids. Absent ones are a
   * success.
   */
  parkPorts(ports: readonly ParkedPort[]): Promise<void>;
  /**
   * Makes the bridge forget that these MACs were learned at ports that are parked, which would lead frames there for
   * five minutes. To be called a moment after parkPorts(): cached flows still learn for some milliseconds.
   */
  forgetMacs(macs: readonly LearnedMac[]): Promise<void>;
  /** Moves a port to another access tag. Faults: not_found. */
  setTag(name: string, tag: number): Promise<void>;
  /**
   * Records `externalIds` and `reach` of an existing port; its flows follow `reach`, by difference. Nothing else
   * of it changes. Faults: not_found.
   */
  setExternalIds(spec: PortSpec): Promise<void>;
  /**
   * Makes the flows of all ports exactly those of `specs`, as far as these have a row, by difference, in
   * one bundle. For the agent's start and after a restart of ovs-vswitchd; rows are not changed.
   */
  syncPorts(specs: readonly PortSpec[]): Promise<void>;
  /**
   * Returns the flows of a port that ovs-vswitchd does not have, as text. Faults: not_found, if
   * it has no row.
   */
  missingFlows(spec: PortSpec): Promise<string[]>;
  /** Makes the anti-spoofing flows of all ports follow `policyVlans` as it is now. */
  refreshAntispoofFlows(): Promise<void>;
  /**
   * Calls `listener` when the agent should reconcile: another program changed rows, or a lost connection
   * is back. Returns the function that ends this.
   */
  onChange(listener: () => void): () => void;
  /** Returns which connections are up, and errors of interfaces, without waiting. */
  state(): SwitchState;
  /** Closes connections; pending calls end with a Fault. */
  close(): Promise<void>;
}
