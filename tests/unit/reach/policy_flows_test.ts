// Policies in networks with a distributed gateway: routed packets pass the policies of both networks, packets to
// services are judged by their backend, and the node's own packets are not judged.

import { assertEquals } from "@std/assert";
import type { ContivRule, NetworkPolicy } from "../../../lib/policy/input.ts";
import type { Ending } from "../policy/flow_machine.ts";
import { ExampleBridge, type Policies } from "./example_bridge.ts";
import { macOf, MODEL, type PodName, portOf } from "./example_model.ts";

const { node: NODE, nat: NAT } = MODEL.self;
const SERVICE = "10.96.0.20";
const OUTSIDE = "198.51.100.9";

const deny = (direction: "in" | "out"): ContivRule => ({
  ...{ id: `deny ${direction}`, priority: 1, direction, action: "deny" },
});
const allow = (direction: "in" | "out", more: Partial<ContivRule> = {}): ContivRule => ({
  ...{ id: `allow ${direction}`, priority: 2, direction, action: "allow", ...more },
});

const passes = ({ out }: Ending) => out !== undefined;
const addressOf = (pod: PodName) => portOf(pod).addresses[0]!;
const ask = (from: PodName, to: PodName) => ({ from: addressOf(from), to: addressOf(to) });

/** Returns whether a1's packet to d1, in a routed network, passes, and the answer. */
function routed(policies: Policies): boolean[] {
  const bridge = new ExampleBridge(policies);
  const question = bridge.fromPod("a1", ask("a1", "d1"));
  const answer = { ...ask("d1", "a1"), ports: [80, 40_000], tcpFlags: 18 } as const;
  return [question, bridge.fromPod("d1", answer)].map(passes);
}

Deno.test("a routed packet and its answer pass without a policy, and with one for other pods", () => {
  assertEquals(routed({}), [true, true]);
  assertEquals(routed({ a2: [deny("in"), deny("out")] }), [true, true]);
});

Deno.test("a routed packet is judged in the sender's network", () => {
  assertEquals(routed({ a1: [deny("out")] })[0], false);
  assertEquals(routed({ a1: [deny("out"), allow("out", { group: "d1" })] }), [true, true]);
  assertEquals(routed({ a1: [deny("out"), allow("out", { group: "a2" })] })[0], false);
  assertEquals(routed({ a1: [deny("in")] }), [true, true], "an answer");
});

Deno.test("a routed packet is judged in the receiver's network", () => {
  assertEquals(routed({ d1: [deny("in")] })[0], false);
  assertEquals(routed({ d1: [deny("in"), allow("in", { group: "a1" })] }), [true, true]);
  assertEquals(routed({ d1: [deny("in"), allow("in", { group: "e1" })] })[0], false);
  assertEquals(routed({ d1: [deny("out")] }), [true, true], "an answer");
});

Deno.test("a routed packet needs both networks to allow it", () => {
  const out = [deny("out"), allow("out", { group: "d1", protocol: "tcp", port: 80 })];
  const into = (port: number) => [deny("in"), allow("in", { group: "a1", protocol: "tcp", port })];
  assertEquals(routed({ a1: out, d1: into(80) }), [true, true]);
  assertEquals(routed({ a1: out, d1: into(81) })[0], false);
});

Deno.test("the node's own packets and its answers pass all policies, but not what is masqueraded", () => {
  const bridge = new ExampleBridge({
    a1: [deny("in"), deny("out")],
    b1: [deny("in"), deny("out")],
  });
  assertEquals(passes(bridge.fromHost({ from: NODE, to: "10.1.1.1" })), true);
  assertEquals(passes(bridge.fromHost({ from: NODE, to: "100.64.0.1" })), true);
  assertEquals(passes(bridge.fromHost({ from: NAT, to: "10.1.1.1" })), false);
  assertEquals(passes(bridge.fromHost({ from: OUTSIDE, to: "10.1.1.1" })), false);
  assertEquals(
    passes(bridge.fromPod("a1", { from: "10.1.1.1", to: NODE, ports: [80, 40_000] })),
    true,
  );
  assertEquals(passes(bridge.fromPod("a1", { from: "10.1.1.1", to: OUTSIDE })), false);
});

Deno.test("another node's packets are judged", () => {
  const bridge = new ExampleBridge({ a1: [deny("in")] });
  const end = bridge.fromTrunk(100, { from: "100.65.0.2", to: "10.1.1.1" }, macOf("10.1.1.1"));
  assertEquals(passes(end), false);
});

Deno.test("the way past the policies to the node and to services leads to the gateway's MAC only", () => {
  const bridge = new ExampleBridge({ a1: [deny("out")], a2: [deny("in")] });
  for (const to of [NODE, SERVICE]) {
    const aside = bridge.fromPod("a1", { from: "10.1.1.1", to }, macOf("10.1.1.2"));
    assertEquals(passes(aside), false, to);
  }
});

