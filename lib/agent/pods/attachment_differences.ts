// Compares one attachment with what is really there: links, addresses and default route in the pod, host end,
// row and flows of Open vSwitch. Nothing is changed.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { HostEnd, Links, PodLink } from "../../net/links.ts";
import type { PortRow, Switch } from "../../ovs/switch.ts";
import { faultFrom, isUnreachable } from "../../util/errors.ts";
import { attachmentToPort, hostEndOf } from "./port_external_ids.ts";
import type { Desired } from "./steps.ts";

/** What comparing works with. */
export interface DifferencesDeps {
  readonly links: Pick<Links, "podLinks" | "podGateways" | "hostEnds">;
  readonly switch: Pick<Switch, "ports" | "missingFlows">;
}

/** Returns each difference as a sentence; none if all is as desired. Faults: unavailable, timeout. */
export async function attachmentDifferences(
  deps: DifferencesDeps,
  { attachment, tag, reach }: Desired,
): Promise<string[]> {
  const spec = attachmentToPort(attachment, tag, reach);
  const [pod, rows, ends] = await Promise.all([
    podDifferences(deps.links, attachment),
    deps.switch.ports(),
    deps.links.hostEnds(),
  ]);
  const row = rows.find(({ name }) => name === spec.name);
  const switched = rowDifferences(row, spec);
  const missing = row?.ofport === undefined ? [] : await deps.switch.missingFlows(spec);
  return [
    ...pod,
    ...hostDifferences(ends.find(({ name }) => name === spec.name), attachment),
    ...switched,
    ...missing.map((flow) => `Open vSwitch misses flow ${flow}`),
  ];
}

async function podDifferences(
  links: DifferencesDeps["links"],
  attachment: AttachmentRecord,
): Promise<string[]> {
  const { netns, netnsInode, gateway } = attachment;
  try {
    const all = await links.podLinks(netns, netnsInode);
    const hasForeign = all.some(({ name, isUp }) => isUp && name !== attachment.interface);
    const found = linkDifferences(all, attachment);
    if (gateway === undefined || hasForeign || found.length > 0) return found;
    const gateways = await links.podGateways(netns, netnsInode);
    return gateways.includes(gateway) ? [] : [`the default route via ${gateway} is gone`];
  } catch (error) {
    if (isUnreachable(error)) throw error;
    return [faultFrom(error).message];
  }
}

/** Returns what differs in the pod's link. Pure. */
export function linkDifferences(
  links: readonly PodLink[],
  { interface: name, mac, mtu, addresses }: AttachmentRecord,
): string[] {
  const link = links.find((one) => one.name === name);
  if (!link) return [`interface ${name} is gone`];
  return [
    ...link.isUp ? [] : [`interface ${name} is down`],
    ...link.mac === mac ? [] : [`interface ${name} has MAC ${link.mac} instead of ${mac}`],
    ...link.mtu === mtu ? [] : [`interface ${name} has MTU ${link.mtu} instead of ${mtu}`],
    ...addresses.filter((one) => !link.addresses.includes(one))
      .map((one) => `interface ${name} lacks address ${one}`),
  ];
}

function hostDifferences(end: HostEnd | undefined, attachment: AttachmentRecord): string[] {
  const name = hostEndOf(attachment);
  if (!end) return [`host end ${name} is gone`];
  return [
    ...end.isUp ? [] : [`host end ${name} is down`],
    ...end.mtu === attachment.mtu ? [] : [`host end ${name} has MTU ${end.mtu}`],
  ];
}

/** Returns what differs in the port's row. Pure. */
export function rowDifferences(
  row: PortRow | undefined,
  { name, tag, mac, addresses }: ReturnType<typeof attachmentToPort>,
): string[] {
  if (!row) return [`Open vSwitch has no port ${name}`];
  if (row.ofport === undefined) return [`Open vSwitch could not open port ${name}`];
  return [
    ...row.tag === tag ? [] : [`port ${name} has VLAN ${row.tag ?? "none"} instead of ${tag}`],
    ...row.mac === mac ? [] : [`port ${name} is recorded with MAC ${row.mac}`],
    ...row.addresses?.join() === addresses.join()
      ? []
      : [`port ${name} is recorded with addresses ${row.addresses?.join(" ")}`],
  ];
}
