import { assertEquals } from "@std/assert";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { repairClaims } from "../../../../lib/agent/store/repair_claims.ts";
import { MemoryStore } from "./memory_store.ts";

const leak = (owner: string) => ({ key: "claims/vni/7", value: { schema: 1, owner } });

async function broken() {
  const store = new MemoryStore();
  await store.commit([], [leak("networks/t/gone")]);
  return { store, mirror: await StoreCache.load(store) };
}

Deno.test("repairClaims() acts on what differs at two looks", async () => {
  const { store, mirror } = await broken();
  const answer = await repairClaims(mirror, { isDry: false, pause: () => Promise.resolve() });
  assertEquals(answer.acts.map(({ act, claim }) => `${act} ${claim}`), ["release claims/vni/7"]);
  assertEquals(answer.left, []);
  assertEquals(store.entries.size, 0);
});

Deno.test("repairClaims() leaves what was made good, or has moved, between the looks", async () => {
  for (const next of [[{ key: "claims/vni/7", value: undefined }], [leak("networks/t/other")]]) {
    const { store, mirror } = await broken();
    const pause = async () => void await store.commit([], next);
    assertEquals((await repairClaims(mirror, { isDry: false, pause })).acts, []);
    assertEquals(store.entries.has("claims/vni/7"), next[0]?.value !== undefined);
  }
});

Deno.test("repairClaims() changes nothing where it is only asked what it would do", async () => {
  const { store, mirror } = await broken();
  const answer = await repairClaims(mirror, { isDry: true, pause: () => Promise.resolve() });
  assertEquals(answer.acts.map(({ act }) => act), ["release"]);
  assertEquals(answer.left.map(({ name }) => name), ["claims/vni/7"]);
  assertEquals(store.entries.size, 1);
});