/** Returns whether a packet of a1 to a service with the backend a2 passes, before and after the host. */
function service(policies: Policies, backend: PodName = "a2"): boolean[] {
  const bridge = new ExampleBridge(policies);
  return [
    bridge.fromPod("a1", { from: "10.1.1.1", to: SERVICE }),
    bridge.fromHost(ask("a1", backend)),
    bridge.fromPod(
      backend,
      { ...ask(backend, "a1"), ports: [80, 40_000], tcpFlags: 18 },
      backend === "a2" ? macOf("10.1.1.1") : undefined,
    ),
    bridge.fromHost({ from: SERVICE, to: "10.1.1.1", ports: [80, 40_000], tcpFlags: 18 }),
  ].map(passes);
}

const ALL = [true, true, true, true];

Deno.test("a packet to a service is judged by its backend's address, when it comes back from the host", () => {
  assertEquals(service({ a1: [deny("out"), allow("out", { group: "a2" })] }), ALL);
  assertEquals(service({ a1: [deny("out"), allow("out", { group: "d1" })] }).slice(0, 2), [
    true,
    false,
  ]);
  assertEquals(service({ a2: [deny("in"), allow("in", { group: "a1" })] }), ALL);
  assertEquals(service({ a2: [deny("in"), allow("in", { group: "d1" })] }).slice(0, 2), [
    true,
    false,
  ]);
});

Deno.test("the same with the backend in a routed network", () => {
  assertEquals(service({ a1: [deny("out"), allow("out", { group: "d1" })] }, "d1"), ALL);
  assertEquals(service({ a1: [deny("out"), allow("out", { group: "a2" })] }, "d1")[1], false);
  assertEquals(service({ d1: [deny("in"), allow("in", { group: "a1" })] }, "d1"), ALL);
  assertEquals(service({ d1: [deny("in"), allow("in", { group: "a2" })] }, "d1")[1], false);
});

Deno.test("answers of a service pass a client that nobody may ask", () => {
  assertEquals(service({ a1: [deny("in")] }), ALL);
  assertEquals(service({ a1: [deny("in"), deny("out"), allow("out", { group: "a2" })] }), ALL);
});

Deno.test("an aliased pod's policies judge the addresses of its own network", () => {
  const bridge = (rules: readonly ContivRule[]) => new ExampleBridge({ b2: rules });
  const asked = { from: "100.64.0.1", to: "10.1.1.9" };
  assertEquals(passes(bridge([deny("in"), allow("in", { group: "b1" })]).fromHost(asked)), true);
  assertEquals(passes(bridge([deny("in")]).fromHost(asked)), false);
});

Deno.test("a pod reaches itself through a service, whatever its policies", () => {
  const bridge = new ExampleBridge({ b1: [deny("in"), deny("out")] });
  const asked = bridge.fromHost({ from: "100.64.128.1", to: "10.1.1.1" });
  const answer = { from: "10.1.1.1", to: "100.64.128.1", ports: [80, 40_000] } as const;
  assertEquals([asked, bridge.fromPod("b1", answer)].map(passes), [true, true]);
});

Deno.test("a network under policy is closed until its own flows are there", () => {
  const { flows } = new ExampleBridge({ a1: [deny("in")] });
  const open = flows.filter((flow) => / table=10, priority=5,reg0=/.test(flow));
  assertEquals(open.map((flow) => /reg0=(0x[0-9a-f]+)/.exec(flow)?.[1]), ["0x67", "0x66", "0x65"]);
});

// --- pods of other tenants

const isolated = (namespace: string, more: Partial<NetworkPolicy>): NetworkPolicy => ({
  ...{ namespace, name: "p", podSelector: {}, policyTypes: ["Ingress", "Egress"], ...more },
});
const ofNamespace = (name: string) => ({ namespaceSelector: { matchLabels: { name } } });

Deno.test("a NetworkPolicy means pods of other tenants in networks that its own is routed to", () => {
  const asks = (policies: readonly NetworkPolicy[]) => {
    const bridge = new ExampleBridge({}, policies);
    return [
      bridge.fromPod("a1", ask("a1", "d1")),
      bridge.fromPod("d1", { ...ask("d1", "a1"), ports: [80, 40_000], tcpFlags: 18 }),
    ].map(passes);
  };
  assertEquals(asks([isolated("one", { egress: [{ to: [ofNamespace("sys")] }] })]), [true, true]);
  assertEquals(asks([isolated("one", { egress: [{ to: [ofNamespace("two")] }] })])[0], false);
  assertEquals(asks([isolated("sys", { ingress: [{ from: [ofNamespace("one")] }] })]), [
    true,
    true,
  ]);
  assertEquals(asks([isolated("sys", { ingress: [{ from: [ofNamespace("sys")] }] })])[0], false);
});

Deno.test("a NetworkPolicy never means a twin of another tenant", () => {
  const policies = [isolated("one", { ingress: [{ from: [ofNamespace("two")] }] })];
  const bridge = new ExampleBridge({}, policies);
  // b1 has a1's address.
  const end = bridge.fromPod("a1", ask("a1", "a2"), macOf("10.1.1.2"));
  assertEquals(passes(end), false);
});
