// An apply on a base: refused as soon as somebody else has made a revision.

import { assertEquals, assertRejects } from "@std/assert";
import { IntentStore } from "../../../../lib/agent/store/apply.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { tenantWith } from "../../../fixtures/tenant.ts";
import { startMemoryAgent } from "../../../memory/memory_agent.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { ask, depsOf } from "../server/server_calls.ts";

const textOf = (...networks: string[]) =>
  JSON.stringify({ Tenants: [tenantWith({ Networks: networks.map((Name) => ({ Name })) })] });

const origin = { by: "ada", host: "h", source: "a.json" };

async function client(store: MemoryStore): Promise<IntentStore> {
  const cache = await StoreCache.open(store, () => ({ documents: new Map() }), { isShared: true });
  return new IntentStore(cache, () => "2026-01-01T00:00:00Z", () => 0.9);
}

Deno.test("an apply on the last revision is applied, one on an older is refused with who changed it", async () => {
  const intents = await client(new MemoryStore());
  const apply = (base: number, ...networks: string[]) =>
    intents.apply({ mode: "replace", text: textOf(...networks), base, origin });
  assertEquals((await apply(0, "a")).revision, 1);
  assertEquals((await apply(1, "a", "b")).revision, 2);
  await assertRejects(
    () => apply(1, "c"),
    Fault,
    "the intent has changed meanwhile: revision 2 was made by ada, a.json",
  );
  await assertRejects(() => apply(3, "c"), Fault, "has changed meanwhile");
});

Deno.test("of clients that apply on one base at the same time, one wins, also if they do not see each other", async () => {
  for (let round = 0; round < 10; round++) {
    const store = new MemoryStore();
    const clients = await Promise.all(Array.from({ length: 6 }, () => client(store)));
    const ended = await Promise.allSettled(
      clients.map((one, n) =>
        one.apply({ mode: "replace", text: textOf(`n${n}`, "common"), base: 0, origin })
      ),
    );
    const won = ended.filter(({ status }) => status === "fulfilled").length;
    assertEquals(won, 1);
    const keys = [...store.database.documents.keys()];
    assertEquals(keys.filter((key) => /^revisions\/\d+$/.test(key)).length, 1);
    assertEquals(keys.filter((key) => key.startsWith("networks/")).length, 2);
  }
});

Deno.test("the intent is listed with its revision, and applying it again changes nothing", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web", Labels: { a: "1" } }] }]);
  const { body: [item] } = await ask(depsOf(agent), "/v1/intent");
  assertEquals(item.revision, 1);
  const request = { mode: "replace", text: JSON.stringify(item.intent), base: item.revision };
  const { body } = await ask(depsOf(agent), "/v1/plan", request);
  assertEquals([body.operations, body.warnings], [[], []]);
  assertEquals((await ask(depsOf(agent), "/v1/apply", { ...request, base: -1 })).status, 400);
});
