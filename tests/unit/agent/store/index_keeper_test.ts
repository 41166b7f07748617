// When the indexes of a shared store are completed, and when they count as incomplete again.

import { assertEquals } from "@std/assert";
import { AgentVersions } from "../../../../lib/agent/store/agent_versions.ts";
import { IndexKeeper } from "../../../../lib/agent/store/index_keeper.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { auditClaims } from "../../../../lib/intent/audit.ts";
import { indexKeys } from "../../../../lib/intent/store_index.ts";
import type { PresenceRecord } from "../../../../lib/intent/records.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const presence = (host: string, beat: number, more: object = {}): PresenceRecord => ({
  ...{ schema: 1, host, instance: host, version: "1", beat, everyMs: 10_000 },
  ...more,
});
const NEW = { indexes: 1 };

Deno.test("an agent counts as alive from its second heartbeat on, and until it has missed some", () => {
  const agents = new AgentVersions();
  const follow = (beat: number, nowMs: number) => agents.follow([presence("h", beat)], nowMs).older;
  assertEquals(follow(1, 0), []);
  assertEquals(follow(2, 10_000), ["h"]);
  assertEquals(follow(2, 30_000), ["h"]);
  assertEquals(follow(2, 36_000), []);
  assertEquals(follow(3, 40_000), ["h"]);
});

Deno.test("a record without indexes that is silent may be an older agent's, until its time is over", () => {
  const agents = new AgentVersions();
  const isSettled = (nowMs: number) => agents.follow([presence("h", 1)], nowMs).isSettled;
  assertEquals([0, 10_000, 25_000].map(isSettled), [false, false, true]);
});

Deno.test("who has been removed, or writes the indexes, is not an older agent; a restarted one may be", () => {
  const agents = new AgentVersions();
  const follow = (beat: number, nowMs: number, b: object) =>
    agents.follow([
      presence("a", beat, NEW),
      presence("b", beat, b),
      presence("c", beat, { lost: true }),
    ], nowMs);
  follow(1, 0, NEW);
  assertEquals(follow(2, 10_000, NEW), { older: [], alive: ["a", "b"], isSettled: true });
  assertEquals(follow(3, 25_000, {}), { older: ["b"], alive: ["a", "b"], isSettled: true });
});

