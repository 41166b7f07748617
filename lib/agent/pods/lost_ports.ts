// Attachments whose warm port is gone or has become another's: they get a port of their own. After a reboot these are
// all; otherwise somebody has removed a link.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Json } from "../../store/store.ts";
import type { Log } from "../../util/log.ts";
import { attachmentKey } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { Plumbing } from "./plumbing.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { Actual } from "./steps.ts";

/** What replacing works with. */
export interface LostPortsDeps {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly plumbing: Pick<Plumbing, "observe">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly log: Pick<Log, "info">;
  /** Whether this agent can use warm ports at all. */
  readonly hasWarmPorts: boolean;
}

/** Records that those of `mine` whose port is lost have none; returns the attachments as they are recorded now. */
export async function replaceLostPorts(
  deps: LostPortsDeps,
  mine: readonly AttachmentRecord[],
  actual: Actual,
): Promise<AttachmentRecord[]> {
  return await Promise.all(mine.map(async (one) => {
    if (!isLost(deps, one, actual)) return one;
    // Looked at again in the sandbox's turn: a set-up may have got a port that is newer than `actual`.
    return await deps.sandboxes.queue.run(one.sandbox, () => replace(deps, one));
  }));
}

async function replace(deps: LostPortsDeps, one: AttachmentRecord): Promise<AttachmentRecord> {
  const { store, plumbing, log } = deps;
  if (!isLost(deps, one, await plumbing.observe((name) => name === one.port))) return one;
  const key = attachmentKey(one);
  let recorded = one;
  await store.commit((documents) => {
    const document = documents.get(key);
    const now = document?.value as AttachmentRecord | undefined;
    if (now?.id !== one.id || now.port !== one.port) return undefined;
    recorded = withoutPort(now);
    const revision = document?.revision ?? 0;
    return {
      checks: [{ key, revision }],
      writes: [{ key, value: recorded as unknown as Json }],
    };
  });
  if (recorded !== one) log.info("warm port lost, the pod gets another port", { port: one.port });
  return recorded;
}

/** Returns an attachment that has a port of its own. */
export function withoutPort({ port: _, ...attachment }: AttachmentRecord): AttachmentRecord {
  return attachment;
}

function isLost(
  { hasWarmPorts }: LostPortsDeps,
  { id, port }: AttachmentRecord,
  { rows, hostEnds }: Actual,
): boolean {
  if (port === undefined) return false;
  const holder = rows.find(({ name }) => name === port)?.externalIds.attachment;
  return !hasWarmPorts || !hostEnds.includes(port) || (holder !== undefined && holder !== id);
}
