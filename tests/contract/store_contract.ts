// What every store driver promises, as one suite: get, list, commit, checks, limits, close.
// store_watch_contract.ts is its second half. A driver's test calls both with a bench of its own.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Fault } from "../../lib/util/errors.ts";
import { COMMIT_BYTES, COMMIT_OPERATIONS, type Json, type Store } from "../../lib/store/store.ts";

/** A fresh, empty store and ways to it; disposing closes what was opened and removes it. */
export interface StoreBench extends AsyncDisposable {
  readonly store: Store;
  /** Opens one more client of the same store, as another process would have. */
  another(): Promise<Store>;
  /** Makes the store forget the history up to now; the documents stay. */
  compact(): Promise<void>;
}

type Step = (bench: StoreBench) => Promise<void>;

/** Declares the tests of get, list, commit and close for the driver `name`. */
export function storeContract(name: string, start: () => Promise<StoreBench>): void {
  const promise = (words: string, step: Step) =>
    Deno.test(`${name}: ${words}`, async () => {
      await using bench = await start();
      await step(bench);
    });
  declareReads(promise);
  declareCommits(promise);
  declareLimits(promise);
  declareParallel(promise);
  declareClose(promise);
}

type Declare = (words: string, step: Step) => void;

function declareReads(promise: Declare): void {
  promise("get() returns undefined where nothing was written", async ({ store }) => {
    assertEquals(await store.get("/a/none"), undefined);
  });

  promise("get() returns the document with the revision of its commit", async ({ store }) => {
    const value = { n: 1, text: "ä\u0000\u{1f600}", list: [null, true, -1.5], deep: { "": "" } };
    const revision = await put(store, "/a/1", value);
    assertEquals(await store.get("/a/1"), { key: "/a/1", value, revision });
  });

  promise("list() returns only what starts with the prefix, in byte order", async ({ store }) => {
    for (const key of ["/b/2", "/b/10", "/b", "/b/", "/b/1/x", "/b0", "/a", "/B/1"]) {
      await put(store, key, key);
    }
    const { entries } = await store.list("/b/");
    assertEquals(entries.map(({ key }) => key), ["/b/", "/b/1/x", "/b/10", "/b/2"]);
    assertEquals(entries.map(({ value }) => value), ["/b/", "/b/1/x", "/b/10", "/b/2"]);
  });

  promise("list() returns the store's revision also when nothing is there", async ({ store }) => {
    const revision = await put(store, "/a/1", 1);
    assertEquals(await store.list("/zz/"), { entries: [], revision });
  });

  promise(
    "count() returns how many documents are below each prefix, also of many",
    async (bench) => {
      const { store } = bench;
      for (
        const key of ["/b", "/b/", "/b/1", "/b/10", "/b/2", "/b0", "/c/\u{10ffff}", "/c/\ue000"]
      ) {
        await put(store, key, key);
      }
      const prefixes = ["/b/", "/b/1", "/b", "/none/", "/c/", "/c/\u{10ffff}", ""];
      assertEquals(await store.count(prefixes), [4, 2, 6, 0, 2, 1, 8]);
      assertEquals(await store.count([]), []);
      // More than one request of a driver can take.
      const many = Array.from({ length: 300 }, (_, n) => n % 7 === 0 ? "/b/" : `/none${n}/`);
      assertEquals(await store.count(many), many.map((one) => one === "/b/" ? 4 : 0));
    },
  );

  promise("count() sees what was committed, and not what was deleted", async ({ store }) => {
    await put(store, "/a/1", 1);
    await put(store, "/a/2", 2);
    assertEquals(await store.count(["/a/"]), [2]);
    await store.commit([], [{ key: "/a/1", value: undefined }, { key: "/a/3", value: 3 }, {
      key: "/a/2",
      value: undefined,
    }]);
    assertEquals(await store.count(["/a/", "/a/1", "/a/3"]), [1, 0, 1]);
  });

  promise("keys in all scripts are kept apart, found and sorted by code point", async (bench) => {
    const { store } = bench;
    // é twice (composed or not), a byte order mark, the ends of UTF-8's lengths, wildcard signs.
    const keys =
      "é e\u0301 \ufeff \u007f \u0080 \u07ff \u0800 \ud7ff \ue000 \uffff \u{10000} \u{10ffff}"
        .split(" ").concat(
          "%",
          "_",
          "*",
          "[",
          '"',
          "'",
          "\\",
          "\n",
          "a b",
          "A",
          "a",
          "\u{10ffff}z",
        );
    for (const key of keys) await put(store, `/u/${key}`, key);
    const { entries } = await store.list("/u/");
    assertEquals(entries.map(({ key }) => key), keys.map((key) => `/u/${key}`).sort(byCodePoint));
    for (const key of keys) {
      assertEquals((await store.get(`/u/${key}`))?.value, key);
      const below = (await store.list(`/u/${key}`)).entries.map(({ value }) => value);
      assertEquals(below, keys.filter((other) => other.startsWith(key)).sort(byCodePoint), key);
    }
  });
}

