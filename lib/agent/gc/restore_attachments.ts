// Restores the records of attachments whose port is on the bridge and whose record is not in the store: a
// store that was lost is rebuilt from Open vSwitch.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import type { Json } from "../../store/store.ts";
import type { Log } from "../../util/log.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { attachmentFromPort, hostEndOf } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import type { Actual } from "../pods/steps.ts";
import { isStillBound } from "../pods/teardown.ts";
import { attachmentKey, attachmentsOf, endpointKeyOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { isAliveOrUnknown } from "./sandbox_liveness.ts";

/** What restoring attachments works with. */
export interface RestoreAttachmentsDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly plumbing: Pick<Plumbing, "observe">;
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Restores the records of rows of ours that the store does not have. */
export async function restoreAttachments(
  deps: RestoreAttachmentsDeps,
  { rows }: Actual,
): Promise<void> {
  const { host, store, sandboxes } = deps;
  for (const row of rows) {
    const attachment = attachmentFromPort(row);
    if (!attachment || attachment.host !== host) continue;
    if (store.documents.has(attachmentKey(attachment))) continue;
    // Checked again in the sandbox's turn: a teardown may be between row and record.
    await sandboxes.queue.run(attachment.sandbox, () => restore(deps, attachment));
  }
}

async function restore(deps: RestoreAttachmentsDeps, one: AttachmentRecord): Promise<void> {
  const { host, store, plumbing, log } = deps;
  const { rows } = await plumbing.observe((name) => name === hostEndOf(one));
  if (rows.length === 0 || !isStillBound(deps, one)) return;
  if (!await isAliveOrUnknown(deps, one)) return;
  const isRestored = await store.commit((documents) => {
    const holder = attachmentsOf(documents, host).find((other) =>
      endpointKeyOf(other) === endpointKeyOf(one)
    );
    if (holder || documents.has(attachmentKey(one))) return undefined;
    return {
      checks: [{ key: attachmentKey(one), revision: 0 }],
      writes: [{ key: attachmentKey(one), value: one as unknown as Json }],
    };
  });
  if (isRestored) log.info("attachment restored from its port", { port: hostEndOf(one) });
}
