// What Kubernetes says of NetworkPolicies, case by case.

import { assertEquals } from "@std/assert";
import type { NetworkPolicy } from "../../../lib/policy/input.ts";
import { rulesOfNetworkPolicy } from "../../../lib/policy/network_policy.ts";
import { disagreements } from "./agreement.ts";
import { build, change } from "./build.ts";
import { mayPass, type TestPacket } from "./evaluator.ts";
import type { PlacedEndpoint, RandomWorld } from "./random_worlds.ts";

const common = { tenant: "t1", network: "n1", tag: 11, isHere: true };
const web: PlacedEndpoint = {
  ...{ ...common, id: "web", ip: "10.1.1.2", namespace: "one", labels: { app: "web" } },
  ports: [{ name: "http", protocol: 6, port: 8080 }],
};
const web2: PlacedEndpoint = {
  ...{ ...common, id: "web2", ip: "10.1.1.3", namespace: "one", labels: { app: "web", v: "2" } },
  ports: [{ name: "http", protocol: 6, port: 80 }],
};
const app: PlacedEndpoint = {
  ...{ ...common, id: "app", ip: "10.1.1.4", namespace: "one", labels: { app: "app" }, ports: [] },
};
const other: PlacedEndpoint = {
  ...{
    ...common,
    id: "other",
    ip: "10.1.1.5",
    namespace: "two",
    labels: { app: "app" },
    ports: [],
  },
};

function worldOf(...policies: NetworkPolicy[]): RandomWorld {
  const namespaces = ["one", "two"].map((name) => ({ name, labels: { name } }));
  return { endpoints: [web, web2, app, other], namespaces, policies, tenants: [] };
}

function packet(from: PlacedEndpoint, to: PlacedEndpoint, toPort = 80, protocol = 6): TestPacket {
  return { from, to, fromIp: from.ip, toIp: to.ip, protocol, fromPort: 40_000, toPort };
}

const forWeb = { namespace: "one", name: "p", podSelector: { matchLabels: { app: "web" } } };

