// Rows of the VXLAN tunnel: tunnel bridge, patch pair, tunnel port. Returns the arguments of ovs-vsctl that
// turn the existing rows into the desired ones, all in one transaction. Pure.

import { Fault } from "../../util/errors.ts";
import { planBridge, PROTOCOLS, settingsOf } from "../bridge/bridge.ts";
import { ourBridge, ownerArgs } from "../bridge/link_rows.ts";
import type { LinkRow, Links } from "../bridge/link_rows.ts";
import {
  PATCH_ON_INTEGRATION,
  PATCH_ON_TUNNEL,
  UPLINK_KIND,
  VXLAN_PORT,
} from "../bridge/port_names.ts";
import { isTrunk, trunksFor } from "../uplink/trunk.ts";
import type { Columns } from "../ovsdb/ovsdb_connection.ts";
import { OWNER_KEY, recordFromMap, uuidsOf } from "../ovsdb/port_rows.ts";

/** IANA's port for VXLAN, RFC 7348 §5. */
export const VXLAN_UDP_PORT = 4_789;

/** Names of the tunnel's ports. */
export const TUNNEL_PORTS = [PATCH_ON_INTEGRATION, PATCH_ON_TUNNEL, VXLAN_PORT] as const;

/** Bridges of the tunnel, and the host label that owns them. */
export interface TunnelPlace {
  readonly bridge: string;
  readonly tunnelBridge: string;
  readonly owner: string;
}

interface DesiredLink {
  readonly name: string;
  readonly bridge: string;
  readonly kind: string;
  readonly type: "patch" | "vxlan";
  readonly options: Readonly<Record<string, string>>;
  /** Only the integration bridge uses tags. */
  readonly trunks?: readonly number[];
}

/** Returns the arguments that create or change the tunnel; none where it is right. Faults: conflict, not_found. */
export function planTunnel(
  seen: Links,
  desired: { readonly localIp: string; readonly localTags: readonly number[] },
  place: TunnelPlace,
): string[] {
  const { tunnelBridge, owner } = place;
  const integration = settingsOf(ourBridge(seen, place));
  refuseForeign(seen, place);
  refuseClash(seen, desired.localTags, owner);
  const row = seen.bridges.find(({ name }) => name === tunnelBridge);
  const { datapath } = integration;
  const want = { datapath, failMode: "secure", protocols: PROTOCOLS, owner };
  return [
    ...planBridge(tunnelBridge, row && settingsOf(row), want),
    ...desiredLinks(desired, place).flatMap((link) => planLink(seen, link, owner)),
  ];
}

/** Returns the arguments that remove the tunnel; none where it does not exist. Faults: conflict. */
export function planNoTunnel(seen: Links, { tunnelBridge, owner }: TunnelPlace): string[] {
  const row = seen.bridges.find(({ name }) => name === tunnelBridge);
  const ours = seen.links.filter((link) => isOurs(link, owner) && link.kind !== UPLINK_KIND);
  const isBridgeOurs = row && recordFromMap(row.external_ids)[OWNER_KEY] === owner;
  if (isBridgeOurs) refuseGuests(row, { tunnelBridge, ours });
  return [
    ...ours.flatMap(({ name }) => ["--", "--if-exists", "del-port", name]),
    ...isBridgeOurs ? ["--", "--if-exists", "del-br", tunnelBridge] : [],
  ];
}

function desiredLinks(
  { localIp, localTags }: { readonly localIp: string; readonly localTags: readonly number[] },
  { bridge, tunnelBridge }: TunnelPlace,
): DesiredLink[] {
  const patch = (peer: string) => ({ kind: "patch", type: "patch", options: { peer } }) as const;
  return [
    {
      ...patch(PATCH_ON_TUNNEL),
      name: PATCH_ON_INTEGRATION,
      bridge,
      trunks: trunksFor(localTags),
    },
    { ...patch(PATCH_ON_INTEGRATION), name: PATCH_ON_TUNNEL, bridge: tunnelBridge },
    {
      name: VXLAN_PORT,
      bridge: tunnelBridge,
      kind: "tunnel",
      type: "vxlan",
      options: {
        "remote_ip": "flow",
        key: "flow",
        "local_ip": localIp,
        "dst_port": String(VXLAN_UDP_PORT),
      },
    },
  ];
}

