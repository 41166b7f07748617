import { assertEquals } from "@std/assert";
import { planRestoration } from "../../../../lib/agent/gc/restore_endpoints.ts";
import { attachmentOf, documentsOf, endpointOf } from "../pods/dynamic_records.ts";

const web = attachmentOf("web", "10.9.0.1");

Deno.test("planRestoration() rebuilds a lost endpoint and its claim from its pod's attachment", () => {
  const part = planRestoration(documentsOf({ attachments: [web] }), web);
  assertEquals<unknown>(part?.writes[0]?.value, {
    ...endpointOf("web", "10.9.0.1"),
    dynamic: { pod: "web", rule: "rebuilt from its attachment" },
  });
  assertEquals(part?.writes.map(({ key }) => key), [
    "endpoints/t/blue/default~web",
    "claims/ip/t/blue/10.9.0.1",
    "arrivals/t/blue",
  ]);
  assertEquals(part?.checks.map(({ revision }) => revision), [0, 0, 5]);
});

const no: readonly (readonly [string, ReturnType<typeof documentsOf>, typeof web])[] = [
  ["it is there", documentsOf({ endpoints: [endpointOf("web", "10.9.0.1")] }), web],
  ["an intent wrote it", documentsOf(), { ...web, endpoint: "web" }],
  ["its network is gone", new Map(), web],
  ["its address is another's", documentsOf({ endpoints: [endpointOf("x", "10.9.0.1")] }), web],
  ["its address is not in the network", documentsOf(), attachmentOf("web", "10.8.0.1")],
];

for (const [what, documents, one] of no) {
  Deno.test(`planRestoration() does nothing where ${what}`, () => {
    assertEquals(planRestoration(documents, one), undefined);
  });
}
