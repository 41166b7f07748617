// Converts an attachment to the external_ids of its port and back: the agent can restore its attachments from
// Open vSwitch alone. Pure.

import type { AttachmentRecord } from "../../intent/records.ts";
import { SCHEMA } from "../../intent/records.ts";
import type { PairSpec } from "../../net/links.ts";
import type { ParkedPort, PortReach, PortRow, PortSpec } from "../../ovs/switch.ts";

/** Prefix of the alias of each host end. */
export const ALIAS_PREFIX = "k8contivnet:";

/** Returns the name of the host end of an attachment: 13 characters, unique by its id or that of its warm port. */
export function hostEndOf({ id, port }: { readonly id: string; readonly port?: string }): string {
  return port ?? `cv${id}`;
}

/** Returns the name of a new warm port; `id` are 11 hex digits. */
export function warmPortName(id: string): string {
  return `cw${id}`;
}

/** Reports whether a port of that name is or was a warm one. */
export function isWarmPort(name: string): boolean {
  return /^cw[0-9a-f]{11}$/.test(name);
}

/** Returns the warm port of a network as it is while no pod has it; with `mtu` of its links, in bytes. */
export function parkedPort(
  { name, tenant, network, tag, mtu }: {
    readonly name: string;
    readonly tenant: string;
    readonly network: string;
    readonly tag: number;
    readonly mtu: number;
  },
): ParkedPort {
  return { name, tag, externalIds: { tenant, network, mtu: String(mtu) } };
}

/** Returns the port that `attachment` should have, on access tag `tag`; `reach` with a distributed gateway. */
export function attachmentToPort(
  attachment: AttachmentRecord,
  tag: number,
  reach?: PortReach,
): PortSpec {
  const { id, tenant, network, endpoint, pod, sandbox, mac, mtu, generation, gateway } = attachment;
  return {
    name: hostEndOf(attachment),
    tag,
    mac,
    addresses: attachment.addresses.map(bareAddress),
    ...reach && { reach },
    externalIds: {
      attachment: id,
      host: attachment.host,
      tenant,
      network,
      endpoint,
      namespace: pod.namespace,
      pod: pod.name,
      ...(attachment.podUid === undefined ? {} : { "pod-uid": attachment.podUid }),
      sandbox,
      netns: attachment.netns,
      "netns-inode": String(attachment.netnsInode),
      ...(attachment.startTime === undefined ? {} : { "start-time": String(attachment.startTime) }),
      interface: attachment.interface,
      addresses: attachment.addresses.join(" "),
      mac,
      mtu: String(mtu),
      generation: String(generation),
      ...(gateway ? { gateway } : {}),
      ...(attachment.alias ? { alias: attachment.alias } : {}),
      ...(attachment.cni
        ? { "cni-network": attachment.cni.network, "cni-ifname": attachment.cni.ifname }
        : {}),
    },
  };
}

/** Returns the attachment in the external_ids of a port; undefined if they are incomplete. */
export function attachmentFromPort(
  { name, externalIds: ids }: PortRow,
): AttachmentRecord | undefined {
  const { attachment, host, tenant, network, endpoint, namespace, pod, sandbox, netns, mac } = ids;
  if (!attachment || !host || !tenant || !network || !endpoint || !namespace || !pod) {
    return undefined;
  }
  if (!sandbox || !netns || !mac || !ids.interface || !ids.addresses) return undefined;
  return {
    schema: SCHEMA,
    id: attachment,
    ...(isWarmPort(name) ? { port: name } : {}),
    host,
    tenant,
    network,
    endpoint,
    pod: { namespace, name: pod },
    ...(ids["pod-uid"] ? { podUid: ids["pod-uid"] } : {}),
    sandbox,
    netns,
    netnsInode: Number(ids["netns-inode"]),
    ...(ids["start-time"] ? { startTime: Number(ids["start-time"]) } : {}),
    interface: ids.interface,
    addresses: ids.addresses.split(" "),
    ...(ids.gateway ? { gateway: ids.gateway } : {}),
    ...(ids.alias ? { alias: ids.alias } : {}),
    mac,
    mtu: Number(ids.mtu),
    generation: Number(ids.generation),
    ...(ids["cni-network"] && ids["cni-ifname"]
      ? { cni: { network: ids["cni-network"], ifname: ids["cni-ifname"] } }
      : {}),
    state: "planned",
  };
}

/** Returns the link that `attachment` should have. */
export function attachmentToPair(
  attachment: AttachmentRecord,
  { checksumOffload, hasForeign }: { checksumOffload: boolean; hasForeign: boolean },
): PairSpec {
  const { netns, netnsInode, mac, mtu, addresses, gateway } = attachment;
  return {
    hostEnd: hostEndOf(attachment),
    alias: `${ALIAS_PREFIX}${attachment.id} ${attachment.pod.namespace}/${attachment.pod.name} ` +
      `${attachment.tenant}/${attachment.network}`,
    netns,
    netnsInode,
    interface: attachment.interface,
    mac,
    mtu,
    addresses,
    // An interface of another program keeps its default route.
    ...(gateway && !hasForeign ? { gateway } : {}),
    checksumOffload,
  };
}

/** `11.1.0.1/24` without its prefix length. */
export function bareAddress(cidr: string): string {
  return cidr.split("/")[0] ?? cidr;
}
