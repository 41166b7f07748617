import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { removeHost, type RemoveHostOptions } from "../../../../lib/agent/store/remove_host.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { attachmentOf, documentsOf, endpointOf } from "../pods/dynamic_records.ts";

const HEARTBEAT = "agents/host1";
const AT = "2026-11-26T14:00:00.000Z";
const heartbeat = (beat: number, more: object = {}) => ({
  [HEARTBEAT]: { schema: 1, host: "host1", instance: "a", version: "1", beat, at: AT, ...more },
});

/** Returns a store in which host1 has `count` pods. */
function storeOf(count: number): MemoryStore {
  const store = new MemoryStore();
  const names = Array.from({ length: count }, (_, n) => `web${n}`);
  const documents = documentsOf({
    endpoints: names.map((name, n) => endpointOf(name, `10.9.0.${n}`)),
    attachments: names.map((name, n) => attachmentOf(name, `10.9.0.${n}`)),
  });
  for (const [key, { value }] of documents) store.database.put({ [key]: value });
  store.database.put(heartbeat(7));
  return store;
}

async function remove(store: MemoryStore, more: Partial<RemoveHostOptions> = {}) {
  return await removeHost(await StoreCache.load(store), {
    ...{ host: "host1", isDry: false, isForced: false, wallMs: () => 1_000 },
    pause: () => Promise.resolve(),
    ...more,
  });
}

