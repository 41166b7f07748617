import { assert, assertEquals } from "@std/assert";
import { planFlows } from "../../../../lib/ovs/flows.ts";
import { overlayFlows } from "../../../../lib/ovs/overlay/flows.ts";
import type { Member, OverlayNetwork } from "../../../../lib/ovs/overlay/wish.ts";

const PORTS = { patch: 1, tunnel: 2 };
const [H2, H3] = ["192.168.77.2", "192.168.77.3"];

function member(n: number, vtep: string): Member {
  return { ip: `10.5.5.${n}`, mac: `02:02:0a:05:05:0${n}`, vtep };
}

/** Shortens lines to what a person asks of them. */
function told(networks: readonly OverlayNetwork[]): string[] {
  return overlayFlows(networks, PORTS).map((line) =>
    line.replace(/^cookie=\S+, /, "")
      .replace(/move:NXM_OF_ETH_SRC.*?->arp_spa,IN_PORT/, "answer")
      .replaceAll(/,set_field:([\d.]+)->tun_dst,output:2/g, " to $1")
  );
}

const DROP = "priority=0 actions=drop";
const cases: { name: string; networks: OverlayNetwork[]; want: string[] }[] = [
  { name: "drop all where there is no network", networks: [], want: [DROP] },
  {
    name: "let nothing out or in where a network has no members elsewhere",
    networks: [{ vni: 1001, localTag: 2001, members: [] }],
    want: [DROP],
  },
  {
    name: "answer, send and flood per member and host, and let in by VNI and sender",
    networks: [{ vni: 1001, localTag: 2001, members: [member(2, H2), member(3, H3)] }],
    want: [
      DROP,
      "priority=300,arp,in_port=1,dl_vlan=2001,arp_tpa=10.5.5.2,arp_op=1 actions=answer",
      "priority=300,arp,in_port=1,dl_vlan=2001,arp_tpa=10.5.5.3,arp_op=1 actions=answer",
      "priority=200,in_port=1,dl_vlan=2001,dl_dst=02:02:0a:05:05:02" +
      ` actions=pop_vlan,set_field:0x3e9->tun_id to ${H2}`,
      "priority=200,in_port=1,dl_vlan=2001,dl_dst=02:02:0a:05:05:03" +
      ` actions=pop_vlan,set_field:0x3e9->tun_id to ${H3}`,
      "priority=100,in_port=1,dl_vlan=2001" +
      ` actions=pop_vlan,set_field:0x3e9->tun_id to ${H2} to ${H3}`,
      `priority=100,tun_id=0x3e9,tun_src=${H2},in_port=2,vlan_tci=0x0000/0x1fff` +
      " actions=push_vlan:0x8100,set_field:6097->vlan_vid,output:1",
      `priority=100,tun_id=0x3e9,tun_src=${H3},in_port=2,vlan_tci=0x0000/0x1fff` +
      " actions=push_vlan:0x8100,set_field:6097->vlan_vid,output:1",
    ],
  },
];

for (const { name, networks, want } of cases) {
  Deno.test(`overlayFlows() ${name}`, () => assertEquals(told(networks), want));
}

Deno.test("overlayFlows() floods once to a host with many members, and sends one MAC's frames once", () => {
  const twins = [member(2, H2), { ...member(3, H2), mac: member(2, H2).mac }, member(4, H2)];
  const lines = told([{ vni: 7, localTag: 2001, members: twins }]);
  const flood = lines.find((line) => line.startsWith("priority=100,in_port=1"));
  assertEquals(flood?.split(" to ").length, 2);
  assertEquals(lines.filter((line) => line.includes("dl_dst=")).length, 2);
});

Deno.test("overlayFlows() answers with the member's MAC, to the asker alone", () => {
  const lines = overlayFlows([{ vni: 7, localTag: 9, members: [member(2, H2)] }], PORTS);
  assertEquals(lines.find((line) => line.includes(",arp,"))?.split(" actions=")[1]?.split(","), [
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

Deno.test("overlayFlows() sends nothing from the tunnel into the tunnel, and lets key 0 in nowhere", () => {
  const members = [member(2, H2), member(3, H3)];
  const networks = [1, 2, 0xff_ffff].map((vni, n) => ({ vni, localTag: 2_000 + n, members }));
  const lines = overlayFlows(networks, PORTS);
  const fromTunnel = lines.filter((line) => line.includes("in_port=2"));
  assertEquals(fromTunnel.length, 6);
  assert(fromTunnel.every((line) => line.endsWith("output:1") && /tun_id=0x[1-9a-f]/.test(line)));
  assert(lines.every((line) => !/output:2/.test(line) || line.includes("in_port=1")));
});

Deno.test("planFlows() of a member that moved names its flows only, and none twice", () => {
  const network = { vni: 1001, localTag: 2001, members: [member(2, H2), member(3, H3)] };
  const moved = { ...network, members: [member(2, H3), member(3, H3)] };
  const lines = planFlows(overlayFlows([network], PORTS), overlayFlows([moved], PORTS));
  assertEquals(lines.filter((line) => line.startsWith("add")).length, 2, "known MAC and flood");
  assertEquals(lines.filter((line) => line.startsWith("delete_strict")).length, 3);
});
