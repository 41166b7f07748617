// Policies of Kubernetes and ways beyond a pod's own network: each kind of source times each policy, with real
// traffic, against an evaluator that shares no code with the agent.

import { assertEquals } from "@std/assert";
import { askAgent } from "../../lib/agent/client.ts";
import type { NetworkPolicy } from "../../lib/policy/input.ts";
import { OUTSIDE_ADDRESS } from "../lab/reach/outside.ts";
import { REACH_PODS } from "../lab/reach/reach_intent.ts";
import { ReachWorld } from "../lab/reach/reach_world.ts";
import {
  mayArrive,
  mayLeave,
  mayPass,
  type TestEndpoint,
  type TestPacket,
} from "../unit/policy/evaluator.ts";

const TCP = 6;
const PORT = 8080;

/** One way of asking, and the packet that policies should judge: the one that the asked pod sees. */
interface Row {
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly packet: Partial<TestPacket>;
  /** The own node always reaches its pods. */
  readonly isNode?: boolean;
}

const endpoints: readonly TestEndpoint[] = REACH_PODS.map(({ name, namespace, network, ip }) => ({
  ...{ id: `${namespace}/${name}`, tenant: namespace, ip, namespace },
  ...{ labels: { pod: name, net: network }, ports: [] },
}));
const namespaces = ["one", "two"].map((name) => ({ name, labels: { ns: name } }));

function pod(name: string): TestEndpoint {
  return endpoints.find(({ id }) => id.endsWith(`/${name}`))!;
}

function rowsOf(world: ReachWorld): Row[] {
  const between = (from: string, to: string) => ({ from: pod(from), to: pod(to) });
  const to = (name: string, fromName: string) => ({
    ...{ to: pod(name), fromIp: world.address(fromName) },
  });
  const [host1, node2] = [world.address("host1"), "NODE of host2"];
  const direct = (from: string, name: string): Row => ({
    ...{ what: `${from} to ${name}`, from, to: pod(name).ip, port: PORT },
    packet: between(from, name),
  });
  const service = (from: string, address: string, name: string): Row => ({
    ...{ what: `${from} to a service of ${name}`, from, to: address, port: 80 },
    packet: between(from, name),
  });
  const outward = (from: string, address: string, port: number, toIp: string): Row => ({
    ...{ what: `${from} to ${address}`, from, to: address, port },
    packet: { from: pod(from), toIp },
  });
  return [
    direct("a1", "a2"),
    direct("a3", "a2"),
    direct("a1", "a3"),
    direct("d1", "a2"),
    direct("d1", "a3"),
    direct("a1", "d2"),
    service("a1", "10.96.0.20", "a2"),
    service("a1", "10.96.0.21", "a3"),
    service("d1", "10.96.0.20", "a2"),
    service("d1", "10.96.0.21", "a3"),
    service("b1", "10.96.0.20", "b2"),
    service("b1", "10.96.0.21", "b3"),
    {
      ...{ what: "the own node to a2", from: "host1", to: pod("a2").ip, port: PORT },
      ...{ packet: to("a2", "NODE of host1"), isNode: true },
    },
    {
      ...{ what: "the own node to a3", from: "host2", to: pod("a3").ip, port: PORT },
      ...{ packet: to("a3", node2), isNode: true },
    },
    {
      ...{ what: "the other node to a2", from: "host2", to: pod("a2").ip, port: PORT },
      packet: to("a2", node2),
    },
    {
      ...{ what: "a node port of a2", from: "outside", to: host1, port: 30_083 },
      packet: to("a2", "NAT of host1"),
    },
    {
      ...{ what: "a node port of a3", from: "outside", to: host1, port: 30_081 },
      packet: to("a3", "NAT of host1"),
    },
    {
      ...{
        what: "a node port of a1 that keeps the client",
        from: "outside",
        to: host1,
        port: 30_082,
      },
      packet: to("a1", "outside"),
    },
    {
      ...{ what: "b1 to a service of d1", from: "b1", to: "10.96.0.12", port: 53 },
      packet: { from: pod("b1"), ...to("d1", "NAT of host1") },
    },
    outward("a1", OUTSIDE_ADDRESS, PORT, OUTSIDE_ADDRESS),
    outward("b1", OUTSIDE_ADDRESS, PORT, OUTSIDE_ADDRESS),
    outward("a1", "10.96.0.3", 443, host1),
  ];
}

