// Makes the host's part of distributed gateways: first the port to the host's stack, then the stack with its
// packet filter, then the flows that lead there. Loaded with the first such network.

import { clusterSettingsIn } from "../../intent/reach_settings.ts";
import type { Hindrance, StackReport } from "../../net/host/host_stack.ts";
import type { ReachFlows, ReachPorts } from "../../ovs/reach/reach_switch.ts";
import { overlap, parseSubnet } from "../../ipam/subnets.ts";
import { bridgeFlows, gatewayTunnelFlows } from "../../reach/bridge_flows.ts";
import { hostSideOf } from "../../reach/host_side.ts";
import { FILTER_NAME } from "../../reach/packet_filter.ts";
import { HOST_PORT, type ReachModel } from "../../reach/reach_model.ts";
import { aliasZone, serviceZone } from "../../reach/reach_tables.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { EgressFilterSync } from "./egress_filter_sync.ts";
import { planReach } from "./plan_reach.ts";
import type { ReachDeps, ReachScope } from "./reach_deps.ts";

/** What one round has found. */
export interface ReachReport {
  readonly problems: readonly Fault[];
  /** Undefined if nothing was looked for. */
  readonly warnings?: readonly Hindrance[];
}

/** What was installed last. */
interface Installed {
  readonly model: ReachModel;
  /** What the port to the host was made from, as text. */
  readonly port: string;
  readonly ports: ReachPorts;
  readonly flows: ReachFlows;
}

/** A number that no port ever has: OFPP_MAX is 0xff00 (OpenFlow 1.0.1 §5.2.1). */
const NO_PORT = 0xfeff;

/** Does what reach needs on this host. Calls come one after another. */
export class ReachWork {
  readonly #deps: ReachDeps;
  readonly #egress: EgressFilterSync;
  #installed: Installed | undefined;
  /** How many flows there were then. */
  #counts = "";
  /** Routes of the host's own that were in the way then. */
  #overlaps: readonly Fault[] = [];

  constructor(deps: ReachDeps) {
    this.#deps = deps;
    this.#egress = new EgressFilterSync(deps);
  }

  /** Makes all of it as the records say. Faults: conflict, of the drivers. */
  async ensure({ isFresh = false, portsFollow = false }: ReachScope): Promise<ReachReport> {
    const before = this.#installed;
    const { model: planned, twins } = this.#plan();
    const model = before && !portsFollow ? withFormer(planned, before.model) : planned;
    // What fails from here on is made anew.
    this.#installed = undefined;
    if (before && !isFresh) {
      return { problems: [...twins, ...this.#overlaps, ...await this.#change(model, before)] };
    }
    const overlaps = this.#overlaps = await this.#findOverlaps();
    const [overlap] = overlaps;
    if (overlap && !before) return await this.#close(model, { host: NO_PORT }, overlap);
    const problems = await this.#makeAll(model, before);
    this.#counts = await this.#deps.driver.flowCounts();
    const reachesOutside = model.networks.some(({ reach }) => reach.has("outside"));
    const hindrances = await this.#deps.stack.hindrances(HOST_PORT);
    return {
      problems: [...twins, ...overlaps, ...problems],
      warnings: hindrances.filter(({ isOfOutside }) => reachesOutside || !isOfOutside),
    };
  }

  /** Reports whether the flows of a network (`tenant/network`) are there. */
  hasNetwork(id: string): boolean {
    return this.#installed?.model.networks.some((one) => one.id === id) ?? false;
  }

  /** Reports whether somebody else has changed what was made. Faults: those of the drivers. */
  async hasDrifted(): Promise<boolean> {
    const { driver, stack } = this.#deps;
    if (!this.#installed) return false;
    return await driver.flowCounts() !== this.#counts || await stack.hasDrifted();
  }

  /** Makes the host's stack anew if somebody has changed it; reports whether that is so. Faults: those of the driver. */
  async repairStack(): Promise<boolean> {
    if (!this.#installed || !await this.#deps.stack.hasDrifted()) return false;
    await this.#ensureStack(this.#installed.model, { isFresh: true });
    return true;
  }

  /** Removes all of it. Repeatable. Faults: those of the drivers. */
  async remove(): Promise<void> {
    this.#installed = undefined;
    await this.#deps.driver.remove();
    await this.#egress.remove();
    await this.#deps.stack.removeFilter(FILTER_NAME);
  }

  /** Makes all of it, the packet filter before the flows: what it refuses comes through at no moment. */
  async #makeAll(model: ReachModel, before: Installed | undefined): Promise<readonly Fault[]> {
    const { driver } = this.#deps;
    let ports: ReachPorts = { host: NO_PORT };
    let report: StackReport;
    const port = this.#port(model);
    try {
      ports = await driver.ensureHostPort(port);
      report = await this.#ensureStack(model, { isFresh: true }).catch(async (error) => {
        if (faultFrom(error).code !== "not_found") throw error;
        ports = await driver.ensureHostPort({ ...port, isLost: true });
        return await this.#ensureStack(model, { isFresh: true });
      });
    } catch (error) {
      if (!before) await this.#close(model, ports, error);
      throw error;
    }
    const flows = this.#flows(model, ports);
    await this.#emptyZones(model, before);
    await driver.setFlows(flows);
    this.#installed = { model, ports, port: JSON.stringify(port), flows };
    await driver.resolveVteps(model.others.flatMap(({ vtep }) => vtep ?? [])).catch(() => {});
    return report.problems;
  }

  /** Makes what differs from `before`: a pod has come or gone, an intent has changed. */
  async #change(model: ReachModel, before: Installed): Promise<readonly Fault[]> {
    const { driver } = this.#deps;
    const port = this.#port(model);
    const isSamePort = JSON.stringify(port) === before.port && isComplete(before.ports, model);
    const ports = isSamePort ? before.ports : await driver.ensureHostPort(port);
    const flows = this.#flows(model, ports);
    const isSame = JSON.stringify(flows) === JSON.stringify(before.flows);
    // Each of the two refuses what no word allows: their order does not matter.
    const [{ problems }] = await Promise.all([
      this.#ensureStack(model),
      isSame ? undefined : this.#setFlows(flows, model, before),
    ]);
    this.#installed = { model, ports, port: JSON.stringify(port), flows };
    return problems;
  }

