// The uplink: a device of this host as trunk to the VLAN fabric, carrying exactly the wanted tags.

import { Fault, oneLine } from "../../util/errors.ts";
import { isLinkName } from "../../util/names.ts";
import { LINK_COOKIES } from "../openflow/cookies.ts";
import type { VlanSet } from "../switch.ts";
import { parseTag } from "../ports/port_spec.ts";
import type { HostNet } from "../host_net.ts";
import { findLinks, type Links, numberOf, ourBridge, ownerWords } from "../ovsdb/link_rows.ts";
import { PATCH_ON_INTEGRATION, UPLINK_KIND } from "../ovsdb/port_names.ts";
import { isTrunk, trunkFlows, trunksFor } from "./trunk.ts";
import type { OvsTools } from "../transport/ovs_tools.ts";

/** Which device leads to the VLAN fabric, and what it carries. */
export interface DesiredUplink {
  readonly device: string;
  /** Fabric VLANs in use on this host, 1–4094; none means no traffic. */
  readonly tags: readonly number[];
}

const COOKIES = LINK_COOKIES.uplink;

/** Which bridge it is a port of, and whose. */
export interface UplinkPlace {
  readonly bridge: string;
  readonly owner: string;
}

/** What setUplink works with. */
export interface UplinkTools {
  readonly tools: OvsTools;
  readonly host: HostNet;
  readonly place: UplinkPlace;
  readonly policed?: VlanSet | undefined;
}

/** Makes the uplink as wished. Faults: usage, not_found, conflict, failed, and those of tools. */
export async function setUplink(
  { tools, host, place, policed }: UplinkTools,
  wish: DesiredUplink | undefined,
  endMs: number,
): Promise<void> {
  if (wish) parseUplink(wish);
  const names = wish ? [wish.device, PATCH_ON_INTEGRATION] : [];
  const seen = await findLinks(tools, { names, kind: UPLINK_KIND, endMs });
  if (!wish && !hasUplink(seen, place.owner)) return;
  if (!wish) await tools.syncLines([], { endMs, cookies: COOKIES }); // before its number is free
  else await checkUplink(wish, { seen, host, place, endMs });
  const words = planUplink(seen, wish, place);
  if (words.length > 0) await tools.vsctl(words, endMs);
  if (!wish) return;
  const now = words.length > 0 ? await findLinks(tools, { names, endMs }) : seen;
  const flows = { ofport: numberOf(wish.device, now), tags: wish.tags, cookies: COOKIES, policed };
  await tools.syncLines(trunkFlows(flows), { endMs, cookies: COOKIES });
}

/** Returns the words of ovs-vsctl that bring the uplink to what is wished; none when it is so. Pure. */
export function planUplink(
  { links }: Pick<Links, "links">,
  wish: DesiredUplink | undefined,
  { bridge, owner }: UplinkPlace,
): string[] {
  const ours = links.filter((link) => link.kind === UPLINK_KIND && link.owner === owner);
  // What ovs-vswitchd could not open is made anew: it tries again only when a row changes.
  const now = ours.find(({ name, bridge: on, error }) =>
    name === wish?.device && on === bridge && error === undefined
  );
  const gone = ours.filter((link) => link !== now)
    .flatMap(({ name }) => ["--", "--if-exists", "del-port", name]);
  if (!wish) return gone;
  const trunks = trunksFor(wish.tags);
  if (now && isTrunk(now, trunks)) return gone;
  const settings = ["vlan_mode=trunk", `trunks=${trunks.join(",")}`];
  const change = now
    ? ["--", "clear", "Port", wish.device, "tag", "--", "set", "Port", wish.device, ...settings]
    : ["--", "add-port", bridge, wish.device, ...settings, ...ownerWords(owner, UPLINK_KIND)];
  return [...gone, ...change];
}

function hasUplink({ links }: Links, owner: string): boolean {
  return links.some((link) => link.kind === UPLINK_KIND && link.owner === owner);
}

function parseUplink({ device, tags }: DesiredUplink): void {
  if (!isLinkName(device)) {
    throw new Fault("usage", `uplink "${oneLine(device, 40)}" refused`, {
      why: "the name is no link's",
      fix: "give 1 to 15 of letters, digits, _ . -",
    });
  }
  for (const tag of tags) parseTag(device, tag);
}

async function checkUplink(
  { device, tags }: DesiredUplink,
  { seen, host, place, endMs }: {
    readonly seen: Links;
    readonly host: HostNet;
    readonly place: UplinkPlace;
    readonly endMs: number;
  },
): Promise<void> {
  ourBridge(seen, place);
  const patch = seen.links.find(({ name }) => name === PATCH_ON_INTEGRATION);
  const local = tags.find((tag) => patch?.trunks.includes(tag));
  if (local !== undefined) {
    throw refused(device, `tag ${local} is a local one of a VXLAN network on this host`, {
      fix: "give the overlay another local tag first",
    });
  }
  const row = seen.links.find(({ name }) => name === device);
  if (row?.kind === UPLINK_KIND && row.owner === place.owner && row.ofport !== undefined) return;
  if (row && (row.kind !== UPLINK_KIND || row.owner !== place.owner)) {
    const why = `it is a port of bridge ${row.bridge ?? "nobody"}, and not our uplink`;
    throw refused(device, why, { fix: "remove that port, or give another --uplink" });
  }
  await checkDevice(device, host, endMs);
}

async function checkDevice(device: string, host: HostNet, endMs: number): Promise<void> {
  const link = await host.link(device, endMs);
  if (!link) {
    throw new Fault("not_found", `uplink ${device} is not there`, {
      why: "this host has no link of that name",
      fix: 'give another --uplink, see "ip link"',
    });
  }
  // ovs-system is how the kernel's datapath shows its own ports.
  if (link.master !== undefined && link.master !== "ovs-system") {
    const fix = `release it with "ip link set ${device} nomaster", or give another --uplink`;
    throw refused(device, `it is a port of ${link.master}`, { fix });
  }
  if (!link.isUp) await host.bringUp(device, endMs);
}

function refused(device: string, why: string, { fix }: { readonly fix: string }): Fault {
  return new Fault("conflict", `uplink ${device} refused`, { why, fix });
}
