// Children of deleted objects: they must be deleted in the same plan, or `force` deletes them, too.

import { Fault } from "../../util/errors.ts";
import { type AttachmentRecord, keys } from "../records.ts";
import { podsOf } from "./live.ts";
import {
  endpointKeyOf,
  listNames,
  nameOf,
  networkKeyOf,
  type Stored,
  tenantKeyOf,
  titleOf,
} from "./stored.ts";
import type { Desired } from "./desired_types.ts";

/**
 * Removes the children of deleted objects from `desired`, if `force` is set.
 * Faults: conflict otherwise, with the names of the children.
 */
export function cascadeDeletions(desired: Desired, stored: Stored, force: boolean): void {
  const tenants = deletedKeys(stored.tenants, desired.tenants);
  refuseAboveUnreadable(stored, [...tenants, ...deletedKeys(stored.networks, desired.networks)]);
  cascade("networks", desired.networks, (one) => tenants.has(tenantKeyOf(one)), tenantKeyOf, force);
  const networks = deletedKeys(stored.networks, desired.networks);
  cascade(
    "endpoints",
    desired.endpoints,
    (one) => networks.has(networkKeyOf(one)),
    networkKeyOf,
    force,
  );
  if (force) return;
  const attachments = [...stored.attachments.values()];
  const hasEndpoint = (one: AttachmentRecord) => stored.endpoints.has(endpointKeyOf(one));
  refuseUnderPods(attachments.filter((one) => !hasEndpoint(one)), networkKeyOf, networks);
  const isStaying = (one: AttachmentRecord) =>
    hasEndpoint(one)
      ? desired.endpoints.has(endpointKeyOf(one))
      : desired.networks.has(networkKeyOf(one));
  const hostKeyOf = ({ host }: AttachmentRecord) => keys.host(host);
  refuseUnderPods(
    attachments.filter(isStaying),
    hostKeyOf,
    deletedKeys(stored.hosts, desired.hosts),
  );
}

/** What depends on an unreadable record is not known: its parents cannot be deleted, forced or not. */
function refuseAboveUnreadable({ unreadable }: Stored, keys: readonly string[]): void {
  for (const [key, why] of unreadable) {
    const [folder, tenant, network, last] = key.split("/");
    const parent = folder === "networks"
      ? `tenants/${tenant}`
      : folder === "endpoints" && last
      ? `networks/${tenant}/${network}`
      : undefined;
    if (parent === undefined || !keys.includes(parent)) continue;
    throw new Fault("conflict", `${titleOf(parent)} is not deleted`, {
      why: `${titleOf(key)} belongs to it, and ${why}`,
      fix: "use a newer k8contivnet",
    });
  }
}

function deletedKeys(
  records: ReadonlyMap<string, unknown>,
  desired: ReadonlyMap<string, unknown>,
): ReadonlySet<string> {
  return new Set([...records.keys()].filter((key) => !desired.has(key)));
}

function cascade<T>(
  what: string,
  children: Map<string, T>,
  isBelow: (child: T) => boolean,
  parentOf: (child: T) => string,
  force: boolean,
): void {
  const below = [...children].filter(([, child]) => isBelow(child));
  if (force) {
    for (const [key] of below) children.delete(key);
    return;
  }
  const parent = below[0] && parentOf(below[0][1]);
  if (parent === undefined) return;
  const siblings = below.filter(([, child]) => parentOf(child) === parent);
  throw new Fault("conflict", `${titleOf(parent)} is not deleted`, {
    why: `it has ${what} ${
      listNames(siblings.map(([key]) => nameOf(key).split("/").at(-1) ?? key))
    }`,
    fix: "delete them too, or add --force",
  });
}

/** Faults where pods are attached: without an endpoint they keep their network, with one their host. */
function refuseUnderPods(
  attachments: readonly AttachmentRecord[],
  parentOf: (attachment: AttachmentRecord) => string,
  parents: ReadonlySet<string>,
): void {
  const first = attachments.find((one) => parents.has(parentOf(one)));
  if (!first) return;
  const parent = parentOf(first);
  throw new Fault("conflict", `${titleOf(parent)} is not deleted`, {
    why: `attached: ${podsOf(attachments.filter((one) => parentOf(one) === parent))}`,
    fix: "delete these pods first, or add --force",
  });
}