const cases: {
  name: string;
  policies: NetworkPolicy[];
  allowed: TestPacket[];
  denied: TestPacket[];
}[] = [
  {
    name: "no policy isolates no pod",
    policies: [],
    allowed: [packet(other, web)],
    denied: [],
  },
  {
    name: "a policy without rules isolates for ingress only",
    policies: [forWeb],
    allowed: [packet(web, app), packet(other, app)],
    denied: [packet(app, web), packet(other, web2), packet(app, web, 0, 1)],
  },
  {
    name: "an empty selector takes the whole namespace, and no other",
    policies: [{ ...forWeb, podSelector: {} }],
    allowed: [packet(app, other)],
    denied: [packet(other, app), packet(web, web2)],
  },
  {
    name: "egress rules without policyTypes isolate for both",
    policies: [{ ...forWeb, egress: [{ to: [{ podSelector: {} }] }] }],
    allowed: [packet(web, app)],
    denied: [packet(web, other), packet(app, web)],
  },
  {
    name: "policyTypes Egress alone leaves ingress open",
    policies: [{ ...forWeb, policyTypes: ["Egress"] }],
    allowed: [packet(app, web)],
    denied: [packet(web, app)],
  },
  {
    name: "an empty rule lets everybody in",
    policies: [{ ...forWeb, ingress: [{}] }],
    allowed: [packet(other, web), packet(app, web2, 53, 17)],
    denied: [],
  },
  {
    name: "several policies add up",
    policies: [
      { ...forWeb, ingress: [{ from: [{ podSelector: {} }] }] },
      {
        ...forWeb,
        name: "q",
        ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 80 }] }],
      },
    ],
    allowed: [packet(app, web, 99), packet(other, web, 80)],
    denied: [packet(other, web, 99)],
  },
  {
    name: "both selectors in one peer must both hold",
    policies: [{
      ...forWeb,
      ingress: [{
        from: [{
          namespaceSelector: { matchLabels: { name: "two" } },
          podSelector: { matchLabels: { app: "app" } },
        }],
      }],
    }],
    allowed: [packet(other, web)],
    denied: [packet(app, web)],
  },
  {
    name: "a named port is each pod's own",
    policies: [{ ...forWeb, ingress: [{ ports: [{ port: "http" }] }] }],
    allowed: [packet(app, web, 8080), packet(app, web2, 80)],
    denied: [packet(app, web, 80), packet(app, web2, 8080), packet(app, web, 8080, 17)],
  },
  {
    name: "a named port of egress is the receiver's",
    policies: [{
      ...{ namespace: "one", name: "p", podSelector: { matchLabels: { app: "app" } } },
      policyTypes: ["Egress"],
      egress: [{ ports: [{ port: "http" }] }],
    }],
    allowed: [packet(app, web, 8080), packet(app, web2, 80)],
    denied: [packet(app, web, 80), packet(app, other, 80)],
  },
  {
    name: "endPort ends a range, both ends in it",
    policies: [{ ...forWeb, ingress: [{ ports: [{ port: 1000, endPort: 1009 }] }] }],
    allowed: [packet(app, web, 1000), packet(app, web, 1009)],
    denied: [packet(app, web, 999), packet(app, web, 1010)],
  },
  {
    name: "a block goes without its exceptions",
    policies: [{
      ...forWeb,
      ingress: [{ from: [{ ipBlock: { cidr: "10.1.1.0/29", except: ["10.1.1.5/32"] } }] }],
    }],
    allowed: [packet(app, web)],
    denied: [packet(other, web)],
  },
  ...[
    { cidr: "010.001.001.000/29", except: ["10.1.1.5/32"] },
    { cidr: "010.001.01.0/029", except: ["010.1.001.0005/032"] },
    { cidr: "10.1.1.3/29", except: ["10.1.1.5/32"] },
    { cidr: "::ffff:10.1.1.0/125", except: ["::FFFF:0a01:0105/128"] },
    { cidr: "0:0:0:0:0:ffff:010.001.001.000/0125", except: ["10.1.1.5/32"] },
    { cidr: "10.1.1.0/29", except: ["::ffff:10.1.1.5/128"] },
    { cidr: "::ffff:0:0/96", except: ["10.1.1.5/32"] },
  ].map((ipBlock) => ({
    name: `ipBlock ${ipBlock.cidr} without ${ipBlock.except} is what API servers read`,
    policies: [{ ...forWeb, ingress: [{ from: [{ ipBlock }] }] }],
    allowed: [packet(app, web)],
    denied: [packet(other, web)],
  })),
  {
    name: "SCTP passes by its port in both directions",
    policies: [{
      ...{ ...forWeb, policyTypes: ["Ingress", "Egress"] },
      ingress: [{ ports: [{ protocol: "SCTP", port: 36 }] }],
    }],
    allowed: [
      packet(app, web, 36, 132),
      { ...packet(web, app, 40_000, 132), fromPort: 36 },
    ],
    denied: [packet(app, web, 37, 132), packet(web, app, 36, 132), packet(app, web, 36)],
  },
];

for (const { name, policies, allowed, denied } of cases) {
  Deno.test(`NetworkPolicy: ${name}`, () => {
    const world = worldOf(...policies);
    for (const one of allowed) assertEquals(mayPass(world, one), true, JSON.stringify(one));
    for (const one of denied) assertEquals(mayPass(world, one), false, JSON.stringify(one));
    assertEquals(disagreements(world, build(world)), []);
  });
}

