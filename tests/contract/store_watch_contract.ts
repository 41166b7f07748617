// What every store driver promises of a watch: all changes, in order, none invented.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Fault } from "../../lib/util/errors.ts";
import type { Change, Json, Store, WatchBatch, Write } from "../../lib/store/store.ts";
import { put, range, type StoreBench } from "./store_contract.ts";
import { patient, scaled } from "../lab/limits.ts";

type Step = (bench: StoreBench) => Promise<void>;
type Declare = (words: string, step: Step) => void;

/** In what time a watch reports a commit, whichever client made it. */
const SEEN_MS = 1_000;

/** Declares the tests of watch for the driver `name`. */
export function watchContract(name: string, start: () => Promise<StoreBench>): void {
  const promise = (words: string, step: Step) =>
    Deno.test(`${name}: ${words}`, async () => {
      await using bench = await start();
      await step(bench);
    });
  declareContent(promise);
  declareEnds(promise);
  declareCompaction(promise);
  declareConcurrent(promise);
  declareWatermark(promise);
}

function declareWatermark(promise: Declare): void {
  promise(
    "a watch of everything reaches the watermark, and has reported every commit before it",
    async (bench) => {
      const other = await bench.another();
      await using watch = follow(bench.store, "", (await bench.store.list("")).revision);
      for (const n of range(20)) {
        await put(n % 2 ? other : bench.store, `/w/${n % 3}`, n);
        const asked = [bench.store, other, bench.store].map((client) => client.watermark());
        await watch.reach(Math.min(...await Promise.all(asked)));
        assertEquals(watch.rest().at(-1)?.value, n);
      }
      assertEquals((await watch.take(20)).map(({ value }) => value), range(20));
    },
  );

  promise(
    "a watermark is not listed, not reported to other watches, and changes nothing",
    async (bench) => {
      const { store } = bench;
      const revision = await put(store, "/w/1", 1);
      await using part = follow(store, "/w/", revision);
      await using all = follow(store, "", revision);
      await all.reach(await store.watermark());
      await put(store, "/w/1", 2);
      assertEquals((await part.take(1)).map(({ value }) => value), [2]);
      assertEquals((await all.take(1)).map(({ value }) => value), [2]);
      assertEquals((await store.list("")).entries.map(({ key }) => key), ["/w/1"]);
      assertEquals(part.batches.flatMap(({ changes }) => changes).length, 1);
    },
  );

  promise(
    "a watch that begins before a watermark reaches it, also where nothing else came",
    async (bench) => {
      const { store } = bench;
      const { revision } = await store.list("");
      const watermark = await store.watermark();
      await using watch = follow(store, "", revision);
      await watch.reach(watermark);
      await put(store, "/w/1", 1);
      await watch.reach(await store.watermark());
      assertEquals((await watch.take(1)).map(({ value }) => value), [1]);
    },
  );
}

function declareContent(promise: Declare): void {
  promise(
    "a watch reports what happened since its revision, then what happens",
    async ({ store }) => {
      const from = await put(store, "/w/0", 0);
      const first = await put(store, "/w/1", 1);
      await using watch = follow(store, "/w/", from);
      assertEquals(await watch.take(1), [{ key: "/w/1", value: 1, revision: first }]);
      const second = await put(store, "/w/1", 2);
      const gone = await store.commit([], [{ key: "/w/0", value: undefined }]);
      assert(gone.done);
      assertEquals(await watch.take(2), [
        { key: "/w/1", value: 2, revision: second },
        { key: "/w/0", value: undefined, revision: gone.revision },
      ]);
    },
  );

  promise("a watch from revision 0 reports the whole life of a young store", async ({ store }) => {
    for (const n of range(3)) await put(store, "/w/1", n);
    await using watch = follow(store, "/w/", 0);
    assertEquals((await watch.take(3)).map(({ value }) => value), [0, 1, 2]);
  });

  promise("a watch reports only keys below its prefix", async ({ store }) => {
    await using watch = follow(store, "/w/", (await store.list("")).revision);
    await store.commit([], [{ key: "/v", value: 1 }, { key: "/w/1", value: 1 }, {
      key: "/w",
      value: 1,
    }]);
    await put(store, "/x", 1);
    await put(store, "/w/2", 2);
    assertEquals((await watch.take(2)).map(({ key }) => key), ["/w/1", "/w/2"]);
  });

  promise("deleting nothing and refused commits are not reported", async ({ store }) => {
    const revision = await put(store, "/w/1", 1);
    await using watch = follow(store, "/w/", revision);
    await store.commit([], [{ key: "/w/none", value: undefined }]);
    await store.commit([{ key: "/w/1", revision: 0 }], [{ key: "/w/1", value: "refused" }]);
    await put(store, "/w/1", "last");
    assertEquals((await watch.take(1)).map(({ value }) => value), ["last"]);
  });

  promise("a commit is never split between two batches", async ({ store }) => {
    for (const n of range(10)) {
      await store.commit([], range(70).map((at) => ({ key: `/w/${at}`, value: n })));
    }
    await using watch = follow(store, "/w/", 0);
    await watch.take(700);
    for (const { changes } of watch.batches) {
      const counts = Map.groupBy(changes, ({ revision }) => revision).values();
      assert([...counts].every(({ length }) => length === 70));
    }
  });

  promise("watching again from a batch's revision reports nothing twice", async ({ store }) => {
    await put(store, "/w/1", 1);
    let revision = 0;
    const seen: Json[] = [];
    for (const n of range(4)) {
      await using watch = follow(store, "/w/", revision);
      for (const { value } of await watch.take(1)) seen.push(value ?? null);
      revision = watch.batches.at(-1)!.revision;
      await put(store, "/w/1", n + 2);
    }
    assertEquals(seen, [1, 2, 3, 4]);
  });
}