function planLink({ links }: Links, want: DesiredLink, owner: string): string[] {
  const { name, bridge, trunks } = want;
  const now = links.find((link) => link.name === name);
  // A port that ovs-vswitchd could not open is re-created: it tries again only when a row changes.
  const isThere = now?.bridge === bridge && now.error === undefined;
  const port = trunks ? ["vlan_mode=trunk", `trunks=${trunks.join(",")}`] : [];
  const set = ["--", "set", "Interface", name, `type=${want.type}`, ...optionArgs(want.options)];
  if (!isThere) {
    const gone = now ? ["--", "del-port", name] : [];
    return [
      ...[...gone, "--", "add-port", bridge, name, ...port],
      ...[...ownerArgs(owner, want.kind), ...set],
    ];
  }
  const clear = ["--", "clear", "Port", name, "tag"];
  const trunk = trunks && !isTrunk(now, trunks)
    ? [...clear, "--", "set", "Port", name, ...port]
    : [];
  return [...trunk, ...hasSettings(now, want) ? [] : set];
}

function optionArgs(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).map(([key, value]) => `options:${key}=${value}`);
}

function hasSettings(now: LinkRow, { type, options }: DesiredLink): boolean {
  return now.type === type &&
    Object.entries(options).every(([key, value]) => now.options[key] === value);
}

function isOurs(link: LinkRow, owner: string): boolean {
  return link.owner === owner && link.kind !== undefined;
}

// Frames with a local tag would leave by the uplink.
function refuseClash({ links }: Links, localTags: readonly number[], owner: string): void {
  const uplink = links.find((link) => isOurs(link, owner) && link.kind === UPLINK_KIND);
  const clash = localTags.find((tag) => uplink?.trunks.includes(tag));
  if (clash === undefined) return;
  throw new Fault("conflict", `local tag ${clash} refused`, {
    why: `the uplink carries VLAN ${clash}`,
    fix: "choose another local tag, or remove that VLAN from the uplink first",
  });
}

function refuseForeign({ bridges, links }: Links, { tunnelBridge, owner }: TunnelPlace): void {
  const row = bridges.find(({ name }) => name === tunnelBridge);
  const has = row && settingsOf(row).owner;
  if (row && has !== owner) {
    const whose = has === undefined ? "was not created by k8contivnet" : `belongs to host ${has}`;
    throw new Fault("conflict", `bridge ${tunnelBridge} refused`, {
      why: `it ${whose}`,
      fix: `if it is not needed, remove it with "ovs-vsctl del-br ${tunnelBridge}"`,
    });
  }
  const link = links.find((one) => !isOurs(one, owner));
  if (!link) return;
  throw new Fault("conflict", `Open vSwitch has a port ${link.name} already`, {
    why: `it is on bridge ${link.bridge ?? "(none)"} and does not belong to host ${owner}`,
    fix: `remove it with "ovs-vsctl del-port ${link.name}"`,
  });
}

// Ports of other programs would be removed with the bridge.
function refuseGuests(
  row: Columns,
  { tunnelBridge, ours }: { readonly tunnelBridge: string; readonly ours: readonly LinkRow[] },
): void {
  const own = ours.filter(({ bridge }) => bridge === tunnelBridge).length + 1; // its internal port
  const guests = uuidsOf(row.ports).length - own;
  if (guests <= 0) return;
  throw new Fault("conflict", `bridge ${tunnelBridge} not removed`, {
    why: `${guests} of its ports are not ours`,
    fix: "remove those ports first",
  });
}
