// What keeps tunnels from carrying packets though both hosts are there: another way out, a packet filter, a kernel
// without VXLAN. And what of the kernel's settings keeps the host from routing for pods.

import { VXLAN_PORT } from "../../ovs/bridge/port_names.ts";
import { VXLAN_UDP_PORT } from "../../ovs/tunnel/tunnel_rows.ts";
import { recordFromMap } from "../../ovs/ovsdb/port_rows.ts";
import { HOST_PORT } from "../../reach/reach_model.ts";
import { faultFrom } from "../../util/errors.ts";
import type { CheckItem } from "../api/agent_health.ts";
import {
  deviceTo,
  type FabricRecords,
  isOfHost,
  type Link,
  linksOf,
  MOST_PEERS,
} from "./fabric_records.ts";
import { type CheckContext, findingsOf } from "./findings.ts";

const { ok, warning, failed } = findingsOf("network");

/** Packets sent without one that comes back, from which on the path is suspected. */
const MANY_PACKETS = 200;

/** Checks tunnels, and IP forwarding. */
export async function checkTunnels(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings } = context;
  const [links, records, facts] = await Promise.all([
    linksOf(machine).catch(() => []),
    context.fabricRecords(),
    switchFacts(context),
  ]);
  const vtep = settings.vtepIp ?? records.hosts.find(({ name }) => name === settings.host)?.vtepIp;
  const link = links.find(({ "addr_info": all = [] }) => all.some(({ local }) => local === vtep));
  const routing = await routingItems(context, links);
  if (vtep === undefined || !link) return routing;
  const isKernel = facts.datapath === "system";
  const items = await Promise.all([
    routeItems(context, records, { vtep, link }),
    isKernel ? filterItems(context, { vtep, link }) : [],
    isKernel ? kindItems(context) : [],
  ]);
  return [...items.flat(), ...silentItems(context, records, facts), ...routing];
}

/** The bridge's datapath, and what its tunnel has carried. */
interface SwitchFacts {
  readonly datapath?: string;
  readonly sent: number;
  readonly received: number;
}

async function switchFacts({ machine, settings }: CheckContext): Promise<SwitchFacts> {
  try {
    const [bridges = [], interfaces = []] = await machine.rows(settings.ovsdb, [
      { table: "Bridge", columns: ["name", "datapath_type"] },
      { table: "Interface", columns: ["name", "statistics"], names: [VXLAN_PORT] },
    ]);
    const bridge = bridges.find(({ name }) => name === settings.bridge);
    const counts = recordFromMap(
      interfaces.find(({ name }) => name === VXLAN_PORT)?.statistics,
    );
    const count = (name: string) => Number(counts[name] ?? 0);
    return {
      ...bridge ? { datapath: String(bridge.datapath_type || "system") } : {},
      ...{ sent: count("tx_packets"), received: count("rx_packets") },
    };
  } catch {
    return { sent: 0, received: 0 };
  }
}

/** With a strict filter of reverse paths, what comes by another link than answers would take is dropped. */
async function routeItems(
  { machine, settings: { host } }: CheckContext,
  { hosts }: FabricRecords,
  { vtep, link }: { readonly vtep: string; readonly link: Link },
): Promise<CheckItem[]> {
  // Routers lead to such an address by any link.
  if (isOfHost(link, vtep)) return [];
  const peers = hosts.filter(({ name, vtepIp }) => name !== host && vtepIp !== undefined)
    .slice(0, MOST_PEERS);
  const keys = ["all", link.ifname].map((name) => `net/ipv4/conf/${name}/rp_filter`);
  const filters: Readonly<Record<string, string>> = await machine.kernelSettings(keys)
    .catch(() => ({}));
  const isStrict = Math.max(0, ...Object.values(filters).map(Number)) === 1;
  const items = await Promise.all(peers.map(async ({ name, vtepIp = "" }) => {
    const device = await deviceTo(machine, vtepIp);
    if (device === undefined || device === link.ifname) return [];
    const message = `packets to ${name} (${vtepIp}) leave by ${device}, ` +
      `the tunnel address ${vtep} is on ${link.ifname}`;
    const fix = `ip route replace ${vtepIp} dev ${link.ifname}`;
    if (!isStrict) return [warning("tunnel-route", message, fix)];
    const strict = `${message}: its packets are dropped (rp_filter=1)`;
    return [failed("tunnel-route", strict, `${fix}, or sysctl -w ${keys[1]}=2`)];
  }));
  const wrong = items.flat();
  if (wrong.length > 0 || peers.length === 0) return wrong;
  return [ok("tunnel-route", `packets to tunnel addresses leave by ${link.ifname}`)];
}

