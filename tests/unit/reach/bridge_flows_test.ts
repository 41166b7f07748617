// Where packets go by the flows of distributed gateways, in the example of two hosts and four networks. The flow
// machine starts with the ports' own flows, and has a connection tracker with translation.

import { assert, assertEquals } from "@std/assert";
import { bridgeFlows, gatewayTunnelFlows } from "../../../lib/reach/bridge_flows.ts";
import { REACH_COOKIE, REACH_TABLES } from "../../../lib/reach/reach_tables.ts";
import { aliasZone, serviceZone } from "../../../lib/reach/reach_tables.ts";
import { REACH_COOKIES } from "../../../lib/ovs/openflow/cookies.ts";
import * as ofPorts from "../../../lib/ovs/openflow/port_reach_tables.ts";
import { TABLES } from "../../../lib/policy/flows/pipeline.ts";
import type { Ending } from "../policy/flow_machine.ts";
import { numberOf } from "../policy/flow_words.ts";
import { addressToText } from "../../../lib/ipam/subnets.ts";
import { ExampleBridge } from "./example_bridge.ts";
import { hostOf, macOf, MODEL, POD_PORTS, type PodName, portOf, PORTS } from "./example_model.ts";

const [HOST, OTHER] = [MODEL.self, hostOf(2)];
const OUTSIDE = "198.51.100.9";
const SERVICE = "10.96.0.20";

/** Returns an ending as `PORT SOURCE > DESTINATION`, with the tag of a tagged frame. */
function words({ out, fields }: Ending): string {
  if (out === undefined) return "dropped";
  const { nwSrc = 0, nwDst = 0, vlanTci = 0 } = fields;
  const port = Object.entries({ ...PORTS, ...POD_PORTS }).find(([, number]) => number === out)?.[0];
  const tag = vlanTci === 0 ? "" : ` tag ${vlanTci & 0xfff}`;
  return `${port ?? out}${tag} ${addressToText(nwSrc)} > ${addressToText(nwDst)}`;
}

// --- what pods may send to their gateway

const sends: readonly { name: string; pod: PodName; to: string; want: string }[] = [
  {
    name: "outside, by its own address",
    pod: "a1",
    to: OUTSIDE,
    want: `host 10.1.1.1 > ${OUTSIDE}`,
  },
  { name: "outside, by its alias", pod: "b1", to: OUTSIDE, want: `host 100.64.0.1 > ${OUTSIDE}` },
  { name: "outside, without the word", pod: "d1", to: OUTSIDE, want: "dropped" },
  { name: "a service", pod: "d1", to: SERVICE, want: `host 10.9.9.1 > ${SERVICE}` },
  { name: "a service, by its alias", pod: "b2", to: SERVICE, want: `host 100.64.0.2 > ${SERVICE}` },
  { name: "node-local DNS", pod: "a1", to: "169.254.20.10", want: "host 10.1.1.1 > 169.254.20.10" },
  { name: "cloud metadata", pod: "a1", to: "169.254.169.254", want: "dropped" },
  { name: "a multicast", pod: "a1", to: "224.0.0.251", want: "dropped" },
  { name: "a service, without any word", pod: "e1", to: SERVICE, want: "dropped" },
  { name: "outside, without any word", pod: "e1", to: OUTSIDE, want: "dropped" },
  { name: "the node", pod: "e1", to: HOST.node, want: `host 10.8.8.1 > ${HOST.node}` },
  {
    name: "the node, by its alias",
    pod: "b1",
    to: HOST.node,
    want: `host 100.64.0.1 > ${HOST.node}`,
  },
  {
    name: "another node",
    pod: "a1",
    to: OTHER.node,
    want: `patch tag 100 10.1.1.1 > ${OTHER.node}`,
  },
  {
    name: "another node by the uplink",
    pod: "e1",
    to: OTHER.nat,
    want: `uplink tag 103 10.8.8.1 > ${OTHER.nat}`,
  },
  { name: "another node, as a twin", pod: "b1", to: OTHER.node, want: "dropped" },
  { name: "a routed network, here", pod: "a1", to: "10.9.9.1", want: "d1 10.1.1.1 > 10.9.9.1" },
  {
    name: "a routed network, there",
    pod: "a1",
    to: "10.9.9.2",
    want: "patch tag 102 10.1.1.1 > 10.9.9.2",
  },
  { name: "a routed network, nobody", pod: "a1", to: "10.9.9.77", want: "dropped" },
  { name: "a network that is not routed", pod: "a1", to: "10.8.8.1", want: "dropped" },
  { name: "a network that is not routed, as a twin", pod: "b1", to: "10.9.9.1", want: "dropped" },
  { name: "its own network", pod: "a1", to: "10.1.1.2", want: "dropped" },
  { name: "an alias", pod: "a1", to: "100.64.0.1", want: "dropped" },
  { name: "another's hairpin alias", pod: "b2", to: "100.64.128.1", want: "dropped" },
  {
    name: "its own hairpin alias",
    pod: "b1",
    to: "100.64.128.1",
    want: "host 10.1.1.1 > 100.64.128.1",
  },
];

