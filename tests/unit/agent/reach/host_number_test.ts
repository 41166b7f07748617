import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  claimHostNumber,
  hostNumberOf,
  recordHostRange,
} from "../../../../lib/agent/reach/host_number.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

Deno.test("claimHostNumber() takes the lowest free number once, and records the range", async () => {
  const store = new MemoryStore();
  const cache = await StoreCache.load(store);
  await claimHostNumber(cache, "h1");
  await claimHostNumber(cache, "h2");
  await claimHostNumber(cache, "h1");
  assertEquals([hostNumberOf(cache.documents, "h1"), hostNumberOf(cache.documents, "h2")], [1, 2]);
  assertEquals(store.database.get("claims/host/2"), { schema: 1, owner: "hostnumbers/h2" });
  assertEquals(store.database.get("clusters/settings"), { schema: 1, hostRange: "100.64.0.0/14" });
});

Deno.test("claimHostNumber() gives different numbers to hosts that do not know of each other", async () => {
  const store = new MemoryStore();
  const caches = await Promise.all(Array.from({ length: 9 }, () => StoreCache.load(store)));
  await Promise.all(caches.map((cache, n) => claimHostNumber(cache, `h${n}`)));
  const cache = await StoreCache.load(store);
  const numbers = caches.map((_, n) => hostNumberOf(cache.documents, `h${n}`));
  assertEquals(new Set(numbers).size, 9);
  assert(numbers.every((number) => number !== undefined), numbers.join());
});

Deno.test("claimHostNumber() ends in few tries when many hosts want a number at once", async () => {
  const store = new MemoryStore();
  for (let n = 0; n < 300; n++) {
    store.database.put({
      [`agents/h${n}`]: { schema: 1, host: `h${n}`, instance: "0", version: "1", beat: 1 },
    });
  }
  let commits = 0;
  store.beforeCommit = () => void commits++;
  // None has read what another one took.
  const clients = Array.from({ length: 300 }, async (_, n) => {
    const client = store.another();
    client.beforeCommit = store.beforeCommit;
    const cache = await StoreCache.load(client);
    return () => claimHostNumber(cache, `h${n}`);
  });
  const claims = await Promise.all(clients);
  await recordHostRange(await StoreCache.load(store), "100.64.0.0/14");
  commits = 0;
  await Promise.all(claims.map((claim) => claim()));
  assertEquals(store.database.keysBelow("claims/host/").length, 300);
  // Each first learns of the host range.
  assert(commits < 300 * 2.6, `${commits} commits`);
});

Deno.test("claimHostNumber() keeps the range of the first host, and refuses a flag that contradicts it", async () => {
  const cache = await StoreCache.load(new MemoryStore());
  await recordHostRange(cache, "10.200.0.0/16");
  await recordHostRange(cache, "10.200.0.0/16");
  await claimHostNumber(cache, "h1");
  await assertRejects(
    () => claimHostNumber(cache, "h2", "10.201.0.0/16"),
    Fault,
    "--host-range 10.201.0.0/16 is refused: the hosts of this store have 10.200.0.0/16",
  );
  await assertRejects(() => recordHostRange(cache, "10.201.0.0/16"), Fault, "is refused");
  assertEquals(hostNumberOf(cache.documents, "h2"), undefined);
});

Deno.test("claimHostNumber() says when all numbers are taken", async () => {
  const store = new MemoryStore();
  const cache = await StoreCache.load(store);
  await recordHostRange(cache, "10.200.0.0/22");
  const claims = Array.from({ length: 253 }, (_, n) => ({
    key: `claims/host/${n + 1}`,
    value: { schema: 1, owner: `hostnumbers/x${n}` },
  }));
  for (const write of claims) await cache.tryCommit([], [write]);
  await claimHostNumber(cache, "h0");
  assertEquals(hostNumberOf(cache.documents, "h0"), 254);
  const fault = await assertRejects(() => claimHostNumber(cache, "h1"), Fault);
  assertEquals(fault.code, "exhausted");
});

Deno.test("claimHostNumber() leaves a record of a newer version alone", async () => {
  const cache = await StoreCache.load(new MemoryStore());
  await cache.tryCommit([], [{ key: "hostnumbers/h1", value: { schema: 9 } }]);
  await assertRejects(() => claimHostNumber(cache, "h1"), Fault, "use a newer k8contivnet");
});
