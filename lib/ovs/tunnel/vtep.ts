// Whether tunnels can use this host's tunnel address. The userspace datapath encapsulates frames itself, and
// does so only where the address is on the internal port of a netdev bridge that has the NIC as a port;
// elsewhere its log says "native tunnel routing failed" and nothing leaves. The kernel's datapath takes
// any address of the host. The agent moves no address by itself: that would cut the host's own traffic.
//
// The NIC itself must not answer ARP: with arp_ignore=0 the kernel answers for any address of the host on
// any link, so that a peer gets two answers, and frames for the NIC's MAC never reach the tunnel (seen
// with Linux 6.18 and Open vSwitch 3.1: every second peer took the wrong one). Tunnels work with those that
// took the right one, so this is a warning; with --vtep-arp-ignore the agent sets arp_ignore=1 itself.
// Everything else here means that no frame arrives. Ports and flows are there all the same, for the moment
// in which the address can be used.

import { Fault } from "../../util/errors.ts";
import type { HostAddress, HostNet, HostRoute } from "../host_net.ts";
import type { Columns } from "../ovsdb/ovsdb_connection.ts";
import { uuidsOf } from "../ovsdb/port_rows.ts";
import type { RowSelect } from "../ovsdb/select.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";

/** Name of the bridge that the commands create. */
const UNDERLAY_BRIDGE = "contivUnderlay";

/** Why a tunnel address cannot be used, or not by all hosts. */
export class VtepFault extends Fault {
  /**
   * Commands for a root shell that fix it until the next boot, in order; none where that needs an
   * operator's decision.
   */
  readonly commands: readonly string[];
  /** What the commands change besides, and the ways to avoid it; empty if nothing. */
  readonly effect: string;
  /** NICs that answer ARP for the address; where they are all that is wrong, it can be used. */
  readonly answeringNics: readonly string[];

  constructor(
    address: string,
    { why, fix, commands = [], effect = "", answeringNics = [] }: {
      readonly why: string;
      readonly fix: string;
      readonly commands?: readonly string[];
      readonly effect?: string;
      readonly answeringNics?: readonly string[];
    },
  ) {
    const message = answeringNics.length > 0
      ? `tunnel address ${address} may lose frames`
      : `tunnel address ${address} cannot be used`;
    super("unavailable", message, { why, fix });
    this.commands = commands;
    this.effect = effect;
    this.answeringNics = answeringNics;
  }

  /** Reports whether tunnels work all the same with some hosts. */
  get isWarning(): boolean {
    return this.answeringNics.length > 0;
  }
}

/** What the decision depends on. */
export interface VtepFacts {
  readonly address: string;
  readonly datapath: string;
  readonly place: HostAddress | undefined;
  readonly gateways: readonly HostRoute[];
  /** Bridge that has the link with the address as a port, internal or other. */
  readonly bridge: VtepBridge | undefined;
  /** NICs of that bridge that answer ARP for addresses of other links. */
  readonly answeringNics: readonly string[];
}

/** A bridge as far as tunnels need it. */
export interface VtepBridge {
  readonly name: string;
  readonly datapath: string;
  /** Ours: only pods' frames pass it, the host's own do not. */
  readonly isForPods: boolean;
  readonly ports: readonly string[];
  /** Ports that are links of the host, such as NICs. */
  readonly nics: readonly string[];
}

const BRIDGES: RowSelect = { table: "Bridge", columns: ["name", "datapath_type", "ports"] };
const PORTS: RowSelect = { table: "Port", columns: ["name"] };
const INTERFACES: RowSelect = { table: "Interface", columns: ["name", "type"] };

/** Returns what is wrong with the address, undefined when nothing is. Faults: those of tools. */
export async function checkVtep(
  address: string,
  { tools, host, place: { bridge, tunnelBridge }, endMs }: {
    readonly tools: OvsTools;
    readonly host: HostNet;
    readonly place: { readonly bridge: string; readonly tunnelBridge: string };
    readonly endMs: number;
  },
): Promise<VtepFault | undefined> {
  const [place, tables] = await Promise.all([
    host.address(address, endMs),
    tools.select([BRIDGES, PORTS, INTERFACES], endMs),
  ]);
  const bridges = bridgesOf(tables, [bridge, tunnelBridge]);
  const device = place?.link.name;
  const mine = bridges.find(({ ports }) => device !== undefined && ports.includes(device));
  return judgeVtep({
    address,
    datapath: bridges.find(({ name }) => name === bridge)?.datapath ?? "system",
    place,
    gateways: device === undefined ? [] : await host.gateways(device, endMs),
    bridge: mine,
    answeringNics: await host.answeringForOthers(mine?.nics ?? [], endMs),
  });
}

