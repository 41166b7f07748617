// Rules of contiv that are not understood: nothing is open for them, and this is reported.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantPolicies } from "../../../lib/agent/policy/policy_records.ts";
import type { TenantRecord } from "../../../lib/intent/records.ts";
import { parseAddress } from "../../../lib/ipam/subnets.ts";
import { rulesOfTenant } from "../../../lib/policy/contiv.ts";
import { HostFlows } from "../../../lib/policy/flows/host_flows.ts";
import { PolicyModel } from "../../../lib/policy/model.ts";
import type { Rule } from "../../../lib/policy/rules.ts";
import { verdictOf } from "../../../lib/policy/verdict.ts";
import { HostBridge } from "./host_bridge.ts";

const cases: readonly { name: string; rule: Readonly<Record<string, unknown>>; says: string }[] = [
  { name: "a range of ports", rule: { Protocol: "tcp", Port: "8000-8010" }, says: "Port" },
  { name: "a port out of range", rule: { Protocol: "tcp", Port: 70_000 }, says: "Port" },
  { name: "a port of no protocol", rule: { Port: 80 }, says: "Port of no protocol" },
  { name: "a protocol with another name", rule: { Protocol: "quic" }, says: "Protocol" },
  { name: "a protocol above 255", rule: { Protocol: "256" }, says: "Protocol" },
  { name: "a priority that is not a number", rule: { Priority: "high" }, says: "Priority" },
  { name: "an unknown direction", rule: { Direction: "both" }, says: "Direction" },
  { name: "a field of another version", rule: { FromService: "dns" }, says: "a field FromService" },
  {
    name: "group and address at once",
    rule: { FromGroup: "app", FromIpAddress: "10.0.0.0/8" },
    says: "more than one From side",
  },
  { name: "the side of the other direction", rule: { ToGroup: "app" }, says: "a To side" },
  {
    name: "an IPv6 address",
    rule: { FromIpAddress: "fd00::/8" },
    says: "not a valid IPv4 address",
  },
  {
    name: "a network that is not there",
    rule: { FromNetwork: "nowhere" },
    says: "network nowhere not found",
  },
];

function tenantWith(rules: readonly unknown[]): TenantRecord {
  return {
    ...{
      schema: 1,
      name: "t",
      defaultNetType: "vlan",
      subnetPool: "10.0.0.0/8",
      allocSubnetLen: 24,
    },
    groups: [{ Name: "web", Network: "n", Policies: ["p"] }, { Name: "app", Network: "n" }],
    policies: [{ Name: "p", Rules: rules }],
  } as unknown as TenantRecord;
}

/** Returns what model and tables say of a question from app's pod to web's. */
function judgesOf(rules: readonly Rule[]) {
  const flows = new HostFlows();
  const model = new PolicyModel(flows);
  const common = { tenant: "t", labels: {}, ports: [] };
  const [web, app] = [{ tag: 100, mac: "02:02:00:00:00:01", ip: "10.1.0.1" }, "10.1.0.2"];
  model.setEndpoint({
    ...common,
    id: "web",
    address: parseAddress(web.ip),
    group: "web",
    here: { tag: web.tag, mac: web.mac },
  });
  model.setEndpoint({ ...common, id: "app", address: parseAddress(app), group: "app" });
  model.setRules("contiv t", rules);
  flows.changes();
  const bridge = new HostBridge([web], { flows: flows.flows(), policed: flows.tags });
  return (protocol: number, port: number) => {
    const packet = {
      ...{ from: "app", to: "web", protocol, destinationPort: port },
      ...{ source: parseAddress(app), destination: parseAddress(web.ip) },
    };
    const outcome = bridge.pass({
      ...{ to: web, tag: web.tag, fromIp: app, toIp: web.ip },
      ...{ protocol, fromPort: 40_000, toPort: port },
    });
    return [verdictOf(model, packet).isAllowed, outcome];
  };
}

for (const { name, rule, says } of cases) {
  Deno.test(`contiv: ${name} opens nothing, and is reported`, () => {
    for (const Action of ["allow", "deny"]) {
      const base = { Id: "1", Direction: "in", Action: "deny" };
      const strange = { Id: "2", Priority: 50, Direction: "in", Action, ...rule };
      const allow = { Id: "3", Priority: 20, Direction: "in", Action: "allow" };
      const others = Action === "allow" ? [base] : [allow];
      const read = rulesOfTenant(tenantPolicies(tenantWith([...others, strange]), {}));
      assert(read.problems.length > 0);
      const [problem = ""] = read.problems;
      const what = Action === "allow" ? "allows nothing" : "denies all";
      assertMatch(problem, new RegExp(`^policy t/p: rule 2(?: in)? ${what}: `));
      assert(problem.includes(says), problem);
      const asks = judgesOf(read.rules);
      for (const port of [80, 4_464, 8_000, 8_005, 9_000]) {
        for (const protocol of [1, 6, 7, 17]) {
          assertEquals(asks(protocol, port), [false, "dropped"], `${Action}: ${protocol} ${port}`);
        }
      }
    }
  });
}

Deno.test("contiv: all that this version knows is understood", () => {
  const rules = [
    { Id: "1", Direction: "in", Action: "deny" },
    {
      Id: "2",
      Direction: "out",
      Priority: 100,
      ToGroup: "app",
      Protocol: "udp",
      Port: 0,
      Action: "allow",
    },
    {
      Id: "3",
      Direction: "in",
      FromIpAddress: "10.0.0.1",
      Protocol: "tcp",
      Port: 65_535,
      Action: "allow",
    },
    { Id: "4", Direction: "in", FromNetwork: "n", Protocol: "0", Action: "allow" },
    { Id: "5", Direction: "in", FromGroup: "app", Protocol: "255", Action: "deny" },
  ];
  const read = rulesOfTenant(tenantPolicies(tenantWith(rules), { n: "10.1.0.0/24" }));
  assertEquals([read.problems, read.rules.length >= rules.length], [[], true]);
});
