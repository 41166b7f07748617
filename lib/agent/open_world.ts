// Puts together what the agent works with on this host. Nothing is asked of anybody yet.

import { returnFreeMemory } from "../util/memory.ts";
import { renewing } from "../ovs/renewal.ts";
import type { Log } from "../util/log.ts";
import { Containers } from "./containers/known.ts";
import { openDrivers } from "./drivers.ts";
import { clusterKnowledge } from "./kube/knowledge.ts";
import { AfterWork } from "./look/after_work.ts";
import { Bell } from "./look/bell.ts";
import { FabricKeeper } from "./look/fabric_keeper.ts";
import { Garbage } from "./look/garbage.ts";
import { Once } from "./look/once.ts";
import { Patience } from "./look/patience.ts";
import { Queue } from "./look/queue.ts";
import { type AgentOptions, isShared } from "./options.ts";
import { Departed } from "./pods/departed.ts";
import { knowsNothing } from "./pods/knowledge.ts";
import { LocalTags } from "./pods/local_tags.ts";
import { Mtus } from "./pods/mtus.ts";
import { Removals } from "./pods/removals.ts";
import { Unmatched } from "./pods/unmatched.ts";
import { PolicyKeeper } from "./policy/keeper.ts";
import type { Mirror } from "./record/mirror.ts";
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
