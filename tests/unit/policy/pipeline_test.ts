// The tables before and behind the rules: what reaches a guarded pod past its own address, whose side asked
// where the connection tracker does not know, and what is remembered.

import { assertEquals } from "@std/assert";
import type { ContivRule } from "../../../lib/policy/input.ts";
import { build, macOf } from "./build.ts";
import type { Fields } from "./flow_machine.ts";
import { numberOf } from "./flow_words.ts";
import { type BridgePacket, HostBridge } from "./host_bridge.ts";
import type { PlacedEndpoint, RandomWorld } from "./random_worlds.ts";

const pod = (n: number, group?: string): PlacedEndpoint => ({
  ...{ id: `e${n}`, tenant: "t1", network: "n1", tag: 11, ip: `10.1.1.${n}`, isHere: true },
  ...{ namespace: "one", labels: {}, ports: [] },
  ...group === undefined ? {} : { group },
});

const allow = (direction: "in" | "out", more: Partial<ContivRule> = {}): ContivRule => ({
  ...{ id: `allow ${direction}`, priority: 2, direction, action: "allow", ...more },
});
const denyAll = (direction: "in" | "out"): ContivRule => ({
  ...{ id: `deny ${direction}`, priority: 1, direction, action: "deny" },
});

/** Returns the bridge of a host with pods web, which has `rules`, app and one more, which have none. */
function bridgeWith(rules: readonly ContivRule[]) {
  const endpoints = [pod(1, "web"), pod(2, "app"), pod(3)];
  const world: RandomWorld = {
    ...{ endpoints, namespaces: [], policies: [] },
    tenants: [{
      tenant: "t1",
      groups: [{ name: "web", policies: ["p"] }, { name: "app", policies: [] }],
      policies: [{ name: "p", rules }],
      subnets: {},
    }],
  };
  const { flows } = build(world);
  const [web, app, other] = endpoints.map((one) => ({ ...one, mac: macOf(one) }));
  const bridge = new HostBridge([web!, app!, other!], {
    flows: flows.flows(),
    policed: flows.tags,
  });
  return { bridge, flows: flows.flows(), web: web!, app: app!, other: other! };
}

type Ports = readonly [fromPort: number, toPort: number];

const tcp = (ports: Ports, tcpFlags: "syn" | "ack" = "syn") => packet(6, ports, tcpFlags);
const udp = (ports: Ports) => packet(17, ports);

function packet(protocol: number, [fromPort, toPort]: Ports, tcpFlags?: "syn" | "ack") {
  return (from: PlacedEndpoint & { mac: string }, to: typeof from): BridgePacket => ({
    ...{ from, to, tag: from.tag, fromIp: from.ip, toIp: to.ip },
    ...{ protocol, fromPort, toPort, ...tcpFlags ? { tcpFlags } : {} },
  });
}

// --- past a guarded pod's own address

const IPV6 = { ethType: 0x86dd };
const ipv4To = (dlDst: string, nwDst: string): Fields => ({
  ...{ ethType: 0x800, nwProto: 17, nwSrc: numberOf("192.0.2.1") },
  ...{ dlDst: numberOf(dlDst), nwDst: numberOf(nwDst) },
});

const shielded: readonly { name: string; frame: (mac: string) => Fields; open: boolean }[] = [
  { name: "IPv6 to its MAC", frame: (mac) => ({ ...IPV6, dlDst: numberOf(mac) }), open: false },
  { name: "IPv6 multicast", frame: () => ({ ...IPV6, dlDst: 0x3333_0000_0001 }), open: false },
  { name: "another address", frame: (mac) => ipv4To(mac, "10.1.1.99"), open: false },
  { name: "a broadcast", frame: () => ipv4To("ff:ff:ff:ff:ff:ff", "10.1.1.255"), open: false },
  { name: "a multicast", frame: () => ipv4To("01:00:5e:00:00:01", "224.0.0.1"), open: false },
  { name: "ARP", frame: () => ({ ethType: 0x806, dlDst: 0xffff_ffff_ffff }), open: true },
];

