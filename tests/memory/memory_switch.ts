// The agent's Switch in memory, for unit tests: rows and anti-spoofing flows as the real drivers leave
// them (tests/contract/switch_contract.ts runs over all three), a list of the calls, and faults that a
// test injects. Frames do not exist here.

import { portFlows } from "../../lib/ovs/ports/port_flows.ts";
import { isStillOf } from "../../lib/ovs/ports/port_sync.ts";
import { flowText } from "../../lib/ovs/openflow/flow.ts";
import {
  parseParkedPort,
  parsePort,
  parseTag,
  refuseSharedTag,
} from "../../lib/ovs/ports/port_spec.ts";
import type {
  LearnedMac,
  ParkedPort,
  PortRow,
  PortSpec,
  Switch,
  SwitchState,
} from "../../lib/ovs/switch.ts";
import { Fault } from "../../lib/util/errors.ts";

/** Methods of a Switch that a test can make fail or hang. */
export type SwitchCall = Exclude<keyof Switch, "onChange" | "state" | "close">;

/** When an injected fault comes: before anything is changed, or with all done, as if the answer was lost. */
export type FaultMoment = "before" | "after";

/** A Switch without Open vSwitch. */
export class MemorySwitch implements Switch {
  /** Calls so far, each as its method and the ports it names: `addPort cv1`, `removePorts cv1 cv2`. */
  readonly calls: string[] = [];
  /** Our ports, by name; a test may change them as an operator would, then call `notify()`. */
  readonly rows = new Map<string, PortRow>();
  /** Names of ports that others have added. */
  readonly foreign = new Set<string>();
  /** Names for which no link exists: Open vSwitch cannot open their ports. */
  readonly missingLinks = new Set<string>();
  /** What `state()` returns. */
  connections: SwitchState = { ovsdb: "up", openflow: "up" };
  readonly #policyVlans: ReadonlySet<number>;
  readonly #flowsByNumber = new Map<number, string[]>();
  readonly #injected: { call: SwitchCall; moment: FaultMoment; work: () => Promise<void> }[] = [];
  readonly #listeners = new Set<() => void>();
  #nextNumber = 1_000;
  #isClosed = false;

  constructor(policyVlans: ReadonlySet<number> = new Set()) {
    this.#policyVlans = policyVlans;
  }

  /** Makes the next call of `call` fail with `fault`. */
  failNext(call: SwitchCall, fault: Fault, moment: FaultMoment = "before"): void {
    this.#injected.push({ call, moment, work: () => Promise.reject(fault) });
  }

