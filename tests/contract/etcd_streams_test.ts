// Many watches of one client on a real etcd: they share connections and questions, and none misses a change.

import { assert, assertEquals } from "@std/assert";
import { openStore } from "../../lib/store/open_store.ts";
import type { Change, Store } from "../../lib/store/store.ts";
import { startEtcd } from "../lab/etcd.ts";
import { type Proxy, startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";

const WATCHES = 150;
const PREFIXES = Array.from({ length: WATCHES }, (_, n) => `w/${n}/`);

/** A store in an etcd, and the proxy through which it is reached. */
interface Bench {
  readonly store: Store;
  readonly proxy: Proxy;
  readonly etcd: Awaited<ReturnType<typeof startEtcd>>;
}

async function withBench(limitMs: number, test: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
  await using etcd = await startEtcd(dir);
  using proxy = startProxy(etcd.endpoints[0]!);
  const store = await openStore(`etcd://${proxy.endpoint}/many`, { limitMs });
  try {
    await test({ store, proxy, etcd });
  } finally {
    await store.close();
  }
}

/** Follows all prefixes from `revision` on until the signal aborts. */
function followAll(store: Store, revision: number, signal: AbortSignal) {
  const seen = new Map<string, Change[]>(PREFIXES.map((prefix) => [prefix, []]));
  const ended = Promise.all(PREFIXES.map(async (prefix) => {
    for await (const batch of store.watch(prefix, revision, signal)) {
      if (batch.kind === "changes") seen.get(prefix)?.push(...batch.changes);
    }
  }));
  // What ends the test first is what it reports.
  ended.catch(() => {});
  const counts = () => new Set([...seen.values()].map((changes) => changes.length));
  return { seen, ended, counts };
}

async function writeEach(store: Store, value: number): Promise<void> {
  for (let at = 0; at < WATCHES; at += 50) {
    const writes = PREFIXES.slice(at, at + 50).map((prefix) => ({ key: `${prefix}x`, value }));
    await store.commit([], writes);
  }
}

Deno.test("150 watches of one client need few connections and questions, and each sees its own changes", async () => {
  await withBench(4_000, async ({ store, proxy }) => {
    const stop = new AbortController();
    const { revision } = await store.list("w/");
    const { seen, ended, counts } = followAll(store, revision, stop.signal);
    await writeEach(store, 1);
    await waitFor("the first changes", () => [...counts()].join() === "1");
    assert(proxy.open < 20, `${proxy.open} connections`);
    for (const [prefix, [change]] of seen) assertEquals(change?.key, `${prefix}x`);
    // A watch alone asks every four seconds whether its member answers.
    const before = proxy.passed.requests;
    await new Promise((done) => setTimeout(done, 9_000));
    const asked = proxy.passed.requests - before;
    assert(asked < 60, `${asked} requests`);
    stop.abort();
    await ended;
  });
});

Deno.test("150 watches of one client miss nothing when their connections break again and again, and etcd restarts", async () => {
  await withBench(5_000, async ({ store, proxy, etcd }) => {
    const stop = new AbortController();
    const { revision } = await store.list("w/");
    const { seen, ended, counts } = followAll(store, revision, stop.signal);
    for (let n = 0; n < 6; n++) {
      await writeEach(store, n);
      if (n === 3) await etcd.restart();
      proxy.mode = "closed";
      proxy.mode = "open";
    }
    await waitFor("all changes", () => [...counts()].join() === "6", { limitMs: 30_000 });
    for (const changes of seen.values()) {
      assertEquals(changes.map(({ value }) => value), [0, 1, 2, 3, 4, 5]);
    }
    stop.abort();
    await ended;
  });
});
