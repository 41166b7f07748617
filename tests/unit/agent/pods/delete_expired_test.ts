// Addresses that were held long enough, and endpoints of pods that have no attachment, are deleted.

import { assertEquals } from "@std/assert";
import { GracePeriod } from "../../../../lib/agent/gc/grace_period.ts";
import {
  deleteExpired,
  deleteUnseen,
  expireHeldAddresses,
} from "../../../../lib/agent/pods/held_addresses.ts";
import { completeIndexes } from "../../../../lib/agent/store/index_keeper.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR } from "./dynamic_records.ts";

const held = endpointOf("gone", "10.9.0.2", { heldSince: HOUR });
const orphan = endpointOf("orphan", "10.9.0.3");
const far = { ...endpointOf("far", "10.9.0.4"), bound: { host: "host2", generation: 1 } };
const alive = endpointOf("web", "10.9.0.1");
const ATTACHMENTS = [attachmentOf("web", "10.9.0.1")];

async function start(endpoints = [held, orphan, far, alive]) {
  const store = new MemoryStore();
  const documents = documentsOf({ holdAddress: 60, endpoints, attachments: ATTACHMENTS });
  for (const [key, { value }] of documents) store.database.put({ [key]: value });
  const cache = await StoreCache.open(store, () => ({ documents: new Map() }));
  const [log, time] = [new MemoryLog(), { now: 0, wall: HOUR }];
  const deps = {
    ...{ host: "host1", store: cache, log },
    clock: { now: () => time.now, wallMs: () => time.wall },
  };
  const orphans = new GracePeriod(10_000, () => time.now);
  return {
    ...{ store, cache, log, time, deps },
    expire: () => deleteExpired(deps, orphans),
    /** Names of the pods whose endpoint and claim are both there. */
    left: () =>
      store.database.keysBelow("endpoints/").filter((key) => {
        const endpoint = store.database.get(key)!;
        return store.database.get(`claims/ip/t/blue/${endpoint.address}`)?.owner === key;
      }).map((key) => key.split("~")[1]),
  };
}

const ALL = ["far", "gone", "orphan", "web"];

Deno.test("a held address is deleted with its claim when its time is over, and not before", async () => {
  const { store, time, log, expire, left } = await start([held, alive]);
  time.wall = HOUR + 59_999;
  await expire();
  assertEquals([left(), log.lines], [["gone", "web"], []]);
  time.wall++;
  await expire();
  assertEquals(left(), ["web"]);
  assertEquals(store.database.documents.has("claims/ip/t/blue/10.9.0.2"), false);
  assertEquals(log.lines, [
    "info address released address=10.9.0.2 network=t/blue pod=default/gone why=its hold time is over",
  ]);
});

Deno.test("an endpoint of this host without attachment is deleted after the grace period", async () => {
  const { time, log, expire, left } = await start([orphan, far, alive]);
  for (const now of [0, 5_000, 9_999]) {
    time.now = now;
    await expire();
  }
  assertEquals(left(), ["far", "orphan", "web"]);
  time.now = 10_000;
  await expire();
  assertEquals(left(), ["far", "web"]);
  assertEquals(log.lines.map((line) => line.split("why=")[1]), ["it has no attachment"]);
});

Deno.test("an endpoint that has an attachment again in the meantime is kept, and its time begins anew", async () => {
  const { store, cache, time, expire, left } = await start([orphan]);
  const key = "attachments/host1/5borphan/eth0";
  await expire();
  store.database.put({ [key]: attachmentOf("orphan", "10.9.0.3") });
  await cache.catchUp();
  time.now = 10_000;
  await expire();
  store.database.put({ [key]: undefined });
  await cache.catchUp();
  for (time.now of [11_000, 20_000]) await expire();
  assertEquals(left(), ["orphan"]);
  time.now = 21_000;
  await expire();
  assertEquals(left(), []);
});

Deno.test("an address that a set-up has taken up meanwhile is kept, also where it is not known here yet", async () => {
  const { store, time, log, expire, left } = await start([held]);
  time.wall = HOUR + 60_000;
  const key = "endpoints/t/blue/default~gone";
  // Committed by another client; this one's cache still has the old record.
  store.database.put({
    [key]: endpointOf("gone", "10.9.0.2"),
    "attachments/host1/5bgone/eth0": attachmentOf("gone", "10.9.0.2"),
  });
  await expire();
  assertEquals([left(), log.lines], [["gone"], []]);
});

Deno.test("a clock that jumps deletes nothing that is not held", async () => {
  const { time, expire, left } = await start();
  for (time.wall of [0, HOUR + 59_000]) await expire();
  assertEquals(left(), ALL);
  time.wall = Number.MAX_SAFE_INTEGER;
  await expire();
  assertEquals(left(), ["far", "orphan", "web"]);
});

Deno.test("the loop deletes what expires, and logs once what keeps it from that", async () => {
  const { store, time, log, deps, left } = await start([held, alive]);
  time.wall = HOUR + 60_000;
  let refusals = 0;
  store.beforeCommit = () => {
    if (++refusals <= 3) throw new Fault("failed", "the disk is full");
  };
  const stop = new AbortController();
  const loop = expireHeldAddresses(deps, 10_000, stop.signal);
  for (let times = 0; times < 2_000 && left().length > 1; times++) {
    await new Promise((done) => setTimeout(done, 2));
  }
  stop.abort();
  await loop;
  assertEquals([left(), refusals], [["web"], 4]);
  assertEquals(log.lines.map((line) => line.split(":")[0]?.split(" address=")[0]), [
    ...["warn held addresses stay for now", "info address released"],
  ]);
});

Deno.test("the loop deletes nothing while the store has not been read yet", async () => {
  const { store, time, log, deps } = await start([held]);
  time.wall = HOUR + 60_000;
  const known = new Map(deps.store.documents);
  const unread = store.another();
  unread.isUnreachable = true;
  const cache = await StoreCache.open(unread, () => ({ documents: known }), { isShared: true });
  unread.isUnreachable = false;
  const stop = new AbortController();
  const loop = expireHeldAddresses({ ...deps, store: cache }, 10_000, stop.signal);
  await new Promise((done) => setTimeout(done, 80));
  stop.abort();
  await loop;
  assertEquals([store.database.keysBelow("endpoints/").length, log.lines], [1, []]);
});

Deno.test("what no agent follows any longer is deleted by one of all agents", async () => {
  const { store, cache, time, deps, left } = await start([held, far]);
  store.database.put(
    Object.fromEntries(
      ["host1", "host2"].map((
        host,
      ) => [`agents/${host}`, { schema: 1, host, instance: host, beat: 1 }]),
    ),
  );
  await completeIndexes(cache);
  time.wall = HOUR + 60_000;
  const options = { isShared: true, scope: "host3" };
  const scoped = await StoreCache.open(store.another(), () => ({ documents: new Map() }), options);
  assertEquals(scoped.knows({ tenant: "t", network: "blue" }), false);
  const unseen = (random: number) =>
    deleteUnseen({ ...deps, host: "host3", store: scoped, random: () => random });
  await unseen(0.5);
  assertEquals(left(), ["far", "gone"]);
  await unseen(0.49);
  assertEquals(left(), ["far"]);
});
