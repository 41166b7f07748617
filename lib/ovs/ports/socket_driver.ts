// The fast driver: one open connection to ovsdb-server for rows, one to ovs-vswitchd for flows.

import { hooked } from "../../util/fault_hooks.ts";
import { Fault } from "../../util/errors.ts";
import type { Arrival, DriverEvents, NumberedPort, PortDriver } from "./port_driver.ts";
import { antispoofFlows, BASE_FLOWS } from "./antispoof_flows.ts";
import { antispoofCookie, EXACT_COOKIE } from "../openflow/cookies.ts";
import type { Flow } from "../openflow/flow.ts";
import { FlowCheck } from "../openflow/flow_check.ts";
import { Reconnecting } from "../transport/reconnecting.ts";
import { type OpenFlowConnection, openOpenFlow } from "../openflow/openflow_connection.ts";
import { openOvsdb, type OvsdbConnection, type TableUpdates } from "../ovsdb/ovsdb_connection.ts";
import { createSwitch } from "./switch_ports.ts";
import { RevalidatorWait } from "./revalidator_wait.ts";
import { RowChanges } from "../ovsdb/row_changes.ts";
import { membersOf, MIRRORED, RowCache } from "../ovsdb/port_rows.ts";
import type { Switch, SwitchOptions, SwitchState } from "../switch.ts";
import { OvsTools } from "../transport/ovs_tools.ts";
import { type Job, nextCfgOf, operationsOf } from "../ovsdb/transaction.ts";
import { ConditionWaits, withDeadline } from "../../util/async/deadline.ts";

/** Opening a connection, with the first look at all rows or ports, takes at most this. */
const OPEN_MS = 5_000;

// No port can have these names.
const CFG = "/cur_cfg";

/** Returns the Switch over open connections, which are made and kept up in the background. */
export function openSocketSwitch(options: SwitchOptions): Switch {
  const path = /^unix:(.+)$/.exec(options.ovsdb)?.[1];
  if (!path) {
    throw new Fault("usage", `database address "${options.ovsdb}" refused`, {
      why: "only a unix socket is spoken to",
      fix: "give it as unix:/var/run/openvswitch/db.sock",
    });
  }
  const open = (events: DriverEvents) => new FastDriver(path, options, events);
  return createSwitch(options, new OvsTools(options), open);
}

/** A port whose row says what its guards let through. */
interface Guarded {
  readonly name: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly tag: number | undefined;
  /** Number it had, or has asked for. */
  readonly ofport: number;
}

class FastDriver implements PortDriver {
  readonly #options: SwitchOptions;
  readonly #events: DriverEvents;
  readonly #waits = new ConditionWaits();
  readonly #ovsdb: Reconnecting<OvsdbConnection>;
  readonly #openflow: Reconnecting<OpenFlowConnection>;
  readonly #revalidation: RevalidatorWait;
  readonly #flowCheck: FlowCheck;
  /** How many flows there should be; undefined until they are counted for the rows as they are now. */
  #wantedFlows: number | undefined;
  readonly #news = new RowChanges();
  readonly #staleNumbers = new Set<number>();
  #mirror: RowCache;
  #wasOvsdbUp = false;
  #wasOpenFlowUp = false;