  async #ensureStack(model: ReachModel, { isFresh = false } = {}): Promise<StackReport> {
    const report = await this.#deps.stack.ensure(hostSideOf(model), { isFresh });
    await this.#egress.ensure(model, { isFresh });
    return report;
  }

  async #setFlows(flows: ReachFlows, model: ReachModel, before: Installed): Promise<void> {
    const { driver } = this.#deps;
    await this.#emptyZones(model, before);
    await driver.setFlows(flows, before.flows);
    this.#counts = await driver.flowCounts();
  }

  /** Without a way to the host, pods reach their own network all the same. Faults: `why`. */
  async #close(model: ReachModel, ports: ReachPorts, why: unknown): Promise<never> {
    const networks = model.networks.map((one) => ({ ...one, reach: new Set<never>() }));
    await this.#deps.driver.setFlows(this.#flows({ ...model, networks }, ports));
    throw why;
  }

  /** Returns what the records say now. Faults: conflict. */
  plan(): ReachModel {
    return this.#plan().model;
  }

  /** Returns the model, without hosts that have this one's address, as their number says. */
  #plan(): { readonly model: ReachModel; readonly twins: readonly Fault[] } {
    const { store: { documents }, host, flags, tags, mtus } = this.#deps;
    const model = planReach(documents, {
      ...{ host, vtepIp: flags.vtepIp },
      tagOf: (network) => tags.tagOf(documents, network),
      mtuOf: (network) => mtus.of(network),
    });
    if (!model) throw noPlace(clusterSettingsIn(documents).hostRange);
    const others = model.others.filter(({ node }) => node !== model.self.node);
    const twins = model.others.filter((one) => !others.includes(one))
      .map(({ name, node }) => sameNumber(name, node));
    return { model: { ...model, others }, twins };
  }

  #port({ self, networks }: ReachModel) {
    const mtu = Math.max(...networks.map((one) => one.mtu));
    return { name: HOST_PORT, mac: self.mac, mtu, uplink: this.#deps.fabric.uplink };
  }

  #flows(model: ReachModel, ports: ReachPorts): ReachFlows {
    const { tunnel } = ports;
    return {
      bridge: bridgeFlows(model, ports, this.#deps.policyVlans),
      ...tunnel && { tunnel: gatewayTunnelFlows(model, tunnel) },
    };
  }

  /** An access tag may have come to another network, whose packets would meet the first one's connections. */
  async #emptyZones({ networks }: ReachModel, before: Installed | undefined): Promise<void> {
    const moved = (before?.model.networks ?? []).filter(({ tag, id }) =>
      networks.some((one) => one.tag === tag && one.id !== id)
    );
    if (moved.length === 0) return;
    await this.#deps.driver.emptyZones(
      moved.flatMap(({ tag }) => [serviceZone(tag), aliasZone(tag)]),
    );
  }

  /** Returns a conflict where the host has routes of its own into the host range. */
  async #findOverlaps(): Promise<Fault[]> {
    const { stack, store } = this.#deps;
    const { hostRange } = clusterSettingsIn(store.documents);
    const routes = await stack.overlappingRoutes(hostRange, HOST_PORT);
    return routes.length === 0 ? [] : [
      new Fault("conflict", `host range ${hostRange} overlaps the host's route to ${routes[0]}`, {
        why: "addresses of hosts and pods would be ambiguous",
        fix: "remove that route, or start all agents with another --host-range",
      }),
    ];
  }
}

/** Returns `model` with the networks of `before` that have left it, unless others have taken their place. */
function withFormer(model: ReachModel, before: ReachModel): ReachModel {
  const former = before.networks.filter((one) =>
    model.networks.every(({ id, tag, subnet }) =>
      id !== one.id && tag !== one.tag && !overlap(parseSubnet(subnet), parseSubnet(one.subnet))
    )
  );
  if (former.length === 0) return model;
  const networks = [...model.networks, ...former];
  return { ...model, networks: networks.sort((a, b) => a.id < b.id ? -1 : 1) };
}

/** The tunnel's ports come a moment later than the first network that needs them. */
function isComplete({ patch, tunnel }: ReachPorts, { networks, self }: ReachModel): boolean {
  const needsTunnel = self.vtep !== undefined && networks.some(({ vni }) => vni !== undefined);
  return !needsTunnel || (patch !== undefined && tunnel !== undefined);
}

function noPlace(hostRange: string): Fault {
  return new Fault("conflict", "this host has no address for reach", {
    why: `its number is not within host range ${hostRange}`,
    fix: 'remove hosts that are gone with "k8contivnet gc --host NAME", this one, too',
  });
}

function sameNumber(other: string, node: string): Fault {
  return new Fault("conflict", `address ${node} of this host is also that of host ${other}`, {
    why: "their records have the same number, until that host's agent takes another one",
    fix: 'if it is gone, remove it with "k8contivnet gc --host NAME"',
  });
}
