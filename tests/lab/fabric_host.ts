// A host for tests of what leads to other hosts: a network namespace with its own Open vSwitch, Switch
// and Fabric, and pods with a link to its bridge. No agent: the test says what is desired.

import { type Fabric, type FabricOptions, openFabric } from "../../lib/ovs/fabric.ts";
import type { DesiredTunnel } from "../../lib/ovs/tunnel/desired_tunnel.ts";
import { openSwitch } from "../../lib/ovs/ports/open_switch.ts";
import type { PortSpec, Switch } from "../../lib/ovs/switch.ts";
import { run } from "./run.ts";
import { type Ovs, startOvs } from "./ovs.ts";
import { makePod, type Pod } from "./pod.ts";
import { removeFolder } from "./remove_folder.ts";

/** Underlay network of the lab: host n has .n on the internal port of its underlay bridge. */
export const UNDERLAY = "192.168.77";

/** A pod, where it is and in which network. */
export interface Placed {
  readonly host: FabricHost;
  readonly pod: FabricPod;
  readonly vni: number;
}

/** Tag of a network on one host: another one on each, as agents choose them. */
export function localTag(host: FabricHost, vni: number): number {
  return 2_000 + 100 * Number(/\d+$/.exec(host.name)?.[0]) + vni % 100;
}

/** Returns the overlay that `host` should have for these pods. */
export function desiredOf(
  host: FabricHost,
  placed: readonly Placed[],
  hosts: readonly FabricHost[] = placed.map((one) => one.host),
): DesiredTunnel {
  const here = placed.filter((one) => one.host === host).map(({ vni }) => vni);
  const networks = [...new Set(here)].map((vni) => ({
    vni,
    localTag: localTag(host, vni),
    members: placed.filter((one) => one.vni === vni && one.host !== host)
      .map(({ host, pod: { ip, mac } }) => ({ ip, mac, vtep: host.vtep })),
  }));
  const others = new Set(hosts.filter((one) => one !== host).map(({ vtep }) => vtep));
  return { localIp: host.vtep, hosts: [...others], networks };
}

/** Makes the overlay of each host as these pods want it. */
export async function setOverlays(
  hosts: readonly FabricHost[],
  placed: readonly Placed[],
): Promise<void> {
  await Promise.all(hosts.map((host) => host.fabric.setTunnel(desiredOf(host, placed, hosts))));
}

/** Runs `test` with hosts of their own, wired for tunnels. */
export async function withFabricHosts(
  { count, driver }: { count: number; driver: DriverName },
  test: (...hosts: FabricHost[]) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => removeFolder(dir));
  const hosts: FabricHost[] = [];
  for (let n = 1; n <= count; n++) hosts.push(stack.use(await startFabricHost(dir, { n, driver })));
  await wireUnderlay(hosts);
  stack.defer(unwire);
  await test(...hosts);
}

/** Which of the Switch's two drivers a test runs with. */
export type DriverName = "jsonrpc" | "vsctl";

/** A pod with a link to its host's bridge. */
export interface FabricPod extends Pod {
  readonly ip: string;
  readonly mac: string;
  /** What its port was made from. */
  readonly spec: PortSpec;
}

/** A host of a test. */
export interface FabricHost extends AsyncDisposable {
  readonly name: string;
  readonly netns: string;
  /** Tunnel address; a test may change it. */
  vtep: string;
  readonly ovs: Ovs;
  readonly switch: Switch;
  readonly fabric: Fabric;
  /** Returns another Fabric of this host, with other options. */
  openFabric(options: Partial<FabricOptions>): Fabric;
  /** Runs a command in the host's namespace. */
  run(cmd: string, ...args: string[]): Promise<string>;
  /** Makes a pod on the bridge with that access tag. */
  pod(name: string, options: { ip: string; mac: string; tag: number }): Promise<FabricPod>;
  /** Takes a pod from the bridge and removes it. */
  unplug(pod: FabricPod): Promise<void>;
}

