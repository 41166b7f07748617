// From claimed to attached: the steps of a set-up, and the rollback of one that failed.

import { type AttachmentRecord, checkOf } from "../../intent/records.ts";
import type { Json, Write } from "../../store/store.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { Clock } from "../../util/clock.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { FabricSync } from "../fabric/fabric_sync.ts";
import type { PolicyEnforcer } from "../policy/policy_enforcer.ts";
import type { ReachSync } from "../reach/reach_sync.ts";
import { attachmentKey } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { logDetached } from "./attachment_log.ts";
import type { Claim } from "./claim.ts";
import { desiredOf } from "./desired.ts";
import type { LocalTags } from "./local_tags.ts";
import type { Plumbing } from "./plumbing.ts";
import { hostEndOf } from "./port_external_ids.ts";
import { withoutPort } from "./lost_ports.ts";
import { releaseAttachments } from "./release.ts";
import { planSteps, type Step } from "./steps.ts";
import { WarmPortLost } from "./warm_ports.ts";

/** What applying a claim works with. */
export interface ApplyClaimDeps {
  readonly store: Pick<StoreCache, "commit" | "documents" | "isShared" | "addPending">;
  readonly plumbing: Pick<Plumbing, "apply" | "detach" | "observe">;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly policies: Pick<PolicyEnforcer, "ensureFor">;
  readonly fabric: Pick<FabricSync, "ensure">;
  readonly reach: Pick<ReachSync, "ready" | "ensureFor">;
  readonly clock: Clock;
  readonly log: Log;
  /** Notified where a rollback has to be finished by the next reconciliation. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

/** A claim that was committed, or was made while the store was unreachable. */
export interface CommittedClaim extends Claim {
  /** Resolves when it survives a power failure. */
  readonly persisted: Promise<void>;
  /** Name that its pending writes have; undefined where the store has them. */
  readonly pendingAs: string | undefined;
}

/**
 * Attaches what was claimed and records it as ready, while Open vSwitch adds the port; returns the attachments as
 * they are recorded. After a crash, a reconciliation attaches what is recorded, ready or not. On a Fault nothing is
 * left of the attachments that were not ready before: neither claim nor record nor port.
 */
export async function applyClaim(
  deps: ApplyClaimDeps,
  claim: CommittedClaim,
): Promise<AttachmentRecord[]> {
  const { store, plumbing } = deps;
  if (claim.stale.length > 0) await detachStale(deps, claim);
  const fresh = claim.attachments.filter((one) => one.state !== "ready");
  let steps: Step[];
  try {
    // A pod's policies are installed before its port.
    await deps.policies.ensureFor(() => tagsOf(deps, claim.attachments));
    // So is the fabric: the tag may have been another network's, whose way to other hosts goes first.
    await deps.fabric.ensure();
    await deps.reach.ready();
    steps = await stepsFor(deps, claim);
  } catch (error) {
    // A claim that can have no tag here would hold up every reconciliation.
    await rollBack(deps, fresh, []);
    throw error;
  }
  // Without it nothing of the pod gets further than its own network, so it need not come first.
  const reaching = deps.reach.ensureFor(claim.attachments);
  let recording: Promise<void> | undefined;
  const record = () => recording ??= recordReady(store, fresh, claim.pendingAs);
  const results = await carryOut(plumbing, steps, () => {
    // Writes of an unreachable store's claim are kept only when all is done.
    if (claim.pendingAs === undefined) record().catch(() => {}); // awaited below
  });
  await reaching;
  const failed = results.find((result) => result.status === "rejected");
  // A step that failed has undone itself already.
  const done = results.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  const attachments = claim.attachments.map((one) => asAttached(one, done));
  try {
    // What is still being recorded fails: the rollback removes what it checks.
    if (failed) throw failed.reason;
    await record();
    // Those that got another port than was planned.
    const moved = attachments.filter((one, at) => one !== claim.attachments[at]);
    await recordReady(store, moved, claim.pendingAs);
    await claim.persisted;
  } catch (error) {
    await rollBack(deps, fresh, done);
    throw error;
  }
  return attachments.map((one) => ({ ...one, state: "ready" as const }));
}

/** Carries out a step; where a warm port turns out to be lost, the pod gets a port of its own. Returns what was done. */
async function applyStep(
  plumbing: Pick<Plumbing, "apply">,
  step: Step,
  onLinked: () => void,
): Promise<Step> {
  try {
    await plumbing.apply(step, onLinked);
    return step;
  } catch (error) {
    if (step.do !== "attach" || !(error instanceof WarmPortLost)) throw error;
    const plain = { ...step, attachment: withoutPort(step.attachment) };
    await plumbing.apply(plain, onLinked);
    return plain;
  }
}

function asAttached(attachment: AttachmentRecord, done: readonly Step[]): AttachmentRecord {
  const step = done.find((one) => one.do === "attach" && one.attachment.id === attachment.id);
  return step?.do === "attach" ? step.attachment : attachment;
}

/**
 * Carries out the steps. Calls `onLinked` when each has created its links, and the ports are about to be added: what
 * follows goes on while Open vSwitch adds them.
 */
function carryOut(
  plumbing: ApplyClaimDeps["plumbing"],
  steps: readonly Step[],
  onLinked: () => void,
): Promise<PromiseSettledResult<Step>[]> {
  const missing = new Set(steps);
  return Promise.allSettled(steps.map((step) =>
    applyStep(plumbing, step, () => {
      if (missing.delete(step) && missing.size === 0) onLinked();
    })
  ));
}

/** Removes the ports of attachments that this claim replaces. */
async function detachStale(deps: ApplyClaimDeps, { stale, attachments }: Claim): Promise<void> {
  const started = deps.clock.now();
  const { linksGone } = await deps.plumbing.detach(stale.map(hostEndOf));
  for (const one of stale) logDetached(deps, one, started, "its endpoint is attached anew");
  // The same sandbox may need the interface name again.
  const sandboxes = attachments.map((one) => one.sandbox);
  if (stale.some((one) => sandboxes.includes(one.sandbox))) await linksGone;
}

function tagsOf(
  { tags, store }: ApplyClaimDeps,
  attachments: readonly AttachmentRecord[],
): number[] {
  return attachments.map((one) => desiredOf(tags, store.documents, one).tag);
}

/** Of new attachments, which most are, nothing can be on the host yet: it is not asked. */
async function stepsFor(
  { tags, store: { documents }, plumbing }: ApplyClaimDeps,
  { attachments, isNew }: Claim,
): Promise<Step[]> {
  const desired = attachments.map((one) => desiredOf(tags, documents, one));
  if (isNew) return planSteps(desired, { rows: [], hostEnds: [] });
  const mine = new Set(attachments.map(hostEndOf));
  return planSteps(desired, await plumbing.observe((name) => mine.has(name)));
}

async function recordReady(
  store: ApplyClaimDeps["store"],
  fresh: readonly AttachmentRecord[],
  pendingAs: string | undefined,
): Promise<void> {
  if (fresh.length === 0) return;
  if (pendingAs !== undefined) return store.addPending(pendingAs, [], readyWrites(fresh));
  await store.commit((documents) => {
    const present = fresh.map((one) => ({ one, key: attachmentKey(one) }));
    for (const { one, key } of present) {
      if ((documents.get(key)?.value as AttachmentRecord | undefined)?.id === one.id) continue;
      throw new Fault(
        "conflict",
        `attachment of ${one.pod.namespace}/${one.pod.name} was removed`,
        {
          why: "its endpoint was deleted or taken over by another sandbox meanwhile",
          fix: "see k8contivnet get endpoints",
        },
      );
    }
    return {
      checks: present.map(({ key }) => checkOf(documents, key)),
      writes: readyWrites(fresh),
      // After a power failure what was claimed is attached or released, ready or not.
      isProvisional: true,
    };
  });
}

function readyWrites(fresh: readonly AttachmentRecord[]): Write[] {
  return fresh.map((one) => ({
    key: attachmentKey(one),
    value: { ...one, state: "ready" } as unknown as Json,
  }));
}

/** Removes what a failed set-up claimed and made. What is left, the next reconciliation removes. */
async function rollBack(
  deps: ApplyClaimDeps,
  fresh: readonly AttachmentRecord[],
  done: readonly Step[],
): Promise<void> {
  const names = done.flatMap((step) => step.do === "detach" ? [] : [hostEndOf(step.attachment)]);
  try {
    await releaseAttachments(deps, fresh);
    await (await deps.plumbing.detach(names)).linksGone;
  } catch (error) {
    deps.log.warn(`rollback left to the next reconciliation: ${faultFrom(error).message}`);
  }
  deps.reconcileSignal.notify();
}
