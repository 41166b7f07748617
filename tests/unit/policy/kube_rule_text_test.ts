// The rules of a NetworkPolicy as lines for people.

import { assertEquals } from "@std/assert";
import { kubeRuleTexts } from "../../../lib/policy/kube_rule_text.ts";

Deno.test("kubeRuleTexts() has peers and ports of each rule, ingress first", () => {
  const texts = kubeRuleTexts({
    ...{ namespace: "shop", name: "p", podSelector: {} },
    egress: [{}, {
      to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "10.2.0.0/16"] } }, {
        ipBlock: { cidr: "1.1.1.1/32" },
      }],
      ports: [],
    }],
    ingress: [{
      from: [
        { podSelector: { matchLabels: { app: "web", tier: "front" } } },
        { namespaceSelector: {} },
        {
          podSelector: {
            matchExpressions: [
              { key: "a", operator: "Exists" },
              { key: "b", operator: "DoesNotExist" },
              { key: "c", operator: "In", values: ["x", "y"] },
              { key: "d", operator: "NotIn", values: ["z"] },
            ],
          },
          namespaceSelector: { matchLabels: { team: "a" } },
        },
      ],
      ports: [{ port: 80 }, { protocol: "UDP" }, { port: 8000, endPort: 9000 }, { port: "http" }],
    }],
  });
  assertEquals(texts, [
    "ingress[0]: allow from pods app=web,tier=front or pods in namespaces or " +
    "pods a,!b,c in (x,y),d notin (z) in namespaces team=a, TCP 80, UDP, TCP 8000-9000, TCP http",
    "egress[0]: allow to any, any port",
    "egress[1]: allow to 10.0.0.0/8 except 10.1.0.0/16, 10.2.0.0/16 or 1.1.1.1/32, any port",
  ]);
});
