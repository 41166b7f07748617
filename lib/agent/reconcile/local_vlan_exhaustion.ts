// Attachments whose network can have no tag on this host: a VLAN network has claimed the one it had, and
// no other is left. Their frames would be that network's, so they are cut off; all others go on.

import type { AttachmentRecord } from "../../intent/records.ts";
import { type Fault, faultFrom } from "../../util/errors.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";
import { desiredOf } from "../pods/desired.ts";
import { applyStep } from "../pods/attach.ts";
import type { World } from "../world.ts";
import { setAttachmentFailed } from "../pods/attachment_state.ts";
import type { Actual, Desired } from "../pods/steps.ts";

/** One that is not to be had here, and why. */
export interface Untagged {
  readonly attachment: AttachmentRecord;
  readonly fault: Fault;
}

/** Sorts attachments by whether they can have a tag. */
export function sortByTag(world: World, attachments: readonly AttachmentRecord[]) {
  const [wanted, untagged]: [Desired[], Untagged[]] = [[], []];
  for (const attachment of attachments) {
    try {
      wanted.push(desiredOf(world, world.store.documents, attachment));
    } catch (error) {
      untagged.push({ attachment, fault: faultFrom(error) });
    }
  }
  return { wanted, untagged };
}

/** Takes away what is there of those; each is said once. Gives how many there are: all have failed. */
export async function cutOff(
  world: World,
  untagged: readonly Untagged[],
  { rows, hostEnds }: Actual,
): Promise<number> {
  const there = new Set([...rows.map((row) => row.name), ...hostEnds]);
  for (const { attachment, fault } of untagged) {
    const name = hostEndOf(attachment);
    try {
      // In the sandbox's turn: a set-up that is under way refuses it by itself.
      if (there.has(name)) {
        const step = { do: "detach", name, why: fault.what } as const;
        await world.queue.run(attachment.sandbox, () => applyStep(world, step));
      }
    } catch (error) {
      world.log.warn(`not cut off: ${faultFrom(error).message}`, { port: name });
    }
    if (world.logDedup.isNew(`step ${name}`, fault.message)) {
      world.log.error(`attach failed: ${fault.message}`, { port: name });
    }
    await setAttachmentFailed(world, attachment, fault.message);
  }
  return untagged.length;
}
