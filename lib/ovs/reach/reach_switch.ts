// What distributed gateways need of Open vSwitch beside the flows of pods' ports: the port to the host's own
// stack, and flows on both bridges. Like uplink and tunnels, it reads, and writes only what differs.

import { withDeadline } from "../../util/async/deadline.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { settingsOf } from "../bridge/bridge.ts";
import {
  findLinks,
  type LinkRow,
  type Links,
  openFlowNumber,
  ourBridge,
} from "../bridge/link_rows.ts";
import {
  HOST_KIND,
  PATCH_ON_INTEGRATION,
  PATCH_ON_TUNNEL,
  TUNNEL_BRIDGE,
  VXLAN_PORT,
} from "../bridge/port_names.ts";
import { HostNet } from "../host_net.ts";
import { REACH_COOKIES } from "../openflow/cookies.ts";
import { countFlows } from "../openflow/flow_count.ts";
import { KeptFlows } from "../openflow/kept_flows.ts";
import { membersOf } from "../ovsdb/port_rows.ts";
import type { SwitchOptions } from "../switch.ts";
import { openControl } from "../tools/appctl.ts";
import { OvsTools } from "../tools/ovs_tools.ts";
import { VtepNeighbours } from "../tunnel/vtep_neighbours.ts";
import {
  type DesiredHostPort,
  type HostInterface,
  planHostPort,
  planNoHostPort,
} from "./host_port.ts";

const LIMIT_MS = 8_000;
const SPARE_MS = 500;
/** Ports of the tunnel bridge that flows name. */
const TUNNEL_PORTS = [PATCH_ON_TUNNEL, VXLAN_PORT];

/** OpenFlow numbers of the ports that flows name. */
export interface ReachPorts {
  readonly host: number;
  /** Absent without such a port. */
  readonly patch?: number;
  readonly uplink?: number;
  /** Ports of the tunnel bridge; absent without it. */
  readonly tunnel?: { readonly patch: number; readonly tunnel: number };
}

/** Flows as `ovs-ofctl dump-flows --no-stats --no-names` prints them, with cookies of REACH_COOKIES. */
export interface ReachFlows {
  readonly bridge: readonly string[];
  /** Undefined where there is no tunnel bridge. */
  readonly tunnel?: readonly string[] | undefined;
}

/** The desired port to the host's stack, and what is known of it. */
export interface HostPortRequest extends DesiredHostPort {
  readonly uplink?: string | undefined;
  readonly isLost?: boolean;
}

/** What a ReachSwitch needs in addition to the options of its Switch. */
export interface ReachSwitchOptions extends SwitchOptions {
  /** @default "contivTunnel" */
  readonly tunnelBridge?: string;
  /** Path of the network namespace of ovs-vswitchd. @default the agent's own */
  readonly netns?: string;
}

/** Distributed gateways in Open vSwitch. Every call ends within its limit; calls are done one after another. */
export interface ReachSwitch {
  /**
   * Creates or corrects the port to the host's stack; `uplink` is the device to the VLAN fabric. With `isLost`,
   * the port's link is not there, as when somebody has renamed it: the port is made anew. Returns the numbers
   * of all ports. Faults: usage, failed, conflict where a port of that name is not ours.
   */
  ensureHostPort(desired: HostPortRequest): Promise<ReachPorts>;
  /**
   * Makes the flows exactly these, by difference, in one bundle for each bridge: to what is there or, where that is
   * known, to `before`. Faults: those of tools.
   */
  setFlows(flows: ReachFlows, before?: ReachFlows): Promise<void>;
  /** Resolves MACs of tunnel addresses, on the userspace datapath; returns those that do not answer. */
  resolveVteps(vteps: readonly string[]): Promise<string[]>;
  /** Removes all entries of these conntrack zones. */
  emptyZones(zones: readonly number[]): Promise<void>;
  /** Returns how many flows each bridge has, as text that can be compared with an earlier one. */
  flowCounts(): Promise<string>;
  /** Removes the port and all flows. Repeatable. */
  remove(): Promise<void>;
  /** Closes its connections. Repeatable. */
  close(): void;
}

