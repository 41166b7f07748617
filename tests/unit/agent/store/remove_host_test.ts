import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { removeHost, type RemoveHostOptions } from "../../../../lib/agent/store/remove_host.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import type { PresenceRecord } from "../../../../lib/intent/records.ts";
import type { Check, Json, Write } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { attachmentOf, documentsOf, endpointOf } from "../pods/dynamic_records.ts";
import { MemoryStore } from "./memory_store.ts";

const SIGN = "agents/host1";
const AT = "2026-11-26T14:00:00.000Z";
const sign = (beat: number, more: object = {}): Write => ({
  key: SIGN,
  value: { schema: 1, host: "host1", instance: "a", version: "1", beat, at: AT, ...more },
});

/** A store in which host1 has `count` pods; `onCommit` happens before a commit is looked at. */
class Store extends MemoryStore {
  onCommit: (writes: readonly Write[]) => Promise<void> | void = () => {};

  override async commit(checks: readonly Check[], writes: readonly Write[]) {
    await this.onCommit(writes);
    return await super.commit(checks, writes) as never;
  }
}

async function storeOf(count: number, sign0: Write | undefined = sign(7)): Promise<Store> {
  const store = new Store();
  const names = Array.from({ length: count }, (_, n) => `web${n}`);
  const documents = documentsOf({
    endpoints: names.map((name, n) => endpointOf(name, `10.9.0.${n}`)),
    attachments: names.map((name, n) => attachmentOf(name, `10.9.0.${n}`)),
  });
  for (const [key, { value }] of documents) {
    await store.commit([], [{ key, value: JSON.parse(JSON.stringify(value)) as Json }]);
  }
  if (sign0) await store.commit([], [sign0]);
  return store;
}

async function giveUp(store: Store, more: Partial<RemoveHostOptions> = {}) {
  return await removeHost(await StoreCache.load(store), {
    ...{ host: "host1", isDry: false, isForced: false, wallMs: () => 1_000 },
    pause: () => Promise.resolve(),
    ...more,
  });
}

const left = (store: Store) =>
  [...store.entries.keys()].filter((key) => /^(attachments|endpoints|claims)\//.test(key)).length;

Deno.test("giveUpHost() gives up a silent host, says when it was seen last, and marks it", async () => {
  const store = await storeOf(60, sign(7, { mtu: 1_500, everyMs: 10_000 }));
  const pauses: number[] = [];
  const answer = await giveUp(store, { pause: (ms) => Promise.resolve(void pauses.push(ms)) });
  assertEquals([answer.lastSeen, answer.acts.length, left(store)], [AT, 60, 0]);
  assertEquals(pauses.reduce((a, b) => a + b), 25_000);
  const record = store.entries.get(SIGN)?.value as unknown as PresenceRecord;
  assertEquals([record.lost, record.beat, record.mtu], [true, 7, undefined]);
});

Deno.test("giveUpHost() looks as long as two and a half of the host's own heartbeats take", async () => {
  // An older agent does not tell how often it speaks.
  for (const [more, ms] of [[{ everyMs: 4_000 }, 10_000], [{}, 150_000]] as const) {
    const store = await storeOf(1, sign(7, more));
    let [looked, written] = [0, 0];
    store.onCommit = () => void written++;
    // Just before the end of the look.
    const pause = async (passed: number) => {
      looked += passed;
      if (looked > ms - 1) await MemoryStore.prototype.commit.call(store, [], [sign(8)]);
    };
    const fault = await assertRejects(() => giveUp(store, { pause }), Fault, "its agent is alive");
    assertEquals([fault.code, left(store), written, looked], ["conflict", 3, 0, ms]);
    assertStringIncludes(fault.message, AT);
  }
});

Deno.test("giveUpHost() changes nothing where it is only asked what it would do", async () => {
  const store = await storeOf(3);
  const revision = store.revision;
  const answer = await giveUp(store, { isDry: true });
  assertEquals(answer.acts.map(({ act, pod }) => `${act} ${pod}`), [
    "release default/web0",
    "release default/web1",
    "release default/web2",
  ]);
  assertEquals(store.revision, revision);
});

Deno.test("giveUpHost() refuses this host, one that nothing names, and one without any sign of life", async () => {
  const store = await storeOf(1, undefined);
  store.entries.delete(SIGN);
  const refused = async (more: Partial<RemoveHostOptions>) =>
    (await assertRejects(() => giveUp(store, more), Fault)).code;
  assertEquals(await refused({ self: "host1" }), "conflict");
  assertEquals(await refused({ host: "host9" }), "not_found");
  assertEquals(await refused({}), "conflict");
  assertEquals(left(store), 3);
  assertEquals((await giveUp(store, { isForced: true })).acts.length, 1);
  assertEquals(left(store), 0);
});

Deno.test("giveUpHost() stops as soon as the host's agent speaks, wherever it is", async () => {
  for (let commits = 0; commits < 4; commits++) {
    const store = await storeOf(60);
    let count = 0;
    store.onCommit = async () => {
      if (count++ === commits) await MemoryStore.prototype.commit.call(store, [], [sign(8)]);
    };
    const fault = await assertRejects(() => giveUp(store), Fault);
    assertEquals(fault.code, "conflict");
    // Nothing was written after the sign.
    assertEquals(store.entries.get(SIGN)?.revision, store.revision);
    assertEquals((store.entries.get(SIGN)?.value as unknown as PresenceRecord).lost, undefined);
  }
});

Deno.test("giveUpHost(), cut off anywhere, is finished by the next one, which need not look again", async () => {
  for (let commits = 0; commits < 5; commits++) {
    const store = await storeOf(60);
    let count = 0;
    store.onCommit = () => {
      if (count++ === commits) throw new Error("killed");
    };
    await giveUp(store).catch(() => {});
    store.onCommit = () => {};
    const pause = () => Promise.reject(new Error("it looked again"));
    await giveUp(store, commits === 0 ? {} : { pause });
    assertEquals(left(store), 0);
    assertEquals((await giveUp(store, { pause })).acts, []);
  }
});

Deno.test("giveUpHost() twice at once gives each thing up once", async () => {
  const store = await storeOf(100);
  // The other one's commits come in between.
  store.onCommit = () => new Promise((done) => setTimeout(done));
  const answers = await Promise.all([giveUp(store), giveUp(store)]);
  const given = answers.flatMap(({ acts }) => acts.map(({ pod }) => pod));
  assertEquals([new Set(given).size, given.length, left(store)], [100, 100, 0]);
});

Deno.test("giveUpHost() takes another one's mark that comes while it looks for no sign of life", async () => {
  const store = await storeOf(40);
  let count = 0;
  const pause = async () => {
    if (count++ === 3) assertEquals((await giveUp(store)).acts.length, 40);
  };
  assertEquals((await giveUp(store, { pause })).acts, []);
  assertEquals([count, left(store)], [4, 0]);
});

Deno.test("giveUpHost() names what cannot be read, and leaves it", async () => {
  const store = await storeOf(1);
  const key = "attachments/host1/5bnew/eth0";
  await store.commit([], [{ key, value: { schema: 9 } }]);
  assertEquals((await giveUp(store)).left, [key]);
  assertEquals(store.entries.has(key), true);
});