function declareCommits(promise: Declare): void {
  promise("a commit writes and deletes all at one revision", async ({ store }) => {
    await put(store, "/a/old", 1);
    const done = await store.commit([], [
      { key: "/a/x", value: 1 },
      { key: "/a/old", value: undefined },
      { key: "/a/y", value: null },
    ]);
    assert(done.done);
    const { entries, revision } = await store.list("/a/");
    assertEquals(revision, done.revision);
    assertEquals(entries, [
      { key: "/a/x", value: 1, revision },
      { key: "/a/y", value: null, revision },
    ]);
  });

  promise("a provisional commit is read, checked and followed as all others are", async (bench) => {
    const { store } = bench;
    const isProvisional = true;
    const first = await store.commit([], [{ key: "/a/1", value: 1 }], { isProvisional });
    assert(first.done);
    const { revision } = first;
    const other = await bench.another();
    assertEquals(await other.get("/a/1"), { key: "/a/1", value: 1, revision });
    const check = { key: "/a/1", revision: revision - 1 };
    const refused = await store.commit([check], [{ key: "/a/1", value: 2 }], { isProvisional });
    assertEquals(refused, { done: false, conflict: "/a/1" });
    const next = await other.commit([{ key: "/a/1", revision }], [{ key: "/a/1", value: 3 }]);
    assert(next.done && next.revision > revision);
  });

  promise("revisions only rise", async ({ store }) => {
    let last = 0;
    for (let n = 0; n < 5; n++) {
      const next = await put(store, "/a/1", n);
      assert(Number.isInteger(next) && next > last, `${next} after ${last}`);
      last = next;
    }
  });

  promise("a check that does not hold stops all writes and is named", async ({ store }) => {
    const revision = await put(store, "/a/1", 1);
    const checks = [{ key: "/a/1", revision }, { key: "/a/2", revision: 7 }, {
      key: "/a/3",
      revision: 7,
    }];
    const writes = [{ key: "/a/1", value: 2 }, { key: "/a/4", value: 4 }];
    assertEquals(await store.commit(checks, writes), { done: false, conflict: "/a/2" });
    const { entries, revision: after } = await store.list("/a/");
    assertEquals(entries, [{ key: "/a/1", value: 1, revision }]);
    assertEquals(after, revision);
  });

  promise("a key is created only once", async ({ store }) => {
    const create = (value: Json) =>
      store.commit([{ key: "/c/1", revision: 0 }], [{ key: "/c/1", value }]);
    assert((await create("first")).done);
    assertEquals(await create("second"), { done: false, conflict: "/c/1" });
    assertEquals((await store.get("/c/1"))?.value, "first");
  });

  promise("an update from an outdated revision is refused", async ({ store }) => {
    const first = await put(store, "/a/1", 1);
    const second = await put(store, "/a/1", 2);
    const update = (revision: number) =>
      store.commit([{ key: "/a/1", revision }], [{ key: "/a/1", value: 3 }]);
    assertEquals(await update(first), { done: false, conflict: "/a/1" });
    assert((await update(second)).done);
  });

  promise("a check on a key that was deleted holds only as absent", async ({ store }) => {
    const revision = await put(store, "/a/1", 1);
    assert((await store.commit([], [{ key: "/a/1", value: undefined }])).done);
    const check = (wanted: number) => store.commit([{ key: "/a/1", revision: wanted }], []);
    assertEquals(await check(revision), { done: false, conflict: "/a/1" });
    assert((await check(0)).done);
  });

  promise("a commit that changes nothing is done and takes no revision", async ({ store }) => {
    const revision = await put(store, "/a/1", 1);
    const gone = [{ key: "/a/none", value: undefined }];
    assertEquals(await store.commit([], gone), { done: true, revision });
    assertEquals(await store.commit([{ key: "/a/1", revision }], []), { done: true, revision });
    assertEquals(await store.commit([], []), { done: true, revision });
    assertEquals((await store.list("")).revision, revision);
  });

  promise("a document changed after the call is stored as it was", async ({ store }) => {
    const value = { n: 1 };
    const checks = [{ key: "/a/1", revision: 0 }];
    const asked = store.commit(checks, [{ key: "/a/1", value }]);
    value.n = 2;
    checks.push({ key: "/a/2", revision: 7 });
    assert((await asked).done);
    assertEquals((await store.get("/a/1"))?.value, { n: 1 });
  });
}

