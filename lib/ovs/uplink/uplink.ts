// The uplink: a device of this host as trunk to the VLAN fabric, carrying exactly the desired tags.

import { Fault, oneLine } from "../../util/errors.ts";
import { isLinkName } from "../../util/names.ts";
import { LINK_COOKIES } from "../openflow/cookies.ts";
import type { VlanSet } from "../switch.ts";
import { parseTag } from "../ports/port_spec.ts";
import type { HostNet } from "../host_net.ts";
import {
  findLinks,
  type Links,
  openFlowNumber,
  ourBridge,
  ownerArgs,
} from "../bridge/link_rows.ts";
import { PATCH_ON_INTEGRATION, UPLINK_KIND } from "../bridge/port_names.ts";
import { isTrunk, trunkFlows, trunksFor } from "./trunk.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";

/** The device to the VLAN fabric, and the VLANs that it carries. */
export interface DesiredUplink {
  readonly device: string;
  /** Fabric VLANs in use on this host, 1–4094; none means no traffic. */
  readonly tags: readonly number[];
  /** Those of networks with a distributed gateway, whose frames go through its tables. @default none */
  readonly distributedTags?: readonly number[];
}

const COOKIES = LINK_COOKIES.uplink;

/** The bridge that the uplink is a port of, and the host label that owns it. */
export interface UplinkPlace {
  readonly bridge: string;
  readonly owner: string;
}

/** What setUplink works with. */
export interface UplinkTools {
  readonly tools: OvsTools;
  readonly host: HostNet;
  readonly place: UplinkPlace;
  readonly policyVlans?: VlanSet | undefined;
}

/** Creates, changes or removes the uplink. Faults: usage, not_found, conflict, failed, and those of tools. */
export async function setUplink(
  { tools, host, place, policyVlans }: UplinkTools,
  desired: DesiredUplink | undefined,
  endMs: number,
): Promise<void> {
  if (desired) parseUplink(desired);
  const names = desired ? [desired.device, PATCH_ON_INTEGRATION] : [];
  const seen = await findLinks(tools, { names, kind: UPLINK_KIND, endMs });
  if (!desired && !hasUplink(seen, place.owner)) return;
  if (!desired) await tools.syncFlowTexts([], { endMs, cookies: COOKIES }); // before its number is free
  else await checkUplink(desired, { seen, host, place, endMs });
  const args = planUplink(seen, desired, place);
  if (args.length > 0) await tools.vsctl(args, endMs);
  if (!desired) return;
  const now = args.length > 0 ? await findLinks(tools, { names, endMs }) : seen;
  const flows = {
    ofport: openFlowNumber(desired.device, now),
    tags: desired.tags,
    distributedTags: desired.distributedTags,
    cookies: COOKIES,
    policyVlans,
  };
  await tools.syncFlowTexts(trunkFlows(flows), { endMs, cookies: COOKIES });
}

/** Returns the arguments of ovs-vsctl that make the uplink as desired; none where it is so. Pure. */
export function planUplink(
  { links }: Pick<Links, "links">,
  desired: DesiredUplink | undefined,
  { bridge, owner }: UplinkPlace,
): string[] {
  const ours = links.filter((link) => link.kind === UPLINK_KIND && link.owner === owner);
  // A port that ovs-vswitchd could not open is re-created: it tries again only when a row changes.
  const now = ours.find(({ name, bridge: on, error }) =>
    name === desired?.device && on === bridge && error === undefined
  );
  const gone = ours.filter((link) => link !== now)
    .flatMap(({ name }) => ["--", "--if-exists", "del-port", name]);
  if (!desired) return gone;
  const trunks = trunksFor(desired.tags);
  if (now && isTrunk(now, trunks)) return gone;
  const settings = ["vlan_mode=trunk", `trunks=${trunks.join(",")}`];
  const change = now
    ? [
      "--",
      "clear",
      "Port",
      desired.device,
      "tag",
      "--",
      "set",
      "Port",
      desired.device,
      ...settings,
    ]
    : ["--", "add-port", bridge, desired.device, ...settings, ...ownerArgs(owner, UPLINK_KIND)];
  return [...gone, ...change];
}

function hasUplink({ links }: Links, owner: string): boolean {
  return links.some((link) => link.kind === UPLINK_KIND && link.owner === owner);
}

function parseUplink({ device, tags }: DesiredUplink): void {
  if (!isLinkName(device)) {
    throw new Fault("usage", `uplink "${oneLine(device, 40)}" refused`, {
      why: "it is not a valid link name",
      fix: "use 1 to 15 characters of letters, digits, _ . -",
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
    throw refused(device, `VLAN ${local} is the local tag of a VXLAN network on this host`, {
      fix: "change the local tag of that network first",
    });
  }
  const row = seen.links.find(({ name }) => name === device);
  if (row?.kind === UPLINK_KIND && row.owner === place.owner && row.ofport !== undefined) return;
  if (row && (row.kind !== UPLINK_KIND || row.owner !== place.owner)) {
    const why = `it is a port of bridge ${row.bridge ?? "(none)"}, and not our uplink`;
    throw refused(device, why, { fix: "remove that port, or set another --uplink" });
  }
  await checkDevice(device, host, endMs);
}

async function checkDevice(device: string, host: HostNet, endMs: number): Promise<void> {
  const link = await host.link(device, endMs);
  if (!link) {
    throw new Fault("not_found", `uplink ${device} does not exist`, {
      why: "this host has no link of that name",
      fix: 'set another --uplink, see "ip link"',
    });
  }
  // The kernel's datapath shows its own ports with the master ovs-system.
  if (link.master !== undefined && link.master !== "ovs-system") {
    const fix = `release it with "ip link set ${device} nomaster", or set another --uplink`;
    throw refused(device, `it is a port of ${link.master}`, { fix });
  }
  if (!link.isUp) await host.bringUp(device, endMs);
}

function refused(device: string, why: string, { fix }: { readonly fix: string }): Fault {
  return new Fault("conflict", `uplink ${device} refused`, { why, fix });
}
