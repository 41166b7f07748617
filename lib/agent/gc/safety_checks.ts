// When not to believe what is seen: a sandbox that is missing, a runtime that does not answer, a store
// that is blank. Nobody is cut off and nothing released on one such word.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { SandboxState } from "./sandbox_liveness.ts";
import { faultFrom } from "../../util/errors.ts";
import { attachmentFromPort } from "../pods/port_external_ids.ts";
import { isBlank } from "../store/documents.ts";
import type { World } from "../world.ts";
import type { Actual } from "../pods/steps.ts";

/**
 * Reports whether nothing is to be done because the store is blank while pods of ours live here: it
 * was lost, or lies for a moment. They are left as they are; what comes back to the store rings.
 */
export async function isStoreLost(world: World, { rows }: Actual): Promise<boolean> {
  if (!isBlank(world.store.documents)) return false;
  const told = rows.flatMap((row) => attachmentFromPort(row) ?? []);
  const alive = await Promise.all(told.map((one) => isThere(world, one)));
  const pods = alive.filter(Boolean).length;
  if (pods === 0) return false;
  world.log.error("store is blank: attached pods are left as they are; restore it", { pods });
  return true;
}

/** Reports whether a sandbox is there, or cannot be asked about now: no answer is no proof. */
export async function isThere(world: World, one: AttachmentRecord): Promise<boolean> {
  try {
    return await world.runtimes.isAlive(one);
  } catch (error) {
    world.log.warn(`sandbox not asked about: ${faultFrom(error).message}`);
    return true;
  }
}

/** Marks a sandbox that is missing; reports whether it is to be released. */
export function isGarbage(
  { gracePeriod, log }: World,
  one: AttachmentRecord,
  fate: SandboxState,
): boolean {
  const wasMarked = gracePeriod.isMarked(one.id);
  const isDue = gracePeriod.isDue(one.id, fate);
  const isMarked = gracePeriod.isMarked(one.id);
  const pod = `${one.pod.namespace}/${one.pod.name}`;
  if (isMarked && !wasMarked) log.info("sandbox is missing, looked for again", { pod });
  if (!isMarked && wasMarked) log.info("sandbox is back", { pod });
  return isDue;
}
