// Keeps this host as desired. One look: what should be here against what is, steps, done. A broken
// pod never stops the others. Sandboxes that a set-up is working on are left to it.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Json } from "../../store/store.ts";
import { scope } from "../../util/fault_hooks.ts";
import { faultFrom } from "../../util/errors.ts";
import { pause } from "../../util/async/pause.ts";
import { checkSandboxes, type SandboxStates } from "../gc/sandbox_liveness.ts";
import { applyStep, detach } from "../pods/attach.ts";
import { attachmentKey, attachmentsOf, endpointKeyOf, findEndpoint } from "../store/documents.ts";
import { observe, releaseAttachments } from "../pods/apply_claim.ts";
import { isStillBound } from "../pods/teardown.ts";
import { attachmentFromPort, attachmentToPort, hostEndOf } from "../pods/port_external_ids.ts";
import { isGarbage, isStoreLost, isThere } from "../gc/safety_checks.ts";
import { attachLatePods } from "../pods/late_attach.ts";
import { restoreEndpoints } from "../gc/restore_endpoints.ts";
import { type Actual, type Desired, planSteps, type Step } from "../pods/steps.ts";
import { setAttachmentFailed, setAttachmentState } from "../pods/attachment_state.ts";
import { noteEvicted } from "../gc/evicted_pods.ts";
import { logDetached } from "../pods/attachment_log.ts";
import { desiredOf } from "../pods/desired.ts";
import { cutOff, sortByTag } from "./local_vlan_exhaustion.ts";
import type { World } from "../world.ts";

// Between rings; a ring comes for every change that somebody tells of.
const LOOK_MS = 60_000;
const LOOK_AFTER_FAILURE_MS = 1_000;
const SHORTEST_MS = 100;
const GATHER_MS = 300;

/** Looks until `signal` aborts; the agent's start has looked just before. */
export async function reconcile(world: World, signal: AbortSignal): Promise<void> {
  let said = "";
  while (true) {
    // A burst of rings is one look: each look takes commands, which set-ups would have to wait for.
    await pause(GATHER_MS, signal);
    if (signal.aborted) return;
    let words = "";
    const failed = await scope("look", () => reconcileOnce(world)).catch((error) => {
      words = `look failed: ${faultFrom(error).message}`;
      return 1;
    });
    // What goes on failing is said once, and again when it fails in another way.
    if (words !== "" && words !== said) world.log.error(words);
    if (words === "" && said !== "") world.log.info("looks work again");
    said = words;
    world.memoryTrim.note();
    const dueMs = world.gracePeriod.nextDueMs() ?? LOOK_MS;
    const withinMs = failed ? LOOK_AFTER_FAILURE_MS : Math.min(LOOK_MS, dueMs);
    await world.reconcileSignal.wait({ withinMs: Math.max(withinMs, SHORTEST_MS), signal });
  }
}

/** Looks once; gives how many steps failed. */
export async function reconcileOnce(world: World): Promise<number> {
  world.datapath = await world.switch.ensureBridge();
  await world.mtus.measure(world.store.documents);
  const seen = await observe(world);
  world.tags.restore(seen.rows);
  await restoreEndpoints(world, seen.rows);
  await adopt(world, seen);
  if (await isStoreLost(world, seen)) return 0;
  const fates = await checkSandboxes(world);
  const actual = fates.hasMoved ? await observe(world) : seen;
  const mine = attachmentsOf(world.store.documents, world.host);
  world.gracePeriod.keepOnly(new Set(mine.map((one) => one.id)));
  const released = await releaseUnwanted(world, mine, fates);
  // Before others are asked for a tag: the one that is free now may be all there is.
  world.tags.prune(world.store.documents);
  const { wanted, untagged } = sortByTag(world, mine.filter((one) => !released.has(one.id)));
  // First what policies say, then who is handed over to them; what fails has been said, and is closed.
  await world.policies.ensure(world, { isFresh: true }).catch(() => {});
  await syncGuards(world, wanted, actual);
  await world.fabric.ensure(world, { isFresh: true });
  let failed = fates.failed + await cutOff(world, untagged, actual);
  const handled = [...released, ...untagged.map(({ attachment }) => attachment.id)];
  const steps = planSteps(wanted, without(actual, handled));
  const removed = new Set<string>();
  for (const step of steps) {
    const failures = await tryStep(world, step);
    if (failures === 0 && step.do === "detach") removed.add(step.name);
    failed += failures;
  }
  for (const step of unfinished(wanted, steps)) failed += await tryStep(world, step);
  await noteEvicted(world, actual.rows.filter(({ name }) => removed.has(name)));
  return failed + await attachLatePods(world);
}

/** What was released or cut off is on its way out: it is nobody's stray. */
function without({ rows, hostEnds }: Actual, ids: readonly string[]): Actual {
  const names = new Set(ids.map((id) => hostEndOf({ id })));
  return {
    rows: rows.filter(({ name }) => !names.has(name)),
    hostEnds: hostEnds.filter((name) => !names.has(name)),
  };
}

