import { assertEquals } from "@std/assert";
import { podsOf } from "../../../../lib/intent/plan/live.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";

const attached = (name: string, host: string) =>
  ({ pod: { namespace: "default", name }, host }) as AttachmentRecord;

Deno.test("podsOf() lists pods in alphabetical order, whatever order their records have", () => {
  const pods = [attached("web", "h1"), attached("db", "h2"), attached("db", "h1")];
  const text = "default/db on h1, default/db on h2, default/web on h1";
  assertEquals(podsOf(pods), text);
  assertEquals(podsOf(pods.toReversed()), text);
  assertEquals(podsOf([...pods, attached("a", "h9")]).endsWith(" and 1 more"), true);
});
