// What the port of an attachment needs in a network with a distributed gateway. Pure, from the records.

import { clusterSettingsIn, isDistributed } from "../../intent/reach_settings.ts";
import type { AttachmentRecord, Documents, NetworkRecord } from "../../intent/records.ts";
import { addressesOfHost, hairpinOf, parseHostRange } from "../../ipam/host_range.ts";
import { macOf } from "../../ipam/macs.ts";
import { portReachOf, type PortReachOfPod } from "../../reach/port_reach.ts";
import { connectionOf } from "../store/documents.ts";
import { hostNumberOf } from "./host_number.ts";

/**
 * Returns it; undefined with an external gateway. Also undefined while the host has no number, or the pod lacks
 * an alias that it needs: without them it reaches its own network alone.
 */
export function reachOfAttachment(
  documents: Documents,
  { host, alias }: Pick<AttachmentRecord, "host" | "alias">,
  network: NetworkRecord,
): PortReachOfPod | undefined {
  const { gateway } = network;
  if (!isDistributed(network) || gateway === undefined) return undefined;
  const number = hostNumberOf(documents, host);
  if (number === undefined) return undefined;
  const isAliased = network.aliasedBecause !== undefined;
  if (isAliased && alias === undefined) return undefined;
  const range = parseHostRange(clusterSettingsIn(documents).hostRange);
  if (number > range.lastHost) return undefined;
  const mac = macOf(addressesOfHost(range, number).node);
  const reach = new Set(connectionOf(documents, network).reach);
  return portReachOf(
    { gateway, reach },
    { mac },
    isAliased && alias !== undefined
      ? { address: alias, hairpin: hairpinOf(range, alias) }
      : undefined,
  );
}
