import { assert, assertEquals } from "@std/assert";
import {
  ANTISPOOF_COOKIES,
  LEARNED_COOKIES,
  LINK_COOKIES,
} from "../../../../lib/ovs/openflow/cookies.ts";
import { planFlows } from "../../../../lib/ovs/openflow/plan_flows.ts";
import { learnedCookieOf, tunnelFlows } from "../../../../lib/ovs/tunnel/tunnel_flows.ts";
import type { Member, TunnelNetwork } from "../../../../lib/ovs/tunnel/desired_tunnel.ts";

const PORTS = { patch: 1, tunnel: 2 };
const [H2, H3] = ["192.168.77.2", "192.168.77.3"];

function member(n: number, vtep: string): Member {
  return { ip: `10.5.5.${n}`, mac: `02:02:0a:05:05:0${n}`, vtep };
}

const flowsOf = (networks: readonly TunnelNetwork[], hosts: readonly string[] = []) =>
  tunnelFlows({ networks, hosts }, PORTS);

/** Returns flows without their cookies, for comparison. */
function flowTexts(networks: readonly TunnelNetwork[], hosts: readonly string[] = []): string[] {
  return flowsOf(networks, hosts).map((line) =>
    line.replace(/^cookie=\S+, /, "")
      .replace(/move:NXM_OF_ETH_SRC.*?->arp_spa,IN_PORT/, "answer")
      .replace(/learn\(.*\)/, "learn")
      .replaceAll(/,set_field:([\d.]+)->tun_dst,output:2/g, " to $1")
  );
}

const DROP = "priority=0 actions=drop";
const from = (vtep: string) => `priority=100,tun_src=${vtep},in_port=2 actions=resubmit(,1)`;
const UNICAST = "priority=150,in_port=1,dl_vlan=2001,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00" +
  " actions=resubmit(,2)";
const ARRIVED = "table=1, priority=100,tun_id=0x3e9,vlan_tci=0x0000/0x1fff" +
  " actions=push_vlan:0x8100,set_field:6097->vlan_vid,learn,output:1";
const WRAP = "pop_vlan,set_field:0x3e9->tun_id";
const cases: {
  name: string;
  networks: TunnelNetwork[];
  hosts?: readonly string[];
  want: string[];
}[] = [
  { name: "drop all where there is no network", networks: [], want: [DROP] },
  {
    name: "listen to the cluster's hosts, and deliver nothing without a network",
    networks: [],
    hosts: [H3, H2],
    want: [DROP, from(H2), from(H3)],
  },
  {
    name: "send nothing to all where a network has no members elsewhere, and answer who comes",
    networks: [{ vni: 1001, localTag: 2001, members: [] }],
    hosts: [H2],
    want: [
      DROP,
      from(H2),
      UNICAST,
      "priority=100,in_port=1,dl_vlan=2001 actions=drop",
      ARRIVED,
      "table=2, priority=0,dl_vlan=2001 actions=drop",
    ],
  },
  {
    name: "answer ARP, send and flood per member and host",
    networks: [{ vni: 1001, localTag: 2001, members: [member(2, H2), member(3, H3)] }],
    want: [
      DROP,
      from(H2),
      from(H3),
      "priority=300,arp,in_port=1,dl_vlan=2001,arp_tpa=10.5.5.2,arp_op=1" +
      ` actions=clone(${WRAP} to ${H2}),answer`,
      "priority=300,arp,in_port=1,dl_vlan=2001,arp_tpa=10.5.5.3,arp_op=1" +
      ` actions=clone(${WRAP} to ${H3}),answer`,
      `priority=200,in_port=1,dl_vlan=2001,dl_dst=02:02:0a:05:05:02 actions=${WRAP} to ${H2}`,
      `priority=200,in_port=1,dl_vlan=2001,dl_dst=02:02:0a:05:05:03 actions=${WRAP} to ${H3}`,
      UNICAST,
      `priority=100,in_port=1,dl_vlan=2001 actions=${WRAP} to ${H2} to ${H3}`,
      ARRIVED,
      `table=2, priority=0,dl_vlan=2001 actions=${WRAP} to ${H2} to ${H3}`,
    ],
  },
];

