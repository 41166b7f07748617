// Composes the agent of this host: creates what it is made of and hands each part just what it works with.
// Nothing is asked of the outside yet. Only this file and main.ts know all parts.

import type { FlushingTables } from "../ovs/policy_tables/megaflow_flush.ts";
import { flushing } from "../ovs/policy_tables/megaflow_flush.ts";
import { Backoff } from "../util/async/backoff.ts";
import { Debounce } from "../util/async/debounce.ts";
import { KeyedQueue } from "../util/async/keyed_queue.ts";
import { Notifier } from "../util/async/notifier.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import type { Log } from "../util/log.ts";
import { LogDedup } from "../util/log_dedup.ts";
import { returnFreeMemory } from "../util/memory.ts";
import type { CniInput } from "../cni/cni_types.ts";
import type { PodRequest } from "./api/pod_requests.ts";
import { measuredBy, type Meter } from "./meter.ts";
import { answerCni, type CniDeps } from "./cni/answer_cni.ts";
import { withPolicyCode } from "./cni/policy_code.ts";
import { createQuestions } from "./diagnose/questions.ts";
import type { Drivers } from "./drivers.ts";
import { FabricSync } from "./fabric/fabric_sync.ts";
import { GracePeriod } from "./gc/grace_period.ts";
import { UnrecordedPods } from "./gc/unrecorded_pods.ts";
import { clusterPodMetadata } from "./kube/cluster_pod_metadata.ts";
import type { ClusterSync } from "./kube/cluster_sync.ts";
import { podItems } from "./kube/pod_items.ts";
import type { AgentOptions } from "./options.ts";
import { applyClaim } from "./pods/apply_claim.ts";
import { addressFinderOf } from "./pods/dynamic_endpoint_claim.ts";
import { Containers } from "./pods/known_containers.ts";
import { attachLatePods } from "./pods/late_attach.ts";
import { LinkRemovals } from "./pods/link_removals.ts";
import { LocalTags } from "./pods/local_tags.ts";
import { Mtus } from "./pods/mtus.ts";
import { createPlumbing } from "./pods/plumbing.ts";
import { AliasesInFlight } from "./pods/pod_alias.ts";
import { noPodMetadata } from "./pods/pod_metadata.ts";
import type { Sandboxes } from "./pods/sandboxes.ts";
import { setupPod } from "./pods/setup.ts";
import { teardownPod } from "./pods/teardown.ts";
import { SandboxSet } from "./pods/sandbox_set.ts";
import { WarmPool } from "./pods/warm_pool.ts";
import { WarmPorts } from "./pods/warm_ports.ts";
import { UnmatchedPods } from "./pods/unmatched_pods.ts";
import { PolicyEnforcer } from "./policy/policy_enforcer.ts";
import { ReachSync } from "./reach/reach_sync.ts";
import { checkPods } from "./reconcile/drift_watch.ts";
import { InterfaceErrors } from "./reconcile/interface_errors.ts";
import { reconcileOnce } from "./reconcile/reconcile.ts";
import { listItems } from "./server/list_items.ts";
import { answerVerb } from "./server/pod_verbs.ts";
import type { EventLog } from "./event_log.ts";
import { ProgressBoard } from "./server/progress_board.ts";
import { SetupCounter } from "./server/setup_counter.ts";
import { LoopProgress } from "./service_manager.ts";
import type { Intents } from "./store/intents.ts";
import type { StoreCache } from "./store/store_cache.ts";

const MEMORY_TRIM_MS = 2_000;

/** What the agent is composed of. */
export interface AgentParts {
  readonly options: Pick<
    AgentOptions,
    | "hostLabel"
    | "uplink"
    | "vtepIp"
    | "hostRange"
    | "isUplinkForced"
    | "setsArpIgnore"
    | "logsDrops"
    | "graceMs"
    | "onUnmatched"
  >;
  readonly drivers: Drivers;
  readonly store: StoreCache;
  readonly intents: Intents;
  readonly log: Log;
  /** Only with --listen. */
  readonly meter?: Meter | undefined;
  /** Whether a cluster is configured; it is followed a moment after the agent's start. */
  readonly hasCluster?: boolean;
  /** @default systemClock */
  readonly clock?: Clock;
  /** What happened on this host. @default nothing */
  readonly events?: Pick<EventLog, "list">;
  /** Of the reconcile loop. */
  readonly progress?: Pick<LoopProgress, "note">;
}