function declareEnds(promise: Declare): void {
  promise("abort ends a watch, waiting or not yet begun", async ({ store }) => {
    const revision = await put(store, "/w/1", 1);
    const stop = new AbortController();
    const waiting = all(store.watch("/w/", revision, stop.signal));
    stop.abort();
    assertEquals(await within(waiting), []);
    assertEquals(await within(all(store.watch("/w/", 0, stop.signal))), []);
  });

  promise("a watch that is left in the middle disturbs no other", async ({ store }) => {
    await using other = follow(store, "/w/", 0);
    await put(store, "/w/1", 1);
    for await (const _ of store.watch("/w/", 0, new AbortController().signal)) break;
    await put(store, "/w/1", 2);
    assertEquals((await other.take(2)).map(({ value }) => value), [1, 2]);
  });

  promise(
    "close() ends a waiting watch with a fault, not as if all had been reported",
    async ({ store }) => {
      const reported = Promise.withResolvers<void>();
      const read = async () => {
        for await (const _ of store.watch("/w/", 0, new AbortController().signal)) {
          reported.resolve();
        }
      };
      await put(store, "/w/1", 1);
      const reading = read();
      await within(reported.promise);
      await new Promise((resolve) => setTimeout(resolve)); // now it waits for more
      await store.close();
      const fault = await assertRejects(() => within(reading), Fault);
      assertEquals(fault.code, "unavailable");
    },
  );
}

function declareCompaction(promise: Declare): void {
  promise("a watch from too far back says compacted, and a new list heals it", async (bench) => {
    const { store } = bench;
    const old = await put(store, "/w/1", 1);
    await put(store, "/w/1", 2);
    await bench.compact();
    const ended = await within(all(store.watch("/w/", old, new AbortController().signal)));
    assertEquals(ended.map(({ kind }) => kind), ["compacted"]);
    const { entries, revision } = await store.list("/w/");
    assertEquals(entries.map(({ value }) => value), [2]);
    await using watch = follow(store, "/w/", revision);
    await put(store, "/w/1", 3);
    assertEquals((await watch.take(1)).map(({ value }) => value), [3]);
  });

  promise("a watch on a quiet prefix outlives the compaction of others' history", async (bench) => {
    const { store } = bench;
    await using watch = follow(store, "/quiet/", await put(store, "/w/1", 1));
    await put(store, "/quiet/1", 1);
    await watch.take(1);
    await bench.compact();
    await put(store, "/quiet/1", 2);
    assertEquals((await watch.take(1)).map(({ value }) => value), [2]);
  });

  promise("a watch from a revision never reached says compacted", async ({ store }) => {
    // A store that was put back from a copy: the watcher knows more than the store.
    const revision = await put(store, "/w/1", 1);
    const signal = new AbortController().signal;
    const ended = await within(all(store.watch("/w/", revision + 1_000_000, signal)));
    assertEquals(ended.map(({ kind }) => kind), ["compacted"]);
  });
}