/** Opens it for a bridge that `ensureBridge` has created. */
export function openReachSwitch(options: ReachSwitchOptions): ReachSwitch {
  const { limitMs = LIMIT_MS, bridge } = options;
  const driver = new ReachDriver(options);
  const queue = new KeyedQueue();
  const serialized = async <T>(work: (endMs: number) => Promise<T>): Promise<T> => {
    const endMs = performance.now() + limitMs;
    const end = await queue.acquire([bridge], endMs);
    // One that hangs in spite of its own limits does not hold up those after it.
    return await withDeadline(endMs + SPARE_MS, "Open vSwitch did not answer", work(endMs))
      .finally(end);
  };
  return {
    ensureHostPort: (desired) => serialized((endMs) => driver.ensureHostPort(desired, endMs)),
    setFlows: (flows, before) => serialized((endMs) => driver.setFlows({ flows, before }, endMs)),
    resolveVteps: (vteps) => driver.resolveVteps(vteps, performance.now() + limitMs),
    emptyZones: (zones) => serialized((endMs) => driver.emptyZones(zones, endMs)),
    flowCounts: () => driver.flowCounts(performance.now() + limitMs),
    remove: () => serialized((endMs) => driver.remove(endMs)),
    close: () => driver.close(),
  };
}

class ReachDriver {
  readonly #options: ReachSwitchOptions;
  readonly #tunnelBridge: string;
  readonly #tools: OvsTools;
  readonly #tunnelTools: OvsTools;
  readonly #neighbours: VtepNeighbours;
  readonly #kept: KeptFlows;
  readonly #tunnelKept: KeptFlows;
  /** Ports of the bridge that flows name. */
  #names: readonly string[] = [];

  constructor(options: ReachSwitchOptions) {
    this.#options = options;
    this.#tunnelBridge = options.tunnelBridge ?? TUNNEL_BRIDGE;
    this.#tools = new OvsTools(options);
    this.#tunnelTools = new OvsTools({ ...options, bridge: this.#tunnelBridge });
    this.#neighbours = new VtepNeighbours(options.rundir, new HostNet(options.netns));
    const keep = (bridge: string) =>
      new KeptFlows(`${options.rundir}/${bridge}.mgmt`, REACH_COOKIES);
    this.#kept = keep(options.bridge);
    this.#tunnelKept = keep(this.#tunnelBridge);
  }

  close(): void {
    this.#kept[Symbol.dispose]();
    this.#tunnelKept[Symbol.dispose]();
  }