/** Composes the agent; `stack` disposes of what it holds. */
export function wireAgent(parts: AgentParts, stack: DisposableStack | AsyncDisposableStack) {
  const { options, drivers, store, intents, log, clock = systemClock } = parts;
  const measured = measuredBy(parts.meter);
  const { progress = new LoopProgress(clock) } = parts;
  const host = options.hostLabel;
  const { switch: ovs, links, warmLinks, runtimes } = drivers;

  // Signals.
  const [reconcileSignal, fabricSignal] = [new Notifier(), new Notifier()];
  const memoryTrim = new Debounce(returnFreeMemory, MEMORY_TRIM_MS);
  stack.defer(() => memoryTrim[Symbol.dispose]());

  // State of this process.
  const tags = new LocalTags();
  const mtus = new Mtus(links, log);
  const logDedup = new LogDedup();
  const backoff = new Backoff();
  const gracePeriod = new GracePeriod(options.graceMs, clock.now);
  const addressesInFlight = new Set<string>();
  const aliasesInFlight = new AliasesInFlight();
  const sandboxes: Sandboxes = {
    queue: new KeyedQueue(),
    unmatched: new UnmatchedPods(),
    tornDown: new SandboxSet(),
    statusAsked: new SandboxSet(),
    containers: new Containers(),
  };
  const setups = new SetupCounter(parts.meter);
  const cluster: { sync?: ClusterSync } = {};
  const podMetadata = parts.hasCluster ? clusterPodMetadata(() => cluster.sync) : noPodMetadata;

  // Links and ports, uplink and tunnels, policies.
  const linkRemovals = new LinkRemovals(links, log, () => reconcileSignal.notify());
  const warmPorts = new WarmPorts({
    ...{ switch: ovs, warmLinks, linkRemovals, log, reconcileSignal },
  });
  const plumbing = createPlumbing({
    ...{ host, store, switch: ovs, links, linkRemovals, warmPorts, log, reconcileSignal },
  });
  const warmPool = new WarmPool({
    ...{ host, store, switch: ovs, links, warmLinks, warmPorts, newId: randomId, clock, log },
    networks: { tags, mtus, datapath: () => plumbing.datapath },
    isEnabled: drivers.ports.hasWarmPorts,
  });
  const fabric = new FabricSync({
    ...{ host, store, driver: drivers.fabric, links, tags, log },
    flags: {
      ...{ host, uplink: options.uplink, vtepIp: options.vtepIp },
      isForced: options.isUplinkForced,
      setsArpIgnore: options.setsArpIgnore,
    },
  });
  const reach = new ReachSync({
    ...{ host, store, driver: drivers.reachSwitch, stack: drivers.hostStack, tags, mtus, fabric },
    ...{ flags: options, policyVlans: drivers.policyVlans, log, reconcileSignal },
    egressGuards: () => policies.egressGuards(),
  });
  // What a network needs on this host beside its ports. Its flows to the host name the fabric's ports.
  const surroundings: Pick<FabricSync, "ensure"> = {
    ensure: async (scope) => {
      await fabric.ensure(scope);
      await reach.ensure();
    },
  };
  const tables: FlushingTables = flushing(
    drivers.policyTables,
    () => plumbing.datapath === "netdev",
  );
  const policies = new PolicyEnforcer({
    ...{ host, store, tables, vlans: drivers.policyVlans, switch: ovs, tags },
    fabric: surroundings,
    ...{ log, logDedup, logsDrops: options.logsDrops },
  });

  // Pods.
  const claimDeps = measured.claim({
    ...{ store, plumbing, tags, policies, fabric, reach, clock, log, reconcileSignal },
  });
  const setupDeps = measured.setup({
    ...{ host, store, runtimes, plumbing, sandboxes, podMetadata, clock, log },
    planning: {
      ...{ mtus, addressesInFlight, aliasesInFlight, newId: randomId, warmPool },
      addressFinder: addressFinderOf({ host, store, now: clock.now }),
    },
    applyClaim: (claim) => applyClaim(claimDeps, claim),
    onUnmatched: options.onUnmatched,
  });
  const setUpLate = (pod: PodRequest) => setupPod(setupDeps, pod, { isLate: true });
  const teardownDeps = measured.teardown({
    ...{ host, store, plumbing, sandboxes, clock, log, fabricSignal },
    policySignal: policies.signal,
  });
  const tearDown = (pod: PodRequest) => measured.detach(() => teardownPod(teardownDeps, pod));
  const verbs = {
    ...{ host, store, tags, sandboxes, memoryTrim, tearDown, setups, clock, backoff },
    reconcileSignal,
    setUp: (pod: PodRequest) => setupPod(setupDeps, pod),
  };
  const cni: CniDeps = {
    ...{ sandboxes, setups, memoryTrim, log },
    add: {
      ...setupDeps,
      applyClaim: (claim) =>
        applyClaim({ ...claimDeps, policies: withPolicyCode(claimDeps.policies) }, claim),
    },
    del: { ...teardownDeps, runtimes, log },
    check: { host, store, plumbing, tags },
    status: { store, switch: ovs, fabric },
  };
  const lateAttach = {
    ...{ host, store, sandboxes, clock, log, logDedup, podMetadata, backoff, setUpLate },
  };

  // The reconcile loop and what watches beside it.
  const reconcileDeps = {
    ...{ host, store, plumbing, runtimes, sandboxes, gracePeriod, setUpLate, clock, log, logDedup },
    networks: {
      ...{ tags, mtus, aliasesInFlight, policies, fabric, reach, warmPool },
      hasWarmPorts: warmLinks !== undefined,
      newId: randomId,
      interfaceErrors: new InterfaceErrors({ switch: ovs, log }),
    },
    unrecordedPods: new UnrecordedPods({ host, store, plumbing, runtimes, sandboxes, clock, log }),
    attachLatePods: () => attachLatePods(lateAttach),
  };
  const podChecks = {
    ...{ host, store, links, plumbing, runtimes, tags, sandboxes, gracePeriod, log },
    reconcileSignal,
  };

  return {
    ...{ store, policies, reach, fabric, sandboxes, mtus, cluster, setups },
    signals: { reconcile: reconcileSignal, fabric: fabricSignal, policies: policies.signal },
    memoryTrim,
    tearDown,
    answerVerb: (...args: VerbArguments) => answerVerb(verbs, ...args),
    answerCni: (input: CniInput) => answerCni(cni, input),
    loops: {
      reconcile: {
        reconcileOnce: () => measured.reconciliation(() => reconcileOnce(reconcileDeps)),
        ...{ gracePeriod, reconcileSignal, memoryTrim, progress, log },
      },
      fabric: {
        ...{ fabric: surroundings, fabricSignal, memoryTrim },
        isBroken: () => fabric.problems.some(({ state }) => state === "failed"),
        isUnfinished: () => reach.isUnfinished,
      },
      warmPool,
      heldAddresses: { host, store, clock, log },
      runtime: {
        ...{ host, store, runtimes, sandboxes, clock, log, logDedup },
        ...{ reconcileSignal, memoryTrim },
      },
      drift: {
        checkPods: (...args: CheckArguments) => checkPods(podChecks, ...args),
        ...{ fabric, reach, reconcileSignal, log },
      },
    },
    /** What following a cluster works with, but for the folder of its state. */
    clusterDeps: {
      ...{ host, store, runtimes, policies, log, reconcileSignal, memoryTrim },
      unmatched: sandboxes.unmatched,
    },
    server: {
      ...{ store, intents, policies, log, reconcileSignal, memoryTrim },
      progress: new ProgressBoard(),
      runtimes: { verbs, answerCni: (input: CniInput) => answerCni(cni, input) },
      gc: {
        ...{ host, store, gracePeriod, clock, log, reconcileSignal, fabricSignal },
        policySignal: policies.signal,
      },
      listItems: (kind: string, name?: string) =>
        listItems(
          {
            ...{ host, store, tags, unmatched: sandboxes.unmatched },
            podItems: (documents) => podItems({ host, store: { documents } }, nodeOf(cluster.sync)),
            events: (of) => parts.events?.list(of) ?? [],
          },
          kind,
          name,
        ),
      questions: createQuestions({
        ...{ host, store, policies, switch: ovs, fabric, tags, runtimes, podMetadata, reach },
        unmatched: sandboxes.unmatched,
        drops: { watchDrops: drivers.watchDrops, wallMs: clock.wallMs },
      }),
    },
  };
}

/** The composed agent. */
export type Agent = ReturnType<typeof wireAgent>;

type Tail<T> = T extends [unknown, ...infer Rest] ? Rest : never;
type VerbArguments = Tail<Parameters<typeof answerVerb>>;
type CheckArguments = Tail<Parameters<typeof checkPods>>;

function nodeOf(sync: ClusterSync | undefined) {
  return sync && { nodeName: sync.nodeName, pods: sync.cluster.pods.objects };
}

/** Returns 11 random hex digits: 44 bits, enough for the attachments of one host. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 11);
}
