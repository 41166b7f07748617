// A whole agent on drivers in memory: what wiring.ts composes, with everything at hand that a test wants
// to change or to compare. It has no socket and no loops: a test calls what it is about.

import type { PodRequest } from "../../lib/agent/api/pod_requests.ts";
import { ALIAS_PREFIX } from "../../lib/agent/pods/port_external_ids.ts";
import { PolicyVlans } from "../../lib/agent/policy/policy_vlans.ts";
import { Intents } from "../../lib/agent/store/intents.ts";
import { attachmentsOf } from "../../lib/agent/store/documents.ts";
import { StoreCache } from "../../lib/agent/store/store_cache.ts";
import { type AgentParts, wireAgent } from "../../lib/agent/wiring.ts";
import type { PacketIn } from "../../lib/ovs/openflow/packet_in.ts";
import type { SetupAnswer } from "../../lib/agent/api/pod_requests.ts";
import { createLog } from "../../lib/util/log.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { MemoryFabric } from "./memory_fabric.ts";
import { MemoryKernel } from "./memory_kernel.ts";
import { MemoryLinks } from "./memory_links.ts";
import { MemoryWarmLinks } from "./memory_warm_links.ts";
import { MemoryPolicyTables } from "./memory_policy_tables.ts";
import { MemoryHostStack, MemoryReachSwitch } from "./memory_reach.ts";
import { MemoryRuntimes } from "./memory_runtimes.ts";
import { MemoryStore } from "./memory_store.ts";
import { MemorySwitch } from "./memory_switch.ts";

/** What outlives an agent: the host's network, its container runtime and its switch. */
export type MemoryHost = ReturnType<typeof makeHost>;

/** Makes a host on which no agent has run. */
export function makeHost() {
  const kernel = new MemoryKernel();
  const policyVlans = new PolicyVlans();
  policyVlans.set([]);
  const dropWatchers = new Set<(packet: PacketIn) => void>();
  return {
    kernel,
    runtimes: new MemoryRuntimes(kernel),
    links: new MemoryLinks(kernel, ALIAS_PREFIX),
    warmLinks: new MemoryWarmLinks(kernel, ALIAS_PREFIX),
    switch: new MemorySwitch(),
    fabric: new MemoryFabric(),
    reachSwitch: new MemoryReachSwitch(),
    hostStack: new MemoryHostStack(),
    policyTables: new MemoryPolicyTables(),
    policyVlans,
    /** Those who are shown dropped packets. */
    dropWatchers,
    watchDrops: (take: (packet: PacketIn) => void) => {
      dropWatchers.add(take);
      return { [Symbol.dispose]: () => void dropWatchers.delete(take) };
    },
  };
}

/** How an agent is started. */
export interface MemoryAgentOptions {
  /** @default "host1" */
  readonly label?: string;
  /** A host that has had an agent before. @default a new one */
  readonly host?: MemoryHost;
  /** Agents of one store have clients of one database. @default a new store */
  readonly store?: MemoryStore;
  /** @default false */
  readonly isShared?: boolean;
  /** Whether it reads only what its host needs, once the indexes of its store are complete. @default false */
  readonly isScoped?: boolean;
  readonly options?: Partial<AgentParts["options"]>;
  /** New pods get warm ports. @default false */
  readonly hasWarmPorts?: boolean;
  /** @default none */
  readonly meter?: AgentParts["meter"];
}

/** An agent in memory; `using` it ends it. */
export type MemoryAgent = Awaited<ReturnType<typeof startMemoryAgent>>;

/** Starts an agent, which does nothing until a test asks for it. */
export async function startMemoryAgent(
  {
    label = "host1",
    host = makeHost(),
    store = new MemoryStore(),
    isShared = false,
    isScoped = false,
    options = {},
    hasWarmPorts = false,
    meter,
  }: MemoryAgentOptions = {},
) {
  const logged: string[] = [];
  // Without the time of day, which no test can compare.
  const log = createLog({ level: "debug", write: (line) => void logged.push(line.slice(25)) });
  const scope = isScoped ? { isShared: true, scope: label } : { isShared };
  const cache = await StoreCache.open(store, () => ({ documents: new Map() }), scope);
  const time = { now: 0, wall: Date.UTC(2026, 0, 1) };
  const intents = new Intents(cache, () => new Date(time.wall).toISOString(), () => 0);
  const stack = new DisposableStack();
  const agent = wireAgent({
    options: {
      hostLabel: label,
      isUplinkForced: false,
      setsArpIgnore: false,
      logsDrops: false,
      graceMs: 60_000,
      onUnmatched: "ignore",
      ...options,
    },
    drivers: { ...host, ports: { hasWarmPorts } },
    ...{ store: cache, intents, log, meter },
    clock: { now: () => time.now, wallMs: () => time.wall },
  }, stack);
  return {
    ...{ agent, host, store, cache, intents, time },
    /** Log lines so far: level, words and fields. */
    logged,
    /** Applies tenant `t` with these networks, or a whole intent. */
    apply: async (networks: readonly object[], more: object = {}) => {
      const text = JSON.stringify({
        Hosts: [{ Name: label, Intf: "eth9" }],
        Tenants: [{ ...tenantWith({ Networks: networks }), ...more }],
      });
      return await intents.apply({ mode: "add", text, force: true });
    },
    /** Sets a pod up as a kubelet asks for it. Faults: as setupPod(). */
    setUp: async (pod: PodRequest) => await agent.answerVerb("setup", pod) as SetupAnswer,
    /** Returns this host's attachments. */
    attachments: () => attachmentsOf(cache.documents, label),
    /** Returns what the host and the store have of pods, to be compared with an earlier state. */
    state: () => ({
      documents: [...store.database.documents.keys()]
        .filter((key) => /^(claims|attachments|endpoints)\//.test(key)).sort(),
      rows: [...host.switch.rows.keys()].sort(),
      flows: host.switch.flows(),
      links: [...host.kernel.host.links.keys()].sort(),
    }),
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** Starts a plain container or, with `pod`, a pod's infra container; returns what a kubelet asks for. */
export function startPod(host: MemoryHost, name: string, namespace = "default"): PodRequest {
  const uid = crypto.randomUUID();
  const sandbox = host.runtimes.start({ name: `k8s_POD_${name}_${namespace}_${uid}_0` });
  return { namespace, name, sandbox };
}