  constructor(path: string, options: SwitchOptions, events: DriverEvents) {
    this.#options = options;
    this.#events = events;
    this.#mirror = new RowCache(options.bridge, options.owner);
    this.#revalidation = new RevalidatorWait(
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
      wanted: () => this.#wantedFlows ??= this.#countFlows(),
      differ: () => this.#events.returned(),
    });
  }

  async rows(endMs: number, { isFresh = false } = {}): Promise<RowCache> {
    const connection = await this.#ovsdb.get(endMs);
    // ovsdb-server answers in order, and tells changes before it answers what made them.
    if (isFresh) await connection.call("echo", [], endMs - performance.now());
    return this.#mirror;
  }

  async commit(jobs: readonly Job[], endMs: number): Promise<number | undefined> {
    const connection = await this.#ovsdb.get(endMs);
    const { bridge, owner } = this.#options;
    const operations = operationsOf(jobs, { bridge, owner });
    const results = await connection.transact(operations, endMs - performance.now());
    if (results[0]?.count === 1) return nextCfgOf(results);
    throw new Fault("not_found", `bridge ${bridge} of host ${owner} is not there`, {
      fix: "start the agent again, it makes the bridge",
    });
  }

  async settled(cfg: number | undefined, endMs: number): Promise<void> {
    if (cfg === undefined) return;
    const what = "ovs-vswitchd did not take the change over";
    const look = () => this.#mirror.curCfg >= cfg || undefined;
    await this.#waits.until(CFG, look, { endMs, what });
  }

  async forward(arrival: Arrival, endMs: number): Promise<number> {
    arrival.committed.catch(() => {}); // awaited below, unless the connection fails first
    while (true) {
      const connection = await this.#openflow.get(endMs);
      try {
        return await this.#install(connection, arrival, endMs);
      } catch (error) {
        // A new ovs-vswitchd has no flow; all is sent again.
        if (!connection.why || performance.now() >= endMs) throw error;
      }
    }
  }

  async gone(name: string, endMs: number): Promise<void> {
    await this.#openflow.get(endMs);
    const what = `ovs-vswitchd did not let go of the former port ${name}`;
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

  async addFlows(flows: readonly Flow[], endMs: number): Promise<void> {
    const connection = await this.#openflow.get(endMs);
    const check = connection.addFlows(flows);
    await withDeadline(endMs, "ovs-vswitchd did not take flows over", connection.barrier());
    check();
  }

  async sendFrames({ name, ofport }: NumberedPort, frames: readonly Uint8Array[]): Promise<void> {
    const connection = this.#openflow.current;
    if (connection?.ports.get(name) !== ofport) return; // removed meanwhile
    for (const frame of frames) connection.sendFrame(ofport, frame);
    await connection.barrier();
  }

  state(): SwitchState {
    return {
      ovsdb: this.#ovsdb.current ? "up" : "down",
      openflow: this.#openflow.current ? "up" : "down",
    };
  }

  close(): void {
    this.#flowCheck[Symbol.dispose]();
    this.#revalidation[Symbol.dispose]();
    this.#ovsdb.close();
    this.#openflow.close();
    this.#waits.notifyAll();
  }

  async #install(
    connection: OpenFlowConnection,
    { spec, ofport, committed }: Arrival,
    endMs: number,
  ): Promise<number> {
    const { policyVlans: policed } = this.#options;
    let check = connection.addFlows(antispoofFlows(ofport, spec, policed));
    await withDeadline(endMs, "ovsdb-server did not commit", committed);
    const seen = await this.#waits.until(spec.name, () => this.#portOf(connection, spec.name), {
      endMs,
      what: "ovs-vswitchd did not take the port over",
    });
    if (seen !== ofport) {
      connection.deleteFlows(antispoofCookie(ofport), EXACT_COOKIE);
      check = connection.addFlows(antispoofFlows(seen, spec, policed));
    }
    await withDeadline(endMs, "ovs-vswitchd did not finish the port", connection.barrier());
    check();
    await withDeadline(
      endMs,
      "ovs-vswitchd did not revalidate",
      this.#revalidation.caughtUp(spec.mac),
    );
    return seen;
  }

  #portOf(connection: OpenFlowConnection, name: string): number | undefined {
    if (connection.why) throw connection.why;
    const [words] = membersOf(this.#mirror.interface(name)?.error) as string[];
    if (words !== undefined) {
      throw new Fault("failed", `Open vSwitch could not open link ${name}`, {
        why: `"${words}"`,
        fix: "see whether the link exists and no other bridge has it",
      });
    }
    return connection.ports.get(name);
  }

  async #openOvsdb(path: string): Promise<OvsdbConnection> {
    const connection = hooked("ovsdb", await openOvsdb(path), ["close"]);
    const mirror = new RowCache(this.#options.bridge, this.#options.owner);
    try {
      await connection.monitor(MIRRORED, (updates) => this.#take(mirror, updates), OPEN_MS);
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#mirror = mirror;
    return connection;
  }

  #take(mirror: RowCache, updates: TableUpdates): void {
    const bridgeOwner = mirror.bridgeOwner;
    const touched = mirror.apply(updates);
    this.#wantedFlows = undefined;
    if (mirror !== this.#mirror) return; // the first look; nobody waits on it yet
    const changed = this.#news.among(touched, mirror);
    // Readers of the bridge's own row are told under its name.
    if (mirror.bridgeOwner !== bridgeOwner) changed.push(this.#options.bridge);
    touched.forEach((name) => this.#waits.notify(name));
    this.#waits.notify(CFG);
    if (changed.length > 0) this.#events.changed(changed);
  }

  #ovsdbReady(): void {
    this.#news.reset(this.#mirror);
    this.#waits.notifyAll();
    if (this.#wasOvsdbUp) this.#events.returned();
    this.#wasOvsdbUp = true;
  }

  async #openOpenFlow(): Promise<OpenFlowConnection> {
    const { rundir, bridge } = this.#options;
    const ring = (name: string) => this.#waits.notify(name);
    const endMs = performance.now() + OPEN_MS;
    const first = (connection: OpenFlowConnection) => {
      if (this.#wasOpenFlowUp) this.#restore(connection);
    };
    const connection = await openOpenFlow(`${rundir}/${bridge}.mgmt`, { ring, endMs, first });
    return hooked("openflow", connection, ["addFlows", "deleteFlows", "sendFrame", "close"]);
  }

  #openFlowReady(connection: OpenFlowConnection): void {
    for (const number of this.#staleNumbers) {
      connection.deleteFlows(antispoofCookie(number), EXACT_COOKIE);
    }
    this.#staleNumbers.clear();
    void this.#revalidation.prepare();
    if (this.#wasOpenFlowUp) this.#renumber(connection);
    this.#waits.notifyAll();
    if (this.#wasOpenFlowUp) this.#events.returned();
    this.#wasOpenFlowUp = true;
  }

  // A new ovs-vswitchd drops everything. Rows carry all that guards need, so the flows are back
  // before it has told its ports and the agent has looked; syncPorts then finds little to do.
  #restore(connection: OpenFlowConnection): void {
    connection.addFlows(BASE_FLOWS);
    for (const guarded of this.#guarded()) this.#guard(connection, guarded, guarded.ofport);
  }

  // The numbers are ours to choose, unless somebody else's port had one first.
  #renumber(connection: OpenFlowConnection): void {
    const moved = this.#guarded().flatMap((guarded) => {
      const now = connection.ports.get(guarded.name) ?? guarded.ofport;
      return now === guarded.ofport ? [] : [{ guarded, now }];
    });
    // Two may have changed numbers: all old flows go before the first new one.
    for (const { guarded } of moved) {
      connection.deleteFlows(antispoofCookie(guarded.ofport), EXACT_COOKIE);
    }
    for (const { guarded, now } of moved) this.#guard(connection, guarded, now);
  }

  #guard(connection: OpenFlowConnection, guarded: Guarded, ofport: number): void {
    connection.addFlows(antispoofFlows(ofport, guarded, this.#options.policyVlans));
  }

  #countFlows(): number {
    const guards = this.#guarded().map((guarded) => antispoofFlows(guarded.ofport, guarded).length);
    return guards.reduce((sum, count) => sum + count, BASE_FLOWS.length);
  }

  #guarded(): Guarded[] {
    return this.#mirror.ports().flatMap(({ name, mac, addresses, tag }) => {
      const { row, requested } = this.#mirror.port(name) ?? {};
      const ofport = requested ?? row?.ofport;
      if (!mac || !addresses || ofport === undefined) return [];
      return [{ name, mac, addresses, tag, ofport }];
    });
  }
}
