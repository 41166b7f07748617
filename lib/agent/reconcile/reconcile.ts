// The reconcile loop: keeps this host as desired. One reconciliation compares what should be here with
// what is here and does the difference. It is level-triggered: notifications only say "reconcile again".
// A broken pod never stops the others. Sandboxes that a set-up is working on are left to it.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import type { Debounce } from "../../util/async/debounce.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import type { Clock } from "../../util/clock.ts";
import { faultFrom } from "../../util/errors.ts";
import { inScope } from "../../util/fault_hooks.ts";
import type { Log } from "../../util/log.ts";
import type { LogDedup } from "../../util/log_dedup.ts";
import type { PodRequest } from "../api/pod_requests.ts";
import type { FabricSync } from "../fabric/fabric_sync.ts";
import { noteEvicted } from "../gc/evicted_pods.ts";
import type { GracePeriod } from "../gc/grace_period.ts";
import { releaseUnwanted } from "../gc/release_unwanted.ts";
import { restoreAttachments } from "../gc/restore_attachments.ts";
import { restoreEndpoints } from "../gc/restore_endpoints.ts";
import { isStoreLost } from "../gc/safety_checks.ts";
import { checkSandboxes } from "../gc/sandbox_liveness.ts";
import type { UnrecordedPods } from "../gc/unrecorded_pods.ts";
import { followNetworks } from "../pods/follow_network.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import { replaceLostPorts } from "../pods/lost_ports.ts";
import type { Mtus } from "../pods/mtus.ts";
import { followAddresses } from "../pods/new_addresses.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import type { AliasesInFlight } from "../pods/pod_alias.ts";
import { attachmentFromPort, hostEndOf } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import { type Actual, type Desired, planSteps, type Step } from "../pods/steps.ts";
import type { WarmPool } from "../pods/warm_pool.ts";
import type { PolicyEnforcer } from "../policy/policy_enforcer.ts";
import type { ReachSync } from "../reach/reach_sync.ts";
import { attachmentsOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { InterfaceErrors } from "./interface_errors.ts";
import { detachUntagged, sortByTag } from "./local_vlan_exhaustion.ts";
import { runStep } from "./run_steps.ts";

// Without a notification; one comes for every change that is reported to us.
const PERIOD_MS = 60_000;
const PERIOD_AFTER_FAILURE_MS = 1_000;
const SHORTEST_MS = 100;
const GATHER_MS = 300;

/** What one reconciliation works with. */
export interface ReconcileDeps extends HostView {
  readonly store: Pick<
    StoreCache,
    "documents" | "commit" | "isShared" | "addPending" | "need" | "knows"
  >;
  readonly plumbing: Plumbing;
  readonly runtimes: Pick<Runtimes, "isAlive" | "findSandbox" | "listSandboxes">;
  readonly networks: NetworkState;
  readonly sandboxes: Sandboxes;
  readonly gracePeriod: GracePeriod;
  readonly unrecordedPods: Pick<UnrecordedPods, "areWaiting">;
  /** Attaches a pod that no runtime asked for: setupPod() with `isLate`. */
  readonly setUpLate: (pod: PodRequest) => Promise<unknown>;
  /** Attaches pods whose endpoint was written after they started; returns how many failed. */
  readonly attachLatePods: () => Promise<number>;
  readonly clock: Clock;
  readonly log: Log;
  readonly logDedup: LogDedup;
}

/** What this host's networks need beyond their pods' ports. */
export interface NetworkState {
  readonly tags: LocalTags;
  readonly mtus: Pick<Mtus, "measure" | "settledOf">;
  readonly aliasesInFlight: AliasesInFlight;
  readonly policies: Pick<PolicyEnforcer, "ensure">;
  readonly fabric: Pick<FabricSync, "ensure" | "checks">;
  readonly reach: Pick<ReachSync, "ensure">;
  readonly interfaceErrors: Pick<InterfaceErrors, "log">;
  readonly warmPool: Pick<WarmPool, "follow">;
  /** Whether this agent can use warm ports at all. */
  readonly hasWarmPorts: boolean;
  /** Returns 11 random hex digits: the id of a new attachment. */
  readonly newId: () => string;
}

/** What the loop works with. */
export interface ReconcileLoopDeps {
  /** Reconciles once; returns how many steps failed. */
  readonly reconcileOnce: () => Promise<number>;
  readonly gracePeriod: Pick<GracePeriod, "nextDueMs">;
  readonly reconcileSignal: Notifier;
  readonly memoryTrim: Pick<Debounce, "note">;
  /** Notes that the loop goes round, for the service manager's watchdog. */
  readonly progress: { readonly note: () => void };
  readonly log: Pick<Log, "info" | "error">;
}

/** Reconciles until `signal` aborts; the agent's start has reconciled just before. */
export async function reconcile(deps: ReconcileLoopDeps, signal: AbortSignal): Promise<void> {
  const { gracePeriod, reconcileSignal, memoryTrim, progress, log } = deps;
  let lastProblem = "";
  while (true) {
    // A burst of notifications is one reconciliation: set-ups would have to wait for each.
    await pause(GATHER_MS, signal);
    if (signal.aborted) return;
    let problem = "";
    progress.note();
    const failed = await inScope("reconcile", deps.reconcileOnce).catch((error) => {
      problem = `reconciliation failed: ${faultFrom(error).message}`;
      return 1;
    });
    // A lasting problem is logged once, and again when it changes.
    if (problem !== "" && problem !== lastProblem) log.error(problem);
    if (problem === "" && lastProblem !== "") log.info("reconciliation works again");
    lastProblem = problem;
    memoryTrim.note();
    progress.note();
    const dueMs = gracePeriod.nextDueMs() ?? PERIOD_MS;
    const withinMs = failed ? PERIOD_AFTER_FAILURE_MS : Math.min(PERIOD_MS, dueMs);
    await reconcileSignal.wait({ withinMs: Math.max(withinMs, SHORTEST_MS), signal });
  }
}

/** Reconciles this host once; returns how many steps failed. Faults: those that stop all of it. */
export async function reconcileOnce(deps: ReconcileDeps): Promise<number> {
  const { store, host, plumbing, networks, gracePeriod } = deps;
  await plumbing.ensureBridge();
  await networks.mtus.measure(store.documents);
  const seen = await plumbing.observe();
  // Records that are not known must not look as if they were lost.
  using _ = await store.need({ networks: networksOfRows(seen) });
  networks.tags.restore(seen.rows);
  await restoreEndpoints(deps, seen.rows);
  await restoreAttachments(deps, seen);
  if (await isStoreLost(deps, seen)) return 0;
  if (await deps.unrecordedPods.areWaiting(seen)) return 1;

  const states = await checkSandboxes(deps);
  const actual = states.hasMoved ? await plumbing.observe() : seen;
  const before = attachmentsOf(store.documents, host);
  const mine = await followAddresses(
    { ...deps, newId: networks.newId },
    before,
    ({ id }) => (states.stateById.get(id) ?? "alive") === "alive",
  );
  gracePeriod.keepOnly(new Set(mine.map((one) => one.id)));
  const released = await releaseUnwanted(deps, mine, states);

  // Before others ask for a tag: the one that is free now may be the last.
  networks.tags.prune(store.documents);
  const left = mine.filter((one) => !released.has(one.id));
  const { hasWarmPorts, mtus, aliasesInFlight } = networks;
  const owned = await replaceLostPorts({ ...deps, hasWarmPorts }, left, actual);
  const kept = await followNetworks({ store, mtus, aliasesInFlight, log: deps.log }, owned);
  await networks.warmPool.follow(actual);
  // Flows of policies and gateways come before the ports' flows that hand frames to them. What fails here
  // has been logged, and is closed.
  const { checks } = networks.fabric;
  await networks.policies.ensure({ isFresh: true }).catch(() => {});
  await networks.reach.ensure({ isFresh: true });
  const { desired, untagged } = sortByTag(networks.tags, store.documents, kept);
  await plumbing.syncFlows(desired, new Set(actual.rows.map((row) => row.name)));
  // To hand frames over to policies, they have had uplink and tunnels checked.
  await networks.fabric.ensure({ isFresh: networks.fabric.checks === checks });
  const failed = states.failed + await detachUntagged(deps, untagged, actual);

  const handled = [
    ...before.filter((one) => !mine.includes(one)),
    ...mine.filter(({ id }) => released.has(id)),
    ...untagged.map(({ attachment }) => attachment),
  ];
  const steps = planSteps(desired, without(actual, handled));
  const undone = await runAll(deps, [...steps, ...unfinished(desired, steps)], actual);
  await networks.reach.ensure({ portsFollow: true });
  // No step repairs what is left now.
  networks.interfaceErrors.log();
  return failed + undone + await deps.attachLatePods();
}

async function runAll(
  deps: ReconcileDeps,
  steps: readonly Step[],
  { rows }: Actual,
): Promise<number> {
  const runDeps = { ...deps, tags: deps.networks.tags };
  const removed = new Set<string>();
  let failed = 0;
  for (const step of steps) {
    const isDone = await runStep(runDeps, step);
    if (!isDone) failed++;
    else if (step.do === "detach") removed.add(step.name);
  }
  await noteEvicted(deps, rows.filter(({ name }) => removed.has(name)));
  return failed;
}

/** Returns the networks of the ports that are there. */
function networksOfRows({ rows }: Actual): { readonly tenant: string; readonly name: string }[] {
  return rows.flatMap((row) => attachmentFromPort(row) ?? [])
    .map(({ tenant, network }) => ({ tenant, name: network }));
}

/** What was released or detached is on its way out: it is not a stray. */
function without({ rows, hostEnds }: Actual, attachments: readonly AttachmentRecord[]): Actual {
  const names = new Set(attachments.map(hostEndOf));
  return {
    rows: rows.filter(({ name }) => !names.has(name)),
    hostEnds: hostEnds.filter((name) => !names.has(name)),
  };
}

/** Attachments that are complete but not recorded as ready: a crash came between the two. */
function unfinished(desired: readonly Desired[], steps: readonly Step[]): Step[] {
  const busy = new Set(steps.flatMap((step) => step.do === "detach" ? [] : [step.attachment.id]));
  return desired
    .filter(({ attachment }) => attachment.state !== "ready" && !busy.has(attachment.id))
    .map((one) => ({ do: "port", ...one }));
}