for (const { name, pod, to, want } of sends) {
  Deno.test(`a pod's packet to its gateway: ${name}`, () => {
    const end = new ExampleBridge().fromPod(pod, { from: portOf(pod).addresses[0]!, to });
    assertEquals(words(end), want);
  });
}

Deno.test("a routed packet has one hop less, and the gateway's MAC as its sender", () => {
  const { fields } = new ExampleBridge().fromPod("a1", { from: "10.1.1.1", to: "10.9.9.1" });
  assertEquals(
    [fields.nwTtl, fields.dlSrc, fields.dlDst],
    [63, numberOf(HOST.mac), numberOf(macOf("10.9.9.1"))],
  );
});

Deno.test("packets into the host have its MAC, to another host its own", () => {
  const bridge = new ExampleBridge();
  const to = (address: string) =>
    bridge.fromPod("a1", { from: "10.1.1.1", to: address }).fields.dlDst;
  assertEquals([to(OUTSIDE), to(OTHER.node)], [numberOf(HOST.mac), numberOf(OTHER.mac)]);
});

Deno.test("frames to other MACs are forwarded as before", () => {
  const bridge = new ExampleBridge();
  const end = bridge.fromPod("a1", { from: "10.1.1.1", to: "10.1.1.3" }, macOf("10.1.1.3"));
  assertEquals(end.out, "NORMAL");
  const spoofed = bridge.fromPod("a1", { from: "10.1.1.2", to: OUTSIDE });
  assertEquals(spoofed.out, undefined);
});

// --- ARP

Deno.test("the gateway answers a pod's ARP request with this host's MAC; no other request is answered", () => {
  const bridge = new ExampleBridge();
  const { ofport, mac } = portOf("a1");
  const ask = (arpSpa: string, arpTpa: string) =>
    bridge.send({
      ...{ inPort: ofport, vlanTci: 0, dlSrc: numberOf(mac), dlDst: 0xffff_ffff_ffff },
      ...{ ethType: 0x806, arpOp: 1, arpSha: numberOf(mac) },
      ...{ arpSpa: numberOf(arpSpa), arpTpa: numberOf(arpTpa) },
    });
  const { out, fields } = ask("10.1.1.1", "10.1.1.254");
  assertEquals(out, "IN_PORT");
  const { dlSrc, dlDst, arpOp, arpSha, arpTha, arpSpa, arpTpa } = fields;
  const [gateway, own] = [numberOf(HOST.mac), numberOf(mac)];
  assertEquals([dlSrc, dlDst, arpOp, arpSha, arpTha], [gateway, own, 2, gateway, own]);
  assertEquals([arpSpa, arpTpa], [numberOf("10.1.1.254"), numberOf("10.1.1.1")]);
  assertEquals(ask("10.1.1.1", "10.1.1.2").out, "NORMAL");
  assertEquals(ask("10.1.1.254", "10.1.1.254").out, undefined, "a pod is not the gateway");
});

// --- what the host sends

