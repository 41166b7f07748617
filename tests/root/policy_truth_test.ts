// Truth tables in the manner of Kubernetes' own tests of network policies: three namespaces of three
// pods, each asking each other by two ports of TCP and of UDP (288 cells a table), with real traffic,
// against an evaluator that shares no code with the agent.

import { assert, assertEquals } from "@std/assert";
import type { NetworkPolicy, TenantPolicies } from "../../lib/policy/input.ts";
import { startCluster } from "../lab/cluster.ts";
import { vtepOf } from "../lab/cluster/host.ts";
import { type Host, poolFilled, startHost, warmPorts } from "../lab/host.ts";
import { PolicyWorld, worldIntent } from "../lab/policy_world.ts";
import type { Question } from "../lab/truth.ts";
import { mayPass } from "../unit/policy/evaluator.ts";

const NUMBERS = { tcp: 6, udp: 17 };

/** Returns what the evaluator says of a world's cells. */
function oracle(
  world: PolicyWorld,
  { policies = [], tenants = [] }: {
    readonly policies?: readonly NetworkPolicy[];
    readonly tenants?: readonly TenantPolicies[];
  },
) {
  const all = {
    endpoints: world.members.map(({ endpoint }) => endpoint),
    namespaces: world.namespaces,
    policies,
    tenants,
  };
  return ({ from, to, protocol, port }: Question) =>
    mayPass(all, {
      ...{ from, to, fromIp: from.ip, toIp: to.ip, protocol: NUMBERS[protocol] },
      ...{ fromPort: 40_000, toPort: port },
    });
}

