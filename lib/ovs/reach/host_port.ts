// The port that connects the integration bridge with the host's own stack: an internal port, which frames leave
// only by flows that name it. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { isLinkName } from "../../util/names.ts";
import { type LinkRow, type Links, ourBridge, ownerArgs } from "../bridge/link_rows.ts";
import { HOST_KIND } from "../bridge/port_names.ts";
import { isUnicastMac } from "../ports/port_spec.ts";
import { isTrunk, NO_TAG } from "../uplink/trunk.ts";

/** The desired port. */
export interface DesiredHostPort {
  readonly name: string;
  readonly mac: string;
  /** Bytes of a packet. */
  readonly mtu: number;
}

/** Columns of its interface that findLinks() does not read. */
export interface HostInterface {
  readonly mac: string | undefined;
  readonly mtu: number | undefined;
}

/** Bridge and owner of the port. */
export interface HostPortPlace {
  readonly bridge: string;
  readonly owner: string;
}

/** Without a tag of its own, a trunk would get what is flooded in any VLAN. */
const NO_VLAN = [NO_TAG];
const [LOWEST_MTU, HIGHEST_MTU] = [576, 65_535];

/** Returns the arguments of ovs-vsctl that make the port as desired; none where it is so. Faults: usage, conflict. */
export function planHostPort(
  seen: Links,
  { desired, now }: { readonly desired: DesiredHostPort; readonly now: HostInterface },
  place: HostPortPlace,
): string[] {
  const { name, mac, mtu } = parseHostPort(desired);
  ourBridge(seen, place);
  const link = seen.links.find((one) => one.name === name);
  if (link && !isOurs(link, place)) throw foreign(link);
  const settings = [`mac=${JSON.stringify(mac)}`, `mtu_request=${mtu}`];
  // A port that ovs-vswitchd could not open is re-created: it tries again only when a row changes.
  if (link?.bridge === place.bridge && link.type === "internal" && link.error === undefined) {
    const isSame = now.mac === mac && now.mtu === mtu;
    return [
      ...isSame ? [] : ["--", "set", "Interface", name, ...settings],
      ...isTrunk(link, NO_VLAN) ? [] : [
        ...["--", "clear", "Port", name, "tag"],
        ...["--", "set", "Port", name, "vlan_mode=trunk", `trunks=${NO_TAG}`],
      ],
    ];
  }
  return [
    ...link ? ["--", "del-port", name] : [],
    ...["--", "add-port", place.bridge, name, "vlan_mode=trunk", `trunks=${NO_TAG}`],
    ...ownerArgs(place.owner, HOST_KIND),
    ...["--", "set", "Interface", name, "type=internal", ...settings],
  ];
}

/** Returns the arguments that remove the port; none where it does not exist or is not ours. */
export function planNoHostPort({ links }: Pick<Links, "links">, place: HostPortPlace): string[] {
  return links.filter((link) => isOurs(link, place))
    .flatMap(({ name }) => ["--", "--if-exists", "del-port", name]);
}

function isOurs({ owner, kind }: LinkRow, place: HostPortPlace): boolean {
  return owner === place.owner && kind === HOST_KIND;
}

function parseHostPort(desired: DesiredHostPort): DesiredHostPort {
  const { name, mac, mtu } = desired;
  const why = !isLinkName(name)
    ? "it is not a valid link name"
    : !isUnicastMac(mac)
    ? `"${oneLine(mac, 20)}" is not a unicast MAC`
    : !Number.isInteger(mtu) || mtu < LOWEST_MTU || mtu > HIGHEST_MTU
    ? `MTU ${mtu} is out of range (${LOWEST_MTU}-${HIGHEST_MTU})`
    : undefined;
  if (why === undefined) return desired;
  throw new Fault("usage", `port "${oneLine(name, 40)}" to the host rejected`, { why });
}

function foreign({ name, bridge, owner }: LinkRow): Fault {
  const whose = owner === undefined ? "it is not ours" : `it belongs to host ${owner}`;
  return new Fault("conflict", `Open vSwitch has a port ${name} already`, {
    why: `${whose}, and is on bridge ${bridge ?? "(none)"}`,
    fix: `remove it with "ovs-vsctl del-port ${name}"`,
  });
}