const received: readonly { name: string; from: string; to: string; want: string }[] = [
  { name: "a probe", from: HOST.node, to: "10.1.1.1", want: "a1" },
  { name: "a probe without any word", from: HOST.node, to: "10.8.8.1", want: "e1" },
  { name: "a probe to another host's pod", from: HOST.node, to: "10.1.1.3", want: "patch tag 100" },
  { name: "the same by the uplink", from: HOST.node, to: "10.8.8.2", want: "uplink tag 103" },
  { name: "something masqueraded without any word", from: HOST.nat, to: "10.8.8.1", want: "e1" },
  { name: "a stranger", from: OUTSIDE, to: "10.1.1.1", want: "a1" },
  { name: "a stranger without any word", from: OUTSIDE, to: "10.8.8.1", want: "dropped" },
  { name: "an address that nobody has", from: HOST.node, to: "10.1.1.77", want: "dropped" },
  { name: "a probe of a twin that is alone", from: HOST.node, to: "10.1.1.9", want: "b2" },
];

for (const { name, from, to, want } of received) {
  Deno.test(`a packet of the host: ${name}`, () => {
    const end = new ExampleBridge().fromHost({ from, to });
    assertEquals(words(end), want === "dropped" ? want : `${want} ${from} > ${to}`);
    assertEquals(end.out === "NORMAL", false, "nothing is learned from the host");
  });
}

Deno.test("the host reaches a pod by its alias, and gets the answer from there", () => {
  const bridge = new ExampleBridge();
  const asked = bridge.fromHost({ from: HOST.node, to: "100.64.0.1" });
  assertEquals(words(asked), `b1 ${HOST.node} > 10.1.1.1`);
  const answer = bridge.fromPod("b1", { from: "10.1.1.1", to: HOST.node, ports: [80, 40_000] });
  assertEquals(words(answer), `host 100.64.0.1 > ${HOST.node}`);
});

Deno.test("a twin that is alone answers the host by its own address", () => {
  const bridge = new ExampleBridge();
  bridge.fromHost({ from: HOST.node, to: "10.1.1.9" });
  const answer = bridge.fromPod("b2", { from: "10.1.1.9", to: HOST.node, ports: [80, 40_000] });
  assertEquals(words(answer), `host 10.1.1.9 > ${HOST.node}`);
});

Deno.test("answers from outside find the pod behind its alias", () => {
  const bridge = new ExampleBridge();
  bridge.fromPod("b1", { from: "10.1.1.1", to: OUTSIDE });
  const answer = bridge.fromHost({ from: OUTSIDE, to: "100.64.0.1", ports: [80, 40_000] });
  assertEquals(words(answer), `b1 ${OUTSIDE} > 10.1.1.1`);
});

Deno.test("the host sends neither redirects nor ARP nor tagged frames to pods", () => {
  const bridge = new ExampleBridge();
  const frame = { inPort: PORTS.host, vlanTci: 0 };
  const ip = { from: HOST.node, to: "10.1.1.1" };
  const ends = [
    bridge.send({ ...frame, icmpType: 5 }, { ...ip, protocol: 1 }),
    bridge.send({ ...frame, ethType: 0x806, arpOp: 1, arpTpa: numberOf("10.1.1.1") }),
    bridge.send({ ...frame, ethType: 0x86dd }),
    bridge.send({ ...frame, vlanTci: 0x1000 | 100, dlVlan: 100 }, ip),
  ];
  assertEquals(ends.map(({ out }) => out), [undefined, undefined, undefined, undefined]);
});

// --- services: the host translates, and the packet comes back

/** A pod asks a service; returns where packet, translated packet, answer and translated answer end. */
function service(asker: PodName, backend: PodName, source = portOf(asker).addresses[0]!): string[] {
  const bridge = new ExampleBridge();
  const [client, server] = [portOf(asker), portOf(backend)].map(({ addresses: [one = ""] }) =>
    one
  ) as [string, string];
  const back = { ports: [80, 40_000], tcpFlags: 18 } as const;
  return [
    bridge.fromPod(asker, { from: client, to: SERVICE }),
    bridge.fromHost({ from: source, to: server }),
    bridge.fromPod(
      backend,
      { from: server, to: client, ...back },
      portOf(asker).tag === portOf(backend).tag ? macOf(client) : undefined,
    ),
    bridge.fromHost({ from: SERVICE, to: source, ...back }),
  ].map(words);
}

