import { assertEquals } from "@std/assert";
import { parseKubeInput } from "../../../../lib/agent/policy/kube_input.ts";
import {
  attachmentByEndpoint,
  hasPolicies,
  policyEndpoint,
  tenantPolicies,
} from "../../../../lib/agent/policy/policy_records.ts";
import { PolicyVlans } from "../../../../lib/agent/policy/policy_vlans.ts";
import type { TenantRecord } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { assertThrows } from "@std/assert";
import { attachmentOf, documentsOf, endpointOf, tenant } from "../pods/dynamic_records.ts";

const rulesOf = (...rules: object[]) =>
  tenantPolicies({ ...tenant, policies: [{ Name: "p", Rules: rules }] } as TenantRecord, {})
    .policies[0]!.rules;

Deno.test("tenantPolicies() reads the side that the direction names", () => {
  const [rule] = rulesOf({ Id: 7, Direction: "out", ToGroup: "web", Port: 80, Action: "allow" });
  assertEquals([rule?.id, rule?.group, rule?.port, rule?.action], ["7", "web", 80, "allow"]);
});

Deno.test("tenantPolicies() lets a rule without a known direction count for both, and deny", () => {
  const rules = rulesOf({ Id: "1", Action: "perhaps", FromGroup: "web" });
  assertEquals(rules.map(({ id, direction, action }) => [id, direction, action]), [
    ["1 in", "in", "deny"],
    ["1 out", "out", "deny"],
  ]);
  assertEquals(rules.every(({ strange }) => strange !== undefined), true);
});

Deno.test("hasPolicies() counts only policies that a group uses", () => {
  const has = (groups: object[]) => {
    const documents = documentsOf();
    documents.set("tenants/t", { value: { ...tenant, groups }, revision: 1 });
    return hasPolicies(documents);
  };
  const groups = [[], [{ Name: "g" }], [{ Name: "g", Policies: [] }], [{ Policies: ["p"] }]];
  assertEquals(groups.map(has), [false, false, false, true]);
});

Deno.test("attachmentByEndpoint() ignores an attachment that its endpoint has left", () => {
  const endpoints = [{ ...endpointOf("web", "10.9.0.1"), bound: { host: "host1", generation: 2 } }];
  const attachments = [attachmentOf("web", "10.9.0.1")];
  assertEquals(attachmentByEndpoint(documentsOf({ endpoints, attachments })).size, 0);
  const newer = [attachmentOf("web", "10.9.0.1", { generation: 2 })];
  assertEquals(attachmentByEndpoint(documentsOf({ endpoints, attachments: newer })).size, 1);
});

Deno.test("policyEndpoint() is untold without its pod's labels, and here only with a tag", () => {
  const record = endpointOf("web", "10.9.0.1", {});
  const attachment = attachmentOf("web", "10.9.0.9");
  const pod = { namespace: "default", name: "web", labels: { app: "web" }, ips: [], ports: [] };
  const unknown = policyEndpoint(record, attachment, { pod: undefined, tag: undefined });
  assertEquals([unknown.labels, "here" in unknown, unknown.address & 255], [{}, false, 9]);
  const known = policyEndpoint(record, attachment, { pod: pod as never, tag: 100 });
  assertEquals([known.labels, known.here?.tag], [{ app: "web" }, 100]);
  assertEquals(known.here && "isDistributed" in known.here, false);
  const { here } = policyEndpoint(record, attachment, {
    pod: undefined,
    tag: 9,
    isDistributed: true,
  });
  assertEquals(here?.isDistributed, true);
});

Deno.test("PolicyVlans counts every tag until some are set", () => {
  const vlans = new PolicyVlans();
  assertEquals([vlans.has(7), vlans.key()], [true, "all"]);
  vlans.set([30, 4]);
  assertEquals([vlans.has(7), vlans.has(4), vlans.key()], [false, true, "4,30"]);
  vlans.setEverything();
  assertEquals([vlans.has(7), vlans.isEverything], [true, true]);
});

Deno.test("parseKubeInput() takes a state or lists of named objects, and refuses all else", () => {
  assertEquals([parseKubeInput({ state: "pending" }), parseKubeInput({ state: "none" })], [
    "pending",
    "none",
  ]);
  assertEquals(parseKubeInput({ pods: [{ namespace: "a", name: "b" }] }) as unknown, {
    ...{ namespaces: [], policies: [] },
    pods: [{ namespace: "a", name: "b" }],
  });
  for (const body of [{ pods: {} }, { pods: [null] }, { policies: [{ name: "b" }] }]) {
    assertEquals(assertThrows(() => parseKubeInput(body), Fault).code, "usage");
  }
});
