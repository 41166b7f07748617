// The agent's loops, from its first reconciliation to its end.

import type { Links } from "../net/links.ts";
import { openLinkEvents } from "../net/open_links.ts";
import { faultFrom } from "../util/errors.ts";
import { Debounce } from "../util/async/debounce.ts";
import { pause } from "../util/async/pause.ts";
import { systemClock } from "../util/clock.ts";
import type { Log } from "../util/log.ts";
import { syncFabric } from "./fabric/fabric_sync.ts";
import type { KubeOptions } from "./kube/kube_options.ts";
import type { AgentOptions } from "./options.ts";
import { followRuntime } from "./pods/follow_runtime.ts";
import { expireHeldAddresses } from "./pods/held_addresses.ts";
import { enforcePolicies } from "./policy/policy_enforcer.ts";
import { watchDrift } from "./reconcile/drift_watch.ts";
import { reconcile } from "./reconcile/reconcile.ts";
import type { TeardownNotes } from "./server/teardown_notes.ts";
import { presencesOf } from "./store/documents.ts";
import { IndexKeeper } from "./store/index_keeper.ts";
import type { Intents } from "./store/intents.ts";
import type { Presence } from "./store/presence.ts";
import type { Snapshot } from "./store/snapshot.ts";
import type { StoreCache } from "./store/store_cache.ts";
import type { UnreadableRecords } from "./store/unreadable_records.ts";
import type { Agent } from "./wiring.ts";

const SNAPSHOT_MS = 2_000;
const INDEXES_MS = 100;
const HISTORY_MS = 3_600_000;
// A large store takes seconds to save: the agent spends this part of its time on it at most.
const SNAPSHOT_SHARE = 1 / 20;

/** What the loops work with. */
export interface LoopParts {
  readonly options: AgentOptions;
  readonly agent: Agent;
  readonly links: Links;
  /** Undefined if the store belongs to this host alone, as `snapshot`. */
  readonly presence: Presence | undefined;
  readonly snapshot: Snapshot | undefined;
  /** Called once the store is reachable, if it was not at the start. */
  readonly joinStore: () => Promise<void>;
  readonly unreadable: Pick<UnreadableRecords, "log">;
  readonly intents: Pick<Intents, "expire">;
  readonly notes: Pick<TeardownNotes, "handle">;
  readonly log: Log;
}

/** Loops that run until their signal aborts. */
export interface Loops {
  readonly all: readonly (Promise<void> | undefined)[];
  /** One of these that fails ends the agent: a supervisor starts it again. */
  readonly vital: readonly Promise<void>[];
}

/** Starts all loops, which run until `signal` aborts; `stack` closes what they read. */
export function startLoops(
  parts: LoopParts,
  signal: AbortSignal,
  stack: AsyncDisposableStack,
): Loops {
  const { options, agent, presence, snapshot, notes, log } = parts;
  const indexes = new IndexKeeper({
    ...{ host: options.hostLabel, store: agent.store, now: systemClock.now, log },
  });
  // If that fails, the next heartbeat repeats it.
  const checking = stack.use(
    new Debounce(() => {
      indexes.check().catch((error) =>
        log.debug(`indexes not checked: ${faultFrom(error).message}`)
      );
    }, INDEXES_MS),
  );
  const checkIndexes = () => presence && checking.note();
  const { following, late } = followStore({ ...parts, checkIndexes }, signal);
  const beating = presence?.keep(signal, async () => {
    await replayPending(agent, log);
    await indexes.check();
  });
  const saving = snapshot && keepSnapshot(snapshot, agent.store, signal);
  const reconciling = reconcile(agent.loops.reconcile, signal);
  const events = openLinkEvents(parts.links);
  stack.defer(() => events?.close());
  const drift = { ...agent.loops.drift, events, handleNotes: () => notes.handle() };
  const all = [
    ...[following, reconciling, beating, saving],
    syncFabric(agent.loops.fabric, signal),
    expireHeldAddresses(agent.loops.heldAddresses, options.graceMs, signal),
    watchDrift(drift, signal),
    agent.loops.warmPool.keep(signal),
    options.kube && followCluster(options.kube, options.stateDir, agent, signal),
    enforcePolicies(agent.policies, signal),
    followRuntime(agent.loops.runtime, signal),
    expireHistory(parts, signal),
    presence && reportHost(parts, signal),
  ];
  return { all, vital: [following, reconciling, late, ...beating ? [beating] : []] };
}

