// Commits a pod's claim to the store, or, while the store is unreachable, keeps it for later where that
// cannot conflict with another host.

import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import { Fault, faultFrom, isUnreachable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { findEndpoint, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { CommittedClaim } from "./apply_claim.ts";
import type { Claim } from "./claim.ts";
import type { AliasesInFlight } from "./pod_alias.ts";

/** What committing a claim works with. */
export interface CommitClaimDeps extends HostView {
  readonly store: Pick<StoreCache, "commit" | "persist" | "documents" | "isShared" | "addPending">;
  readonly planning: { readonly aliasesInFlight: AliasesInFlight };
  readonly log: Pick<Log, "warn">;
}

/**
 * Commits what `plan` decides on the documents as they are at that moment. While the store is
 * unreachable, a claim on endpoints that are this host's already is kept under `podName` and replayed
 * later; any other is refused, as another host may be making it, too. Faults: those of `plan`, of the
 * store.
 */
export function commitClaim(
  deps: CommitClaimDeps,
  podName: string,
  plan: (documents: Documents) => Claim,
): Promise<CommittedClaim> {
  const { planning: { aliasesInFlight } } = deps;
  return aliasesInFlight.during(plan, (guarded) => commitGuarded(deps, podName, guarded));
}

async function commitGuarded(
  deps: CommitClaimDeps,
  podName: string,
  plan: (documents: Documents) => Claim,
): Promise<CommittedClaim> {
  const { store, log } = deps;
  let claim: Claim | undefined;
  try {
    const isCommitted = await store.commit((documents) => {
      claim = plan(documents);
      if (claim.writes.length === 0) return undefined;
      // It is persisted while the pod is attached.
      return { ...claim, isProvisional: true };
    });
    if (!claim) throw new Fault("failed", "claim was not planned");
    const persisted = isCommitted ? store.persist() : Promise.resolve();
    persisted.catch(() => {}); // awaited before anybody is answered
    return { ...claim, persisted, pendingAs: undefined };
  } catch (error) {
    if (!isUnreachable(error) || !store.isShared) throw error;
    const local = plan(store.documents);
    if (!local.attachments.every((one) => isOurs(deps, one))) throw error;
    log.warn(`store unreachable, set-up recorded for later: ${faultFrom(error).message}`, {
      pod: podName,
    });
    store.addPending(podName, local.checks, local.writes);
    return { ...local, persisted: Promise.resolve(), pendingAs: podName };
  }
}

/** Reports whether an attachment's endpoint is bound or pinned to this host. */
function isOurs({ store, host }: HostView, one: AttachmentRecord): boolean {
  const endpoint = findEndpoint(store.documents, one);
  // An address that is held may be another pod's by now.
  if (!endpoint || endpoint.dynamic?.heldSince !== undefined) return false;
  return (endpoint.pin?.host ?? endpoint.host) === host || endpoint.bound?.host === host;
}