/** On the kernel datapath, tunnels' packets pass the host's packet filter. */
async function filterItems(
  { machine }: CheckContext,
  { vtep, link }: { readonly vtep: string; readonly link: Link },
): Promise<CheckItem[]> {
  const id = "tunnel-filter";
  // Packets to such an address arrive by any link.
  const device = isOfHost(link, vtep) ? undefined : link.ifname;
  try {
    const found = await machine.tunnelFilters({ device, port: VXLAN_UDP_PORT });
    if (found.length === 0) return [ok(id, `no nftables rule drops UDP port ${VXLAN_UDP_PORT}`)];
    return found.map(({ isSure, what, fix }) => (isSure ? failed : warning)(id, what, fix));
  } catch (error) {
    // Without nft, there may still be rules: iptables does not need it.
    const { what, why, fix } = faultFrom(error);
    const message = `it is not known whether the packet filter drops UDP port ${VXLAN_UDP_PORT}: ` +
      (why ? `${what}: ${why}` : what);
    return [warning(id, message, fix ?? "see nft list ruleset, and iptables -S INPUT")];
  }
}

async function kindItems({ machine }: CheckContext): Promise<CheckItem[]> {
  const missing = await machine.missingLinkKinds(["vxlan"]).catch((): string[] => []);
  if (!missing.includes("vxlan")) return [];
  const message = "the kernel has no VXLAN, which its datapath needs for tunnels";
  return [failed("tunnel-kind", message, "modprobe vxlan (CONFIG_VXLAN), or --datapath netdev")];
}

/** Pods of one network on two hosts that never hear each other: what is between drops the tunnels' packets. */
function silentItems(
  { settings: { host } }: CheckContext,
  { networks, attachments, agents }: FabricRecords,
  { sent, received }: SwitchFacts,
): CheckItem[] {
  if (sent < MANY_PACKETS || received > 0) return [];
  const placeOf = ({ tenant, network }: { readonly tenant: string; readonly network: string }) =>
    `${tenant}/${network}`;
  const tunnelled = new Set(
    networks.filter(({ encap }) => encap === "vxlan").map(({ tenant, name }) =>
      placeOf({ tenant, network: name })
    ),
  );
  const here = new Set(attachments.filter((one) => one.host === host).map(placeOf));
  const peers = new Set(
    attachments.filter((one) =>
      one.host !== host && here.has(placeOf(one)) && tunnelled.has(placeOf(one)) &&
      agents.some((agent) => agent.host === one.host && !agent.lost)
    ).map((one) => one.host),
  );
  if (peers.size === 0) return [];
  const message = `the tunnel has sent ${sent} packets and received none, though ${
    [...peers].sort().join(", ")
  } has pods in the same networks`;
  const fix = `let firewalls between hosts pass UDP port ${VXLAN_UDP_PORT} in both directions`;
  return [warning("tunnel-silent", message, fix)];
}

/** The agent sets this where networks reach more than themselves; somebody may reset it. */
async function routingItems(
  { machine }: CheckContext,
  links: readonly Link[],
): Promise<CheckItem[]> {
  if (!links.some(({ ifname }) => ifname === HOST_PORT)) return [];
  const key = "net/ipv4/ip_forward";
  const settings = await machine.kernelSettings([key]).catch(() => ({}));
  if ((settings as Record<string, string>)[key] !== "0") {
    return [ok("forwarding", "IP forwarding is on")];
  }
  const message =
    "IP forwarding is off (net.ipv4.ip_forward = 0): pods reach only their own network";
  return [
    failed("forwarding", message, `sysctl -w ${key}=1, and see who sets it in /etc/sysctl.d`),
  ];
}
