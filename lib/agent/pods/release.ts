// Deletes attachments from the store, together with what was made for them alone.

import { type AttachmentRecord, checkOf, type Documents } from "../../intent/records.ts";
import type { Clock } from "../../util/clock.ts";
import { isUnreachable } from "../../util/errors.ts";
import { attachmentKey } from "../store/documents.ts";
import type { Change, StoreCache } from "../store/store_cache.ts";
import { planRelease } from "./endpoint_release.ts";

/** What a release works with. */
export interface ReleaseDeps {
  readonly store: Pick<StoreCache, "commit" | "documents" | "isShared" | "addPending">;
  readonly clock: Pick<Clock, "wallMs">;
}

// Each may take its endpoint, claim and index with it: seven operations, of the hundred that a commit may have.
const BATCH = 14;

/**
 * Deletes the documents of `attachments` as far as they are still theirs, and deletes or holds endpoints
 * that were made for them. They are this host's alone, so if a shared store is unreachable, the deletion
 * is kept and replayed later.
 */
export async function releaseAttachments(
  { store, clock }: ReleaseDeps,
  attachments: readonly AttachmentRecord[],
): Promise<void> {
  const plan = (documents: Documents, some: readonly AttachmentRecord[]) =>
    releaseOf(documents, some, clock.wallMs());
  try {
    for (let at = 0; at < attachments.length; at += BATCH) {
      const batch = attachments.slice(at, at + BATCH);
      await store.commit((documents) => plan(documents, batch));
    }
  } catch (error) {
    if (!store.isShared || !isUnreachable(error)) throw error;
    const byPod = Map.groupBy(attachments, ({ pod }) => `${pod.namespace}/${pod.name}`);
    for (const [name, ofPod] of byPod) {
      const release = plan(store.documents, ofPod);
      if (release) store.addPending(name, release.checks, release.writes);
    }
  }
}

function releaseOf(
  documents: Documents,
  attachments: readonly AttachmentRecord[],
  nowMs: number,
): ReturnType<Change> {
  const present = attachments.map(attachmentKey)
    .map((key) => ({ key, document: documents.get(key) }))
    .filter(({ document }) =>
      attachments.some((one) => one.id === (document?.value as AttachmentRecord | undefined)?.id)
    );
  if (present.length === 0) return undefined;
  const released = present.map(({ document }) => document?.value as AttachmentRecord);
  const endpoints = planRelease(documents, released, nowMs);
  return {
    // A power failure ends the sandboxes, too: a record that it brings back is collected, as those of pods that ran.
    isProvisional: true,
    checks: [...present.map(({ key }) => checkOf(documents, key)), ...endpoints.checks],
    writes: [...present.map(({ key }) => ({ key, value: undefined })), ...endpoints.writes],
  };
}