/** Returns what is wrong. Pure. */
export function judgeVtep(facts: VtepFacts): VtepFault | undefined {
  const { address, datapath, place, bridge } = facts;
  const fault = (why: string, fix: string, commands: readonly string[] = [], effect = "") =>
    new VtepFault(address, { why, fix, commands, effect });
  if (!place) {
    const fix = 'set --vtep-ip to an address of this host, see "ip -4 address"';
    return fault("no link of this host has it", fix);
  }
  const { name, isUp } = place.link;
  const up = isUp ? [] : [`ip link set ${name} up`];
  if (datapath !== "netdev") {
    return isUp ? undefined : fault(`link ${name} is down`, BY_COMMANDS, up);
  }
  if (bridge?.isForPods) {
    const why = `it is on ${name}, a port of ${bridge.name}, which is for pods only`;
    return fault(why, "use a NIC or VLAN device of its own for tunnels");
  }
  if (name !== bridge?.name) {
    const why = `it is on ${name}, where the userspace datapath cannot use it`;
    return fault(why, BY_COMMANDS, movingCommands(facts, place), effectOn(name));
  }
  if (bridge.datapath !== "netdev") {
    const why = `bridge ${name} has datapath ${bridge.datapath}, not netdev`;
    return fault(why, BY_COMMANDS, [...datapathCommands(bridge), ...up], effectOn(name));
  }
  if (bridge.nics.length === 0) {
    const fix = `add the NIC to it: "ovs-vsctl add-port ${name} NIC"`;
    return fault(`bridge ${name} has no NIC as a port`, fix);
  }
  const silence = facts.answeringNics.map(silenceCommand);
  if (!isUp) return fault(`link ${name} is down`, BY_COMMANDS, [...silence, ...up]);
  return facts.answeringNics.length > 0 ? answersBeside(facts, name, silence) : undefined;
}

function answersBeside(
  { address, answeringNics }: VtepFacts,
  bridge: string,
  commands: readonly string[],
): VtepFault {
  return new VtepFault(address, {
    why: `${answeringNics.join(", ")} also answers ARP for it, beside ${bridge}: ` +
      "hosts that take that answer do not reach it",
    fix: "add --vtep-arp-ignore, or run the commands printed with this",
    ...{ commands, answeringNics },
  });
}

/** Returns the command that makes a link answer ARP for its own addresses only. */
function silenceCommand(name: string): string {
  return `sysctl -w net/ipv4/conf/${name}/arp_ignore=1`;
}

const BY_COMMANDS = "run the commands printed with this, at the host's console";

/** Returns what it means for the host that its address is on a bridge with the userspace datapath. */
function effectOn(device: string): string {
  return `the commands for that also send this host's own connections over ${device} through ovs-vswitchd; ` +
    "a tunnel address (VtepIp) on another device avoids that; if TCP stops then while pings work, " +
    "switch transmit checksums off at the other end: ethtool -K DEVICE tx off";
}

// The address moves from its link to the bridge's internal port, with the routes by a gateway.
function movingCommands(
  { address, gateways, bridge }: VtepFacts,
  { link, prefix }: HostAddress,
): string[] {
  const to = bridge?.name ?? UNDERLAY_BRIDGE;
  const make = [
    `ovs-vsctl --may-exist add-br ${to} -- set Bridge ${to} datapath_type=netdev` +
    ` fail_mode=standalone -- --may-exist add-port ${to} ${link.name}` +
    ` -- set Interface ${to} mtu_request=${link.mtu}`,
  ];
  const isNic = !bridge || bridge.nics.includes(link.name);
  return [
    ...bridge ? datapathCommands(bridge) : make,
    ...isNic ? [`ip link set ${link.name} up`, silenceCommand(link.name)] : [],
    `ip link set ${to} up`,
    `ip address del ${address}/${prefix} dev ${link.name}`,
    `ip address add ${address}/${prefix} dev ${to}`,
    ...gateways.map(({ to: net, gateway }) => `ip route replace ${net} via ${gateway} dev ${to}`),
  ];
}

function datapathCommands({ name, datapath }: VtepBridge): string[] {
  return datapath === "netdev" ? [] : [`ovs-vsctl set Bridge ${name} datapath_type=netdev`];
}

function bridgesOf(
  [bridges = [], ports = [], links = []]: readonly Columns[][],
  ours: readonly string[],
): VtepBridge[] {
  const names = new Map(ports.map((row) => [uuidOf(row), row.name as string]));
  const types = new Map(links.map((row) => [row.name as string, row.type as string]));
  const isNic = (port: string) => ["", "system"].includes(types.get(port) ?? "none");
  return bridges.map((row) => {
    const mine = uuidsOf(row.ports).flatMap((uuid) => names.get(uuid) ?? []);
    return {
      name: row.name as string,
      datapath: row.datapath_type === "" ? "system" : String(row.datapath_type),
      isForPods: ours.includes(row.name as string),
      ports: mine,
      nics: mine.filter(isNic),
    };
  });
}

function uuidOf(row: Columns): string {
  return uuidsOf(["set", [row._uuid]])[0] ?? "";
}
