import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { AttachmentIndex } from "../../../../lib/agent/policy/attachment_index.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import { attachmentOf, endpointOf } from "../pods/dynamic_records.ts";

const ENDPOINT = "endpoints/t/blue/default~web";

Deno.test("of() returns the attachment on the host and in the generation of the binding", () => {
  const index = new AttachmentIndex();
  const old = attachmentOf("web", "10.9.0.1");
  const moved = attachmentOf("web", "10.9.0.1", { host: "host2", generation: 2 });
  index.set("attachments/1", old);
  assertEquals(index.set("attachments/2", moved), [ENDPOINT]);
  const bound = (host: string, generation: number) =>
    index.of(ENDPOINT, { ...endpointOf("web", "10.9.0.1"), bound: { host, generation } })?.host;
  assertEquals([bound("host1", 1), bound("host2", 2), bound("host2", 1)], [
    "host1",
    "host2",
    undefined,
  ]);
});

Deno.test("set() returns the former and the present endpoint of an attachment", () => {
  const index = new AttachmentIndex();
  index.set("a", attachmentOf("web", "10.9.0.1"));
  const next = attachmentOf("web", "10.9.0.1", { endpoint: "db" });
  assertEquals(index.set("a", next), [ENDPOINT, "endpoints/t/blue/db"]);
  assertEquals(index.endpointsOf("default/web"), ["endpoints/t/blue/db"]);
  assertEquals(index.set("a", undefined), ["endpoints/t/blue/db"]);
  assertEquals(index.endpointsOf("default/web"), []);
});

Deno.test("after any changes the index is that of the attachments that are left", () => {
  const step = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    name: fc.constantFrom("x", "y"),
    endpoint: fc.constantFrom("e", "f"),
    isDeleted: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const index = new AttachmentIndex();
    const model = new Map<string, AttachmentRecord>();
    for (const { key, name, endpoint, isDeleted } of steps) {
      const one = isDeleted ? undefined : attachmentOf(name, "10.9.0.1", { endpoint });
      index.set(key, one);
      if (one) model.set(key, one);
      else model.delete(key);
    }
    for (const name of ["x", "y"]) {
      const want = [...model.values()].filter(({ pod }) => pod.name === name)
        .map(({ endpoint }) => `endpoints/t/blue/${endpoint}`);
      assertEquals(index.endpointsOf(`default/${name}`).sort(), want.sort());
    }
  }));
});
