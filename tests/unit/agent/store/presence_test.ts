import { assertEquals, assertRejects } from "@std/assert";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Presence } from "../../../../lib/agent/store/presence.ts";
import type { PresenceRecord } from "../../../../lib/intent/records.ts";
import type { Store } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

/** An agent of host h1 with that state folder; while it waits, `meanwhile` happens. */
async function agent(
  store: Store,
  instance: string,
  { takeOver = false, meanwhile = () => Promise.resolve() } = {},
): Promise<Presence> {
  return new Presence(await StoreCache.load(store), {
    self: { host: "h1", instance, version: "1" },
    beatMs: 10_000,
    takeOver,
    pause: () => meanwhile(),
    mtu: () => 1_500,
    clock: () => "2026-11-26T14:00:00.000Z",
  });
}

const recordIn = async (store: Store) =>
  (await store.get("agents/h1"))?.value as unknown as PresenceRecord | undefined;

Deno.test("Presence takes a label that nobody had, and says what its host carries", async () => {
  const store = new MemoryStore();
  await (await agent(store, "a")).take();
  assertEquals(await recordIn(store), {
    schema: 1,
    host: "h1",
    instance: "a",
    version: "1",
    beat: 1,
    mtu: 1_500,
    reads: 2,
    at: "2026-11-26T14:00:00.000Z",
    everyMs: 10_000,
  });
});

Deno.test("Presence takes its own label again at once", async () => {
  const store = new MemoryStore();
  await (await agent(store, "a")).take();
  const meanwhile = () => Promise.reject(new Error("it waited"));
  await (await agent(store, "a", { meanwhile })).take();
  assertEquals((await recordIn(store))?.beat, 2);
});

for (const takeOver of [false, true]) {
  Deno.test(`Presence refuses the label of a living agent, take-over ${takeOver}`, async () => {
    const store = new MemoryStore();
    const first = await agent(store, "a");
    await first.take();
    const second = await agent(store, "b", { takeOver, meanwhile: () => first.beat() });
    const fault = await assertRejects(() => second.take(), Fault, "is in use");
    assertEquals(fault.code, "conflict");
    assertEquals((await recordIn(store))?.instance, "a");
  });
}

Deno.test("Presence takes a silent agent's label only when it is told to", async () => {
  const store = new MemoryStore();
  await (await agent(store, "a")).take();
  const timid = await agent(store, "b");
  await assertRejects(() => timid.take(), Fault, "belongs to another state folder");
  await (await agent(store, "b", { takeOver: true })).take();
  assertEquals((await recordIn(store))?.instance, "b");
});

Deno.test("Presence takes the label of a host that was given up, which says nothing of it then", async () => {
  const store = new MemoryStore();
  await (await agent(store, "a")).take();
  const { value, key } = (await store.get("agents/h1"))!;
  await store.commit([], [{ key, value: { ...value as object, lost: true } }]);
  await (await agent(store, "b")).take();
  assertEquals([(await recordIn(store))?.instance, (await recordIn(store))?.lost], [
    "b",
    undefined,
  ]);
});

Deno.test("Presence refuses a host that was given up and speaks again", async () => {
  const store = new MemoryStore();
  const first = await agent(store, "a");
  await first.take();
  const { value, key } = (await store.get("agents/h1"))!;
  await store.commit([], [{ key, value: { ...value as object, lost: true } }]);
  const second = await agent(store, "b", { meanwhile: () => first.beat() });
  await assertRejects(() => second.take(), Fault, "is in use");
});

Deno.test("Presence says so when its label was taken over while it was silent", async () => {
  const store = new MemoryStore();
  const first = await agent(store, "a");
  await first.take();
  await (await agent(store, "b", { takeOver: true })).take();
  await assertRejects(() => first.beat(), Fault, "is in use");
});
