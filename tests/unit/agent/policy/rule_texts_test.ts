// What the rule says that decides a packet.

import { assertEquals } from "@std/assert";
import { ruleTextOf } from "../../../../lib/agent/policy/rule_texts.ts";
import { subnetsByTenant, tenantPolicies } from "../../../../lib/agent/policy/policy_records.ts";
import type { TenantRecord } from "../../../../lib/intent/records.ts";
import { rulesOfTenant } from "../../../../lib/policy/contiv.ts";
import { rulesOfNetworkPolicy } from "../../../../lib/policy/network_policy.ts";

const TENANT: TenantRecord = {
  ...{ schema: 1, name: "t", defaultNetType: "vlan", subnetPool: "10.0.0.0/16" },
  allocSubnetLen: 24,
  groups: [{ Name: "web", Network: "n", Policies: ["p", "q"] }],
  policies: [
    { Name: "p", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] },
    {
      Name: "q",
      Rules: [{ Id: "1", Direction: "out", Action: "allow" }, { Id: "2", Action: "deny" }],
    },
  ],
};
const KUBE = {
  ...{ namespace: "shop", name: "p", podSelector: {}, ingress: [{}, { ports: [{ port: 80 }] }] },
};
const documents = new Map([["tenants/t", { value: TENANT, revision: 1 }]]);

Deno.test("each rule of a tenant's policies is found again, in the policy that it is from", () => {
  const { rules } = rulesOfTenant(
    tenantPolicies(TENANT, subnetsByTenant(documents).get("t") ?? {}),
  );
  const texts = new Map(
    rules.map((rule) => [
      `${rule.policy} ${rule.label}`,
      ruleTextOf({ documents, kubePolicies: [] }, rule),
    ]),
  );
  assertEquals([...texts], [
    ["t/p rule 1 of group web", "deny all from any"],
    ["t/q rule 1 of group web", "allow all to any"],
    ["t/q rule 2 in of group web", "deny all in and out from any"],
    ["t/q rule 2 out of group web", "deny all in and out from any"],
  ]);
});

Deno.test("each rule of a NetworkPolicy is found again; its isolation is written nowhere", () => {
  const texts = rulesOfNetworkPolicy(KUBE).rules.map((rule) =>
    ruleTextOf(
      { documents, kubePolicies: [{ ...KUBE, namespace: "other", ingress: [] }, KUBE] },
      rule,
    )
  );
  assertEquals([...new Set(texts)], [
    undefined,
    "allow from any, any port",
    "allow from any, TCP 80",
  ]);
});

Deno.test("a policy that has gone meanwhile has no text", () => {
  const gone = { tier: "contiv" as const, policy: "t/x", label: "rule 1 of group web" };
  const none = { documents, kubePolicies: [] };
  assertEquals(ruleTextOf(none, gone), undefined);
  assertEquals(ruleTextOf(none, { ...gone, policy: "u/p" }), undefined);
  assertEquals(
    ruleTextOf(none, { ...gone, policy: "t/p", label: "rule 9 of group web" }),
    undefined,
  );
  assertEquals(ruleTextOf(none, { ...gone, tier: "kubernetes" }), undefined);
});
