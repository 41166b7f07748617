// The planner: from stored records and a user's change to a plan, all or nothing. Pure, so that
// the same plan can be shown, tried on a copy, and applied. The steps are the files of plan/:
// stored (read) → desired_intent → target (choose) → changes (compare) → order.

import { Fault } from "../util/errors.ts";
import type { Binding } from "./intent.ts";
import { draftsOf } from "./plan/changes.ts";
import { cascadeDeletions } from "./plan/deletions.ts";
import { liveAttachments, podsOf } from "./plan/live.ts";
import { unusedPolicies } from "./plan/policy_users.ts";
import type { Plan } from "./plan/operation.ts";
import { selectorWarnings } from "./plan/selector_warnings.ts";
import { orderOperations } from "./plan/order.ts";
import { checkReach } from "./plan/reach_checks.ts";
import { endpointKeyOf, nameOf, readDocuments, type Stored } from "./plan/stored.ts";
import { subnetListsOf } from "./plan/subnet_lists.ts";
import { checkTarget } from "./plan/consistency.ts";
import { chooseTarget, pinOf, type Target } from "./plan/target.ts";
import { type Change, desiredOf, storedAsDesired } from "./plan/desired_intent.ts";
import type { Desired } from "./plan/desired_types.ts";
import type { Documents, EndpointRecord } from "./records.ts";

/**
 * Returns the operations that make `change` true in `documents`; none where it is true already.
 * Faults: usage (the intent contradicts itself or what is there), conflict (taken, or in use by
 * pods or children), exhausted (a pool is full), failed (a document cannot be read).
 */
export function planIntent(documents: Documents, change: Change): Plan {
  const stored = readDocuments(documents);
  const desired = desiredOf(stored, change);
  cascadeDeletions(desired, stored, change.force ?? false);
  const live = liveAttachments(stored, desired);
  const target = chooseTarget(stored, desired, live);
  checkTarget(target);
  const reachWarnings = checkReach(stored, target);
  const drafts = draftsOf(stored, target, { live, untouched: desired.untouched });
  return {
    operations: orderOperations(drafts),
    warnings: [
      ...desired.warnings,
      ...unbound(desired.bindings, target),
      ...movedPins(stored, desired, target),
      ...selectorWarnings(target),
      ...unusedPolicies(target.tenants),
      ...reachWarnings,
    ],
    subnetLists: subnetListsOf(stored),
  };
}

/**
 * Returns what changes when every endpoint of the bound containers is pinned, in any tenant and
 * network. A binding without AttachUUID clears an earlier one's. Nothing else moves.
 * Faults: not_found, where the store has no endpoint at all; failed.
 */
export function planBindings(documents: Documents, bindings: readonly Binding[]): Plan {
  const stored = readDocuments(documents);
  if (stored.endpoints.size === 0 && bindings.length > 0) {
    throw new Fault("not_found", "nothing is bound", {
      why: "the store has no endpoint",
      fix: "apply an intent first",
    });
  }
  const desired = storedAsDesired(stored);
  const bindingByContainer = new Map(bindings.map((binding) => [binding.container, binding]));
  const pinned = (endpoint: EndpointRecord): EndpointRecord => {
    const pin = pinOf(bindingByContainer.get(endpoint.container));
    return pin ? { ...endpoint, pin } : endpoint;
  };
  const endpoints = new Map([...stored.endpoints].map(([key, one]) => [key, pinned(one)]));
  const target = { ...stored, endpoints };
  const drafts = draftsOf(stored, target, { live: new Map(), untouched: new Set() });
  return {
    operations: orderOperations(drafts),
    warnings: [...unbound(bindings, target), ...movedPins(stored, desired, target)],
    subnetLists: subnetListsOf(stored),
  };
}

function unbound(bindings: readonly Binding[], { endpoints }: Target): string[] {
  const known = new Set([...endpoints.values()].map(({ container }) => container));
  return bindings
    .filter(({ container }) => !known.has(container))
    .map(({ container }) => `no endpoint is named ${container}, so nothing is bound`);
}

/** A pod stays where it is, even when its endpoint is pinned to another host: that is worth a warning. */
function movedPins(stored: Stored, desired: Desired, { endpoints }: Target): string[] {
  const live = liveAttachments(stored, desired);
  return [...stored.attachments.values()].flatMap((attachment) => {
    const key = endpointKeyOf(attachment);
    const endpoint = endpoints.get(key);
    const host = endpoint && hostOf(endpoint);
    const before = stored.endpoints.get(key);
    if (!host || host === attachment.host || (before && hostOf(before) === host)) return [];
    return live.has(key)
      ? [`${nameOf(key)} now belongs on ${host}, and ${podsOf([attachment])} has it`]
      : [];
  });
}

function hostOf({ pin, host }: EndpointRecord): string | undefined {
  return pin?.host ?? host;
}
