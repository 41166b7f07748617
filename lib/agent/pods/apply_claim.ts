// From claimed to real: the steps of a set-up, and what takes a failed one back.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Check, Json, Write } from "../../store/store.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { type Actual, planSteps, type Step } from "./steps.ts";
import { attachmentKey } from "../store/documents.ts";
import type { World } from "../world.ts";
import { applyStep, detach } from "./attach.ts";
import type { Claim } from "./claim.ts";
import { planRelease } from "./endpoint_release.ts";
import { hostEndOf } from "./port_external_ids.ts";
import { logDetached } from "./attachment_log.ts";
import { desiredOf } from "./desired.ts";

/** A claim, and the name that it is held under where the store was away. */
export interface CommittedClaim extends Claim {
  readonly pendingAs: string | undefined;
}

/** Makes the claimed attachments real, or leaves nothing of those that were not ready before. */
export async function applyClaim(world: World, claim: CommittedClaim): Promise<void> {
  if (claim.stale.length > 0) {
    const started = world.now();
    const { linksGone } = await detach(world, claim.stale.map(hostEndOf));
    for (const one of claim.stale) logDetached(world, one, started, "its endpoint is plugged anew");
    // Its interface name may be wanted again in the same sandbox.
    const sandboxes = claim.attachments.map((one) => one.sandbox);
    if (claim.stale.some((one) => sandboxes.includes(one.sandbox))) await linksGone;
  }
  const fresh = claim.attachments.filter((one) => one.state !== "ready");
  let steps: Step[];
  try {
    // Its policies are in force before its port is there.
    await world.policies.ensureFor(world, () => tagsOf(world, claim.attachments));
    // Before the port: its tag may have been another network's, whose way to other hosts goes first.
    await world.fabric.ensure(world);
    steps = await stepsFor(world, claim);
  } catch (error) {
    // A claim that can have no tag here would hold up every look.
    await giveUp(world, fresh, []);
    throw error;
  }
  if (steps.length === 0 && fresh.length === 0) return;
  const results = await Promise.allSettled(steps.map((step) => applyStep(world, step)));
  const failed = results.find((result) => result.status === "rejected");
  try {
    if (failed) throw failed.reason;
    await markReady(world, fresh, claim.pendingAs);
  } catch (error) {
    // A step that failed has undone itself already.
    const done = steps.filter((_, at) => results[at]?.status === "fulfilled");
    await giveUp(world, fresh, done);
    throw error;
  }
}

function tagsOf(world: World, attachments: readonly AttachmentRecord[]): number[] {
  return attachments.map((one) => desiredOf(world, world.store.documents, one).tag);
}

/** New attachments need no look at the host, and new is what most are. */
async function stepsFor(world: World, { attachments, isNew }: Claim): Promise<Step[]> {
  const documents = world.store.documents;
  const wanted = attachments.map((one) => desiredOf(world, documents, one));
  if (isNew) return planSteps(wanted, { rows: [], hostEnds: [] });
  const mine = new Set(attachments.map(hostEndOf));
  return planSteps(wanted, await observe(world, (name) => mine.has(name)));
}

/** Returns our rows and host ends as they are now, those whose name `isMeant`. */
export async function observe(
  world: World,
  isMeant: (name: string) => boolean = () => true,
): Promise<Actual> {
  const [rows, ends] = await Promise.all([world.switch.ports(), world.links.hostEnds()]);
  return {
    rows: rows.filter((row) => isMeant(row.name)),
    hostEnds: ends.map((end) => end.name).filter(isMeant),
  };
}

async function markReady(
  world: World,
  fresh: readonly AttachmentRecord[],
  heldAs: string | undefined,
): Promise<void> {
  if (fresh.length === 0) return;
  if (heldAs !== undefined) return world.store.addPending(heldAs, [], readyWrites(fresh));
  await world.store.commit((documents) => {
    const present = fresh.map((one) => ({ one, key: attachmentKey(one) }));
    for (const { one, key } of present) {
      if ((documents.get(key)?.value as AttachmentRecord | undefined)?.id === one.id) continue;
      throw new Fault(
        "conflict",
        `attachment of ${one.pod.namespace}/${one.pod.name} was taken away`,
        {
          why: "its endpoint was deleted or went to another sandbox meanwhile",
          fix: "see k8contivnet get endpoints",
        },
      );
    }
    return {
      checks: present.map(({ key }) => ({ key, revision: documents.get(key)?.revision ?? 0 })),
      writes: readyWrites(fresh),
    };
  });
}

function readyWrites(fresh: readonly AttachmentRecord[]): Write[] {
  return fresh.map((one) => ({
    key: attachmentKey(one),
    value: { ...one, state: "ready" } as unknown as Json,
  }));
}

/** Takes back what a failed set-up claimed. What cannot be taken back now, the next look will. */
async function giveUp(
  world: World,
  fresh: readonly AttachmentRecord[],
  done: readonly Step[],
): Promise<void> {
  const names = done.flatMap((step) => step.do === "detach" ? [] : [hostEndOf(step.attachment)]);
  try {
    await releaseAttachments(world, fresh);
    await (await detach(world, names)).linksGone;
  } catch (error) {
    world.log.warn(`undo left to the next look: ${faultFrom(error).message}`);
  }
  world.reconcileSignal.notify();
}

/**
 * Deletes the documents of `attachments` as far as they are still theirs, and ends or holds endpoints
 * that were made for them. They are this host's alone, so a shared store that is away is told later.
 */
export async function releaseAttachments(
  world: World,
  attachments: readonly AttachmentRecord[],
): Promise<void> {
  try {
    for (const some of slices(attachments)) {
      await world.store.commit((documents) => releaseOf(world, documents, some));
    }
  } catch (error) {
    const { code } = faultFrom(error);
    if (!world.isShared || !["unavailable", "timeout"].includes(code)) throw error;
    for (
      const [name, ones] of Map.groupBy(attachments, ({ pod }) => `${pod.namespace}/${pod.name}`)
    ) {
      const release = releaseOf(world, world.store.documents, ones);
      if (release) world.store.addPending(name, release.checks, release.writes);
    }
  }
}

// Each may take its endpoint and claim along: six operations, of the hundred that a commit may have.
const SLICE = 15;

function* slices<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < list.length; at += SLICE) yield list.slice(at, at + SLICE);
}

function releaseOf(
  world: World,
  documents: World["store"]["documents"],
  attachments: readonly AttachmentRecord[],
): { readonly checks: readonly Check[]; readonly writes: readonly Write[] } | undefined {
  const present = attachments.map(attachmentKey)
    .map((key) => ({ key, document: documents.get(key) }))
    .filter(({ document }) =>
      attachments.some((one) => one.id === (document?.value as AttachmentRecord | undefined)?.id)
    );
  if (present.length === 0) return undefined;
  const gone = present.map(({ document }) => document?.value as AttachmentRecord);
  const departure = planRelease(documents, gone, world.wallMs());
  return {
    checks: [
      ...present.map(({ key, document }) => ({ key, revision: document?.revision ?? 0 })),
      ...departure.checks,
    ],
    writes: [...present.map(({ key }) => ({ key, value: undefined })), ...departure.writes],
  };
}