const one = { namespace: "one", podSelector: {} };
const labelled = (name: string) => ({ podSelector: { matchLabels: { pod: name } } });

function tablesOf(world: ReachWorld): Readonly<Record<string, readonly NetworkPolicy[]>> {
  const block = (name: string) => ({ ipBlock: { cidr: `${world.address(name)}/32` } });
  return {
    "none": [],
    "no ingress": [{ ...one, name: "p" }],
    "ingress from one pod": [{ ...one, name: "p", ingress: [{ from: [labelled("a1")] }] }],
    "ingress from a routed network": [{
      ...{ ...one, name: "p" },
      ingress: [{ from: [{ podSelector: { matchLabels: { net: "sys" } } }] }],
    }],
    "ingress from the other node": [{
      ...one,
      name: "p",
      ingress: [{ from: [block("NODE of host2")] }],
    }],
    "ingress from what a node masquerades": [{
      ...{ ...one, name: "p", ingress: [{ from: [block("NAT of host1")] }] },
    }],
    "ingress from outside": [{ ...one, name: "p", ingress: [{ from: [block("outside")] }] }],
    "no egress": [{ ...one, name: "p", policyTypes: ["Egress"] }],
    "egress to pods": [{
      ...{
        ...one,
        name: "p",
        policyTypes: ["Egress"],
        egress: [{ to: [labelled("a2"), labelled("a3")] }],
      },
    }],
    "egress to a node": [{
      ...{ ...one, name: "p", policyTypes: ["Egress"], egress: [{ to: [block("host1")] }] },
    }],
    "egress to outside, for the aliased tenant, too": ["one", "two"].map((namespace) => ({
      ...{ namespace, name: "p", podSelector: {}, policyTypes: ["Egress"] },
      egress: [{ to: [block("outside")] }],
    })),
  };
}

async function setPolicies(world: ReachWorld, policies: readonly NetworkPolicy[]): Promise<void> {
  const pods = endpoints.map(({ id, namespace, labels, ip }) => {
    const name = id.split("/")[1] ?? "";
    return { namespace, name, uid: world.pod(name).id, labels, addresses: [ip], ports: [] };
  });
  const body = { namespaces, pods, policies };
  await Promise.all(
    world.cluster.hosts.map(({ agent: { socket } }) =>
      askAgent({ socket, path: "/v1/kubernetes", body })
    ),
  );
}

function expected({ packet, isNode = false }: Row, policies: readonly NetworkPolicy[]): boolean {
  if (isNode) return true;
  const { from, to } = packet;
  const all = { endpoints, namespaces, policies, tenants: [] };
  const whole: TestPacket = {
    ...{
      fromIp: from?.ip ?? "",
      toIp: to?.ip ?? "",
      protocol: TCP,
      fromPort: 40_000,
      toPort: PORT,
    },
    ...packet,
  };
  if (packet.fromIp === undefined || !from) return mayPass(all, whole);
  // Masqueraded on its way: the receiver sees the host's address, and not the pod.
  const { from: _, ...arriving } = whole;
  return mayLeave(all, { ...whole, fromIp: from.ip }) && mayArrive(all, arriving);
}

Deno.test("policies judge each kind of source as Kubernetes' documents say", async (t) => {
  await using world = await ReachWorld.start({ fabric: "vxlan", isGuarded: false });
  const rows = rowsOf(world);
  for (const [name, policies] of Object.entries(tablesOf(world))) {
    await t.step(name, async () => {
      await setPolicies(world, policies);
      const wrong = await Promise.all(rows.map(async (row) => {
        const want = expected(row, policies);
        const asks = () =>
          world.talker(row.from).asks("tcp", row.to, row.port, { limitMs: want ? 12_000 : 900 });
        // What differs is asked once more: cached flows are looked up again a moment later.
        const isAnswered = await asks() === want ? want : await asks();
        return isAnswered === want ? [] : [`${row.what}: ${isAnswered ? "answered" : "denied"}`];
      }));
      assertEquals(wrong.flat(), []);
    });
  }
});