/** Starts host `n` of a test in `dir`; no wire yet. */
export async function startFabricHost(
  dir: string,
  { n, driver, label = `fab${n}` }: { n: number; driver: DriverName; label?: string },
): Promise<FabricHost> {
  const stack = new AsyncDisposableStack();
  try {
    await run("ip", ["netns", "add", label]);
    stack.defer(async () => void await run("ip", ["netns", "del", label]));
    await run("ip", ["-n", label, "link", "set", "lo", "up"]);
    const ovs = stack.use(await startOvs(`${dir}/${label}`, { netns: label }));
    const options = {
      ovsdb: ovs.db,
      rundir: ovs.rundir,
      bridge: "contivBridge",
      owner: label,
      datapath: "netdev",
      netns: `/run/netns/${label}`,
    } as const;
    const bridge = openSwitch(driver, options);
    stack.defer(() => bridge.close());
    await bridge.ensureBridge();
    const inside = (cmd: string, ...args: string[]) =>
      run("nsenter", [`--net=/run/netns/${label}`, "--", cmd, ...args], { limitMs: 20_000 });
    return {
      name: label,
      netns: options.netns,
      vtep: `${UNDERLAY}.${n}`,
      ovs,
      switch: bridge,
      fabric: openFabric(options),
      openFabric: (other) => openFabric({ ...options, ...other }),
      run: inside,
      pod: async (name, pod) =>
        stack.use(await plug({ label, bridge, name: `${label}-${name}` }, pod)),
      unplug: async (pod) => {
        await bridge.removePorts([pod.spec.name]);
        await pod[Symbol.asyncDispose]();
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Wires hosts for tunnels: a switch of the kernel's own between their underlay bridges. */
export async function wireUnderlay(hosts: readonly FabricHost[]): Promise<void> {
  await run("ip", ["link", "add", "fabwire", "type", "bridge"]);
  await run("ip", ["link", "set", "fabwire", "up"]);
  for (const host of hosts) {
    const end = `w-${host.name}`;
    const pair = ["link", "add", end, "type", "veth", "peer", "name", "nic0", "netns", host.name];
    await run("ip", pair);
    await run("ip", ["link", "set", end, "master", "fabwire", "up"]);
    await host.run("ip", "link", "set", "nic0", "up");
    await makeUnderlay(host);
  }
}

/** Removes what wireUnderlay left outside of the hosts. */
export async function unwire(): Promise<void> {
  await run("ip", ["link", "del", "fabwire"]);
}

async function makeUnderlay({ ovs, run: inside, vtep }: FabricHost): Promise<void> {
  await ovs.vsctl(
    ...["add-br", "underlay", "--", "set", "bridge", "underlay", "datapath_type=netdev"],
    ...["fail_mode=standalone", "--", "add-port", "underlay", "nic0"],
  );
  await inside("ip", "address", "add", `${vtep}/24`, "dev", "underlay");
  await inside("ip", "link", "set", "underlay", "up");
  // The NIC has no address and would answer for the bridge's, with its own MAC.
  await inside("sysctl", "-qw", "net/ipv4/conf/nic0/arp_ignore=1");
}

async function plug(
  { label, bridge, name }: { label: string; bridge: Switch; name: string },
  { ip, mac, tag }: { ip: string; mac: string; tag: number },
): Promise<FabricPod> {
  const pod = await makePod(name);
  const hostEnd = `cv${pod.id.slice(0, 11)}`;
  const peer = ["type", "veth", "peer", "name", "eth0", "address", mac, "netns", pod.id];
  await run("ip", ["-n", label, "link", "add", hostEnd, ...peer]);
  await run("ip", ["-n", label, "link", "set", hostEnd, "up"]);
  await pod.run("ethtool", "-K", "eth0", "tx", "off"); // the userspace datapath adds no checksums
  const batch = `address add ${ip}/24 dev eth0\nlink set eth0 mtu 1450\nlink set eth0 up\n`;
  await run("ip", ["-n", pod.id, "-batch", "-"], { stdin: batch });
  const spec = { name: hostEnd, tag, mac, addresses: [ip], externalIds: { pod: name } };
  await bridge.addPort(spec);
  return { ...pod, ip, mac, spec };
}
