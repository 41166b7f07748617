import { assertEquals } from "@std/assert";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { repairClaims } from "../../../../lib/agent/store/repair_claims.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const leak = (owner: string) => ({ key: "claims/vni/7", value: { schema: 1, owner } });

async function broken() {
  const store = new MemoryStore();
  await store.commit([], [leak("networks/t/gone")]);
  return { store, cache: await StoreCache.load(store) };
}

Deno.test("repairClaims() repairs only what is still wrong at a second check", async () => {
  const { store, cache } = await broken();
  const answer = await repairClaims(cache, { isDry: false, pause: () => Promise.resolve() });
  assertEquals(answer.acts.map(({ act, claim }) => `${act} ${claim}`), ["release claims/vni/7"]);
  assertEquals(answer.left, []);
  assertEquals(store.database.documents.size, 0);
});

Deno.test("repairClaims() leaves what was repaired or has changed between the two checks", async () => {
  for (const next of [[{ key: "claims/vni/7", value: undefined }], [leak("networks/t/other")]]) {
    const { store, cache } = await broken();
    const pause = async () => void await store.commit([], next);
    assertEquals((await repairClaims(cache, { isDry: false, pause })).acts, []);
    assertEquals(store.database.documents.has("claims/vni/7"), next[0]?.value !== undefined);
  }
});

Deno.test("repairClaims() changes nothing in a dry run", async () => {
  const { store, cache } = await broken();
  const answer = await repairClaims(cache, { isDry: true, pause: () => Promise.resolve() });
  assertEquals(answer.acts.map(({ act }) => act), ["release"]);
  assertEquals(answer.left.map(({ name }) => name), ["claims/vni/7"]);
  assertEquals(store.database.documents.size, 1);
});