for (const { name, networks, hosts, want } of cases) {
  Deno.test(`tunnelFlows() ${name}`, () => assertEquals(flowTexts(networks, hosts), want));
}

Deno.test("tunnelFlows() floods once to a host with many members, and sends one MAC's frames once", () => {
  const twins = [member(2, H2), { ...member(3, H2), mac: member(2, H2).mac }, member(4, H2)];
  const lines = flowTexts([{ vni: 7, localTag: 2001, members: twins }]);
  const flood = lines.find((line) => line.startsWith("priority=100,in_port=1"));
  assertEquals(flood?.split(" to ").length, 2);
  assertEquals(lines.filter((line) => line.includes("dl_dst=02:")).length, 2);
});

Deno.test("tunnelFlows() answers with the member's MAC, to the asker alone", () => {
  const lines = flowsOf([{ vni: 7, localTag: 9, members: [member(2, H2)] }]);
  const actions = lines.find((line) => line.includes(",arp,"))?.split(" actions=")[1];
  assertEquals(actions?.replace(/clone\(.*?\),/, "").split(","), [
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]",
    "set_field:02:02:0a:05:05:02->eth_src",
    "set_field:2->arp_op",
    "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]",
    "set_field:02:02:0a:05:05:02->arp_sha",
    "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]",
    "set_field:10.5.5.2->arp_spa",
    "IN_PORT",
  ]);
});

Deno.test("tunnelFlows() sends nothing from the tunnel into the tunnel, and lets key 0 in nowhere", () => {
  const members = [member(2, H2), member(3, H3)];
  const networks = [1, 2, 0xff_ffff].map((vni, n) => ({ vni, localTag: 2_000 + n, members }));
  const lines = flowsOf(networks);
  const arrived = lines.filter((line) => line.includes("table=1"));
  assertEquals(arrived.length, 3);
  assert(arrived.every((line) => line.endsWith("output:1") && /tun_id=0x[1-9a-f]/.test(line)));
  const fromTunnel = lines.filter((line) => line.includes("in_port=2"));
  assert(fromTunnel.every((line) => line.endsWith("actions=resubmit(,1)")));
  // Table 2 is for pods' frames: nothing but their port leads there.
  const toTunnel = lines.filter((line) => /output:2/.test(line));
  assert(toTunnel.every((line) => line.includes("in_port=1") || line.includes("table=2")));
  assertEquals(lines.filter((line) => line.includes("resubmit(,2)")).length, 3);
  assert(lines.every((line) => !line.includes("resubmit(,2)") || line.includes("in_port=1,")));
});

Deno.test("learnedCookieOf() differs by network and local tag, and from the other kinds", () => {
  const of = (vni: number, localTag: number) => learnedCookieOf({ vni, localTag, members: [] });
  const all = [of(7, 9), of(9, 7), of(7, 10), of(0xff_ffff, 4_094)];
  assertEquals(new Set(all).size, 4);
  const isLearned = (cookie: bigint) => (cookie & LEARNED_COOKIES.mask) === LEARNED_COOKIES.value;
  assert(all.every(isLearned));
  assert(
    ![ANTISPOOF_COOKIES, ...Object.values(LINK_COOKIES)].some(({ value }) => isLearned(value)),
  );
});

Deno.test("planFlows() of a member that moved names its flows only, and none twice", () => {
  const network = { vni: 1001, localTag: 2001, members: [member(2, H2), member(3, H3)] };
  const moved = { ...network, members: [member(2, H3), member(3, H3)] };
  const lines = planFlows(flowsOf([network]), flowsOf([moved]));
  const added = lines.filter((line) => line.startsWith("add"));
  assertEquals(added.length, 4, "ARP, known MAC, flood of both tables");
  // Those four, and the host that has no member any more, where it is not a host of the cluster.
  assertEquals(lines.filter((line) => line.startsWith("delete_strict")).length, 5);
});