/** All of it is there, but its record does not say so: a crash came between the two. */
function unfinished(wanted: readonly Desired[], steps: readonly Step[]): Step[] {
  const busy = new Set(steps.flatMap((step) => step.do === "detach" ? [] : [step.attachment.id]));
  return wanted
    .filter(({ attachment }) => attachment.state !== "ready" && !busy.has(attachment.id))
    .map(({ attachment, tag }) => ({ do: "port", attachment, tag }));
}

/** Rows of ours that the store does not know: a store that was lost is rebuilt from them. */
async function adopt(world: World, { rows }: Actual): Promise<void> {
  for (const row of rows) {
    const told = attachmentFromPort(row);
    if (!told || told.host !== world.host) continue;
    if (world.store.documents.has(attachmentKey(told))) continue;
    // In the sandbox's turn and looked at again: a teardown may be between row and record.
    await world.queue.run(told.sandbox, () => adoptOne(world, told));
  }
}

async function adoptOne(world: World, told: AttachmentRecord): Promise<void> {
  const { rows } = await observe(world, (name) => name === hostEndOf(told));
  if (rows.length === 0 || !isStillBound(world, told)) return;
  if (!await isThere(world, told)) return;
  const isAdopted = await world.store.commit((documents) => {
    const holder = attachmentsOf(documents, world.host).find((one) =>
      endpointKeyOf(one) === endpointKeyOf(told)
    );
    if (holder || documents.has(attachmentKey(told))) return undefined;
    return {
      checks: [{ key: attachmentKey(told), revision: 0 }],
      writes: [{ key: attachmentKey(told), value: told as unknown as Json }],
    };
  });
  if (isAdopted) world.log.info("attachment rebuilt from its port", { port: hostEndOf(told) });
}

/** Releases what no endpoint wants here any more, and what has lost its sandbox for the grace time. */
async function releaseUnwanted(
  world: World,
  mine: readonly AttachmentRecord[],
  { fateById }: SandboxStates,
): Promise<Set<string>> {
  // What came since then is alive.
  const fateOf = ({ id }: AttachmentRecord) => fateById.get(id) ?? "alive";
  const gone = mine.filter((one) =>
    !isStillBound(world, one) || isGarbage(world, one, fateOf(one))
  );
  if (gone.length === 0) return new Set();
  const started = world.now();
  // Told now: the release may take the endpoint along.
  const isBound = new Map(gone.map((one) => [one.id, isStillBound(world, one)]));
  await detach(world, gone.map(hostEndOf));
  await releaseAttachments(world, gone);
  for (const one of gone) {
    const why = isBound.get(one.id) ? "its sandbox is gone" : "its endpoint is gone";
    logDetached(world, one, started, why);
    // Its pod may live on, and be named again; one whose endpoint moved has its place elsewhere.
    const isUnnamed = !findEndpoint(world.store.documents, one);
    if (isUnnamed && fateOf(one) === "alive") {
      world.unmatched.add({ ...one.pod, sandbox: one.sandbox }, "its endpoint is gone");
    }
  }
  return new Set(gone.map((one) => one.id));
}

/** After a restart of ovs-vswitchd the flows are gone while the rows are there. */
async function syncGuards(
  world: World,
  wanted: readonly Desired[],
  { rows }: Actual,
): Promise<void> {
  const present = new Set(rows.map((row) => row.name));
  await world.switch.syncPorts(
    wanted.filter(({ attachment }) => present.has(hostEndOf(attachment)))
      .map(({ attachment, tag }) => attachmentToPort(attachment, tag)),
  );
}

/** Does one step in its sandbox's turn; a step that a set-up has overtaken does nothing. */
async function tryStep(world: World, step: Step): Promise<number> {
  try {
    if (step.do === "detach") await tryDetach(world, step);
    else await tryAttach(world, step);
    world.logDedup.forget(`step ${nameOf(step)}`);
    return 0;
  } catch (error) {
    const fault = faultFrom(error);
    if (world.logDedup.isNew(`step ${nameOf(step)}`, fault.message)) {
      world.log.error(`${step.do} failed: ${fault.message}`, { port: nameOf(step) });
    }
    if (step.do !== "detach") await setAttachmentFailed(world, step.attachment, fault.message);
    return 1;
  }
}

function nameOf(step: Step): string {
  return step.do === "detach" ? step.name : hostEndOf(step.attachment);
}

async function tryDetach(world: World, step: Step & { do: "detach" }): Promise<void> {
  const holder = attachmentsOf(world.store.documents, world.host)
    .find((one) => hostEndOf(one) === step.name);
  if (holder) return;
  await applyStep(world, step);
  world.log.info("stray port removed", { port: step.name, why: step.why });
}

async function tryAttach(
  world: World,
  { attachment }: Exclude<Step, { do: "detach" }>,
): Promise<void> {
  await world.queue.run(attachment.sandbox, async () => {
    const now = world.store.documents.get(attachmentKey(attachment))?.value as
      | AttachmentRecord
      | undefined;
    if (now?.id !== attachment.id || !await world.runtimes.isAlive(attachment)) return;
    const name = hostEndOf(attachment);
    const wanted = desiredOf(world, world.store.documents, now);
    const steps = planSteps([wanted], await observe(world, (one) => one === name));
    for (const step of steps) await applyStep(world, step);
    await setAttachmentState(world, now, "ready");
    if (steps.length > 0) world.log.info("mended", { port: name, step: steps.at(-1)?.do });
  });
}
