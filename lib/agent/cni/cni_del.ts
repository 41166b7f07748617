// DEL and GC: release interfaces by the names that their runtime has for them. Both know a container by its id
// alone: its namespace may be gone, and its pod may run again under another id.

import {
  CNI_CODES,
  type CniAttachmentKey,
  type CniCall,
  type CniConfig,
  CniError,
} from "../../cni/cni_types.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { deadHolders } from "../pods/endpoint_holder.ts";
import { detachAttachments, type TeardownDeps } from "../pods/teardown.ts";
import { attachmentsIn, attachmentsOf } from "../store/documents.ts";

/** What releasing interfaces works with. */
export interface CniDelDeps extends TeardownDeps {
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Releases the interface of a call; one that is unknown is a success. Faults: unavailable, timeout. */
export async function deleteInterface(
  deps: CniDelDeps,
  { containerId, ifname }: CniAttachmentKey,
): Promise<void> {
  const { host, store, sandboxes } = deps;
  const present = attachmentsIn(store.documents, host, containerId);
  const meant = present.filter((one) => isNamed(one, ifname));
  if (meant.length === present.length) sandboxes.tornDown.add(containerId);
  await detachAttachments(deps, containerId, meant);
}

/** Reports whether a runtime means this attachment: a kubelet's set-up left no CNI names, only interfaces. */
function isNamed(one: AttachmentRecord, ifname: string): boolean {
  return (one.cni?.ifname ?? one.interface) === ifname;
}

/**
 * Releases the attachments of the configuration's network that are not among its `validAttachments`, one
 * container after another; if these are unknown, those whose namespace is gone. Goes on after an error, and reports the
 * first at the end. Throws CniError.
 */
export async function collectStale(deps: CniDelDeps, { config }: CniCall): Promise<void> {
  const { host, store, sandboxes, log } = deps;
  const stale = await staleOf(deps, config);
  const failed: string[] = [];
  for (const one of stale) {
    await sandboxes.queue.run(one.sandbox, async () => {
      // Deleted, or attached anew, before our turn.
      const now = attachmentsIn(store.documents, host, one.sandbox).filter(({ id }) =>
        id === one.id
      );
      await detachAttachments(deps, one.sandbox, now, "its runtime does not have it any more");
    }).catch((error) => {
      failed.push(`${one.sandbox} ${one.cni?.ifname}: ${faultFrom(error).message}`);
      log.warn(`attachment not collected: ${failed.at(-1)}`);
    });
  }
  if (failed.length === 0) return;
  throw new CniError(
    CNI_CODES.tryAgain,
    `${failed.length} of ${stale.length} stale attachments were not released`,
    failed[0],
  );
}

/** Returns the key of the queue that is busy while an attachment is being added. */
export function addKey({ id }: Pick<AttachmentRecord, "id">): string {
  return `add ${id}`;
}

function nameOf({ containerId, ifname }: CniAttachmentKey): string {
  return `${containerId} ${ifname}`;
}

async function staleOf(
  deps: CniDelDeps,
  { name, validAttachments: valid = "unknown" }: CniConfig,
): Promise<AttachmentRecord[]> {
  const { host, store, sandboxes: { queue } } = deps;
  const candidates = attachmentsOf(store.documents, host).filter((one) =>
    // One that is being added is not stale; what a crash left, the reconciliation releases.
    one.state !== "planned" && !queue.isBusy(addKey(one)) && one.cni?.network === name
  );
  if (valid === "unknown") {
    const dead = await deadHolders(deps, candidates);
    return candidates.filter(({ id }) => dead.has(id));
  }
  const names = new Set(valid.map(nameOf));
  return candidates.filter(({ sandbox, cni }) =>
    !names.has(nameOf({ containerId: sandbox, ifname: cni?.ifname ?? "" }))
  );
}