for (const { name, frame, open } of shielded) {
  Deno.test(`frames from outside: ${name} ${open ? "passes" : "stops before"} a pod that policies guard`, () => {
    const { bridge, web } = bridgeWith([denyAll("in")]);
    const outcome = bridge.passFrame({ from: undefined, tag: 11 }, frame(web.mac));
    assertEquals(outcome, open ? "forwarded" : "dropped");
  });
}

Deno.test("frames from outside: a pod that policies guard only in what it sends gets broadcasts and IPv6", () => {
  const { bridge, web } = bridgeWith([denyAll("out")]);
  for (const frame of shielded.map((one) => one.frame(web.mac))) {
    assertEquals(bridge.passFrame({ from: undefined, tag: 11 }, frame), "forwarded");
  }
});

Deno.test("pods without a policy talk freely in a network where another has one", () => {
  const { bridge, web, app, other } = bridgeWith([denyAll("in")]);
  assertEquals(bridge.pass(tcp([40_000, 80])(app, other)), "forwarded");
  assertEquals(bridge.pass(tcp([40_000, 80])(app, web)), "dropped");
  assertEquals(bridge.connections.size, 0);
});

Deno.test("a pod cannot send from another pod's address to pass its policy", () => {
  const { bridge, web, app } = bridgeWith([denyAll("in"), allow("in", { group: "app" })]);
  const asked = tcp([40_000, 80])(app, web);
  assertEquals(bridge.pass({ ...asked, fromIp: "10.1.1.3" }), "dropped");
  assertEquals(bridge.pass(asked), "forwarded");
});

Deno.test("a network that is handed to the policy tables before its flows are there is closed", () => {
  const { web } = bridgeWith([]);
  const other = bridgeWith([denyAll("in")]);
  const late = { ...web, tag: 12, ip: "10.1.2.1" };
  const bridge = new HostBridge([web, late], { flows: other.flows, policed: new Set([11, 12]) });
  const arriving = (tag: number) =>
    bridge.pass({
      tag,
      fromIp: "10.1.2.2",
      toIp: "10.1.2.1",
      protocol: 17,
      fromPort: 1,
      toPort: 2,
    });
  assertEquals(arriving(11), "forwarded");
  assertEquals(arriving(12), "dropped");
});

// --- connections

Deno.test("a connection that is allowed is remembered once, and its answers pass", () => {
  const { bridge, web, app } = bridgeWith([denyAll("in"), denyAll("out"), allow("in")]);
  assertEquals(bridge.pass(tcp([40_000, 80])(app, web)), "forwarded");
  assertEquals(bridge.connections.size, 1);
  assertEquals(bridge.pass(tcp([80, 40_000], "ack")(web, app)), "forwarded");
  assertEquals(bridge.pass(tcp([40_000, 80], "ack")(app, web)), "forwarded");
  assertEquals(bridge.connections.size, 1);
  assertEquals(bridge.pass(tcp([80, 40_001])(web, app)), "dropped", "a question of its own");
});

Deno.test("a connection that is denied is not remembered, so nothing passes as its answer", () => {
  const { bridge, web, app } = bridgeWith([denyAll("in")]);
  assertEquals(bridge.pass(udp([40_000, 53])(app, web)), "dropped");
  assertEquals(bridge.connections.size, 0);
});

const onlyPort80In = [
  denyAll("in"),
  denyAll("out"),
  allow("in", { id: "port 80", protocol: "tcp", port: 80 }),
];
const bothWays = [...onlyPort80In, allow("in"), allow("out")];

