// What a way to Open vSwitch promises: over its sockets (fast.ts), or by its commands (vsctl.ts).

import type { Flow } from "../openflow/flow.ts";
import type { RowCache } from "../ovsdb/port_rows.ts";
import type { PortSpec, SwitchState } from "../switch.ts";
import type { Job } from "../ovsdb/transaction.ts";

/** A port on its way to the bridge. */
export interface Arrival {
  readonly spec: PortSpec;
  /** OpenFlow number that its row asks for. */
  readonly ofport: number;
  /** Resolves when the row is committed. */
  readonly committed: Promise<unknown>;
}

/** How a driver tells what it sees. */
export interface DriverEvents {
  /** Rows of these names changed. */
  readonly changed: (names: Iterable<string>) => void;
  /** A lost connection is back, or flows are not those that should be there. */
  readonly returned: () => void;
}

/** One way to Open vSwitch. Every call ends at `endMs` at the latest, with a Fault. */
export interface PortDriver {
  /** Returns the rows as they are now; with `isFresh` all that was sent before counts. */
  rows(endMs: number, options?: { readonly isFresh: boolean }): Promise<RowCache>;
  /** Commits all jobs or none; gives the configuration to wait for where a tag changed. */
  commit(jobs: readonly Job[], endMs: number): Promise<number | undefined>;
  /** Resolves when ovs-vswitchd has taken that configuration over. */
  settled(cfg: number | undefined, endMs: number): Promise<void>;
  /** Brings flows in force and resolves when the port forwards. */
  forward(arrival: Arrival, endMs: number): Promise<void>;
  /** Resolves when ovs-vswitchd has no port of that name any more. */
  gone(name: string, endMs: number): Promise<void>;
  /** Removes the guard flows of these OpenFlow numbers, or does so as soon as that is possible. */
  dropFlows(numbers: readonly number[], endMs: number): Promise<void>;
  /** Adds flows, each in place of one with the same match, after all flows that were sent before. */
  addFlows(flows: readonly Flow[], endMs: number): Promise<void>;
  state(): SwitchState;
  close(): void;
}
