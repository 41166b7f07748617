// How many running pods an apply detaches, as its answer and its plan say.

import { assertEquals, assertRejects } from "@std/assert";
import { IntentStore } from "../../../../lib/agent/store/apply.ts";
import { previewRequest } from "../../../../lib/agent/store/preview.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import type { IntentRequest } from "../../../../lib/agent/api/intent_requests.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { attachment, network, vlanTenant } from "../../intent/files.ts";

const FILE = {
  Hosts: [{ Name: "host1", Intf: "eth2" }],
  ...vlanTenant([network("a", ["c", "d"])]),
};

/** Applies FILE, attaches pod c, and applies the request; returns its answer, and that of its plan. */
async function detachedBy(request: Omit<IntentRequest, "text">, file: object) {
  const store = new MemoryStore();
  const first = new IntentStore(await StoreCache.load(store), () => "2026-11-26T00:00:00Z");
  await first.apply({ mode: "add", text: JSON.stringify(FILE) });
  store.database.put(attachment("one/a/c"));
  const cache = await StoreCache.load(store);
  const whole = { ...request, text: JSON.stringify(file) };
  const planned = previewRequest(cache.documents, whole);
  const applied = await new IntentStore(cache, () => "2026-11-26T00:00:01Z").apply(whole);
  assertEquals(applied.detached, planned.detached);
  return applied.detached;
}

Deno.test("deleting endpoints detaches the pods that have them, and says how many", async () => {
  assertEquals(await detachedBy({ mode: "delete" }, vlanTenant([network("a", ["d"])])), undefined);
  assertEquals(await detachedBy({ mode: "delete" }, vlanTenant([network("a", ["c", "d"])])), 1);
  assertEquals(await detachedBy({ mode: "replace" }, { Hosts: FILE.Hosts }), 1);
  assertEquals(await detachedBy({ mode: "add" }, vlanTenant([network("b", [])])), undefined);
});

Deno.test("a network with pods is deleted by force alone, which says how many it detached", async () => {
  const file = { Tenants: [{ Name: "one", Networks: [{ Name: "a" }] }] };
  await assertRejects(() => detachedBy({ mode: "delete" }, file), Fault);
  assertEquals(await detachedBy({ mode: "delete", force: true }, file), 1);
});

Deno.test("a host is deleted by its name alone, and added only with an uplink or tunnel address", async () => {
  const file = { Hosts: [{ Name: "host1" }] };
  assertEquals(await detachedBy({ mode: "delete", force: true }, file), undefined);
  await assertRejects(() => detachedBy({ mode: "add" }, file), Fault, "neither Intf nor VtepIp");
});
