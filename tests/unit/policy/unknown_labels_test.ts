// Pods whose labels are not known yet: closed by each policy that may apply to them, opened only by those that
// surely do.

import { assertEquals } from "@std/assert";
import type { Endpoint, NetworkPolicy } from "../../../lib/policy/input.ts";
import { PolicyModel } from "../../../lib/policy/model.ts";
import { rulesOfNetworkPolicy } from "../../../lib/policy/network_policy.ts";
import { rulesOfUnknownLabels } from "../../../lib/policy/unknown_labels.ts";
import { verdictOf } from "../../../lib/policy/verdict.ts";

const common = { tenant: "t", ports: [], here: { tag: 7, mac: "02:02:0a:01:01:01" } };
const endpoint = (n: number, name: string, more: Partial<Endpoint>): Endpoint => ({
  ...{ ...common, id: name, address: n, pod: { namespace: "one", name }, labels: {} },
  ...more,
});
const known = endpoint(1, "known", { labels: { role: "web" } });
const unlabelled = endpoint(2, "unlabelled", { hasUnknownLabels: true, labels: { role: "web" } });
const elsewhere = endpoint(3, "elsewhere", {
  hasUnknownLabels: true,
  pod: { namespace: "two", name: "elsewhere" },
});

const policy = (name: string, spec: Partial<NetworkPolicy>): NetworkPolicy => ({
  ...{ namespace: "one", name, podSelector: {} },
  ...spec,
});
const FROM_ALL = [{}];

/** Reports whether `from` may begin something with `to`. */
function mayPass(policies: readonly NetworkPolicy[], from: Endpoint, to: Endpoint): boolean {
  const model = new PolicyModel();
  for (const one of [known, unlabelled, elsewhere]) model.setEndpoint(one);
  for (const one of policies) model.setRules(one.name, rulesOfNetworkPolicy(one).rules);
  for (const [namespace, rules] of rulesOfUnknownLabels(policies)) {
    model.setRules(`unknown labels ${namespace}`, rules);
  }
  const packet = {
    ...{ from: from.id, to: to.id, source: from.address, destination: to.address },
    ...{ protocol: 6, sourcePort: 40_000, destinationPort: 80 },
  };
  return verdictOf(model, packet).isAllowed;
}

const cases: readonly (readonly [string, readonly NetworkPolicy[], Endpoint, Endpoint, boolean])[] =
  [
    ["without a policy it is open", [], known, unlabelled, true],
    [
      "a policy for some pods closes it",
      [policy("p", { podSelector: { matchLabels: { role: "db" } } })],
      ...[known, unlabelled, false] as const,
    ],
    [
      "it sends where only ingress is asked for",
      [policy("p", { podSelector: { matchLabels: { role: "db" } } })],
      ...[unlabelled, known, true] as const,
    ],
    [
      "a policy of egress closes it for sending",
      [policy("p", { podSelector: { matchLabels: { role: "db" } }, policyTypes: ["Egress"] })],
      ...[unlabelled, known, false] as const,
    ],
    [
      "a policy for all pods opens it",
      [policy("p", { ingress: FROM_ALL })],
      known,
      unlabelled,
      true,
    ],
    [
      "what is for pods without a label does not open it",
      [policy("p", {
        podSelector: { matchExpressions: [{ key: "role", operator: "DoesNotExist" }] },
        ingress: FROM_ALL,
      })],
      ...[known, unlabelled, false] as const,
    ],
    [
      "it is not a peer where labels, or their absence, are required",
      [policy("p", {
        ingress: [{
          from: [
            { podSelector: { matchLabels: { role: "web" } } },
            {
              podSelector: {
                matchExpressions: [{ key: "role", operator: "NotIn", values: ["x"] }],
              },
            },
          ],
        }],
      })],
      ...[unlabelled, known, false] as const,
    ],
    [
      "it is a peer of what asks for all pods",
      [policy("p", { ingress: [{ from: [{ podSelector: {} }] }] })],
      ...[unlabelled, known, true] as const,
    ],
    [
      "another namespace's policy does not concern it",
      [policy("p", { podSelector: { matchLabels: { role: "db" } } })],
      ...[known, elsewhere, true] as const,
    ],
  ];

for (const [what, policies, from, to, isAllowed] of cases) {
  Deno.test(`a pod with unknown labels: ${what}`, () => {
    assertEquals(mayPass(policies, from, to), isAllowed);
  });
}

Deno.test("rulesOfUnknownLabels() asks for what any policy of the namespace asks for", () => {
  const rules = rulesOfUnknownLabels([
    policy("a", {}),
    policy("b", { policyTypes: ["Egress"] }),
    { ...policy("c", {}), namespace: "two" },
  ]);
  const directions = [...rules].map(([name, all]) => [name, all.map((rule) => rule.direction)]);
  assertEquals(directions, [["one", ["in", "out"]], ["two", ["in"]]]);
});
