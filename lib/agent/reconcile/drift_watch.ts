// Detects drift that nothing notifies of: what an operator or another program changed inside a pod or among
// the flows, and teardowns that were noted while the agent did not answer. A round costs next to nothing
// while all is well.
//
// Inside pods it follows the kernel's notifications. Some changes come without one (a MAC, a kernel whose
// buffer was full), so it also walks through all pods, a few per round.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { LinkEvent, LinkEvents } from "../../net/link_events.ts";
import type { Links } from "../../net/links.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { FabricSync } from "../fabric/fabric_sync.ts";
import type { GracePeriod } from "../gc/grace_period.ts";
import { desiredOf } from "../pods/desired.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import { planSteps } from "../pods/steps.ts";
import type { ReachSync } from "../reach/reach_sync.ts";
import { attachmentKey, attachmentsOf, type HostView } from "../store/documents.ts";
import { suspectsOf, wrongEnd } from "./pod_end_checks.ts";

const ROUND_MS = 1_000;
/** This many walks check each pod once. A walk comes every WALK_EVERY rounds; `ip` starts two commands a pod. */
const WALKS = { netlink: 12, ip: 120 } as const;
const WALK_EVERY = 5;
const FABRIC_ROUNDS = 2;
const NOTES_ROUNDS = 5;

/** What checking pods works with. */
export interface PodCheckDeps extends HostView {
  readonly links: Pick<Links, "driver" | "hostEnds" | "podLinks">;
  readonly plumbing: Pick<Plumbing, "observe" | "apply">;
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly gracePeriod: Pick<GracePeriod, "isMarked">;
  readonly log: Pick<Log, "debug" | "info">;
  /** Notified for what only a whole reconciliation can repair. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

/** What the watch works with. */
export interface DriftWatchDeps {
  /** Checks the pods that events are about, and those of a walk: checkPods(). */
  readonly checkPods: (events: readonly LinkEvent[], walk: number | undefined) => Promise<void>;
  readonly fabric: Pick<FabricSync, "hasDrifted">;
  readonly reach: Pick<ReachSync, "hasDrifted">;
  /** Undefined where the kernel sends no notifications. */
  readonly events: LinkEvents | undefined;
  /** Handles teardowns that were noted while the agent was unreachable; never throws. */
  readonly handleNotes: () => Promise<void>;
  readonly log: Pick<Log, "debug" | "info">;
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

/** Watches until `signal` aborts. */
export async function watchDrift(deps: DriftWatchDeps, signal: AbortSignal): Promise<void> {
  for (let round = 1;; round++) {
    await pause(ROUND_MS, signal);
    if (signal.aborted) return;
    const events = deps.events?.take() ?? [];
    const walk = round % WALK_EVERY === 0 ? round / WALK_EVERY : undefined;
    if (events.length > 0 || walk !== undefined) {
      await tryPart(deps, () => deps.checkPods(events, walk));
    }
    if (round % FABRIC_ROUNDS === 0) {
      await tryPart(deps, () => checkFabric(deps));
      await tryPart(deps, () => checkReach(deps));
    }
    if (round % NOTES_ROUNDS === 0) await deps.handleNotes();
  }
}

/** What cannot be checked now (Open vSwitch is unreachable, a pod is ending) is checked in the next round. */
async function tryPart(
  { log }: Pick<PodCheckDeps, "log">,
  part: () => Promise<void>,
): Promise<void> {
  await part().catch((error) => log.debug(`not checked: ${faultFrom(error).message}`));
}

async function checkFabric({ fabric, log, reconcileSignal }: DriftWatchDeps): Promise<void> {
  if (!await fabric.hasDrifted()) return;
  log.info("flows of uplink or overlay have changed, reconciling");
  reconcileSignal.notify();
}

async function checkReach({ reach, log, reconcileSignal }: DriftWatchDeps): Promise<void> {
  if (!await reach.hasDrifted()) return;
  log.info("flows, addresses, routes or packet filter of reach have changed, reconciling");
  reconcileSignal.notify();
}

/** Checks the pods that `events` are about, and those whose turn it is in this walk. */
export async function checkPods(
  deps: PodCheckDeps,
  events: readonly LinkEvent[],
  walk: number | undefined,
): Promise<void> {
  const { store, host, links, sandboxes } = deps;
  const ready = attachmentsOf(store.documents, host).filter(({ state }) => state === "ready");
  if (ready.length === 0) return;
  const suspects = suspectsOf(events, ready);
  // The kernel lists all links at once, which is too much for a walk.
  const ends = suspects.length > 0 ? await links.hostEnds() : [];
  const routes = new Set(events.flatMap((one) => one.kind === "route" ? one.gateway : []));
  for (const one of new Set([...suspects, ...walked(links, ready, walk)])) {
    const end = ends.find(({ name }) => name === hostEndOf(one));
    const isOff = end !== undefined && (!end.isUp || end.mtu !== one.mtu);
    const isSuspect = isOff || routes.has(one.gateway ?? "");
    const check = () => sandboxes.queue.run(one.sandbox, () => checkPod(deps, one, isSuspect));
    await tryPart(deps, () => check().catch((error) => notifyIfGone(deps, one, error)));
  }
}

/** A sandbox that is missing is marked by a reconciliation. */
function notifyIfGone(
  { reconcileSignal, gracePeriod }: PodCheckDeps,
  { id }: AttachmentRecord,
  error: unknown,
): void {
  if (faultFrom(error).code !== "not_found") throw error;
  if (!gracePeriod.isMarked(id)) reconcileSignal.notify();
}

/** Returns the pods whose turn it is in this walk. */
function walked<T>(
  { driver }: Pick<Links, "driver">,
  ready: readonly T[],
  walk: number | undefined,
): T[] {
  if (walk === undefined) return [];
  const walks = WALKS[driver];
  return ready.filter((_, at) => at % walks === walk % walks);
}

/** Checks a pod's end; repairs it when it is wrong, or `isSuspect` for what is not visible in there. */
async function checkPod(
  deps: PodCheckDeps,
  one: AttachmentRecord,
  isSuspect: boolean,
): Promise<void> {
  const { store: { documents }, links, plumbing, runtimes, tags, log } = deps;
  const now = documents.get(attachmentKey(one))?.value as AttachmentRecord | undefined;
  if (now?.id !== one.id || now.state !== "ready") return; // torn down, or replaced, meanwhile
  const podLinks = await links.podLinks(now.netns, now.netnsInode);
  const wrong = wrongEnd(now, podLinks) ?? (isSuspect ? "differs" : undefined);
  // Only now the dearer question, whether a process id was reused.
  if (!wrong || !await runtimes.isAlive(now)) return;
  const name = hostEndOf(now);
  const actual = await plumbing.observe((end) => end === name);
  const podEnds = new Map([[name, wrong]]);
  for (const step of planSteps([desiredOf(tags, documents, now)], { ...actual, podEnds })) {
    await plumbing.apply(step);
  }
  const { namespace, name: pod } = now.pod;
  log.info("pod interface reconciled", { port: name, step: "pod", pod: `${namespace}/${pod}` });
}
