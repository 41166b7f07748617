// Validates ports, before a name or address gets into a row, a flow or a command. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { isLinkName } from "../../util/names.ts";
import type { ParkedPort, PortReach, PortRow, PortSpec } from "../switch.ts";

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4 = new RegExp(`^${OCTET}(\\.${OCTET}){3}$`);

/** Returns the spec with its MAC in lower case, as Open vSwitch writes it. Faults: usage. */
export function parsePort(spec: PortSpec): PortSpec {
  const { name, addresses } = spec;
  const mac = spec.mac.toLowerCase();
  parseParkedPort(spec);
  if (!isUnicastMac(mac)) {
    throw invalid(
      name,
      `"${oneLine(mac, 20)}" is not a unicast MAC`,
      "write it as 02:02:0a:01:01:02",
    );
  }
  const bad = addresses.find((address) => !isIpv4(address));
  if (bad !== undefined) {
    throw invalid(
      name,
      `"${oneLine(bad, 40)}" is not a valid IPv4 address`,
      "write it as 10.1.1.2",
    );
  }
  if (spec.reach) parseReach(name, spec.reach);
  return { ...spec, mac };
}

function parseReach(name: string, { gateway, hostMac, alias }: PortReach): void {
  const bad = [gateway, ...alias ? [alias.address, alias.hairpin] : []].find((one) => !isIpv4(one));
  if (bad !== undefined) {
    throw invalid(
      name,
      `"${oneLine(bad, 40)}" is not a valid IPv4 address of its gateway or alias`,
      "write it as 10.1.1.2",
    );
  }
  if (isUnicastMac(hostMac)) return;
  throw invalid(
    name,
    `"${oneLine(hostMac, 20)}" is not a unicast MAC of a gateway, in lower case`,
    "write it as 02:02:64:41:00:01",
  );
}

/** Returns a port as it is, if name and tag are valid. Faults: usage. */
export function parseParkedPort<T extends Pick<PortSpec, "name" | "tag">>(port: T): T {
  parseTag(port.name, port.tag);
  if (isLinkName(port.name)) return port;
  const fix = "use 1 to 15 characters of letters, digits, _ . -";
  throw invalid(port.name, "it is not a valid link name", fix);
}

/** Reports whether `mac`, in lower case, is a unicast address other than zero. */
export function isUnicastMac(mac: string): boolean {
  return MAC.test(mac) && parseInt(mac.slice(0, 2), 16) % 2 === 0 && !/^[0:]+$/.test(mac);
}

/** Reports whether `address` is a bare IPv4 address. */
export function isIpv4(address: string): boolean {
  return IPV4.test(address);
}

/** Returns `tag`. Faults: usage, when it is out of range. */
export function parseTag(name: string, tag: number): number {
  if (Number.isInteger(tag) && tag >= 1 && tag <= 4094) return tag;
  throw invalid(name, `access tag ${tag} is out of range (1-4094)`, "use a tag from 1 to 4094");
}

function invalid(name: string, why: string, fix: string): Fault {
  return new Fault("usage", `port "${oneLine(name, 40)}" rejected`, { why, fix });
}

/**
 * Rejects a port whose tag is still used by another network, whose ports are not moved yet: frames would
 * pass from one to the other. Networks are distinguished by `tenant` and `network` of the external ids.
 * Faults: unavailable.
 */
export function refuseSharedTag(
  others: readonly Pick<PortRow, "name" | "tag" | "externalIds">[],
  { name, tag, externalIds: { tenant, network } }: ParkedPort,
): void {
  const other = others.find((row) =>
    row.tag === tag && row.name !== name &&
    (row.externalIds.tenant !== tenant || row.externalIds.network !== network)
  );
  if (!other) return;
  const owner = `${other.externalIds.tenant ?? "?"}/${other.externalIds.network ?? "?"}`;
  throw new Fault("unavailable", `VLAN ${tag} is still used by ${owner} on this host`, {
    why: `port ${other.name} has it`,
    fix: "try again; if it persists, see the agent's log",
  });
}