function declareConcurrent(promise: Declare): void {
  promise("another client's commit is seen within 1 s", async (bench) => {
    const other = await bench.another();
    await using watch = follow(bench.store, "/w/", await put(bench.store, "/w/0", 0));
    const times: number[] = [];
    for (const n of range(3)) {
      await put(other, "/w/1", n);
      const start = performance.now();
      assertEquals((await watch.take(1)).map(({ value }) => value), [n]);
      times.push(performance.now() - start);
    }
    // The machine may be busy for a moment: one that polls more seldom is late each time.
    assert(Math.min(...times) < scaled(SEEN_MS), `after ${times} ms`);
  });

  promise(
    "under random writers each watch reports each commit once, whole, in order",
    async (bench) => {
      const clients = [bench.store, await bench.another(), await bench.another()];
      const prefixes = ["/w/", "/w/a", "/w/b/", ""];
      const watches = clients.flatMap((client) =>
        prefixes.map((prefix) => follow(client, prefix, 0))
      );
      const commits = (await Promise.all(clients.map((client, at) => scribble(client, at)))).flat();
      commits.sort((a, b) => a.revision - b.revision);
      for (const watch of watches) {
        const wanted = commits.flatMap(({ changes }) => changes.filter(isBelow(watch.prefix)));
        assertEquals(perCommit(await watch.take(wanted.length)), perCommit(wanted), watch.prefix);
        await watch[Symbol.asyncDispose]();
        assertEquals(watch.rest(), [], "nothing was invented");
      }
    },
  );

  promise("list and then watch rebuilds what the store holds, at any moment", async (bench) => {
    const writers = [await bench.another(), await bench.another()];
    const writing = Promise.all(writers.map((client, at) => scribble(client, at)));
    const { entries, revision } = await bench.store.list("/w/");
    const model = new Map(entries.map(({ key, value }) => [key, value]));
    await using watch = follow(bench.store, "/w/", revision);
    await writing;
    await put(bench.store, "/w/end", "end");
    for (let last: Json | undefined; last !== "end";) {
      for (const { key, value } of await watch.take(1)) {
        last = value;
        if (value === undefined) model.delete(key);
        else model.set(key, value);
      }
    }
    const after = (await bench.store.list("/w/")).entries;
    assertEquals([...model].sort(), after.map(({ key, value }) => [key, value]).sort());
  });
}

interface Commit {
  readonly revision: number;
  readonly changes: readonly Change[];
}

// Random commits of one client; each value is written once only, so that an invention would show.
async function scribble(store: Store, client: number): Promise<Commit[]> {
  const commits: Commit[] = [];
  const mine = new Set<string>();
  for (const round of range(40)) {
    const keys = new Set(
      range(1 + random(4)).map(() => `/w/${"ab"[random(2)]}/${client}/${random(5)}`),
    );
    const writes = [...keys].map((key, at): Write => {
      const value = mine.has(key) && random(3) === 0 ? undefined : `${client} ${round} ${at}`;
      if (value === undefined) mine.delete(key);
      else mine.add(key);
      return { key, value };
    });
    const result = await store.commit([], writes);
    assert(result.done);
    commits.push({
      revision: result.revision,
      changes: writes.map((write) => ({ ...write, revision: result.revision })),
    });
  }
  return commits;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

function isBelow(prefix: string): (change: Change) => boolean {
  return ({ key }) => key.startsWith(prefix);
}

// Within a commit the order is the driver's.
function perCommit(changes: readonly Change[]): string[] {
  return [...Map.groupBy(changes, ({ revision }) => revision)].map(([revision, group]) =>
    `${revision}: ${group.map(({ key, value }) => `${key}=${value}`).sort().join(" ")}`
  );
}

type Changes = Extract<WatchBatch, { kind: "changes" }>;

/** A watch whose changes can be taken by number. */
interface Follower extends AsyncDisposable {
  readonly prefix: string;
  readonly batches: readonly Changes[];
  /** Returns the next `count` changes; throws when they do not come in time. */
  take(count: number): Promise<Change[]>;
  /** Returns once it has reported everything up to `revision`. */
  reach(revision: number): Promise<void>;
  /** Returns what came and was not taken. */
  rest(): Change[];
}

function follow(store: Store, prefix: string, revision: number): Follower {
  const stop = new AbortController();
  const batches: Changes[] = [];
  const rest: Change[] = [];
  let rung = Promise.withResolvers<void>();
  const read = async () => {
    for await (const batch of store.watch(prefix, revision, stop.signal)) {
      assert(batch.kind === "changes", `${batch.kind} came unexpectedly`);
      assert(batch.changes.length > 0 || prefix === "", "an empty batch came");
      assert((batch.changes.at(-1)?.revision ?? 0) <= batch.revision);
      batches.push(batch);
      rest.push(...batch.changes);
      rung.resolve();
    }
  };
  const reading = read();
  reading.catch((error) => rung.reject(error));
  const until = async (isDone: () => boolean) => {
    while (!isDone()) {
      rung = Promise.withResolvers<void>();
      await within(rung.promise);
    }
  };
  const take = async (count: number) => {
    await until(() => rest.length >= count);
    return rest.splice(0, count);
  };
  const reach = (wanted: number) => until(() => (batches.at(-1)?.revision ?? revision) >= wanted);
  const dispose = async () => {
    stop.abort();
    await within(reading);
  };
  return { prefix, batches, take, reach, rest: () => rest, [Symbol.asyncDispose]: dispose };
}

async function all(watch: AsyncIterable<WatchBatch>): Promise<WatchBatch[]> {
  return await Array.fromAsync(watch);
}

async function within<T>(wanted: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const limitMs = patient(SEEN_MS);
  const timer = setTimeout(() => reject(new Error(`nothing came within ${limitMs} ms`)), limitMs);
  try {
    return await Promise.race([wanted, promise]);
  } finally {
    clearTimeout(timer);
  }
}