const bad: { name: string; rule: NonNullable<NetworkPolicy["ingress"]>[0]; problem: string }[] = [
  {
    name: "an IPv6 block",
    rule: { from: [{ ipBlock: { cidr: "fd00::/8" } }] },
    problem: "ipBlock fd00::/8 is IPv6, and matches nothing on IPv4 networks",
  },
  {
    name: "an IPv6 block around the IPv4-mapped ones",
    rule: { from: [{ ipBlock: { cidr: "::ffff:0:0/95" } }] },
    problem: "ipBlock ::ffff:0:0/95 is IPv6, and matches nothing on IPv4 networks",
  },
  {
    name: "an IPv6 except of an IPv4 block",
    rule: { from: [{ ipBlock: { cidr: "10.1.1.0/24", except: ["fd00::/64"] } }] },
    problem: "except fd00::/64 is not inside 10.1.1.0/24, so the block matches nothing",
  },
  ...[
    "010.1.1.256/24",
    "10.1.1.0:80/24",
    "::ffff:10.1.1.0/0129",
    "::ffff:10.1.1/120",
    "1::2::3/64",
    "10.1.1.0/+8",
    "10.1.1.0 /24",
    "0x0a.1.1.0/24",
  ].map((cidr) => ({
    name: `ipBlock "${cidr}"`,
    rule: { from: [{ ipBlock: { cidr } }] },
    problem: `ipBlock matches nothing: "${cidr}" is not a valid subnet`,
  })),
  {
    name: "an except outside its block",
    rule: { from: [{ ipBlock: { cidr: "10.1.1.0/24", except: ["10.2.0.0/16"] } }] },
    problem: "except 10.2.0.0/16 is not inside 10.1.1.0/24, so the block matches nothing",
  },
  {
    name: "a block that is not valid",
    rule: { from: [{ ipBlock: { cidr: "10.1.1.0/33" } }] },
    problem: 'ipBlock matches nothing: "10.1.1.0/33" is not a valid subnet',
  },
  {
    name: "an endPort below its port",
    rule: { ports: [{ port: 90, endPort: 80 }] },
    problem: "endPort 80 is out of range (90-65535), and matches nothing",
  },
  {
    name: "an endPort of a name",
    rule: { ports: [{ port: "http", endPort: 80 }] },
    problem: "endPort 80 without a port number, and matches nothing",
  },
  {
    name: "a port out of range",
    rule: { ports: [{ port: 70_000 }] },
    problem: "port 70000 is out of range (1-65535), and matches nothing",
  },
];

for (const { name, rule, problem } of bad) {
  Deno.test(`NetworkPolicy: ${name} opens nothing, and is reported`, () => {
    const policy = { ...forWeb, ingress: [rule] };
    assertEquals(rulesOfNetworkPolicy(policy).problems, [`NetworkPolicy one/p: ${problem}`]);
    const { flows } = build(worldOf(policy));
    const allows = flows.flows().filter((line) => /table=23, priority=1256/.test(line));
    assertEquals(allows, []);
    assertEquals([...flows.tags], [11]);
  });
}

Deno.test("NetworkPolicy: a peer that is named twice, and names a port that no pod has, leaves nothing", () => {
  const [peer, port] = [{ podSelector: { matchLabels: { app: "web" } } }, "http"];
  const policy: NetworkPolicy = {
    ...{ namespace: "one", name: "p", podSelector: { matchLabels: { app: "app" } } },
    policyTypes: ["Egress"],
    egress: [{ to: [peer, peer], ports: [{ port }] }],
  };
  const was = { ...worldOf(policy), endpoints: [app] };
  const built = build(was);
  const is = { ...was, endpoints: [app, web] };
  change(built, was, is);
  assertEquals(disagreements(is, built), []);
  change(built, is, { ...is, endpoints: [app] });
  assertEquals(built.flows.flows().filter((line) => line.includes("reg2=0xa010102")), []);
});

for (const protocol of ["ICMP", "tcp", "constructor", "toString", "__proto__", ""]) {
  Deno.test(`a rule of the protocol "${protocol}" matches nothing, and says so`, () => {
    const policy = {
      ...{ namespace: "one", name: "p", podSelector: {}, policyTypes: ["Ingress"] },
      ingress: [{ ports: [{ protocol, port: 80 }] }],
    } as unknown as NetworkPolicy;
    const { rules, problems } = rulesOfNetworkPolicy(policy);
    assertEquals(problems.length, 1);
    assertEquals(JSON.stringify(rules).includes(protocol === "" ? "undefined" : protocol), false);
    assertEquals(
      rules.flatMap((rule) => JSON.stringify(rule).match(/"services":\[[^\]]+\]/g) ?? []),
      [],
    );
  });
}