function declareLimits(promise: Declare): void {
  promise(`a commit takes ${COMMIT_OPERATIONS} operations and no more`, async ({ store }) => {
    const checks = range(40).map((n) => ({ key: `/l/${n}`, revision: 0 }));
    const writes = range(COMMIT_OPERATIONS - 40).map((n) => ({ key: `/l/${n}`, value: n }));
    const over = [...writes, { key: "/l/more", value: 0 }];
    await refused("usage", () => store.commit(checks, over));
    assertEquals((await store.list("/l/")).entries, []);
    assert((await store.commit(checks, writes)).done);
    assertEquals((await store.list("/l/")).entries.length, COMMIT_OPERATIONS - 40);
  });

  promise(`a commit takes ${COMMIT_BYTES} bytes and no more`, async ({ store }) => {
    const value = "v".repeat(COMMIT_BYTES - '"/l/b"'.length);
    await refused("usage", () => store.commit([], [{ key: "/l/b", value: `${value}v` }]));
    assertEquals(await store.get("/l/b"), undefined);
    assert((await store.commit([], [{ key: "/l/b", value }])).done);
    assertEquals((await store.get("/l/b"))?.value, value);
  });

  promise("what is not a key, or the same key twice, is refused", async ({ store }) => {
    for (const key of ["", "/a/\ud800", "/a/\0b", "\udc00"]) {
      await refused("usage", () => store.commit([], [{ key, value: 1 }]));
    }
    const twice = [{ key: "/a", value: 1 }, { key: "/a", value: 2 }];
    await refused("usage", () => store.commit([], twice));
    assertEquals((await store.list("")).entries, []);
  });
}

