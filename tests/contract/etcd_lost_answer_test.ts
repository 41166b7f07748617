// Commits whose answer was lost: each is done at most once, and reported as what it was.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openStore } from "../../lib/store/open_store.ts";
import type { Store } from "../../lib/store/store.ts";
import { Fault } from "../../lib/util/errors.ts";
import type { Etcd } from "../lab/etcd.ts";
import { type Proxy, startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";
import { startEtcdBench } from "./etcd_bench.ts";
import { put } from "./store_contract.ts";
import { scaled } from "../lab/limits.ts";

const ROOT = "/contiv.io/k8contivnet/v1";

interface Lossy extends AsyncDisposable {
  readonly etcd: Etcd;
  readonly proxy: Proxy;
  /** Goes through the proxy. */
  readonly store: Store;
  /** Goes straight to etcd. */
  readonly straight: Store;
}

async function startLossy(limitMs = 2_000): Promise<Lossy> {
  const stack = new AsyncDisposableStack();
  const bench = stack.use(await startEtcdBench());
  const proxy = stack.use(startProxy(bench.etcd.endpoints[0]!));
  const store = await openStore(`etcd://${proxy.endpoint}`, { limitMs: scaled(limitMs) });
  stack.defer(() => store.close());
  await put(store, "warm", 1); // its lease is there: what is lost is a commit's answer
  return {
    etcd: bench.etcd,
    proxy,
    store,
    straight: bench.store,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Loses the next answers while `call` runs, until `count` were lost. */
async function losing<T>(proxy: Proxy, count: number, call: () => Promise<T>): Promise<T> {
  const wanted = proxy.lost + count;
  proxy.mode = "lose-answers";
  const asked = call();
  asked.catch(() => {});
  await waitFor("answers to be lost", () => proxy.lost >= wanted, { everyMs: 1 });
  proxy.mode = "open";
  return await asked;
}

async function versionOf(etcd: Etcd, key: string): Promise<number> {
  const { kvs } = JSON.parse(await etcd.ctl("get", `${ROOT}/${key}`, "-w", "json"));
  return kvs?.[0]?.version ?? 0;
}

Deno.test("a commit that was done and whose answer was lost is reported as done", async () => {
  await using lossy = await startLossy();
  const { etcd, proxy, store } = lossy;
  for (const lost of [1, 2, 3]) {
    const key = `a/${lost}`;
    const create = () => store.commit([{ key, revision: 0 }], [{ key, value: lost }]);
    const result = await losing(proxy, lost, create);
    assert(result.done, "its own create was not a conflict");
    assertEquals(await store.get(key), { key, value: lost, revision: result.revision });
    assertEquals(await versionOf(etcd, key), 1, "it was done once");
  }
});

Deno.test("a conflict whose answer was lost is reported as a conflict", async () => {
  await using lossy = await startLossy();
  const { etcd, proxy, store, straight } = lossy;
  await put(straight, "a", "other");
  // The very document that the other client wrote: no reason to take its write for one's own.
  const create = () => store.commit([{ key: "a", revision: 0 }], [{ key: "a", value: "other" }]);
  assertEquals(await losing(proxy, 1, create), { done: false, conflict: "a" });
  assertEquals(await versionOf(etcd, "a"), 1);
});

Deno.test("a deletion whose answer was lost takes no newer document with it", async () => {
  await using lossy = await startLossy();
  const { proxy, store, straight } = lossy;
  const revision = await put(straight, "a", 1);
  const remove = () => store.commit([{ key: "a", revision }], [{ key: "a", value: undefined }]);
  const result = await losing(proxy, 2, remove);
  assert(result.done);
  await put(straight, "a", 2);
  assertEquals(await losing(proxy, 2, remove), { done: false, conflict: "a" });
  assertEquals((await store.get("a"))?.value, 2);
});

Deno.test("an unchecked write whose answer was lost does not overwrite what came after", async () => {
  await using lossy = await startLossy();
  const { etcd, proxy, store } = lossy;
  const wanted = proxy.lost + 1;
  proxy.mode = "lose-answers";
  const asked = store.commit([], [{ key: "a", value: "first" }]);
  await waitFor("an answer to be lost", () => proxy.lost >= wanted, { everyMs: 1 });
  await etcd.ctl("put", `${ROOT}/a`, '"second"');
  proxy.mode = "open";
  assert((await asked).done);
  assertEquals((await store.get("a"))?.value, "second");
});

Deno.test("a commit that cannot be decided in time says so", async () => {
  await using lossy = await startLossy(600);
  const { proxy, store } = lossy;
  proxy.mode = "lose-answers";
  const fault = await assertRejects(
    () => put(store, "a", 1),
    Fault,
    "may or may not have applied a commit",
  );
  assert(fault.message.length <= 200, fault.message);
  proxy.mode = "open";
  assertEquals((await store.get("a"))?.value, 1);
});

Deno.test("a commit whose member died before its answer is not reported as never done", async () => {
  await using lossy = await startLossy(600);
  const { proxy, store, straight } = lossy;
  // Over a connection that was used before, which fetch would use once more by itself.
  proxy.mode = "lose-answers";
  proxy.refuse();
  await assertRejects(() => put(store, "a", 1), Fault, "may or may not have applied a commit");
  assertEquals((await straight.get("a"))?.value, 1);
});

Deno.test("a commit that a hung member wakes up with is not done after it was given up", async () => {
  await using bench = await startEtcdBench({ members: 3 });
  const { etcd, straight } = { etcd: bench.etcd, straight: bench.store };
  for (const member of [0, 1, 2]) {
    const others = etcd.endpoints.filter((_, at) => at !== member);
    const url = `etcd://${[etcd.endpoints[member], ...others].join(",")}`;
    const store = await openStore(url, { limitMs: scaled(3_000) });
    await using _ = { [Symbol.asyncDispose]: () => store.close() };
    await put(store, "n", 0);
    etcd.freeze(member);
    // Asked of the frozen member first, then of another one, where it is done.
    const revision = await put(store, "n", 1);
    const last = await put(straight, "n", 2);
    assert(last > revision);
    etcd.thaw(member);
    await etcd.isHealthy();
    // Whatever the member woke up with has been handled before this write of its own.
    await etcd.ctlAt([etcd.endpoints[member]!], "put", "/through", String(member));
    assertEquals(await straight.get("n"), { key: "n", value: 2, revision: last });
  }
});

Deno.test("increments through a proxy that loses answers at random are each done once", async () => {
  await using lossy = await startLossy(5_000);
  const { proxy, store } = lossy;
  const timer = setInterval(() => {
    proxy.mode = Math.random() < 0.4 ? "lose-answers" : "open";
  }, 3);
  let done = 0;
  for (let n = 0; n < 60; n++) {
    const entry = await store.get("n");
    const checks = [{ key: "n", revision: entry?.revision ?? 0 }];
    const value = Number(entry?.value ?? 0) + 1;
    if ((await store.commit(checks, [{ key: "n", value }])).done) done++;
  }
  clearInterval(timer);
  proxy.mode = "open";
  assert(proxy.lost > 5, `only ${proxy.lost} answers were lost`);
  assertEquals((await store.get("n"))?.value, 60);
  assertEquals(done, 60);
});
