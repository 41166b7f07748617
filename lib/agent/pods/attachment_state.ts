// Records the state of an attachment; where the record says so already, nothing is written.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Json } from "../../store/store.ts";
import { attachmentKey } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";

type Commits = Pick<StoreCache, "commit">;

/** Records `failed` and why. An unreachable store learns it from the next reconciliation. */
export function setAttachmentFailed(
  store: Commits,
  one: AttachmentRecord,
  reason: string,
): Promise<void> {
  return setAttachmentState(store, one, "failed", reason).catch(() => {});
}

/** Records `state`, unless another attachment has taken its place. Faults: those of the store. */
export async function setAttachmentState(
  store: Commits,
  one: AttachmentRecord,
  state: "ready" | "failed",
  reason?: string,
): Promise<void> {
  await store.commit((documents) => {
    const key = attachmentKey(one);
    const document = documents.get(key);
    const now = document?.value as AttachmentRecord | undefined;
    if (now?.id !== one.id || (now.state === state && now.reason === reason)) return undefined;
    const { reason: _old, ...rest } = now;
    const value = { ...rest, state, ...(reason ? { reason } : {}) } as unknown as Json;
    return { checks: [{ key, revision: document?.revision ?? 0 }], writes: [{ key, value }] };
  });
}
