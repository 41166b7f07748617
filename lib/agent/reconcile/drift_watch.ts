// Notices what nobody rings for: what somebody changed inside a pod or among the flows, and teardowns
// that were noted while the agent gave no answer. Each round costs next to nothing while all is well.
//
// Inside of pods it goes by the kernel's notifications. Some changes come without one (a MAC, a
// kernel that had no room): so it also walks through all pods, a few a round.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { LinkEvent, LinkEvents } from "../../net/link_events.ts";
import { faultFrom } from "../../util/errors.ts";
import { applyStep } from "../pods/attach.ts";
import { observe } from "../pods/apply_claim.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";
import { desiredOf } from "../pods/desired.ts";
import { attachmentKey, attachmentsOf } from "../store/documents.ts";
import { handleNotes } from "../server/teardown_notes.ts";
import type { World } from "../world.ts";
import { pause } from "../../util/async/pause.ts";
import { suspectsOf, wrongEnd } from "./pod_end_checks.ts";
import { planSteps } from "../pods/steps.ts";

const ROUND_MS = 1_000;
/** So many walks see each pod once; a walk comes every WALK_EVERY rounds. `ip` starts two commands a pod. */
const WALKS = { netlink: 12, ip: 120 } as const;
const WALK_EVERY = 5;
const FABRIC_ROUNDS = 2;
const NOTES_ROUNDS = 5;

/** What the sentry needs beside the world. */
export interface DriftWatchOptions {
  /** Undefined where the kernel tells nothing. */
  readonly events: LinkEvents | undefined;
  readonly stateDir: string;
}

/** Watches until `signal` aborts. */
export async function watchDrift(
  world: World,
  { events, stateDir }: DriftWatchOptions,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 1;; round++) {
    await pause(ROUND_MS, signal);
    if (signal.aborted) return;
    const told = events?.take() ?? [];
    const walk = round % WALK_EVERY === 0 ? round / WALK_EVERY : undefined;
    if (told.length > 0 || walk !== undefined) {
      await tryPart(world, () => checkPods(world, told, walk));
    }
    if (round % FABRIC_ROUNDS === 0) await tryPart(world, () => checkFabric(world));
    if (round % NOTES_ROUNDS === 0) await handleNotes(world, stateDir);
  }
}

/** What cannot be seen now (Open vSwitch is away, a pod just ends) is seen in the next round. */
async function tryPart(world: World, part: () => Promise<void>): Promise<void> {
  await part().catch((error) => world.log.debug(`not checked: ${faultFrom(error).message}`));
}

async function checkFabric(world: World): Promise<void> {
  if (!await world.fabric.isDisturbed()) return;
  world.log.info("flows of uplink or overlay have changed, looking again");
  world.reconcileSignal.notify();
}

async function checkPods(
  world: World,
  events: readonly LinkEvent[],
  walk: number | undefined,
): Promise<void> {
  const ready = attachmentsOf(world.store.documents, world.host)
    .filter(({ state }) => state === "ready");
  if (ready.length === 0) return;
  const suspects = suspectsOf(events, ready);
  // The kernel lists all links at once, which is too much for a walk.
  const ends = suspects.length > 0 ? await world.links.hostEnds() : [];
  const routes = new Set(events.flatMap((one) => one.kind === "route" ? one.gateway : []));
  for (const one of new Set([...suspects, ...walked(world, ready, walk)])) {
    const end = ends.find(({ name }) => name === hostEndOf(one));
    const isOff = end !== undefined && (!end.isUp || end.mtu !== one.mtu);
    const isSuspect = isOff || routes.has(one.gateway ?? "");
    const check = () => world.queue.run(one.sandbox, () => checkPod(world, one, isSuspect));
    await tryPart(world, () => check().catch((error) => ringIfGone(world, one, error)));
  }
}

/** A sandbox that is missing is marked by a look. */
function ringIfGone(
  { reconcileSignal, gracePeriod }: World,
  { id }: AttachmentRecord,
  error: unknown,
): void {
  if (faultFrom(error).code !== "not_found") throw error;
  if (!gracePeriod.isMarked(id)) reconcileSignal.notify();
}

/** Returns the pods whose turn it is in this walk. */
function walked<T>({ links }: World, ready: readonly T[], walk: number | undefined): T[] {
  if (walk === undefined) return [];
  const walks = WALKS[links.driver];
  return ready.filter((_, at) => at % walks === walk % walks);
}

/** Looks at a pod's end; mends it when it is wrong, or `isSuspect` for what cannot be seen in there. */
async function checkPod(world: World, one: AttachmentRecord, isSuspect: boolean): Promise<void> {
  const { documents } = world.store;
  const now = documents.get(attachmentKey(one))?.value as AttachmentRecord | undefined;
  if (now?.id !== one.id || now.state !== "ready") return; // torn down, or made anew, meanwhile
  const links = await world.links.podLinks(now.netns, now.netnsInode);
  const wrong = wrongEnd(now, links) ?? (isSuspect ? "differs" : undefined);
  // Only now the dearer question, whether a process id has become somebody else's.
  if (!wrong || !await world.runtimes.isAlive(now)) return;
  const name = hostEndOf(now);
  const actual = await observe(world, (end) => end === name);
  const podEnds = new Map([[name, wrong]]);
  for (const step of planSteps([desiredOf(world, documents, now)], { ...actual, podEnds })) {
    await applyStep(world, step);
  }
  const { namespace, name: pod } = now.pod;
  world.log.info("mended", { port: name, step: "pod", pod: `${namespace}/${pod}` });
}