const unknown: readonly {
  name: string;
  rules: readonly ContivRule[];
  ports: Ports;
  toWeb: boolean;
  open: boolean;
  kept: number;
}[] = [
  {
    name: "from a high port to a low one is judged as a question",
    ...{ rules: onlyPort80In, ports: [40_000, 80], toWeb: true, open: true, kept: 1 },
  },
  {
    name: "from a low port to a high one is judged as an answer",
    ...{ rules: onlyPort80In, ports: [80, 40_000], toWeb: false, open: true, kept: 0 },
  },
  {
    name: "from a low port to a high one is dropped where its question would be",
    ...{ rules: onlyPort80In, ports: [81, 40_000], toWeb: false, open: false, kept: 0 },
  },
  {
    name: "between high ports passes where both ways round are allowed",
    ...{ rules: bothWays, ports: [40_000, 50_000], toWeb: true, open: true, kept: 0 },
  },
  {
    name: "between high ports is dropped where only the way to the pod is allowed",
    ...{ rules: [...onlyPort80In, allow("in")], ports: [40_000, 50_000], toWeb: true },
    ...{ open: false, kept: 0 },
  },
  {
    name: "between high ports is dropped where only the way from the pod is allowed",
    ...{ rules: [...onlyPort80In, allow("out")], ports: [40_000, 50_000], toWeb: true },
    ...{ open: false, kept: 0 },
  },
  {
    name: "between low ports is dropped where only the way to the pod is allowed",
    ...{ rules: [...onlyPort80In, allow("in")], ports: [100, 200], toWeb: true },
    ...{ open: false, kept: 0 },
  },
];

for (const { name, rules, ports, toWeb, open, kept } of unknown) {
  Deno.test(`TCP of a connection that is not known, without SYN, ${name}`, () => {
    const { bridge, web, app } = bridgeWith(rules);
    const [from, to] = toWeb ? [app, web] : [web, app];
    assertEquals(bridge.pass(tcp(ports, "ack")(from, to)), open ? "forwarded" : "dropped");
    assertEquals(bridge.connections.size, kept);
  });
}

Deno.test("UDP from a low to a high port passes by its own rule and is not remembered", () => {
  const { bridge, web, app } = bridgeWith([denyAll("out"), allow("out", { group: "app" })]);
  assertEquals(bridge.pass(udp([53, 40_000])(web, app)), "forwarded");
  assertEquals(bridge.connections.size, 0);
  assertEquals(bridge.pass(udp([40_000, 53])(web, app)), "forwarded");
  assertEquals(bridge.connections.size, 1);
});

Deno.test("a change of rules cuts a connection that is known and no longer allowed", () => {
  const { bridge, web, app } = bridgeWith([denyAll("in"), allow("in")]);
  assertEquals(bridge.pass(tcp([40_000, 80])(app, web)), "forwarded");
  const after = bridgeWith([denyAll("in")]);
  const known = bridge.connections;
  const more = tcp([40_000, 80], "ack")(after.app, after.web);
  const answer = tcp([80, 40_000], "ack")(after.web, after.app);
  assertEquals([more, answer].map((one) => after.bridge.pass(one, known)), ["dropped", "dropped"]);
});

// --- fragments

Deno.test("fragments of a datagram pass together where its first one may, and so do those of its answer", () => {
  const { bridge, web, app } = bridgeWith([...onlyPort80In, denyAll("out")].map((rule) => ({
    ...rule,
    ...rule.protocol ? { protocol: "udp" } : {},
  })));
  const all = (outcome: string) => Array.from({ length: 4 }, () => outcome);
  assertEquals(bridge.passFragments(udp([40_000, 81])(app, web), 4), all("dropped"));
  assertEquals(bridge.passFragments(udp([80, 40_000])(web, app), 4), all("dropped"), "no answer");
  assertEquals(bridge.connections.size, 0);
  assertEquals(bridge.passFragments(udp([40_000, 80])(app, web), 4), all("forwarded"));
  assertEquals(bridge.connections.size, 1);
  assertEquals(bridge.passFragments(udp([80, 40_000])(web, app), 4), all("forwarded"));
  assertEquals(bridge.passFragments(udp([80, 40_001])(web, app), 4), all("dropped"));
  assertEquals(bridge.connections.size, 1);
});

Deno.test("fragments of what has no ports pass by a rule without ports", () => {
  const { bridge, web, app } = bridgeWith([denyAll("in"), allow("in", { protocol: "icmp" })]);
  assertEquals(bridge.passFragments(packet(1, [0, 0])(app, web), 2), ["forwarded", "forwarded"]);
  assertEquals(bridge.passFragments(packet(1, [0, 0])(app, web), 2), ["forwarded", "forwarded"]);
});