/** Follows the store, and joins it when it is reachable at last; `late` rejects if that fails. */
function followStore(
  { agent: { store, signals }, joinStore, unreadable, checkIndexes, log }: LoopParts & {
    readonly checkIndexes: () => void;
  },
  signal: AbortSignal,
): { readonly following: Promise<void>; readonly late: Promise<never> } {
  let isLate = store.unreachable !== undefined;
  store.onTrouble((fault) =>
    fault
      ? log.warn(`store unreachable, serving what is known: ${fault.message}`)
      : log.info("store reachable again")
  );
  const logView = () =>
    log.info(
      store.isWhole
        ? "watching the whole store"
        : "watching only the part of the store that this host needs",
      {
        documents: store.documents.size,
      },
    );
  if (!store.isWhole && !isLate) logView();
  store.onView(logView);
  store.onLate(() => log.warn("store watch is behind: the whole store was read again"));
  const late = Promise.withResolvers<never>();
  const following = store.follow(signal, () => {
    [signals.fabric, signals.policies, signals.reconcile].forEach((one) => one.notify());
    unreadable.log(store.documents);
    if (store.isWhole) checkIndexes();
    if (isLate) joinStore().then(() => log.info("store joined"), late.reject);
    isLate = false;
  });
  return { following, late: late.promise };
}

/** Replays set-ups recorded while the store was unreachable; those that must yield are reconciled away. */
async function replayPending({ store, signals }: Agent, log: Log): Promise<void> {
  if (store.pendingCount === 0) return;
  const yielded = await store.replayPending();
  for (const pod of yielded) {
    log.warn("set-up recorded while the store was unreachable yields: its endpoint has moved", {
      pod,
    });
  }
  log.info("replayed set-ups recorded while the store was unreachable");
  signals.reconcile.notify();
}

/** Leaves what the doctor finds here for other hosts, where this runs from the one file. */
async function reportHost({ options, agent, log }: LoopParts, signal: AbortSignal): Promise<void> {
  const { examineBy, keepReport, ownFile } = await import("./doctor/host_reports.ts");
  const file = await ownFile();
  if (file === undefined) return;
  const { hostLabel: host, socket } = options;
  await keepReport({
    ...{ host, store: agent.store, wallMs: Date.now, log },
    examine: () => examineBy(file, socket),
  }, signal);
}

/**
 * Forgets revisions beyond the limit, now and every hour. An outage of the store only delays it. Where hosts share the
 * store and know only what they need, one of them on average does it in an hour.
 */
async function expireHistory(
  { options, intents, agent: { store }, log }: LoopParts,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const hosts = presencesOf(store.documents).length;
      if (store.isWhole || Math.random() * hosts < 1) {
        await intents.expire(options.history, Date.now());
      }
    } catch (error) {
      log.debug(`history not shortened: ${faultFrom(error).message}`);
    }
    await pause(HISTORY_MS, signal);
  }
}

/** Saves what is known a moment after it has changed, and once more when `signal` aborts. */
async function keepSnapshot(
  snapshot: Snapshot,
  store: StoreCache,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = SNAPSHOT_MS;
  do {
    await pause(pauseMs, signal);
    const startedMs = performance.now();
    if (!store.unreachable) await snapshot.save(store.known, store.revision);
    pauseMs = Math.max(SNAPSHOT_MS, (performance.now() - startedMs) / SNAPSHOT_SHARE);
  } while (!signal.aborted);
}

/** Follows the cluster; its code is loaded only where there is one. */
async function followCluster(
  options: KubeOptions,
  stateDir: string,
  agent: Agent,
  signal: AbortSignal,
): Promise<void> {
  const { ClusterSync } = await import("./kube/cluster_sync.ts");
  const sync = new ClusterSync(options, { ...agent.clusterDeps, stateDir });
  agent.cluster.sync = sync;
  agent.store.onChange = (key) => sync.documentChanged(key);
  await sync.keep(signal);
}
