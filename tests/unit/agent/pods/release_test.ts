// Records of attachments are deleted as far as they are still theirs: in batches, or later.

import { assertEquals, assertRejects } from "@std/assert";
import { releaseAttachments } from "../../../../lib/agent/pods/release.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR } from "./dynamic_records.ts";

/** Starts a store with so many pods of a default network. */
async function start(count: number, { isShared = false, holdAddress = 0 } = {}) {
  const store = new MemoryStore();
  const names = Array.from({ length: count }, (_, at) => `p${at}`);
  const attachments = names.map((name, at) => attachmentOf(name, `10.9.0.${at}`));
  const endpoints = names.map((name, at) => endpointOf(name, `10.9.0.${at}`));
  for (const [key, { value }] of documentsOf({ holdAddress, endpoints, attachments })) {
    store.database.put({ [key]: value });
  }
  const cache = await StoreCache.open(store, () => ({ documents: new Map() }), { isShared });
  return {
    ...{ store, cache, attachments },
    release: (which: readonly (typeof attachments)[number][] = attachments) =>
      releaseAttachments({ store: cache, clock: { wallMs: () => HOUR } }, which),
    left: () =>
      store.database.keysBelow("").filter((key) => /^(attachments|endpoints|claims)\//.test(key)),
  };
}

Deno.test("attachments go with the endpoints and claims that were made for them", async () => {
  const { release, left, attachments } = await start(3);
  await release(attachments.slice(1));
  assertEquals(left(), [
    "attachments/host1/5bp0/eth0",
    "claims/ip/t/blue/10.9.0.0",
    "endpoints/t/blue/default~p0",
  ]);
});

Deno.test("a network that holds addresses keeps endpoint and claim, marked with the time", async () => {
  const { store, release, left } = await start(1, { holdAddress: 60 });
  await release();
  assertEquals(left(), ["claims/ip/t/blue/10.9.0.0", "endpoints/t/blue/default~p0"]);
  const endpoint = store.database.get("endpoints/t/blue/default~p0");
  assertEquals((endpoint?.dynamic as { heldSince: number }).heldSince, HOUR);
});

Deno.test("hundreds are released in commits that a store takes", async () => {
  const { store, release, left } = await start(100);
  const sizes: number[] = [];
  store.beforeCommit = (writes) => void sizes.push(writes.length);
  await release();
  assertEquals(left(), []);
  assertEquals(sizes.length > 1 && Math.max(...sizes) <= 100, true, `${sizes}`);
});

Deno.test("a record that is another attachment's by now stays, and so does its endpoint", async () => {
  const { store, cache, release, left, attachments } = await start(1);
  const newer = { ...attachments[0]!, id: "00000000000" };
  store.database.put({ "attachments/host1/5bp0/eth0": newer });
  await cache.catchUp();
  const before = [left(), store.database.revision];
  await release();
  assertEquals([left(), store.database.revision], before);
});

Deno.test("a second release of the same attachments writes nothing", async () => {
  const { store, release } = await start(1);
  await release();
  const { revision } = store.database;
  await release();
  assertEquals(store.database.revision, revision);
});

Deno.test("while a shared store is unreachable the release is kept by pod, and done later", async () => {
  const { store, cache, release, left } = await start(2, { isShared: true });
  const before = left();
  store.isUnreachable = true;
  await release();
  assertEquals([left(), cache.documents.has("attachments/host1/5bp0/eth0")], [before, false]);
  store.isUnreachable = false;
  assertEquals(await cache.replayPending(), []);
  assertEquals(left(), []);
});

Deno.test("a store of this host alone that is unreachable refuses the release", async () => {
  const { store, cache, release } = await start(1);
  store.isUnreachable = true;
  await assertRejects(() => release(), Fault, "unreachable");
  assertEquals(cache.pendingCount, 0);
});
