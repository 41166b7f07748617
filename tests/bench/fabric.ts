// Measures traffic between hosts: our overlay against the same Open vSwitch configured by hand (one
// flow-based VXLAN port, a learning bridge, four flows), in alternation. Userspace datapath, two hosts each.

import { run } from "../../lib/util/run.ts";
import {
  type FabricHost,
  type FabricPod,
  localTag,
  setOverlays,
  startFabricHost,
  unwire,
  wireUnderlay,
} from "../lab/fabric_host.ts";
import { makePod, type Pod } from "../lab/pod.ts";
import { report } from "./report.ts";
import { throughput } from "./streams.ts";
import { note, quantile, type Samples } from "./stats.ts";

const ROUNDS = Number(Deno.args[0] ?? 12);
const VNI = 1_001;
const TAG = 10;
// Our overlay must reach at least 0.95 of the hand-made one.
const MAX_RATIO = 1.05;
const samples: Samples = new Map();

/** Makes a pod on the hand-made bridge. */
async function plugByHand(host: FabricHost, n: number): Promise<Pod> {
  const pod = await makePod(`hand${n}`);
  const name = `hand${n}`;
  const peer = ["type", "veth", "peer", "name", "eth0", "netns", pod.id];
  await run("ip", ["-n", host.name, "link", "add", name, ...peer]);
  await run("ip", ["-n", host.name, "link", "set", name, "up"]);
  await pod.run("ethtool", "-K", "eth0", "tx", "off");
  const batch = `address add 10.5.5.${n}/24 dev eth0\nlink set eth0 mtu 1450\nlink set eth0 up\n`;
  await run("ip", ["-n", pod.id, "-batch", "-"], { stdin: batch });
  await host.ovs.vsctl("add-port", "handbr", name, `tag=${TAG}`);
  return pod;
}

/** Makes bridges and flows as an operator would by hand, for one network and one peer. */
async function configureByHand({ ovs, vtep }: FabricHost, peer: string): Promise<void> {
  await ovs.vsctl(
    ...["add-br", "handbr", "--", "set", "bridge", "handbr", "datapath_type=netdev"],
    ...["fail_mode=standalone", "--", "add-br", "handtun"],
    ...["--", "set", "bridge", "handtun", "datapath_type=netdev", "fail_mode=secure"],
    ...["--", "add-port", "handbr", "hp0", "--", "set", "interface", "hp0", "type=patch"],
    ...["options:peer=hp1", "--", "add-port", "handtun", "hp1", "--", "set", "interface", "hp1"],
    ...["type=patch", "options:peer=hp0", "ofport_request=1"],
    ...["--", "add-port", "handtun", "hvx", "--", "set", "interface", "hvx", "type=vxlan"],
    ...["ofport_request=100", "options:remote_ip=flow", `options:local_ip=${vtep}`],
    "options:key=flow",
  );
  const out = `pop_vlan,set_field:${VNI}->tun_id,set_field:${peer}->tun_dst,output:100`;
  const into = `push_vlan:0x8100,set_field:${0x1000 | TAG}->vlan_vid,output:1`;
  for (
    const flow of [
      `in_port=1,dl_vlan=${TAG},actions=${out}`,
      `in_port=100,tun_id=${VNI},actions=${into}`,
    ]
  ) {
    await run("ovs-ofctl", ["-OOpenFlow13", "add-flow", `unix:${ovs.rundir}/handtun.mgmt`, flow]);
  }
}

/** Returns the average round trip of 100 pings in ms. */
async function roundTrip(from: Pod, ip: string): Promise<number> {
  const { text } = await from.run("ping", "-q", "-c100", "-i0.005", ip);
  return Number(/= [\d.]+\/([\d.]+)\//.exec(text)?.[1]);
}

async function main(): Promise<void> {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const hosts: FabricHost[] = [];
  for (let n = 1; n <= 4; n++) {
    hosts.push(stack.use(await startFabricHost(dir, { n, driver: "jsonrpc" })));
  }
  await wireUnderlay(hosts);
  stack.defer(unwire);
  const [one, two, three, four] = hosts as [FabricHost, FabricHost, FabricHost, FabricHost];
  const place = async (host: FabricHost, n: number) => ({
    host,
    vni: VNI,
    pod: await host.pod(`p${n}`, {
      ...{ ip: `10.5.5.${n}`, mac: `02:02:0a:05:05:0${n}`, tag: localTag(host, VNI) },
    }) as FabricPod,
  });
  const placed = [await place(one, 1), await place(two, 2)];
  await setOverlays([one, two], placed);
  await configureByHand(three, four.vtep);
  await configureByHand(four, three.vtep);
  const hand = [
    stack.use(await plugByHand(three, 3)),
    stack.use(await plugByHand(four, 4)),
  ] as const;
  await hand[0].run("ping", "-q", "-c3", "10.5.5.4"); // resolves the tunnel's next hop
  const [a, b] = placed.map(({ pod }) => pod) as [FabricPod, FabricPod];
  for (let n = 0; n < ROUNDS; n++) {
    note(samples, "overlay, MB/s", await throughput(a, b, "10.5.5.2"));
    note(samples, "by hand, MB/s", await throughput(hand[0], hand[1], "10.5.5.4"));
    note(samples, "overlay, ms", await roundTrip(a, "10.5.5.2"));
    note(samples, "by hand, ms", await roundTrip(hand[0], "10.5.5.4"));
  }
  const p50 = (name: string) => quantile(samples, name, 0.5);
  const ratios = [
    {
      what: "throughput between hosts, by hand ÷ ours",
      value: p50("by hand, MB/s") / p50("overlay, MB/s"),
      goal: MAX_RATIO,
    },
    {
      what: "round trip between hosts, ours ÷ by hand",
      value: p50("overlay, ms") / p50("by hand, ms"),
      goal: MAX_RATIO,
    },
  ];
  await report("fabric", "fabric_samples.json", { samples, ratios });
}

await main();
