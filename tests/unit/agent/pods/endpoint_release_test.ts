import { assertEquals } from "@std/assert";
import { planRelease } from "../../../../lib/agent/pods/endpoint_release.ts";
import { attachmentOf, documentsOf, endpointOf } from "./dynamic_records.ts";

const KEY = "endpoints/t/blue/default~web";
const web = attachmentOf("web", "10.9.0.1");
const mine = endpointOf("web", "10.9.0.1");
const leave = (parts: Parameters<typeof documentsOf>[0], gone = [web]) =>
  planRelease(documentsOf({ endpoints: [mine], attachments: [web], ...parts }), gone, 1_000);

Deno.test("planRelease() ends an endpoint and its claim where the network holds no address", () => {
  for (const holdAddress of [undefined, 0]) {
    const { checks, writes } = leave(holdAddress === undefined ? {} : { holdAddress });
    assertEquals(checks, [{ key: KEY, revision: 5 }]);
    assertEquals(writes, [
      { key: KEY, value: undefined },
      { key: "claims/ip/t/blue/10.9.0.1", value: undefined },
    ]);
  }
});

Deno.test("planRelease() marks the endpoint as held from now on where the network says so", () => {
  const { checks, writes } = leave({ holdAddress: 60, endpoints: [{ ...mine, group: "g" }] });
  assertEquals(checks, [{ key: KEY, revision: 5 }]);
  const dynamic = { pod: "web", rule: "a rule", heldSince: 1_000 };
  // Without its group, which need not wait for the pod.
  assertEquals<unknown>(writes, [{ key: KEY, value: { ...mine, dynamic } }]);
});

const stay: readonly (readonly [string, Parameters<typeof leave>])[] = [
  ["an intent wrote it", [{ endpoints: [{ ...mine, dynamic: undefined } as never] }]],
  ["another host has it", [{ endpoints: [{ ...mine, bound: { host: "host2", generation: 2 } }] }]],
  [
    "another host has it by a generation of its own",
    [{ endpoints: [{ ...mine, bound: { host: "host2", generation: 1 } }] }],
  ],
  [
    "a later set-up of this host has it",
    [{ endpoints: [{ ...mine, bound: { host: "host1", generation: 2 } }] }],
  ],
  [
    "another sandbox of this host has it",
    [{ attachments: [web, attachmentOf("web", "10.9.0.1", { id: "other", sandbox: "other" })] }],
  ],
  ["nothing goes", [{}, []]],
];

for (const [what, parts] of stay) {
  Deno.test(`planRelease() leaves an endpoint as it is where ${what}`, () => {
    assertEquals(leave(...parts), { checks: [], writes: [] });
  });
}

Deno.test("planRelease() leaves a claim that is another's", () => {
  const more = { "claims/ip/t/blue/10.9.0.1": { schema: 1, owner: "endpoints/t/blue/x" } };
  const documents = documentsOf({ endpoints: [mine], attachments: [web] });
  documents.set("claims/ip/t/blue/10.9.0.1", { value: Object.values(more)[0], revision: 9 });
  assertEquals(planRelease(documents, [web], 1_000).writes, [{ key: KEY, value: undefined }]);
});
