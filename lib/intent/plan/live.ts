// Which pods are attached to which endpoints and networks, and which changes that forbids.

import { parseAddress } from "../../ipam/subnets.ts";
import { Fault } from "../../util/errors.ts";
import type { AttachmentRecord } from "../records.ts";
import { endpointKeyOf, listNames, networkKeyOf, type Stored, titleOf } from "./stored.ts";
import type { Desired } from "./desired_types.ts";

/** Attachments by the key of their endpoint and by that of their network. */
export type LiveAttachments = ReadonlyMap<string, readonly AttachmentRecord[]>;

/** Returns the attachments, in any state, except those of deleted endpoints. */
export function liveAttachments(stored: Stored, desired: Desired): LiveAttachments {
  const live = new Map<string, AttachmentRecord[]>();
  const add = (key: string, attachment: AttachmentRecord) => {
    const known = live.get(key);
    if (known) known.push(attachment);
    else live.set(key, [attachment]);
  };
  for (const attachment of stored.attachments.values()) {
    const endpoint = endpointKeyOf(attachment);
    if (stored.endpoints.has(endpoint) && !desired.endpoints.has(endpoint)) continue;
    add(endpoint, attachment);
    add(networkKeyOf(attachment), attachment);
  }
  return live;
}

/** Returns the addresses that pods have at this moment, by network key, with their endpoint's key. */
export function addressesOfPods(stored: Stored): ReadonlyMap<string, ReadonlyMap<number, string>> {
  const held = new Map<string, Map<number, string>>();
  for (const attachment of stored.attachments.values()) {
    const network = networkKeyOf(attachment);
    const addresses = held.get(network) ?? new Map<number, string>();
    held.set(network, addresses);
    for (const cidr of attachment.addresses) {
      const address = cidr.split("/")[0] ?? "";
      // IPv6 addresses are in no pool.
      if (!address.includes(":")) addresses.set(parseAddress(address), endpointKeyOf(attachment));
    }
  }
  return held;
}

/** Returns the pods of `attachments` as text, in alphabetical order: `default/web on host1, …`. */
export function podsOf(attachments: readonly AttachmentRecord[]): string {
  return listNames(
    attachments.map(({ pod, host }) => `${pod.namespace}/${pod.name} on ${host}`).sort(),
  );
}

/** Faults (conflict) where `key`, which has live attachments, would change in `fields`; `orElse` is another way out. */
export function refuseLiveChange(
  live: LiveAttachments,
  key: string,
  fields: readonly string[],
  orElse = "",
): void {
  const attachments = live.get(key);
  if (!attachments || fields.length === 0) return;
  throw new Fault("conflict", `${titleOf(key)} keeps its ${fields.join(", ")}`, {
    why: `attached: ${podsOf(attachments)}`,
    fix: `delete these pods first${orElse}`,
  });
}