Deno.test("a service with its backend in the same network: it sees the pod, whose answer passes the host", () => {
  assertEquals(service("a1", "a2"), [
    `host 10.1.1.1 > ${SERVICE}`,
    "a2 10.1.1.1 > 10.1.1.2",
    "host 10.1.1.2 > 10.1.1.1",
    `a1 ${SERVICE} > 10.1.1.1`,
  ]);
});

Deno.test("a service with its backend in a routed network", () => {
  assertEquals(service("a1", "d1"), [
    `host 10.1.1.1 > ${SERVICE}`,
    "d1 10.1.1.1 > 10.9.9.1",
    "host 10.9.9.1 > 10.1.1.1",
    `a1 ${SERVICE} > 10.1.1.1`,
  ]);
});

Deno.test("a service of an aliased network finds the backend of the asker's tenant", () => {
  assertEquals(service("b1", "b2", "100.64.0.1"), [
    `host 100.64.0.1 > ${SERVICE}`,
    "b2 10.1.1.1 > 10.1.1.9",
    "host 10.1.1.9 > 100.64.0.1",
    `b1 ${SERVICE} > 10.1.1.1`,
  ]);
});

Deno.test("a service of an aliased network never finds its twin's backend", () => {
  const bridge = new ExampleBridge();
  // a2 has 10.1.1.2, and red has no such pod.
  assertEquals(words(bridge.fromHost({ from: "100.64.0.1", to: "10.1.1.2" })), "dropped");
  assertEquals(
    words(bridge.fromHost({ from: "10.1.1.1", to: "10.8.8.1" })),
    "dropped",
    "not routed",
  );
});

Deno.test("a pod by its own service, through its hairpin alias", () => {
  const bridge = new ExampleBridge();
  const asked = bridge.fromHost({ from: "100.64.128.1", to: "10.1.1.1" });
  assertEquals(words(asked), "b1 100.64.128.1 > 10.1.1.1");
  assertEquals(words(bridge.fromHost({ from: "100.64.128.1", to: "10.1.1.9" })), "dropped");
});

Deno.test("answers of a backend on another host pass the host, too", () => {
  const bridge = new ExampleBridge();
  bridge.fromHost({ from: "10.1.1.1", to: "10.1.1.3" });
  const packet = { from: "10.1.1.3", to: "10.1.1.1", ports: [80, 40_000], tcpFlags: 18 } as const;
  assertEquals(words(bridge.fromTrunk(100, packet, macOf("10.1.1.1"))), "host 10.1.1.3 > 10.1.1.1");
  const own = bridge.fromTrunk(100, { ...packet, ports: [80, 41_000] }, macOf("10.1.1.1"));
  assertEquals(own.out, "NORMAL", "an answer to a connection of its own");
});

Deno.test("a pod whose network has no word cannot come back from the host with its own address", () => {
  assertEquals(
    words(new ExampleBridge().fromHost({ from: "10.8.8.1", to: "10.8.8.2" })),
    "dropped",
  );
});

// --- from other hosts

const arriving: readonly {
  name: string;
  tag: number;
  from: string;
  to: string;
  mac?: string;
  want: string;
}[] = [
  { name: "an answer to this node", tag: 100, from: "10.1.1.3", to: HOST.node, want: "host" },
  {
    name: "an answer to what it masqueraded",
    tag: 102,
    from: "10.9.9.2",
    to: HOST.nat,
    want: "host",
  },
  {
    name: "an aliased network's, as its twin",
    tag: 101,
    from: "10.1.1.3",
    to: HOST.node,
    want: "dropped",
  },
  {
    name: "with another network's address",
    tag: 102,
    from: "10.1.1.3",
    to: HOST.node,
    want: "dropped",
  },
  {
    name: "something for this gateway to route",
    tag: 100,
    from: "10.1.1.3",
    to: OUTSIDE,
    want: "dropped",
  },
  {
    name: "something for this gateway to route",
    tag: 100,
    from: "10.1.1.3",
    to: "10.9.9.1",
    want: "dropped",
  },
  {
    name: "a pod's",
    tag: 100,
    from: "10.1.1.3",
    to: "10.1.1.2",
    mac: macOf("10.1.1.2"),
    want: "NORMAL tag 100",
  },
];

