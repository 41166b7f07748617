// Which pod ends to check after link events, and whether they are as desired. Pure.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { LinkEvent } from "../../net/link_events.ts";
import type { PodLink } from "../../net/links.ts";
import { bareAddress, hostEndOf } from "../pods/port_external_ids.ts";

/** Returns the attachments that `events` may concern; all if the kernel lost events. */
export function suspectsOf<T extends AttachmentRecord>(
  events: readonly LinkEvent[],
  attachments: readonly T[],
): T[] {
  if (events.some(({ kind }) => kind === "lost")) return [...attachments];
  const addresses = new Set(events.flatMap((one) => one.kind === "address" ? one.address : []));
  const gateways = new Set(events.flatMap((one) => one.kind === "route" ? one.gateway : []));
  const gone = new Set(events.flatMap((one) => one.kind === "gone" ? one.name : []));
  const links = events.filter((one) => one.kind === "link");
  const macs = new Set(links.map(({ mac }) => mac));
  const names = new Set(links.map(({ name }) => name));
  // Most events concern none of most attachments.
  const isChanged = (one: T) =>
    (macs.has(one.mac) || names.has(hostEndOf(one))) &&
    links.some(({ name, mac, isUp, mtu }) =>
      (mac === one.mac || name === hostEndOf(one)) &&
      (!isUp || mtu !== one.mtu || ![one.interface, hostEndOf(one)].includes(name))
    );
  return attachments.filter((one) =>
    (gone.size > 0 && gone.has(hostEndOf(one))) || (links.length > 0 && isChanged(one)) ||
    one.addresses.some((cidr) => addresses.has(bareAddress(cidr))) ||
    (one.gateway !== undefined && gateways.has(one.gateway))
  );
}

/** Returns what is wrong with the pod end, given the links of its sandbox; undefined if nothing is. */
export function wrongEnd(
  { interface: name, mac, mtu, addresses }: AttachmentRecord,
  links: readonly PodLink[],
): "differs" | "gone" | undefined {
  const link = links.find((one) => one.name === name);
  if (!link) return "gone";
  const isRight = link.isUp && link.mac === mac && link.mtu === mtu &&
    addresses.every((cidr) => link.addresses.includes(cidr));
  return isRight ? undefined : "differs";
}
