// What a driver of the ports promises: over the sockets of Open vSwitch (socket_driver.ts), or by its
// commands (cli_driver.ts).

import type { Flow } from "../openflow/flow.ts";
import type { RowCache } from "../ovsdb/port_rows.ts";
import type { PortSpec, SwitchState } from "../switch.ts";
import type { Job } from "../ovsdb/transaction.ts";
import { withDeadline } from "../../util/async/deadline.ts";

/** A port that is being added to the bridge. */
export interface Arrival {
  readonly spec: PortSpec;
  /** OpenFlow number that its row asks for. */
  readonly ofport: number;
  /** Resolves when the row is committed. */
  readonly committed: Promise<unknown>;
  /** Whether frames from the port with that MAC were dropped a moment ago, which may be cached. */
  readonly isReturning?: boolean;
  /** Called when its flows are on their way to ovs-vswitchd, or about to be. */
  readonly onSent?: (() => void) | undefined;
}

/** A port by its name, and by the OpenFlow number that it has for the moment. */
export interface NumberedPort {
  readonly name: string;
  readonly ofport: number;
}

/** How a driver reports what it sees. */
export interface DriverEvents {
  /** Rows of these names changed. */
  readonly changed: (names: Iterable<string>) => void;
  /** A lost connection is back, or flows differ from the desired ones. */
  readonly resync: () => void;
}

/** One way to Open vSwitch. Every call ends at `endMs` at the latest, with a Fault. */
export interface PortDriver {
  /** Returns the rows as they are now; with `isFresh`, everything sent before is included. */
  rows(endMs: number, options?: { readonly isFresh: boolean }): Promise<RowCache>;
  /** Commits all jobs or none; returns the configuration to wait for where a tag changed. */
  commit(jobs: readonly Job[], endMs: number): Promise<number | undefined>;
  /** Resolves when ovs-vswitchd has applied that configuration. */
  settled(cfg: number | undefined, endMs: number): Promise<void>;
  /** Resolves with the OpenFlow number of a port that was committed, when ovs-vswitchd has it. Faults: failed. */
  present(name: string, endMs: number): Promise<number>;
  /** Says that flows of a port come within milliseconds. A hint, which may be ignored. */
  expectPort(): void;
  /** Installs the flows; resolves with the port's OpenFlow number when it forwards. */
  forward(arrival: Arrival, endMs: number): Promise<number>;
  /** Resolves when ovs-vswitchd has no port of that name any more. */
  gone(name: string, endMs: number): Promise<void>;
  /** Deletes the anti-spoofing flows of these OpenFlow numbers, or does so as soon as it can. */
  deleteFlows(numbers: readonly number[], endMs: number): Promise<void>;
  /** Resolves when ovs-vswitchd has deleted what it was sent to delete; at once where it does not run. */
  deleted(endMs: number): Promise<void>;
  /** Adds flows, each in place of one with the same match, after all flows that were sent before. */
  addFlows(flows: readonly Flow[], endMs: number): Promise<void>;
  /** Sends frames as if they had come in by that port; resolves when they are forwarded. */
  sendFrames(port: NumberedPort, frames: readonly Uint8Array[], endMs: number): Promise<void>;
  state(): SwitchState;
  close(): void;
}

// The driver's own fault says more, and should come first.
const LATER_MS = 200;

/**
 * Returns `driver`; each call that is late ends with Fault timeout. A call that never ends would block
 * those behind it, which happened where a driver waited for a message that never came.
 */
export function withDriverDeadlines(driver: PortDriver): PortDriver {
  const end = <T>(endMs: number, work: Promise<T>) =>
    withDeadline(endMs + LATER_MS, "Open vSwitch did not answer", work);
  return {
    rows: (endMs, options) => end(endMs, driver.rows(endMs, options)),
    commit: (jobs, endMs) => end(endMs, driver.commit(jobs, endMs)),
    settled: (cfg, endMs) => end(endMs, driver.settled(cfg, endMs)),
    present: (name, endMs) => end(endMs, driver.present(name, endMs)),
    expectPort: () => driver.expectPort(),
    forward: (arrival, endMs) => end(endMs, driver.forward(arrival, endMs)),
    gone: (name, endMs) => end(endMs, driver.gone(name, endMs)),
    deleteFlows: (numbers, endMs) => end(endMs, driver.deleteFlows(numbers, endMs)),
    deleted: (endMs) => end(endMs, driver.deleted(endMs)),
    addFlows: (flows, endMs) => end(endMs, driver.addFlows(flows, endMs)),
    sendFrames: (port, frames, endMs) => end(endMs, driver.sendFrames(port, frames, endMs)),
    state: () => driver.state(),
    close: () => driver.close(),
  };
}
