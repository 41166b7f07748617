// Attachments whose network can have no tag on this host: a VLAN network has claimed the one it had, and
// no other is left. Their frames would be that network's, so they are detached; all others stay.

import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import { type Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { LogDedup } from "../../util/log_dedup.ts";
import { setAttachmentFailed } from "../pods/attachment_state.ts";
import { desiredOf } from "../pods/desired.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import type { Actual, Desired } from "../pods/steps.ts";
import type { StoreCache } from "../store/store_cache.ts";

/** An attachment that can have no tag here, and why. */
export interface Untagged {
  readonly attachment: AttachmentRecord;
  readonly fault: Fault;
}

/** Sorts attachments by whether they can have a tag. */
export function sortByTag(
  tags: Pick<LocalTags, "tagOf">,
  documents: Documents,
  attachments: readonly AttachmentRecord[],
) {
  const [desired, untagged]: [Desired[], Untagged[]] = [[], []];
  for (const attachment of attachments) {
    try {
      desired.push(desiredOf(tags, documents, attachment));
    } catch (error) {
      untagged.push({ attachment, fault: faultFrom(error) });
    }
  }
  return { desired, untagged };
}

/** What detaching works with. */
export interface DetachUntaggedDeps {
  readonly store: Pick<StoreCache, "commit">;
  readonly plumbing: Pick<Plumbing, "apply">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly log: Pick<Log, "warn" | "error">;
  readonly logDedup: LogDedup;
}

/** Detaches those that have no tag, and logs each once. Returns how many they are: all have failed. */
export async function detachUntagged(
  { store, plumbing, sandboxes, log, logDedup }: DetachUntaggedDeps,
  untagged: readonly Untagged[],
  { rows, hostEnds }: Actual,
): Promise<number> {
  const present = new Set([...rows.map((row) => row.name), ...hostEnds]);
  for (const { attachment, fault } of untagged) {
    const name = hostEndOf(attachment);
    try {
      // In the sandbox's turn: a set-up that is under way refuses it by itself.
      if (present.has(name)) {
        const step = { do: "detach", name, why: fault.what } as const;
        await sandboxes.queue.run(attachment.sandbox, () => plumbing.apply(step));
      }
    } catch (error) {
      log.warn(`not detached: ${faultFrom(error).message}`, { port: name });
    }
    if (logDedup.isNew(`step ${name}`, fault.message)) {
      log.error(`attach failed: ${fault.message}`, { port: name });
    }
    await setAttachmentFailed(store, attachment, fault.message);
  }
  return untagged.length;
}
