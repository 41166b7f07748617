// Puts together what the agent works with on this host. Nothing is asked of anybody yet.

import { returnFreeMemory } from "../util/memory.ts";
import { renewing } from "../ovs/policy_tables/megaflow_flush.ts";
import type { Log } from "../util/log.ts";
import { Containers } from "./pods/known_containers.ts";
import { openDrivers } from "./drivers.ts";
import { clusterKnowledge } from "./kube/cluster_pod_metadata.ts";
import { AfterWork } from "../util/async/debounce.ts";
import { Bell } from "../util/async/notifier.ts";
import { FabricKeeper } from "./fabric/fabric_sync.ts";
import { Garbage } from "./gc/grace_period.ts";
import { Once } from "../util/log_dedup.ts";
import { Patience } from "../util/async/backoff.ts";
import { Queue } from "../util/async/keyed_queue.ts";
import { type AgentOptions, isShared } from "./options.ts";
import { Departed } from "./pods/torn_down.ts";
import { knowsNothing } from "./pods/pod_metadata.ts";
import { LocalTags } from "./pods/local_tags.ts";
import { Mtus } from "./pods/mtus.ts";
import { Removals } from "./pods/link_removals.ts";
import { Unmatched } from "./pods/unmatched_pods.ts";
import { PolicyKeeper } from "./policy/policy_enforcer.ts";
import type { Mirror } from "./store/store_cache.ts";
import { randomId, type World } from "./world.ts";

const TIDY_MS = 2_000;

/** Gives the world; `stack` closes it. */
export function openWorld(
  options: AgentOptions,
  mirror: Mirror,
  log: Log,
  stack: AsyncDisposableStack,
): World {
  const drivers = openDrivers(options, stack);
  const now = () => performance.now();
  const tables = renewing(drivers.policyTables, () => world.datapath === "netdev");
  const world: World = {
    host: options.hostLabel,
    mirror,
    isShared: isShared(options),
    switch: drivers.switch,
    fabric: new FabricKeeper(drivers.fabric, {
      host: options.hostLabel,
      uplink: options.uplink,
      vtepIp: options.vtepIp,
      isForced: options.isUplinkForced,
    }),
    policies: new PolicyKeeper(tables, drivers.policed, { tellsDrops: options.logsDrops }),
    links: drivers.links,
    runtimes: drivers.runtimes,
    tags: new LocalTags(),
    mtus: new Mtus(drivers.links, log),
    datapath: "netdev",
    removals: new Removals(drivers.links, log, () => world.bell.ring()),
    unmatched: new Unmatched(),
    containers: new Containers(),
    departed: new Departed(),
    once: new Once(),
    patience: new Patience(),
    garbage: new Garbage(options.graceMs, now),
    queue: new Queue(),
    bell: new Bell(),
    fabricBell: new Bell(),
    tidying: stack.use(new AfterWork(returnFreeMemory, TIDY_MS)),
    log,
    onUnmatched: options.onUnmatched,
    knowledge: options.kube ? clusterKnowledge(() => world.kube) : knowsNothing,
    taking: new Set(),
    now,
    wallMs: () => Date.now(),
    newId: randomId,
  };
  return world;
}
