// Releases attachments that no endpoint is bound to any more, and those whose sandbox is gone for the
// grace period.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Clock } from "../../util/clock.ts";
import type { Log } from "../../util/log.ts";
import { logDetached } from "../pods/attachment_log.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { hasNewAddress } from "../pods/new_addresses.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";
import { releaseAttachments, type ReleaseDeps } from "../pods/release.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import { isStillBound } from "../pods/teardown.ts";
import { LOST_ENDPOINT } from "../pods/unmatched_pods.ts";
import { findEndpoint, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { GracePeriod } from "./grace_period.ts";
import { isGarbage } from "./safety_checks.ts";
import type { SandboxStates } from "./sandbox_liveness.ts";

/** What releasing works with. */
export interface ReleaseUnwantedDeps extends HostView, ReleaseDeps {
  readonly store: ReleaseDeps["store"] & Pick<StoreCache, "knows">;
  readonly plumbing: Pick<Plumbing, "detach">;
  readonly gracePeriod: Pick<GracePeriod, "isMarked" | "isDue">;
  readonly sandboxes: Pick<Sandboxes, "unmatched">;
  readonly clock: Clock;
  readonly log: Pick<Log, "info">;
}

/** Releases what is not wanted among `mine`; returns the ids of what was released. */
export async function releaseUnwanted(
  deps: ReleaseUnwantedDeps,
  mine: readonly AttachmentRecord[],
  { stateById }: SandboxStates,
): Promise<Set<string>> {
  // What was attached since the check is alive.
  const stateOf = ({ id }: AttachmentRecord) => stateById.get(id) ?? "alive";
  // A running pod that gets another address keeps what it has until its new attachment is recorded.
  const isWanted = (one: AttachmentRecord) =>
    isStillBound(deps, one) || (stateOf(one) === "alive" && hasNewAddress(deps, one));
  const unwanted = mine.filter((one) =>
    (deps.store.knows(one) && !isWanted(one)) || isGarbage(deps, one, stateOf(one))
  );
  if (unwanted.length === 0) return new Set();
  const started = deps.clock.now();
  // Determined now: the release may delete the endpoint.
  const isBound = new Map(unwanted.map((one) => [one.id, isStillBound(deps, one)]));
  await deps.plumbing.detach(unwanted.map(hostEndOf));
  await releaseAttachments(deps, unwanted);
  for (const one of unwanted) {
    const why = isBound.get(one.id) ? "its sandbox is gone" : LOST_ENDPOINT.deleted;
    logDetached(deps, one, started, why);
    // Its pod may run on, and be named again; if the endpoint moved, the pod runs elsewhere.
    const isUnnamed = !findEndpoint(deps.store.documents, one);
    if (isUnnamed && stateOf(one) === "alive") {
      deps.sandboxes.unmatched.add({ ...one.pod, sandbox: one.sandbox }, LOST_ENDPOINT.deleted);
    }
  }
  return new Set(unwanted.map((one) => one.id));
}
