// When not to believe what is observed: a sandbox that is missing, a runtime that does not answer, a store
// that is empty. Nothing is detached or released on one such answer.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Log } from "../../util/log.ts";
import { attachmentFromPort } from "../pods/port_external_ids.ts";
import type { Actual } from "../pods/steps.ts";
import { type HostView, isBlank } from "../store/documents.ts";
import type { GracePeriod } from "./grace_period.ts";
import { type AliveDeps, isAliveOrUnknown, type SandboxState } from "./sandbox_liveness.ts";

/**
 * Reports whether nothing is to be done because the store is empty while pods of ours run here: it was
 * lost, or answers wrongly for a moment. They are left as they are; what comes back to the store causes
 * another reconciliation.
 */
export async function isStoreLost(
  deps: AliveDeps & { readonly store: HostView["store"]; readonly log: Pick<Log, "error"> },
  { rows }: Actual,
): Promise<boolean> {
  if (!isBlank(deps.store.documents)) return false;
  const attached = rows.flatMap((row) => attachmentFromPort(row) ?? []);
  const alive = await Promise.all(attached.map((one) => isAliveOrUnknown(deps, one)));
  const pods = alive.filter(Boolean).length;
  if (pods === 0) return false;
  deps.log.error("store is empty: attached pods are left as they are; restore it", { pods });
  return true;
}

/** Marks a sandbox that is missing; reports whether its attachment is to be released now. */
export function isGarbage(
  { gracePeriod, log }: {
    readonly gracePeriod: Pick<GracePeriod, "isMarked" | "isDue">;
    readonly log: Pick<Log, "info">;
  },
  one: AttachmentRecord,
  state: SandboxState,
): boolean {
  const wasMarked = gracePeriod.isMarked(one.id);
  const isDue = gracePeriod.isDue(one.id, state);
  const isMarked = gracePeriod.isMarked(one.id);
  const pod = `${one.pod.namespace}/${one.pod.name}`;
  if (isMarked && !wasMarked) log.info("sandbox is missing, grace period begins", { pod });
  if (!isMarked && wasMarked) log.info("sandbox is back", { pod });
  return isDue;
}
