// Puts together what the agent works with on this host. Nothing is asked of anybody yet.

import { returnFreeMemory } from "../util/memory.ts";
import { flushing } from "../ovs/policy_tables/megaflow_flush.ts";
import type { Log } from "../util/log.ts";
import { Containers } from "./pods/known_containers.ts";
import { openDrivers } from "./drivers.ts";
import { clusterPodMetadata } from "./kube/cluster_pod_metadata.ts";
import { Debounce } from "../util/async/debounce.ts";
import { Notifier } from "../util/async/notifier.ts";
import { FabricSync } from "./fabric/fabric_sync.ts";
import { GracePeriod } from "./gc/grace_period.ts";
import { LogDedup } from "../util/log_dedup.ts";
import { Backoff } from "../util/async/backoff.ts";
import { KeyedQueue } from "../util/async/keyed_queue.ts";
import { type AgentOptions, isShared } from "./options.ts";
import { TornDown } from "./pods/torn_down.ts";
import { noPodMetadata } from "./pods/pod_metadata.ts";
import { LocalTags } from "./pods/local_tags.ts";
import { Mtus } from "./pods/mtus.ts";
import { LinkRemovals } from "./pods/link_removals.ts";
import { UnmatchedPods } from "./pods/unmatched_pods.ts";
import { PolicyEnforcer } from "./policy/policy_enforcer.ts";
import type { StoreCache } from "./store/store_cache.ts";
import { randomId, type World } from "./world.ts";

const TIDY_MS = 2_000;

/** Returns the world; `stack` closes it. */
export function openWorld(
  options: AgentOptions,
  mirror: StoreCache,
  log: Log,
  stack: AsyncDisposableStack,
): World {
  const drivers = openDrivers(options, stack);
  const now = () => performance.now();
  const tables = flushing(drivers.policyTables, () => world.datapath === "netdev");
  const world: World = {
    host: options.hostLabel,
    store: mirror,
    isShared: isShared(options),
    switch: drivers.switch,
    fabric: new FabricSync(drivers.fabric, {
      host: options.hostLabel,
      uplink: options.uplink,
      vtepIp: options.vtepIp,
      isForced: options.isUplinkForced,
    }),
    policies: new PolicyEnforcer(tables, drivers.policed, { tellsDrops: options.logsDrops }),
    links: drivers.links,
    runtimes: drivers.runtimes,
    tags: new LocalTags(),
    mtus: new Mtus(drivers.links, log),
    datapath: "netdev",
    linkRemovals: new LinkRemovals(drivers.links, log, () => world.reconcileSignal.notify()),
    unmatched: new UnmatchedPods(),
    containers: new Containers(),
    tornDown: new TornDown(),
    logDedup: new LogDedup(),
    backoff: new Backoff(),
    gracePeriod: new GracePeriod(options.graceMs, now),
    queue: new KeyedQueue(),
    reconcileSignal: new Notifier(),
    fabricSignal: new Notifier(),
    memoryTrim: stack.use(new Debounce(returnFreeMemory, TIDY_MS)),
    log,
    onUnmatched: options.onUnmatched,
    podMetadata: options.kube ? clusterPodMetadata(() => world.kube) : noPodMetadata,
    addressesInFlight: new Set(),
    now,
    wallMs: () => Date.now(),
    newId: randomId,
  };
  return world;
}