const xa = { namespace: "x", podSelector: { matchLabels: { pod: "a" } } };
const tables: { name: string; policies: NetworkPolicy[] }[] = [
  { name: "none", policies: [] },
  { name: "deny all ingress of a namespace", policies: [{ ...xa, name: "p", podSelector: {} }] },
  {
    name: "a pod and a namespace, by port and by name",
    policies: [{
      ...xa,
      name: "p",
      ingress: [
        { from: [{ podSelector: { matchLabels: { pod: "b" } } }], ports: [{ port: 80 }] },
        { from: [{ namespaceSelector: { matchLabels: { ns: "y" } } }], ports: [{ port: "serve" }] },
        {
          from: [{
            namespaceSelector: { matchExpressions: [{ key: "ns", operator: "In", values: ["z"] }] },
            podSelector: { matchExpressions: [{ key: "pod", operator: "NotIn", values: ["c"] }] },
          }],
          ports: [{ protocol: "UDP", port: 80, endPort: 81 }],
        },
      ],
    }],
  },
  {
    name: "egress of a namespace, only inside and to a named port",
    policies: [{
      namespace: "y",
      name: "p",
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [
        { to: [{ podSelector: {} }] },
        { to: [{ namespaceSelector: {} }], ports: [{ port: "serve" }] },
      ],
    }],
  },
  {
    name: "several at once, both directions, blocks with exceptions",
    policies: [
      { namespace: "z", name: "closed", podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      {
        namespace: "z",
        name: "open",
        podSelector: { matchLabels: { pod: "c" } },
        ingress: [{ from: [{ ipBlock: { cidr: "10.9.0.0/29", except: ["10.9.0.2/31"] } }] }],
        egress: [{
          to: [{ namespaceSelector: { matchLabels: { ns: "x" } } }],
          ports: [{ port: 81 }],
        }],
      },
    ],
  },
];

async function checkTables(world: PolicyWorld): Promise<void> {
  for (const { name, policies } of tables) {
    await world.setPolicies(policies);
    assertEquals(await world.differences(oracle(world, { policies })), [], name);
  }
}

for (const ports of ["plain", "warm"] as const) {
  Deno.test(`NetworkPolicies: tables of 288 cells hold on one host, with real traffic, ${ports} ports`, async () => {
    await using host = await startHost(worldIntent(), "--ports", ports);
    if (ports === "warm") await withPool(host);
    await using world = await PolicyWorld.start([host], () => undefined);
    await checkTables(world);
    if (ports === "warm") assert((await warmPorts(host)).some(({ hasPod }) => hasPod));
  });
}

/** Lets the host make ports ahead: it does once its network has had a pod. */
async function withPool(host: Host): Promise<void> {
  const pod = await host.pod("x-a", "x");
  await host.agent.setup(pod);
  await poolFilled(host);
  assertEquals((await host.agent.verb("teardown", pod)).code, 0);
}

Deno.test("NetworkPolicies: the same tables hold across three hosts, over VXLAN", async () => {
  const hosts = [1, 2, 3].map((n) => ({ Name: `host${n}`, VtepIp: vtepOf(n) }));
  const intent = worldIntent({ encap: "vxlan", hosts });
  await using cluster = await startCluster({ hosts: 3, fabric: "wire", etcd: 0, intent });
  await using world = await PolicyWorld.start(cluster.hosts, () => undefined);
  await checkTables(world);
});

const GROUPS: Record<string, string> = { "x/a": "web", "y/b": "web", "x/b": "app", "z/b": "app" };
const groupOf = (id: string) => GROUPS[id];
const RULES = [
  { Id: "1", Direction: "in", Protocol: "tcp", Action: "deny" },
  {
    ...{ Id: "2", Priority: 100, Direction: "in", FromGroup: "app" },
    ...{ Protocol: "tcp", Port: 80, Action: "allow" },
  },
  {
    ...{ Id: "3", Priority: 50, Direction: "in", FromIpAddress: "10.9.0.0/29" },
    ...{ Protocol: "udp", Port: 81, Action: "deny" },
  },
  { Id: "4", Priority: 2, Direction: "out", ToNetwork: "blue", Protocol: "udp", Action: "deny" },
  { Id: "5", Priority: 3, Direction: "out", ToGroup: "app", Protocol: "udp", Action: "allow" },
];

Deno.test("contiv's policies: a table of 288 cells holds across two hosts with VLANs", async () => {
  const groups = [
    { Name: "web", Network: "blue", Policies: ["p1"] },
    { Name: "app", Network: "blue" },
  ];
  const hosts = [1, 2].map((n) => ({ Name: `host${n}`, Intf: "eth2" }));
  const intent = worldIntent({ groups, groupOf, hosts, policies: [{ Name: "p1", Rules: RULES }] });
  await using cluster = await startCluster({ hosts: 2, fabric: "vlan-switch", etcd: 0, intent });
  await using world = await PolicyWorld.start(cluster.hosts, groupOf);
  const tenant: TenantPolicies = {
    tenant: "t",
    groups: [{ name: "web", policies: ["p1"] }, { name: "app", policies: [] }],
    policies: [{
      name: "p1",
      rules: [
        { id: "1", priority: 1, direction: "in", protocol: "tcp", action: "deny" },
        ...[{ id: "2", priority: 100, group: "app", protocol: "tcp", port: 80 }]
          .map((one) => ({ ...one, direction: "in" as const, action: "allow" as const })),
        ...[{ id: "3", priority: 50, block: "10.9.0.0/29", protocol: "udp", port: 81 }]
          .map((one) => ({ ...one, direction: "in" as const, action: "deny" as const })),
        ...[{ id: "4", priority: 2, network: "blue", protocol: "udp" }]
          .map((one) => ({ ...one, direction: "out" as const, action: "deny" as const })),
        ...[{ id: "5", priority: 3, group: "app", protocol: "udp" }]
          .map((one) => ({ ...one, direction: "out" as const, action: "allow" as const })),
      ],
    }],
    subnets: { blue: "10.9.0.0/24" },
  };
  assertEquals(await world.differences(oracle(world, { tenants: [tenant] })), []);
});
