// What joins the hosts of a cluster: in the lab's own namespace a management network by which agents
// reach etcd, and a wire that carries VXLAN; in a namespace of its own, so that its devices go with it,
// an Open vSwitch that stands for a data centre's VLAN switch.

import { run } from "../run.ts";
import { type Ovs, startOvs } from "../ovs.ts";

/** Where everything of the lab that is not a host is reached by the hosts: etcd, above all. */
export const MANAGEMENT_ADDRESS = "10.255.0.254";

/** What stands between the hosts: nothing, a wire for VXLAN, a switch for VLANs, or both. */
export type Fabric = "none" | "wire" | "vlan-switch" | "both";

/** The lab's side of all cables. */
export interface Fabrics extends AsyncDisposable {
  /** The VLAN switch, where the fabric has one. */
  readonly vlanSwitch: Ovs | undefined;
  /** Plugs host number `n` (from 1), a namespace, into everything; the links in it are up then. */
  plug(netns: string, n: number): Promise<void>;
  /** Pulls the host's cables; its namespace must still be there. */
  unplug(n: number): Promise<void>;
}

interface Cable {
  readonly net: string;
  /** Name of the end in the host. */
  readonly hostEnd: string;
}

const MANAGEMENT: Cable = { net: "mgmt", hostEnd: "mgmt0" };
const WIRE: Cable = { net: "wire", hostEnd: "eth1" };
const VLANS: Cable = { net: "vlans", hostEnd: "eth2" };

/** Namespace, and bridge in it, of the VLAN switch; host N is at its port vlansN. */
export const VLAN_SWITCH = "vlans";

/** Returns the address of host number `n` (1 to 253) in the management network. */
export function managementAddress(n: number): string {
  return `10.255.0.${n}`;
}

/** Makes what `fabric` asks for in the lab's namespace; `mtu` is the wire's. */
export async function makeFabrics(
  fabric: Fabric,
  { dir, mtu }: { readonly dir: string; readonly mtu: number },
): Promise<Fabrics> {
  await using stack = new AsyncDisposableStack();
  const cables = [MANAGEMENT];
  await makeBridge(stack, MANAGEMENT.net, 1500);
  await run("ip", ["address", "add", `${MANAGEMENT_ADDRESS}/24`, "dev", MANAGEMENT.net]);
  if (fabric === "wire" || fabric === "both") {
    await makeBridge(stack, WIRE.net, mtu);
    cables.push(WIRE);
  }
  let vlanSwitch: Ovs | undefined;
  if (fabric === "vlan-switch" || fabric === "both") {
    vlanSwitch = await makeVlanSwitch(stack, `${dir}/vlan-switch`);
    cables.push(VLANS);
  }
  const kept = stack.move();
  return {
    vlanSwitch,
    plug: async (netns, n) => {
      await run("ip", ["-batch", "-"], { stdin: plugLines(cables, { netns, n, mtu }) });
      if (vlanSwitch) await plugVlans(vlanSwitch, labEnd(VLANS, n));
      const up = cables.map(({ hostEnd }) => `link set ${hostEnd} up\n`);
      const address = `address add ${managementAddress(n)}/24 dev ${MANAGEMENT.hostEnd}\n`;
      await run("ip", ["-n", netns, "-batch", "-"], { stdin: address + up.join("") });
    },
    unplug: async (n) => {
      await vlanSwitch?.vsctl("--if-exists", "del-port", VLAN_SWITCH, labEnd(VLANS, n));
      for (const cable of cables) {
        await run("ip", ["link", "del", labEnd(cable, n)]).catch(() => {});
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function makeVlanSwitch(stack: AsyncDisposableStack, dir: string): Promise<Ovs> {
  await run("ip", ["netns", "add", VLAN_SWITCH]);
  stack.defer(async () => void await run("ip", ["netns", "del", VLAN_SWITCH]));
  const ovs = stack.use(await startOvs(dir, { netns: VLAN_SWITCH }));
  const userspace = ["datapath_type=netdev", "fail_mode=standalone"];
  await ovs.vsctl("add-br", VLAN_SWITCH, "--", "set", "bridge", VLAN_SWITCH, ...userspace);
  return ovs;
}

function labEnd({ net }: Cable, n: number): string {
  return `${net}${n}`;
}

/** Makes the cables of one host; the lab's ends are up, those of Linux bridges in them. */
function plugLines(
  cables: readonly Cable[],
  { netns, n, mtu: wireMtu }: { readonly netns: string; readonly n: number; readonly mtu: number },
): string {
  return cables.map((cable) => {
    const [end, mtu] = [labEnd(cable, n), cable === WIRE ? wireMtu : 1500];
    const peer = `type veth peer name ${cable.hostEnd} mtu ${mtu} netns ${netns}`;
    if (cable === VLANS) return `link add ${end} mtu ${mtu} netns ${VLAN_SWITCH} ${peer}`;
    return `link add ${end} mtu ${mtu} ${peer}\nlink set ${end} master ${cable.net} up`;
  }).join("\n");
}

async function plugVlans(vlanSwitch: Ovs, end: string): Promise<void> {
  await run("ip", ["-n", VLAN_SWITCH, "link", "set", end, "up"]);
  await vlanSwitch.vsctl("add-port", VLAN_SWITCH, end);
}

async function makeBridge(stack: AsyncDisposableStack, name: string, mtu: number): Promise<void> {
  await run("ip", ["link", "add", name, "mtu", String(mtu), "type", "bridge"]);
  stack.defer(async () => void await run("ip", ["link", "del", name]));
  await run("ip", ["link", "set", name, "up"]);
}