for (const { name, tag, from, to, mac = HOST.mac, want } of arriving) {
  Deno.test(`a packet from another host: ${name} (${to})`, () => {
    const end = words(new ExampleBridge().fromTrunk(tag, { from, to }, mac));
    assertEquals(end, want === "dropped" ? want : `${want} ${from} > ${to}`);
  });
}

Deno.test("nobody else is the gateway: neither its ARP nor its MAC comes in from other hosts", () => {
  const bridge = new ExampleBridge();
  const frame = { inPort: PORTS.uplink, dlVlan: 103, vlanTci: 0x1000 | 103 };
  const arp = (arpSpa: string) =>
    bridge.send({ ...frame, ethType: 0x806, arpOp: 2, arpSpa: numberOf(arpSpa) }).out;
  assertEquals([arp("10.8.8.254"), arp("10.8.8.2")], [undefined, "NORMAL"]);
  assertEquals(bridge.send({ ...frame, dlSrc: numberOf(HOST.mac), ethType: 0x800 }).out, undefined);
});

// --- all of it

Deno.test("bridgeFlows() has each match once, under one cookie, and none without networks", () => {
  const flows = bridgeFlows(MODEL, PORTS, new Set());
  const keys = flows.map((flow) => flow.replace(/ actions=.*/, ""));
  assertEquals(new Set(keys).size, keys.length);
  assertEquals(flows.filter((flow) => !flow.startsWith("cookie=0x6b38000700000000, ")), []);
  assertEquals(bridgeFlows({ ...MODEL, networks: [] }, PORTS, new Set()), []);
});

Deno.test("what ct() could not translate goes no further: a pod would pass for its twin", () => {
  const { aliased, unaliased, ofAsker } = REACH_TABLES;
  const flows = bridgeFlows(MODEL, PORTS, new Set());
  const ofTable = (table: number) => flows.filter((flow) => flow.includes(` table=${table}, `));
  const twins = MODEL.networks.filter((one) => one.aliasedBecause !== undefined);
  const zones = twins.map(({ tag }) => `ct_zone=${serviceZone(tag)},`);
  const translated = [
    ...ofTable(aliased),
    ...ofTable(unaliased),
    ...ofTable(ofAsker).filter((flow) => zones.some((zone) => flow.includes(zone))),
  ];
  assert(translated.length >= 6);
  assertEquals(translated.filter((flow) => !flow.includes("ct_state=-inv+trk,")), []);
});

Deno.test("gatewayTunnelFlows() leads to the gateways of other hosts, in networks with a VNI", () => {
  const start = "cookie=0x6b38000700000000,";
  const out = "output:9";
  assertEquals(gatewayTunnelFlows(MODEL, { patch: 8, tunnel: 9 }), [
    `${start} priority=210,in_port=8,dl_dst=${OTHER.mac} actions=set_field:${OTHER.vtep}->tun_dst,resubmit(,3)`,
    `${start} table=3, priority=100,dl_vlan=100 actions=pop_vlan,set_field:0x3e9->tun_id,${out}`,
    `${start} table=3, priority=100,dl_vlan=102 actions=pop_vlan,set_field:0x3eb->tun_id,${out}`,
    `${start} table=3, priority=100,dl_vlan=101 actions=pop_vlan,set_field:0x3ea->tun_id,${out}`,
  ]);
  const without = { ...MODEL, others: [{ ...OTHER, vtep: undefined }] };
  assertEquals(gatewayTunnelFlows(without, { patch: 8, tunnel: 9 }), []);
});

Deno.test("ports, policies and gateways mean the same tables, zones and cookies", () => {
  const { PORT_REACH_TABLES, ...numbers } = ofPorts;
  for (const [name, table] of Object.entries(PORT_REACH_TABLES)) {
    assertEquals(REACH_TABLES[name as keyof typeof PORT_REACH_TABLES], table, name);
  }
  assertEquals<number[]>([TABLES.entry, TABLES.forward], [
    REACH_TABLES.entry,
    REACH_TABLES.forward,
  ]);
  assertEquals(REACH_COOKIES.value, REACH_COOKIE);
  assertEquals([numbers.serviceZone(7), numbers.aliasZone(7)], [serviceZone(7), aliasZone(7)]);
});