/** A store of an older version: records without indexes, and the presences of these hosts. */
async function oldStore(...hosts: string[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  // An agent of a store that is not shared writes no indexes.
  using old = await startMemoryAgent({ store: store.another() });
  await old.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await old.setUp(startPod(old.host, "web"));
  for (const host of hosts) store.database.put({ [`agents/${host}`]: { ...presence(host, 1) } });
  return store;
}

async function startKeeper(store: MemoryStore, host: string, { isScoped = false } = {}) {
  const options = { isShared: true, ...isScoped && { scope: host } };
  const cache = await StoreCache.open(store.another(), () => ({ documents: new Map() }), options);
  const time = { ms: 0 };
  const log = new MemoryLog();
  const keeper = new IndexKeeper({ host, store: cache, now: () => time.ms, log });
  let beat = 1;
  /** Lets 10 s pass: these agents write a heartbeat, then the keeper looks. */
  const tick = async (beats: Readonly<Record<string, object>>) => {
    time.ms += 10_000;
    beat++;
    for (const [name, more] of Object.entries(beats)) {
      store.database.put({ [`agents/${name}`]: { ...presence(name, beat, more) } });
    }
    await cache.catchUp();
    await keeper.check();
  };
  return { cache, tick, isComplete: () => store.database.documents.has(indexKeys.complete) };
}

Deno.test("what an older version has written is indexed once all agents that are alive write indexes", async () => {
  const store = await oldStore("h1", "h2", "gone");
  const { tick, isComplete } = await startKeeper(store, "h1");
  for (let n = 0; n < 5; n++) await tick({ h1: NEW, h2: {} });
  assertEquals(isComplete(), false);
  for (let n = 0; n < 4; n++) await tick({ h1: NEW, h2: NEW });
  assertEquals(isComplete(), true);
  const { documents } = await StoreCache.load(store.another());
  assertEquals(auditClaims(documents), []);
  assertEquals([...documents.keys()].filter((key) => key.startsWith("members/t/n/")).length, 1);
});

Deno.test("one agent completes the indexes, the first by its label; not in a store without an intent", async () => {
  const store = await oldStore("h1", "h2");
  const second = await startKeeper(store, "h2");
  await second.tick({});
  for (let n = 0; n < 4; n++) await second.tick({ h1: NEW, h2: NEW });
  assertEquals(second.isComplete(), false);
  const empty = await startKeeper(new MemoryStore(), "h1");
  for (let n = 0; n < 5; n++) await empty.tick({ h1: NEW });
  assertEquals(empty.isComplete(), false);
});

Deno.test("an older agent that appears makes the indexes incomplete at once", async () => {
  const store = await oldStore("h1");
  const { tick, isComplete } = await startKeeper(store, "h1");
  for (let n = 0; n < 4; n++) await tick({ h1: NEW });
  assertEquals(isComplete(), true);
  await tick({ h1: NEW, old: {} });
  assertEquals(isComplete(), false);
});

Deno.test("an agent that follows no heartbeats reads them now and then, and notices an older agent", async () => {
  const store = await oldStore("h1");
  const first = await startKeeper(store, "h1");
  for (let n = 0; n < 4; n++) await first.tick({ h1: NEW });
  const scoped = await startKeeper(store, "h1", { isScoped: true });
  assertEquals(scoped.cache.isWhole, false);
  await scoped.tick({ h1: NEW });
  assertEquals(scoped.isComplete(), true);
  await scoped.tick({ h1: NEW, old: {} });
  assertEquals(scoped.isComplete(), false);
});

Deno.test("what a command of an older version applies makes the indexes incomplete, until it is indexed", async () => {
  const store = await oldStore("h1");
  const whole = await startKeeper(store, "h1");
  for (let n = 0; n < 4; n++) await whole.tick({ h1: NEW });
  using current = await startMemoryAgent({ store: store.another(), isShared: true });
  await current.apply([{ Name: "m", Endpoints: [{ Container: "db" }] }]);
  const scoped = await startKeeper(store, "h1", { isScoped: true });
  await scoped.tick({ h1: NEW });
  assertEquals([scoped.cache.isWhole, scoped.isComplete()], [false, true]);
  // Without sharing it writes no indexes, as version 0.1.0 with --store.
  using old = await startMemoryAgent({ store: store.another() });
  await old.apply([{ Name: "m", Endpoints: [{ Container: "late" }] }]);
  await scoped.tick({ h1: NEW });
  assertEquals(scoped.isComplete(), false);
  for (let n = 0; n < 2; n++) await whole.tick({ h1: NEW });
  assertEquals(whole.isComplete(), true);
  assertEquals(auditClaims((await StoreCache.load(store.another())).documents), []);
  const later = await startKeeper(store, "h1", { isScoped: true });
  await later.tick({ h1: NEW });
  assertEquals(later.isComplete(), true);
});

Deno.test("an apply that ends before the watch reports it is not taken for an older version's", async () => {
  const store = await oldStore("h1");
  const whole = await startKeeper(store, "h1");
  for (let n = 0; n < 4; n++) await whole.tick({ h1: NEW });
  // Nobody follows the store for this one.
  const scoped = await startKeeper(store, "h1", { isScoped: true });
  using current = await startMemoryAgent({ store: store.another(), isShared: true });
  for (const name of ["m", "o"]) await current.apply([{ Name: name }]);
  await scoped.tick({ h1: NEW });
  assertEquals(scoped.isComplete(), true);
});

Deno.test("in a store whose agents all write indexes, these are complete as soon as there is an intent", async () => {
  const store = new MemoryStore();
  const { tick, isComplete } = await startKeeper(store, "h1");
  await tick({ h1: NEW });
  assertEquals(isComplete(), false);
  using agent = await startMemoryAgent({ store: store.another(), isShared: true });
  await agent.apply([{ Name: "n" }]);
  await tick({ h1: NEW });
  assertEquals(isComplete(), true);
});
