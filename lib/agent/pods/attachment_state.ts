// Says in an attachment's record how it is; where it says so already, nothing is written.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Json } from "../../store/store.ts";
import { attachmentKey } from "../store/documents.ts";
import type { World } from "../world.ts";

/** As mark, with what is wrong; a store that is away is told by the next look. */
export function setAttachmentFailed(
  world: World,
  one: AttachmentRecord,
  reason: string,
): Promise<void> {
  return setAttachmentState(world, one, "failed", reason).catch(() => {});
}

/** Marks the attachment, unless another one has taken its place. */
export async function setAttachmentState(
  world: World,
  one: AttachmentRecord,
  state: "ready" | "failed",
  reason?: string,
): Promise<void> {
  await world.store.commit((documents) => {
    const key = attachmentKey(one);
    const document = documents.get(key);
    const now = document?.value as AttachmentRecord | undefined;
    if (now?.id !== one.id || (now.state === state && now.reason === reason)) return undefined;
    const { reason: _old, ...rest } = now;
    const value = { ...rest, state, ...(reason ? { reason } : {}) } as unknown as Json;
    return { checks: [{ key, revision: document?.revision ?? 0 }], writes: [{ key, value }] };
  });
}
