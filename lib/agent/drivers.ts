// Opens the agent's drivers: each with a hook for fault injection, and with a time limit for every call.

import type { HostStack } from "../net/host/host_stack.ts";
import { openHostStack } from "../net/host/open_host_stack.ts";
import type { Links } from "../net/links.ts";
import { openHostEvents, openLinks, openWarmLinks } from "../net/open_links.ts";
import type { WarmLinks } from "../net/warm_links.ts";
import { type Fabric, openFabric } from "../ovs/fabric.ts";
import { openSwitch } from "../ovs/ports/open_switch.ts";
import type { PacketIn } from "../ovs/openflow/packet_in.ts";
import { watchDrops } from "../ovs/policy_tables/drop_watch.ts";
import { openPolicyTables, type PolicyTables } from "../ovs/policy_tables/policy_tables.ts";
import { openReachSwitch, type ReachSwitch } from "../ovs/reach/reach_switch.ts";
import type { Datapath, Switch } from "../ovs/switch.ts";
import { openRuntimes } from "../runtimes/open_runtimes.ts";
import type { Runtimes } from "../runtimes/runtime.ts";
import { type OpenOptions, openStore } from "../store/open_store.ts";
import type { Store } from "../store/store.ts";
import { hooked } from "../util/fault_hooks.ts";
import { limited, limitedStore } from "./limits.ts";
import { ALIAS_PREFIX } from "./pods/port_external_ids.ts";
import { PolicyVlans } from "./policy/policy_vlans.ts";
import { chooseWarm, type PortsOption, type WarmChoice } from "./warm_choice.ts";

/** Options of the drivers. */
export interface DriverOptions {
  readonly store: string;
  readonly storeOptions: OpenOptions;
  readonly ovsdb: string;
  readonly ovsRundir: string;
  readonly ovsDriver: "jsonrpc" | "vsctl";
  readonly linkDriver: "auto" | "netlink" | "ip";
  readonly ports: PortsOption;
  readonly datapath: Datapath;
  readonly bridge: string;
  /** Owner of the rows in Open vSwitch. */
  readonly hostLabel: string;
  /** `unix:PATH`, or `none`. */
  readonly docker: string;
  /** Time limit of a call to Open vSwitch; other calls have a little more. */
  readonly callLimitMs: number;
}

/** The drivers of one host. */
export interface Drivers {
  readonly switch: Switch;
  readonly fabric: Fabric;
  readonly policyTables: PolicyTables;
  /** Access tags under policy, which the switch's flows follow; the policy enforcer sets them. */
  readonly policyVlans: PolicyVlans;
  /** Passes packets that policies drop and the switch reports to `take`, until it is disposed. */
  readonly watchDrops: (take: (packet: PacketIn) => void) => Disposable;
  readonly links: Links;
  /** Distributed gateways: in Open vSwitch, and in the host's own stack. */
  readonly reachSwitch: ReachSwitch;
  readonly hostStack: HostStack;
  /** Undefined where the link driver has none. */
  readonly warmLinks: WarmLinks | undefined;
  /** Which ports new pods get. */
  readonly ports: WarmChoice;
  readonly runtimes: Runtimes;
}

// The driver reports an Open vSwitch that does not answer, after its undo of 1.5 s: this limit is for what
// the driver does not notice.
const EXTRA_MS = 2_000;

/** Opens the store. Faults: those of openStore(). */
export async function openLimitedStore(options: DriverOptions): Promise<Store> {
  const store = await openStore(options.store, options.storeOptions);
  // Its driver limits each request; a call may take several of them.
  return limitedStore(hooked("store", store, ["watch", "close"]), 3 * limitOf(options));
}

/** Opens all but the store; `stack` closes them. */
export async function openDrivers(
  options: DriverOptions,
  stack: AsyncDisposableStack,
): Promise<Drivers> {
  const limitMs = limitOf(options);
  const links = openLinks({ driver: options.linkDriver, aliasPrefix: ALIAS_PREFIX });
  stack.defer(() => links.close());
  const warmLinks = openWarm(options, links);
  const ports = await chooseWarm(options);
  stack.defer(() => warmLinks?.close());
  const policyVlans = new PolicyVlans();
  const place = {
    policyVlans,
    hasDelivery: ports.hasWarmPorts,
    ovsdb: options.ovsdb,
    rundir: options.ovsRundir,
    bridge: options.bridge,
    owner: options.hostLabel,
    datapath: options.datapath,
    limitMs: options.callLimitMs,
  };
  const ovs = openSwitch(options.ovsDriver, place);
  stack.defer(() => ovs.close());
  const reachSwitch = openReachSwitch(place);
  stack.defer(() => reachSwitch.close());
  const hostStack = openHostStack({ openEvents: (names) => openHostEvents(links, names) });
  stack.defer(() => hostStack.close());
  const runtimes = openRuntimes({ docker: options.docker });
  return {
    switch: limited(
      "Open vSwitch",
      hooked("switch", ovs, ["expectPort", "onChange", "state", "close"]),
      limitMs,
    ),
    fabric: limited("Open vSwitch", hooked("fabric", openFabric(place)), limitMs),
    // Its bundles have a time limit of their own, as they may be thousands of flows.
    policyTables: hooked("policies", openPolicyTables(place)),
    policyVlans,
    watchDrops: (take) => watchDrops(place, take),
    links: limited("the kernel", hooked("links", links, ["close"]), limitMs),
    reachSwitch: limited("Open vSwitch", hooked("reach", reachSwitch, ["close"]), limitMs),
    hostStack: limited("the kernel", hooked("stack", hostStack, ["onChange", "close"]), limitMs),
    warmLinks: warmLinks &&
      limited("the kernel", hooked("warm-links", warmLinks, ["close"]), limitMs),
    ports,
    runtimes: limited("the container runtime", hooked("runtimes", runtimes, ["follow"]), limitMs),
  };
}

/** Also with --ports plain: pods may have warm ports of an earlier agent. Faults: usage. */
function openWarm({ ports, hostLabel }: DriverOptions, links: Links): WarmLinks | undefined {
  if (ports !== "warm" && links.driver !== "netlink") return undefined;
  return openWarmLinks(links, { aliasPrefix: ALIAS_PREFIX, holding: `k8contivnet-${hostLabel}` });
}

function limitOf({ callLimitMs }: DriverOptions): number {
  return callLimitMs + EXTRA_MS;
}
