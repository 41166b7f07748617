// Distributed gateways in memory: what Open vSwitch and the host's stack were set to last.

import type {
  DesiredStack,
  FilterTable,
  HostStack,
  StackReport,
} from "../../lib/net/host/host_stack.ts";
import type { Hindrance } from "../../lib/net/host/host_stack.ts";
import type { ReachFlows, ReachPorts, ReachSwitch } from "../../lib/ovs/reach/reach_switch.ts";
import { CallRecorder } from "./call_recorder.ts";

type HostPort = Parameters<ReachSwitch["ensureHostPort"]>[0];

/** A ReachSwitch without Open vSwitch. */
export class MemoryReachSwitch implements ReachSwitch {
  /** The calls so far; also where a test injects faults. */
  readonly recorder = new CallRecorder<ReachSwitch>();
  port: HostPort | undefined;
  ports: ReachPorts = { host: 7 };
  flows: ReachFlows = { bridge: [] };

  ensureHostPort(desired: HostPort): Promise<ReachPorts> {
    return this.recorder.run("ensureHostPort", [desired], () => {
      this.port = desired;
      return this.ports;
    });
  }

  setFlows(flows: ReachFlows, before?: ReachFlows): Promise<void> {
    return this.recorder.run("setFlows", [flows, before], () => void (this.flows = flows));
  }

  resolveVteps(vteps: readonly string[]): Promise<string[]> {
    return this.recorder.run("resolveVteps", [vteps], () => []);
  }

  emptyZones(zones: readonly number[]): Promise<void> {
    return this.recorder.run("emptyZones", [zones], () => {});
  }

  flowCounts(): Promise<string> {
    return this.recorder.run("flowCounts", [], () => String(this.flows.bridge.length));
  }

  remove(): Promise<void> {
    return this.recorder.run("remove", [], () => {
      this.port = undefined;
      this.flows = { bridge: [] };
    });
  }

  close(): void {}
}

/** A HostStack without a kernel. */
export class MemoryHostStack implements HostStack {
  /** The calls so far; also where a test injects faults. */
  readonly recorder = new CallRecorder<HostStack>();
  stack: DesiredStack | undefined;
  /** Further tables of the packet filter. */
  readonly filters = new Map<string, FilterTable>();
  report: StackReport = { problems: [] };
  drifted = false;
  found: readonly Hindrance[] = [];
  /** Routes of the host's own. */
  routes: readonly string[] = [];

  ensure(desired: DesiredStack, options?: { readonly isFresh?: boolean }): Promise<StackReport> {
    return this.recorder.run("ensure", [desired, options], () => {
      this.stack = desired;
      this.drifted = false;
      return this.report;
    });
  }

  ensureFilter(table: FilterTable): Promise<void> {
    return this.recorder.run(
      "ensureFilter",
      [table],
      () => void this.filters.set(table.name, table),
    );
  }

  removeFilter(name: string): Promise<void> {
    return this.recorder.run("removeFilter", [name], () => {
      this.filters.delete(name);
      if (name === this.stack?.filter.name) this.stack = undefined;
    });
  }

  hasDrifted(): Promise<boolean> {
    return this.recorder.run("hasDrifted", [], () => this.drifted);
  }

  /** Does what a notification of the kernel does. */
  wake: () => void = () => {};

  onChange(wake: () => void): void {
    this.wake = wake;
  }

  hindrances(device: string): Promise<Hindrance[]> {
    return this.recorder.run("hindrances", [device], () => [...this.found]);
  }

  overlappingRoutes(cidr: string, device: string): Promise<string[]> {
    return this.recorder.run("overlappingRoutes", [cidr, device], () => [...this.routes]);
  }

  close(): void {}
}
