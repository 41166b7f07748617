// The driver over sockets (`--ovs-driver jsonrpc`): one open connection to ovsdb-server for rows, one to
// ovs-vswitchd for flows.

import { hooked } from "../../util/fault_hooks.ts";
import { Fault } from "../../util/errors.ts";
import type { Arrival, DriverEvents, NumberedPort, PortDriver } from "./port_driver.ts";
import { portFlows } from "./port_flows.ts";
import { BASE_FLOWS } from "../bridge/bridge.ts";
import { antispoofCookie, EXACT_COOKIE } from "../openflow/cookies.ts";
import type { Flow } from "../openflow/flow.ts";
import { FlowCheck } from "../openflow/flow_check.ts";
import { Reconnecting } from "../transport/reconnecting.ts";
import { type OpenFlowConnection, openOpenFlow } from "../openflow/openflow_connection.ts";
import { openOvsdb, type OvsdbConnection, type TableUpdates } from "../ovsdb/ovsdb_connection.ts";
import { expectedFlows, protectedPorts } from "./protected_ports.ts";
import { renumberFlows, restoreFlows } from "./restored_flows.ts";
import { createSwitch } from "./switch_ports.ts";
import { RevalidatorWait, type Trace } from "./revalidator_wait.ts";
import { RowChanges } from "../ovsdb/row_changes.ts";
import { CACHED_COLUMNS, membersOf, RowCache } from "../ovsdb/port_rows.ts";
import type { PortSpec, Switch, SwitchOptions, SwitchState } from "../switch.ts";
import { OvsTools } from "../tools/ovs_tools.ts";
import { type Job, nextCfgOf, operationsOf } from "../ovsdb/transaction.ts";
import { ConditionWaits, withDeadline } from "../../util/async/deadline.ts";

/** Time limit to open a connection and read all rows or ports for the first time. */
const OPEN_MS = 5_000;

// A turn of ovs-vswitchd's main thread reads from each port (6 µs) before it takes flows. With that many ports it takes
// those that come 2 ms after the turn has begun.
const MANY_PORTS = 300;

// No port can have these names.
const CFG = "/cur_cfg";

/** Returns the Switch over open connections, which are opened and re-opened in the background. */
export function openSocketSwitch(options: SwitchOptions): Switch {
  const path = /^unix:(.+)$/.exec(options.ovsdb)?.[1];
  if (!path) {
    throw new Fault("usage", `database address "${options.ovsdb}" rejected`, {
      why: "only unix sockets are supported",
      fix: "write it as unix:/var/run/openvswitch/db.sock, or use --ovs-driver vsctl",
    });
  }
  const open = (events: DriverEvents) => new SocketDriver(path, options, events);
  return createSwitch(options, new OvsTools(options), open);
}

class SocketDriver implements PortDriver {
  readonly #options: SwitchOptions;
  readonly #events: DriverEvents;
  readonly #waits = new ConditionWaits();
  readonly #ovsdb: Reconnecting<OvsdbConnection>;
  readonly #openflow: Reconnecting<OpenFlowConnection>;
  readonly #revalidator: RevalidatorWait;
  readonly #flowCheck: FlowCheck;
  /** How many flows are expected; undefined until they are counted for the present rows. */
  #expectedFlows: number | undefined;
  readonly #rowChanges = new RowChanges();
  readonly #staleNumbers = new Set<number>();
  #cache: RowCache;
  /** Whether a turn of ovs-vswitchd that expectPort() has started goes on. */
  #isExpecting = false;
  #wasOvsdbUp = false;
  #wasOpenFlowUp = false;