  async ensureHostPort(desired: HostPortRequest, endMs: number): Promise<ReachPorts> {
    const { name, uplink, isLost = false } = desired;
    // In a transaction of its own: ovs-vswitchd keeps a port that comes back in the same one.
    if (isLost) await this.#removePort(endMs);
    this.#names = [name, PATCH_ON_INTEGRATION, ...uplink === undefined ? [] : [uplink]];
    const names = [...this.#names, ...TUNNEL_PORTS];
    const seen = await findLinks(this.#tools, { names, endMs });
    const now = await this.#hostInterface(name, endMs);
    const args = planHostPort(seen, { desired, now }, this.#options);
    if (args.length > 0) await this.#tools.vsctl(args, endMs);
    const after = args.length > 0 ? await findLinks(this.#tools, { names, endMs }) : seen;
    return portsIn(after, { name, uplink, bridge: this.#options.bridge });
  }

  async setFlows(
    { flows: { bridge, tunnel }, before }: {
      readonly flows: ReachFlows;
      readonly before: ReachFlows | undefined;
    },
    endMs: number,
  ): Promise<void> {
    const options = { endMs, cookies: REACH_COOKIES };
    const set = (tools: OvsTools, desired: readonly string[], known: ReachFlows["tunnel"]) =>
      known
        ? tools.replaceFlowTexts(known, desired, options)
        : tools.syncFlowTexts(desired, options);
    this.#kept.prepare(bridge);
    this.#tunnelKept.prepare(tunnel ?? []);
    const removed = await Promise.all([
      set(this.#tools, bridge, before?.bridge),
      tunnel ? set(this.#tunnelTools, tunnel, before?.tunnel) : [],
    ]);
    this.#kept.keepSoon(bridge, this.#names);
    if (tunnel) this.#tunnelKept.keepSoon(tunnel, TUNNEL_PORTS);
    if (removed.flat().length === 0) return;
    // Open vSwitch before 2.17.8, 3.0.5, 3.1.3 and 3.3.0 may leave a cached flow as it was
    // (policy_tables/megaflow_flush.ts): what is closed now has to be looked up again.
    using control = await openControl(this.#options.rundir);
    await control.ask("revalidator/purge", [], endMs);
  }

  async resolveVteps(vteps: readonly string[], endMs: number): Promise<string[]> {
    const { bridges } = await findLinks(this.#tools, { names: [], endMs });
    const row = ourBridge({ bridges, links: [] }, this.#options);
    if (settingsOf(row).datapath !== "netdev") return []; // the kernel queues frames meanwhile
    return await this.#neighbours.resolve(vteps, endMs);
  }

  async emptyZones(zones: readonly number[], endMs: number): Promise<void> {
    for (const zone of zones) await this.#tools.ofctl("ct-flush-zone", [String(zone)], { endMs });
  }

  async flowCounts(endMs: number): Promise<string> {
    const { rundir, bridge } = this.#options;
    const counts = await Promise.all([bridge, this.#tunnelBridge].map(async (name) => {
      const [count] = await countFlows(`${rundir}/${name}.mgmt`, [REACH_COOKIES], endMs) ?? [];
      return `${name} ${count ?? "unreachable"}`;
    }));
    return counts.join(", ");
  }

  async remove(endMs: number): Promise<void> {
    const seen = await findLinks(this.#tools, { names: [], endMs });
    const has = (name: string) => seen.bridges.some((row) => row.name === name);
    const options = { endMs, cookies: REACH_COOKIES };
    this.#kept.prepare([]);
    this.#tunnelKept.prepare([]);
    // Before the port's number is free.
    if (has(this.#options.bridge)) await this.#tools.syncFlowTexts([], options);
    if (has(this.#tunnelBridge)) await this.#tunnelTools.syncFlowTexts([], options);
    await this.#removePort(endMs);
  }

  async #removePort(endMs: number): Promise<void> {
    const seen = await findLinks(this.#tools, { names: [], kind: HOST_KIND, endMs });
    const args = planNoHostPort(seen, this.#options);
    if (args.length > 0) await this.#tools.vsctl(args, endMs);
  }

  async #hostInterface(name: string, endMs: number): Promise<HostInterface> {
    const select = { table: "Interface", columns: ["mac", "mtu_request"], names: [name] };
    const [[row] = []] = await this.#tools.select([select], endMs);
    const [mac] = membersOf(row?.mac) as string[];
    const [mtu] = membersOf(row?.mtu_request) as number[];
    return { mac, mtu };
  }
}

function portsIn(
  links: Links,
  { name, uplink, bridge }: {
    readonly name: string;
    readonly uplink: string | undefined;
    readonly bridge: string;
  },
): ReachPorts {
  const find = (port: string | undefined) =>
    links.links.find((link: LinkRow) => link.name === port);
  const numberOf = (port: string) => find(port)?.ofport;
  const patch = numberOf(PATCH_ON_INTEGRATION);
  // Before the fabric has taken it, it may be a port of another bridge.
  const uplinkNumber = find(uplink)?.bridge === bridge ? find(uplink)?.ofport : undefined;
  const [far, tunnel] = [numberOf(PATCH_ON_TUNNEL), numberOf(VXLAN_PORT)];
  return {
    host: openFlowNumber(name, links),
    ...patch !== undefined && { patch },
    ...uplinkNumber !== undefined && { uplink: uplinkNumber },
    ...far !== undefined && tunnel !== undefined && { tunnel: { patch: far, tunnel } },
  };
}
