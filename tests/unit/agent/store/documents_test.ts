import { assertEquals } from "@std/assert";
import {
  allAttachments,
  attachmentsAt,
  attachmentsIn,
  attachmentsOf,
  endpointsOf,
  findEndpoint,
  findNetwork,
  isBlank,
} from "../../../../lib/agent/store/documents.ts";
import { IndexedDocuments } from "../../../../lib/intent/indexed_documents.ts";
import { attachmentOf, documentsOf, endpointOf, network } from "../pods/dynamic_records.ts";

const SANDBOX = "0123456789abcdef";
const here = attachmentOf("web", "10.9.0.1", { sandbox: SANDBOX });
const there = attachmentOf("db", "10.9.0.2", { host: "host2" });
const plain = documentsOf({
  endpoints: [endpointOf("web", "10.9.0.1"), endpointOf("db", "10.9.0.2")],
  attachments: [here, there],
  more: { "endpoints/t/blue/newer": { schema: 9 }, "attachments/host1/newer/eth0": { schema: 9 } },
});
const indexed = new IndexedDocuments();
for (const [key, document] of plain) indexed.set(key, document as never);

for (const [name, documents] of [["a plain map", plain], ["an index", indexed]] as const) {
  Deno.test(`queries on ${name} return the readable records only`, () => {
    const pods = (all: { readonly pod: { readonly name: string } }[]) =>
      all.map(({ pod }) => pod.name).sort();
    assertEquals(pods(attachmentsOf(documents, "host1")), ["web"]);
    assertEquals(pods(allAttachments(documents)), ["db", "web"]);
    assertEquals(pods(attachmentsAt(documents, network as never)), ["db", "web"]);
    assertEquals(endpointsOf(documents).length, 2);
    assertEquals(findEndpoint(documents, here)?.address, "10.9.0.1");
    assertEquals(findNetwork(documents, { tenant: "t", network: "none" }), undefined);
  });

  Deno.test(`attachmentsIn() of ${name} finds a sandbox by 12 or more digits of its id`, () => {
    const count = (digits: number) =>
      attachmentsIn(documents, "host1", SANDBOX.slice(0, digits)).length;
    assertEquals([count(12), count(14), count(16)], [1, 1, 1]);
    assertEquals(attachmentsIn(documents, "host1", `${SANDBOX.slice(0, 12)}ff`).length, 0);
    assertEquals(attachmentsIn(documents, "host2", SANDBOX).length, 0);
  });
}

Deno.test("isBlank() reports a store that contains nothing but presence", () => {
  const of = (...keys: string[]) => new Map(keys.map((key) => [key, { value: {}, revision: 1 }]));
  assertEquals([of(), of("agents/h1"), of("agents/h1", "revisions/1")].map(isBlank), [
    true,
    true,
    false,
  ]);
  const index = { "members/~hosts/host1": {}, "agents/host1": {} };
  const lost = new Map(Object.entries(index).map(([key, value]) => [key, { value, revision: 1 }]));
  assertEquals(isBlank(lost), true);
});