  constructor(path: string, options: SwitchOptions, events: DriverEvents) {
    this.#options = options;
    this.#events = events;
    this.#cache = new RowCache(options.bridge, options.owner);
    this.#revalidator = new RevalidatorWait(
      options.rundir,
      () => void this.#openflow.current?.addFlows(BASE_FLOWS),
    );
    this.#ovsdb = new Reconnecting({
      open: () => this.#openOvsdb(path),
      onReady: () => this.#ovsdbReady(),
      onLost: () => this.#waits.notifyAll(),
    });
    this.#openflow = new Reconnecting({
      open: () => this.#openOpenFlow(),
      onReady: (connection) => this.#openFlowReady(connection),
      onLost: () => this.#waits.notifyAll(),
    });
    this.#flowCheck = new FlowCheck({
      connection: () => this.#openflow.current,
      expected: () => this.#expectedFlows ??= expectedFlows(protectedPorts(this.#cache), options),
      onDifference: () => this.#events.resync(),
    });
  }

  async rows(endMs: number, { isFresh = false } = {}): Promise<RowCache> {
    const connection = await this.#ovsdb.get(endMs);
    // ovsdb-server answers in order, and reports changes before it answers the requests that made them.
    if (isFresh) await connection.call("echo", [], endMs - performance.now());
    return this.#cache;
  }

  async commit(jobs: readonly Job[], endMs: number): Promise<number | undefined> {
    const connection = await this.#ovsdb.get(endMs);
    const { bridge, owner } = this.#options;
    const operations = operationsOf(jobs, { bridge, owner });
    const results = await connection.transact(operations, endMs - performance.now());
    if (results[0]?.count === 1) return nextCfgOf(results);
    throw new Fault("not_found", `bridge ${bridge} of host ${owner} does not exist`, {
      fix: "restart the agent, it creates the bridge",
    });
  }

  async settled(cfg: number | undefined, endMs: number): Promise<void> {
    if (cfg === undefined) return;
    const what = "ovs-vswitchd did not apply the change";
    const look = () => this.#cache.curCfg >= cfg || undefined;
    await this.#waits.until(CFG, look, { endMs, what });
  }

  present(name: string, endMs: number): Promise<number> {
    return this.#connected(endMs, (connection) => this.#present(connection, name, endMs));
  }

  expectPort(): void {
    const connection = this.#openflow.current;
    if (!connection || connection.ports.size < MANY_PORTS || this.#isExpecting) return;
    this.#isExpecting = true;
    void connection.barrier().catch(() => {}).finally(() => this.#isExpecting = false);
  }

  forward(arrival: Arrival, endMs: number): Promise<number> {
    arrival.committed.catch(() => {}); // awaited below, unless the connection fails first
    // A restarted ovs-vswitchd has no flow; all are sent again.
    return this.#connected(endMs, (connection) => this.#install(connection, arrival, endMs));
  }

  async #connected<T>(
    endMs: number,
    work: (connection: OpenFlowConnection) => Promise<T>,
  ): Promise<T> {
    while (true) {
      const connection = await this.#openflow.get(endMs);
      try {
        return await work(connection);
      } catch (error) {
        if (!connection.why || performance.now() >= endMs) throw error;
      }
    }
  }

  async gone(name: string, endMs: number): Promise<void> {
    await this.#openflow.get(endMs);
    const what = `ovs-vswitchd did not release the former port ${name}`;
    const look = () => this.#openflow.current?.ports.has(name) === false || undefined;
    await this.#waits.until(name, look, { endMs, what });
  }

  deleteFlows(numbers: readonly number[]): Promise<void> {
    const connection = this.#openflow.current;
    for (const number of numbers) {
      if (connection) connection.deleteFlows(antispoofCookie(number), EXACT_COOKIE);
      else this.#staleNumbers.add(number);
    }
    return Promise.resolve();
  }

  async deleted(endMs: number): Promise<void> {
    const connection = this.#openflow.current;
    if (!connection) return;
    try {
      await withDeadline(endMs, "ovs-vswitchd did not delete flows", connection.barrier());
    } catch (error) {
      if (!connection.why) throw error; // an ovs-vswitchd that ends takes its flows with it
    }
  }

  async addFlows(flows: readonly Flow[], endMs: number): Promise<void> {
    const connection = await this.#openflow.get(endMs);
    const check = connection.addFlows(flows);
    await withDeadline(endMs, "ovs-vswitchd did not apply flows", connection.barrier());
    check();
  }

  async sendFrames({ name, ofport }: NumberedPort, frames: readonly Uint8Array[]): Promise<void> {
    const connection = this.#openflow.current;
    if (connection?.ports.get(name) !== ofport) return; // removed meanwhile
    for (const frame of frames) connection.sendFrame(ofport, frame);
    await connection.barrier();
  }

  state(): SwitchState {
    const errors = this.#ovsdb.current ? this.#cache.errors() : [];
    return {
      ovsdb: this.#ovsdb.current ? "up" : "down",
      openflow: this.#openflow.current ? "up" : "down",
      reconnects: { ovsdb: this.#ovsdb.reconnects, openflow: this.#openflow.reconnects },
      ...errors.length > 0 && { interfaceErrors: errors },
    };
  }

  close(): void {
    this.#flowCheck[Symbol.dispose]();
    this.#revalidator[Symbol.dispose]();
    this.#ovsdb.close();
    this.#openflow.close();
    this.#waits.notifyAll();
  }

  async #install(
    connection: OpenFlowConnection,
    { spec, ofport, committed, isReturning, onSent }: Arrival,
    endMs: number,
  ): Promise<number> {
    let check = connection.addFlows(portFlows(ofport, spec, this.#options));
    const receiver = { ...spec, isReturning };
    // A parked port is there already: flows, row and cached flows are waited for together.
    const isParked = connection.ports.get(spec.name) === ofport;
    const handled = isParked ? connection.barrier() : undefined;
    handled?.catch(() => {}); // awaited below
    const caughtUp = isParked && this.#revalidator.isCaughtUp(receiver, this.#trace(spec, ofport));
    onSent?.();
    await withDeadline(endMs, "ovsdb-server did not commit", committed);
    const seen = await this.#present(connection, spec.name, endMs);
    if (seen !== ofport) {
      connection.deleteFlows(antispoofCookie(ofport), EXACT_COOKIE);
      check = connection.addFlows(portFlows(seen, spec, this.#options));
    }
    const done = seen === ofport && handled ? handled : connection.barrier();
    await withDeadline(endMs, "ovs-vswitchd did not finish the port", done);
    check();
    const settled = async () => {
      if (seen === ofport && await caughtUp) return;
      await this.#revalidator.caughtUp(receiver);
    };
    await withDeadline(endMs, "ovs-vswitchd did not revalidate", settled());
    return seen;
  }

  /** Returns a packet that meets the last of the port's flows: to itself, as one to all ports takes a millisecond. */
  #trace({ mac, addresses }: PortSpec, ofport: number): Trace {
    const packet = `in_port=${ofport},dl_src=${mac},dl_dst=${mac},ip,nw_src=${addresses.at(-1)}`;
    return { bridge: this.#options.bridge, packet, cookie: antispoofCookie(ofport) };
  }

  #present(connection: OpenFlowConnection, name: string, endMs: number): Promise<number> {
    return this.#waits.until(name, () => this.#portOf(connection, name), {
      endMs,
      what: "ovs-vswitchd did not add the port",
    });
  }

  #portOf(connection: OpenFlowConnection, name: string): number | undefined {
    if (connection.why) throw connection.why;
    const [message] = membersOf(this.#cache.interface(name)?.error) as string[];
    if (message !== undefined) {
      throw new Fault("failed", `Open vSwitch could not open link ${name}`, {
        why: `"${message}"`,
        fix: "check that the link exists and that no other bridge has it",
      });
    }
    return connection.ports.get(name);
  }

  async #openOvsdb(path: string): Promise<OvsdbConnection> {
    const connection = hooked("ovsdb", await openOvsdb(path), ["close"]);
    const cache = new RowCache(this.#options.bridge, this.#options.owner);
    try {
      await connection.monitor(
        CACHED_COLUMNS,
        (updates) => this.#applyUpdates(cache, updates),
        OPEN_MS,
      );
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#cache = cache;
    return connection;
  }

  #applyUpdates(cache: RowCache, updates: TableUpdates): void {
    const bridgeOwner = cache.bridgeOwner;
    const touched = cache.apply(updates);
    this.#expectedFlows = undefined;
    if (cache !== this.#cache) return; // the first read; nothing waits for it yet
    const changed = this.#rowChanges.among(touched, cache);
    // A change of the bridge's own row is reported under its name.
    if (cache.bridgeOwner !== bridgeOwner) changed.push(this.#options.bridge);
    touched.forEach((name) => this.#waits.notify(name));
    this.#waits.notify(CFG);
    if (changed.length > 0) this.#events.changed(changed);
  }

  #ovsdbReady(): void {
    this.#rowChanges.reset(this.#cache);
    this.#waits.notifyAll();
    if (this.#wasOvsdbUp) this.#events.resync();
    this.#wasOvsdbUp = true;
  }

  async #openOpenFlow(): Promise<OpenFlowConnection> {
    const { rundir, bridge } = this.#options;
    const listener = (name: string) => this.#waits.notify(name);
    const endMs = performance.now() + OPEN_MS;
    const first = (connection: OpenFlowConnection) => {
      if (this.#wasOpenFlowUp) {
        restoreFlows(connection, protectedPorts(this.#cache), this.#options);
      }
    };
    const connection = await openOpenFlow(`${rundir}/${bridge}.mgmt`, { listener, endMs, first });
    return hooked("openflow", connection, ["addFlows", "deleteFlows", "sendFrame", "close"]);
  }

  #openFlowReady(connection: OpenFlowConnection): void {
    for (const number of this.#staleNumbers) {
      connection.deleteFlows(antispoofCookie(number), EXACT_COOKIE);
    }
    this.#staleNumbers.clear();
    void this.#revalidator.prepare();
    if (this.#wasOpenFlowUp) {
      renumberFlows(connection, protectedPorts(this.#cache), this.#options);
    }
    this.#waits.notifyAll();
    if (this.#wasOpenFlowUp) this.#events.resync();
    this.#wasOpenFlowUp = true;
  }
}
