import { assertEquals, assertRejects } from "@std/assert";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Presence } from "../../../../lib/agent/store/presence.ts";
import type { PresenceRecord } from "../../../../lib/intent/records.ts";
import type { Store } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

/** Returns the presence of an agent of host h1 with that state folder; `meanwhile` runs while it waits. */
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

Deno.test("take() takes a free label and records the MTU of its host", async () => {
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
    indexes: 1,
    at: "2026-11-26T14:00:00.000Z",
    everyMs: 10_000,
  });
});

Deno.test("with thousands of hosts, heartbeats are rarer, and say so; a label is watched accordingly", async () => {
  const store = new MemoryStore();
  const presence = (n: number) => ({
    schema: 1,
    host: `x${n}`,
    instance: "x",
    version: "1",
    beat: 1,
  });
  store.database.put(
    Object.fromEntries(Array.from({ length: 4_999 }, (_, n) => [`agents/x${n}`, presence(n)])),
  );
  const pauses: number[] = [];
  const stop = new AbortController();
  const create = async (instance: string) =>
    new Presence(await StoreCache.load(store), {
      self: { host: "h1", instance, version: "1" },
      ...{ beatMs: 10_000, takeOver: true, mtu: () => 1_500, clock: () => "" },
      pause: (ms) => {
        if (pauses.push(ms) === 3) stop.abort();
        return Promise.resolve();
      },
    });
  const first = await create("a");
  await first.take();
  assertEquals((await recordIn(store))?.everyMs, 49_990);
  await first.keep(stop.signal, () => Promise.resolve());
  // From the second one on, it knows itself, too.
  assertEquals(pauses, [49_990, 50_000, 50_000]);
  await (await create("b")).take();
  assertEquals(pauses.at(-1), 125_000);
});

Deno.test("take() takes its own label again without waiting", async () => {
  const store = new MemoryStore();
  await (await agent(store, "a")).take();
  const meanwhile = () => Promise.reject(new Error("it waited"));
  await (await agent(store, "a", { meanwhile })).take();
  assertEquals((await recordIn(store))?.beat, 2);
});

for (const takeOver of [false, true]) {
  Deno.test(`take() refuses the label of a living agent, take-over ${takeOver}`, async () => {
    const store = new MemoryStore();
    const first = await agent(store, "a");
    await first.take();
    const second = await agent(store, "b", { takeOver, meanwhile: () => first.beat() });
    const fault = await assertRejects(() => second.take(), Fault, "is in use");
    assertEquals(fault.code, "conflict");
    assertEquals((await recordIn(store))?.instance, "a");
  });
}

Deno.test("take() takes the label of a silent agent only with take-over", async () => {
  const store = new MemoryStore();
  await (await agent(store, "a")).take();
  const second = await agent(store, "b");
  await assertRejects(() => second.take(), Fault, "belongs to another state folder");
  await (await agent(store, "b", { takeOver: true })).take();
  assertEquals((await recordIn(store))?.instance, "b");
});

Deno.test("take() takes the label of a removed host and clears its mark", async () => {
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

Deno.test("take() refuses the label of a removed host whose agent sends heartbeats again", async () => {
  const store = new MemoryStore();
  const first = await agent(store, "a");
  await first.take();
  const { value, key } = (await store.get("agents/h1"))!;
  await store.commit([], [{ key, value: { ...value as object, lost: true } }]);
  const second = await agent(store, "b", { meanwhile: () => first.beat() });
  await assertRejects(() => second.take(), Fault, "is in use");
});

Deno.test("beat() faults after another agent has taken over the label", async () => {
  const store = new MemoryStore();
  const first = await agent(store, "a");
  await first.take();
  await (await agent(store, "b", { takeOver: true })).take();
  await assertRejects(() => first.beat(), Fault, "is in use");
});

Deno.test("take() and beat() refuse a record of a newer version and leave it as it is", async () => {
  const store = new MemoryStore();
  const one = await agent(store, "a");
  store.database.put({ "agents/h1": { schema: 9, host: "h1" } });
  for (const call of [() => one.take(), () => one.beat()]) {
    const fault = await assertRejects(call, Fault, "its record cannot be read");
    assertEquals(fault.code, "conflict");
  }
  assertEquals(store.database.get("agents/h1"), { schema: 9, host: "h1" });
});

Deno.test("beat() takes over a heartbeat whose answer was lost", async () => {
  const store = new MemoryStore();
  const one = await agent(store, "a");
  await one.take();
  store.failNext("commit", "answer lost");
  await assertRejects(() => one.beat(), Fault, "in time");
  assertEquals((await recordIn(store))?.beat, 2);
  await one.beat();
  assertEquals((await recordIn(store))?.beat, 3);
});

Deno.test("keep() goes on while the store is unreachable, and calls `then` only after a heartbeat", async () => {
  const store = new MemoryStore();
  const stop = new AbortController();
  const seen: string[] = [];
  let pauses = 0;
  const one = await agent(store, "a", {
    meanwhile: () => {
      pauses++;
      store.isUnreachable = pauses === 2 || pauses === 3;
      if (pauses === 5) stop.abort();
      return Promise.resolve();
    },
  });
  await one.keep(stop.signal, () => Promise.resolve(void seen.push(`after pause ${pauses}`)));
  assertEquals(seen, ["after pause 1", "after pause 4"]);
  assertEquals((await recordIn(store))?.beat, 2);
});

Deno.test("keep() ends with a fault once another agent has taken over the label", async () => {
  const store = new MemoryStore();
  const first = await agent(store, "a");
  await first.take();
  await (await agent(store, "b", { takeOver: true })).take();
  const keeping = first.keep(new AbortController().signal, () => Promise.resolve());
  assertEquals((await assertRejects(() => keeping, Fault, "is in use")).code, "conflict");
});
