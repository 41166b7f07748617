// What may be a port: checked before a name or address touches a row, a flow or a command. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { isLinkName } from "../../util/names.ts";
import type { PortRow, PortSpec } from "../switch.ts";

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4 = new RegExp(`^${OCTET}(\\.${OCTET}){3}$`);

/** Returns the spec with its MAC in lower case, as Open vSwitch writes it. Faults: usage. */
export function parsePort(spec: PortSpec): PortSpec {
  const { name, tag, addresses } = spec;
  const mac = spec.mac.toLowerCase();
  if (!isLinkName(name)) {
    throw wrong(name, "the name is no link's", "give 1 to 15 of letters, digits, _ . -");
  }
  parseTag(name, tag);
  if (!isUnicastMac(mac)) {
    throw wrong(name, `"${oneLine(mac, 20)}" is no unicast MAC`, "write it as 02:02:0a:01:01:02");
  }
  const bad = addresses.find((address) => !isIpv4(address));
  if (bad !== undefined) {
    throw wrong(name, `"${oneLine(bad, 40)}" is no IPv4 address`, "write it as 10.1.1.2");
  }
  return { ...spec, mac };
}

/** Reports whether `mac`, in lower case, is the address of one station. */
export function isUnicastMac(mac: string): boolean {
  return MAC.test(mac) && parseInt(mac.slice(0, 2), 16) % 2 === 0 && !/^[0:]+$/.test(mac);
}

/** Reports whether `address` is a bare IPv4 address. */
export function isIpv4(address: string): boolean {
  return IPV4.test(address);
}

/** Returns `tag` back. Faults: usage, when no VLAN has it. */
export function parseTag(name: string, tag: number): number {
  if (Number.isInteger(tag) && tag >= 1 && tag <= 4094) return tag;
  throw wrong(name, `${tag} is no access tag`, "give one from 1 to 4094");
}

function wrong(name: string, why: string, fix: string): Fault {
  return new Fault("usage", `port "${oneLine(name, 40)}" refused`, { why, fix });
}

/**
 * Refuses a port whose tag is another network's for the moment, as its ports are not moved yet: frames
 * would pass from one to the other. Networks are told apart by `tenant` and `network` of the external
 * ids. Faults: unavailable.
 */
export function refuseSharedTag(
  others: readonly Pick<PortRow, "name" | "tag" | "externalIds">[],
  { name, tag, externalIds: { tenant, network } }: PortSpec,
): void {
  const other = others.find((row) =>
    row.tag === tag && row.name !== name &&
    (row.externalIds.tenant !== tenant || row.externalIds.network !== network)
  );
  if (!other) return;
  const owner = `${other.externalIds.tenant ?? "?"}/${other.externalIds.network ?? "?"}`;
  throw new Fault("unavailable", `VLAN ${tag} is still ${owner}'s on this host`, {
    why: `port ${other.name} has it`,
    fix: "try again; if it stays, see the agent's log",
  });
}