const left = (store: MemoryStore) =>
  store.database.keysBelow("").filter((key) => /^(attachments|endpoints|claims)\//.test(key))
    .length;

Deno.test("removeHost() removes a silent host, reports when it was last seen, and marks it as lost", async () => {
  const store = storeOf(60);
  store.database.put(heartbeat(7, { mtu: 1_500, everyMs: 10_000 }));
  const pauses: number[] = [];
  const answer = await remove(store, { pause: (ms) => Promise.resolve(void pauses.push(ms)) });
  assertEquals([answer.lastSeen, answer.acts.length, left(store)], [AT, 60, 0]);
  assertEquals(pauses.reduce((a, b) => a + b), 25_000);
  const record = store.database.get(HEARTBEAT);
  assertEquals([record?.lost, record?.beat, record?.mtu], [true, 7, undefined]);
});

Deno.test("removeHost() waits for two and a half of the host's own heartbeats", async () => {
  // An older agent does not record its heartbeat interval.
  for (const [more, ms] of [[{ everyMs: 4_000 }, 10_000], [{}, 150_000]] as const) {
    const store = storeOf(1);
    store.database.put(heartbeat(7, more));
    let [waited, written] = [0, 0];
    store.beforeCommit = () => void written++;
    // The heartbeat comes just before the end of the wait.
    const pause = (passed: number) => {
      waited += passed;
      if (waited > ms - 1) store.database.put(heartbeat(8));
      return Promise.resolve();
    };
    const fault = await assertRejects(() => remove(store, { pause }), Fault, "its agent is alive");
    assertEquals([fault.code, left(store), written, waited], ["conflict", 3, 0, ms]);
    assertStringIncludes(fault.message, AT);
  }
});

Deno.test("removeHost() changes nothing in a dry run", async () => {
  const store = storeOf(3);
  const revision = store.database.revision;
  const answer = await remove(store, { isDry: true });
  assertEquals(answer.acts.map(({ act, pod }) => `${act} ${pod}`), [
    "release default/web0",
    "release default/web1",
    "release default/web2",
  ]);
  assertEquals(store.database.revision, revision);
});

Deno.test("removeHost() refuses this host, an unknown one, and one which never recorded a heartbeat", async () => {
  const store = storeOf(1);
  store.database.documents.delete(HEARTBEAT);
  const refused = async (more: Partial<RemoveHostOptions>) =>
    (await assertRejects(() => remove(store, more), Fault)).code;
  assertEquals(await refused({ self: "host1" }), "conflict");
  assertEquals(await refused({ host: "host9" }), "not_found");
  assertEquals(await refused({}), "conflict");
  assertEquals(left(store), 3);
  assertEquals((await remove(store, { isForced: true })).acts.length, 1);
  assertEquals(left(store), 0);
});

Deno.test("removeHost() stops at any commit as soon as the host's agent records a heartbeat", async () => {
  for (let commits = 0; commits < 4; commits++) {
    const store = storeOf(60);
    let count = 0;
    store.beforeCommit = () => {
      if (count++ === commits) store.database.put(heartbeat(8));
    };
    const fault = await assertRejects(() => remove(store), Fault);
    assertEquals(fault.code, "conflict");
    // Nothing was written after the heartbeat.
    assertEquals(store.database.documents.get(HEARTBEAT)?.revision, store.database.revision);
    assertEquals(store.database.get(HEARTBEAT)?.lost, undefined);
  }
});

Deno.test("removeHost(), interrupted at any commit, is finished by the next one, which does not wait again", async () => {
  for (let commits = 0; commits < 5; commits++) {
    const store = storeOf(60);
    let count = 0;
    store.beforeCommit = () => {
      if (count++ === commits) throw new Error("killed");
    };
    await remove(store).catch(() => {});
    store.beforeCommit = () => {};
    const pause = () => Promise.reject(new Error("it waited again"));
    await remove(store, commits === 0 ? {} : { pause });
    assertEquals(left(store), 0);
    assertEquals((await remove(store, { pause })).acts, []);
  }
});

Deno.test("removeHost() twice at once removes each pod once", async () => {
  const store = storeOf(100);
  // The other one's commits come in between.
  store.beforeCommit = () => new Promise((done) => setTimeout(done));
  const answers = await Promise.all([remove(store), remove(store)]);
  const removed = answers.flatMap(({ acts }) => acts.map(({ pod }) => pod));
  assertEquals([new Set(removed).size, removed.length, left(store)], [100, 100, 0]);
});

Deno.test("removeHost() does not take the mark of another removal for a heartbeat", async () => {
  const store = storeOf(40);
  let count = 0;
  const pause = async () => {
    if (count++ === 3) assertEquals((await remove(store)).acts.length, 40);
  };
  assertEquals((await remove(store, { pause })).acts, []);
  assertEquals([count, left(store)], [4, 0]);
});

Deno.test("removeHost() names unreadable records and leaves them", async () => {
  const store = storeOf(1);
  const key = "attachments/host1/5bnew/eth0";
  store.database.put({ [key]: { schema: 9 } });
  assertEquals((await remove(store)).left, [key]);
  assertEquals(store.database.documents.has(key), true);
});

Deno.test("removeHost() releases the number of a host, and only its own claim", async () => {
  for (const owner of ["hostnumbers/host1", "hostnumbers/host2"]) {
    const store = storeOf(2);
    store.database.put({
      "hostnumbers/host1": { schema: 1, host: "host1", number: 7 },
      "hostnumbers/host2": { schema: 1, host: "host2", number: 8 },
      "claims/host/7": { schema: 1, owner },
      "claims/host/8": { schema: 1, owner: "hostnumbers/host2" },
    });
    const { acts } = await remove(store, { isDry: true });
    assertEquals((await remove(store)).acts, acts);
    assertEquals(acts.length, 2);
    assertEquals(store.database.keysBelow("hostnumbers/"), ["hostnumbers/host2"]);
    const kept = owner.endsWith("1") ? ["claims/host/8"] : ["claims/host/7", "claims/host/8"];
    assertEquals(store.database.keysBelow("claims/"), kept);
  }
});

Deno.test("removeHost() says that the intent still has the host, and removes its report once it has not", async () => {
  const store = storeOf(1);
  const report = { schema: 1, host: "host1", at: AT, version: "1", passed: 1, checks: [] };
  store.database.put({
    "reports/host1": report,
    "hosts/host1": { schema: 1, name: "host1", intf: "e" },
  });
  assertEquals([(await remove(store)).isInIntent, store.database.get("reports/host1")?.passed], [
    true,
    1,
  ]);
  store.database.put({ "hosts/host1": undefined });
  assertEquals((await remove(store)).isInIntent, undefined);
  assertEquals([store.database.get("reports/host1"), store.database.get(HEARTBEAT)?.lost], [
    undefined,
    true,
  ]);
});