  /** Makes the next call of `call` hang until the returned function is called. */
  hangNext(call: SwitchCall, moment: FaultMoment = "before"): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#injected.push({ call, moment, work: () => promise });
    return resolve;
  }

  /** Returns all flows of ports, sorted. */
  flows(): string[] {
    return [...this.#flowsByNumber.values()].flat().sort();
  }

  /** Drops all flows, as a restart of ovs-vswitchd does. */
  loseFlows(): void {
    this.#flowsByNumber.clear();
  }

  /** Notifies the listeners: rows were changed by others, or a lost connection is back. */
  notify(): void {
    this.#listeners.forEach((listener) => listener());
  }

  ensureBridge(): Promise<string> {
    return this.#call("ensureBridge", [], () => "netdev");
  }

  ports(names?: readonly string[]): Promise<PortRow[]> {
    const isAsked = (row: PortRow) => names === undefined || names.includes(row.name);
    return this.#call("ports", [], () => [...this.rows.values()].filter(isAsked));
  }

  addPort(desired: PortSpec): Promise<void> {
    return this.#call("addPort", [desired.name], () => {
      const spec = parsePort(desired);
      if (this.foreign.has(spec.name)) {
        throw new Fault("conflict", `port ${spec.name} not added: it is not ours`);
      }
      this.#remove(spec.name);
      refuseSharedTag([...this.rows.values()], spec);
      if (this.missingLinks.has(spec.name)) {
        throw new Fault("failed", `port ${spec.name} not added: Open vSwitch could not open it`);
      }
      this.rows.set(spec.name, { ...spec, ofport: this.#nextNumber++ });
      this.#setFlows(spec.name);
    });
  }

  removePorts(names: readonly string[]): Promise<void> {
    return this.#call("removePorts", names, () => names.forEach((name) => this.#remove(name)));
  }

  addParkedPorts(ports: readonly ParkedPort[]): Promise<void> {
    return this.#call("addParkedPorts", ports.map(({ name }) => name), () => {
      for (const port of ports.map(parseParkedPort)) {
        if (this.foreign.has(port.name) || this.rows.has(port.name)) {
          throw new Fault("conflict", `port ${port.name} not added: it exists`);
        }
        refuseSharedTag([...this.rows.values()], port);
        if (this.missingLinks.has(port.name)) {
          throw new Fault("failed", `port ${port.name} not added: Open vSwitch could not open it`);
        }
      }
      for (const port of ports) this.rows.set(port.name, { ...port, ofport: this.#nextNumber++ });
    });
  }

  expectPort(): void {}

  assignPort(desired: PortSpec, onSent: () => void = () => {}): Promise<void> {
    return this.#call("assignPort", [desired.name], () => {
      const spec = parsePort(desired);
      const row = this.rows.get(spec.name);
      if (row?.ofport === undefined || row.mac !== undefined || row.tag !== spec.tag) {
        throw new Fault("not_found", `no parked port ${spec.name}`);
      }
      refuseSharedTag([...this.rows.values()], spec);
      onSent();
      this.rows.set(spec.name, { ...spec, ofport: row.ofport });
      this.#setFlows(spec.name);
    });
  }

  parkPorts(ports: readonly ParkedPort[]): Promise<void> {
    return this.#call("parkPorts", ports.map(({ name }) => name), () => {
      for (const { name, externalIds } of ports) {
        const row = this.rows.get(name);
        if (!row) continue;
        const { mac: _mac, addresses: _addresses, ...rest } = row;
        this.#flowsByNumber.delete(row.ofport ?? 0);
        this.rows.set(name, { ...rest, externalIds });
      }
    });
  }

  forgetMacs(macs: readonly LearnedMac[]): Promise<void> {
    return this.#call("forgetMacs", macs.map(({ name }) => name), () => {});
  }

  setTag(name: string, tag: number): Promise<void> {
    return this.#call("setTag", [name], () => {
      parseTag(name, tag);
      const row = this.rows.get(name);
      if (!row) throw new Fault("not_found", `port ${name} not retagged`);
      this.rows.set(name, { ...row, tag });
      this.#setFlows(name);
    });
  }

  setExternalIds(desired: PortSpec): Promise<void> {
    return this.#call("setExternalIds", [desired.name], () => {
      const { name, externalIds, reach } = parsePort(desired);
      const row = this.rows.get(name);
      if (!row) throw new Fault("not_found", `port ${name} not updated`);
      const { reach: _, ...rest } = row;
      this.rows.set(name, { ...rest, externalIds, ...reach && { reach } });
      this.#setFlows(name);
    });
  }

  syncPorts(specs: readonly PortSpec[]): Promise<void> {
    return this.#call("syncPorts", specs.map(({ name }) => name), () => {
      const numbers = new Set([...this.rows.values()].map(({ ofport }) => ofport));
      for (const number of this.#flowsByNumber.keys()) {
        if (!numbers.has(number)) this.#flowsByNumber.delete(number);
      }
      for (const spec of specs.map(parsePort)) {
        if (isStillOf(this.rows.get(spec.name), spec)) this.#setFlows(spec.name, spec);
      }
    });
  }

  missingFlows(desired: PortSpec): Promise<string[]> {
    return this.#call("missingFlows", [desired.name], () => {
      const spec = parsePort(desired);
      const ofport = this.rows.get(spec.name)?.ofport;
      if (ofport === undefined) throw new Fault("not_found", `no port ${spec.name}`);
      const present = this.#flowsByNumber.get(ofport) ?? [];
      return portFlows(ofport, spec, { policyVlans: this.#policyVlans }).map(flowText)
        .filter((flow) => !present.includes(flow));
    });
  }

  refreshAntispoofFlows(): Promise<void> {
    return this.#call("refreshAntispoofFlows", [], () => {
      for (const name of this.rows.keys()) this.#setFlows(name);
    });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  state(): SwitchState {
    return this.connections;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }

  async #call<T>(call: SwitchCall, names: readonly string[], work: () => T): Promise<T> {
    this.calls.push([call, ...names].join(" "));
    await this.#inject(call, "before");
    if (this.#isClosed) throw new Fault("unavailable", "the switch is closed");
    const result = work();
    await this.#inject(call, "after");
    return result;
  }

  async #inject(call: SwitchCall, moment: FaultMoment): Promise<void> {
    const at = this.#injected.findIndex((one) => one.call === call && one.moment === moment);
    if (at >= 0) await this.#injected.splice(at, 1)[0]!.work();
  }

  #remove(name: string): void {
    this.#flowsByNumber.delete(this.rows.get(name)?.ofport ?? 0);
    this.rows.delete(name);
  }

  #setFlows(name: string, spec: Partial<PortSpec> | undefined = this.rows.get(name)): void {
    const ofport = this.rows.get(name)?.ofport;
    if (ofport === undefined || !spec?.mac || !spec.addresses) return;
    const { mac, addresses, tag, reach } = spec;
    const flows = portFlows(ofport, { mac, addresses, tag, reach }, {
      policyVlans: this.#policyVlans,
    });
    this.#flowsByNumber.set(ofport, flows.map(flowText));
  }
}