function declareParallel(promise: Declare): void {
  promise("of many that claim one key at once, just one gets it", async (bench) => {
    const clients = [bench.store, await bench.another(), await bench.another()];
    const results = await Promise.all(
      range(30).map((n) =>
        clients[n % 3]!.commit([{ key: "/c/1", revision: 0 }], [{ key: "/c/1", value: n }, {
          key: `/w/${n}`,
          value: n,
        }])
      ),
    );
    const winners = range(30).filter((n) => results[n]?.done);
    assertEquals(winners.length, 1);
    assertEquals((await bench.store.get("/c/1"))?.value, winners[0]);
    assertEquals((await bench.store.list("/w/")).entries.map(({ value }) => value), winners);
  });

  promise("commits asked at once are each judged by their own checks", async ({ store }) => {
    const revision = await put(store, "/a/1", 1);
    const results = await Promise.all([
      store.commit([{ key: "/a/1", revision }], [{ key: "/a/1", value: 2 }]),
      store.commit([{ key: "/a/1", revision }], [{ key: "/a/1", value: 3 }]),
      store.commit([{ key: "/a/9", revision: 0 }], [{ key: "/a/9", value: 9 }]),
      store.commit([{ key: "/a/8", revision: 5 }], [{ key: "/a/8", value: 8 }]),
    ]);
    assertEquals(results.map(({ done }) => done), [true, false, true, false]);
    const seen = (await store.list("/a/")).entries.map(({ key, value }) => [key, value]);
    assertEquals(seen, [["/a/1", 2], ["/a/9", 9]]);
  });

  promise("increments by several clients at once lose none", async (bench) => {
    const clients = [bench.store, await bench.another()];
    await Promise.all(clients.flatMap((client) => [increment(client, 25), increment(client, 25)]));
    assertEquals((await bench.store.get("/n"))?.value, 100);
  });

  promise("a reader never sees half a commit", async (bench) => {
    const writer = await bench.another();
    const stop = new AbortController();
    const write = async () => {
      for (let n = 0; !stop.signal.aborted; n++) {
        await writer.commit([], range(10).map((at) => ({ key: `/r/${at}`, value: n })));
      }
    };
    const writing = write();
    const versions = new Set<string>();
    const end = performance.now() + 5_000;
    while (versions.size < 30 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve)); // lets the writer go on
      const { entries } = await bench.store.list("/r/");
      const seen = new Set(entries.map(({ value, revision }) => `${value} ${revision}`));
      assert(seen.size <= 1, `one list saw ${[...seen].join(", ")}`);
      for (const version of seen) versions.add(version);
    }
    stop.abort();
    await writing;
    assert(versions.size >= 30, `only ${versions.size} versions were seen`);
  });
}

function declareClose(promise: Declare): void {
  promise("close() may be repeated, and every later call faults", async ({ store }) => {
    const asked = put(store, "/a/1", 1);
    await Promise.all([store.close(), store.close()]);
    await store.close();
    assert(await asked > 0, "what was asked before is done");
    await refused("unavailable", () => store.get("/a/1"));
    await refused("unavailable", () => store.list("/a/"));
    await refused("unavailable", () => store.commit([], [{ key: "/a/1", value: 2 }]));
    await refused("unavailable", async () => {
      for await (const _ of store.watch("/a/", 0, new AbortController().signal));
    });
  });

  promise("another client finds what a closed one left", async (bench) => {
    const other = await bench.another();
    const revision = await put(other, "/a/1", "left");
    await other.close();
    assertEquals(await bench.store.get("/a/1"), { key: "/a/1", value: "left", revision });
  });
}

/** Writes one document without a check; returns the revision. */
export async function put(store: Store, key: string, value: Json): Promise<number> {
  const result = await store.commit([], [{ key, value }]);
  assert(result.done, `put of ${key}`);
  return result.revision;
}

/** Adds one to the number at `/n`, `times` times, each by compare and set. */
export async function increment(store: Store, times: number): Promise<void> {
  for (let done = 0; done < times;) {
    const entry = await store.get("/n");
    const checks = [{ key: "/n", revision: entry?.revision ?? 0 }];
    const result = await store.commit(checks, [{
      key: "/n",
      value: Number(entry?.value ?? 0) + 1,
    }]);
    if (result.done) done++;
  }
}

/** Returns 0 to `count - 1`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

async function refused(code: string, call: () => Promise<unknown>): Promise<void> {
  const fault = await assertRejects(call, Fault);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
}

// Not the order of JavaScript's UTF-16 units: U+10000 comes behind U+FFFF.
function byCodePoint(a: string, b: string): number {
  const [left, right] = [[...a], [...b]].map((text) => text.map((sign) => sign.codePointAt(0)!));
  for (const at of range(Math.min(left!.length, right!.length))) {
    if (left![at] !== right![at]) return left![at]! - right![at]!;
  }
  return left!.length - right!.length;
}
