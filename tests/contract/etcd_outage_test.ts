// A store on an etcd that restarts, hangs, loses members: what was promised still holds.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Json, Store } from "../../lib/store/store.ts";
import { Fault } from "../../lib/util/errors.ts";
import { openStore } from "../../lib/store/open_store.ts";
import { startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";
import { type EtcdBenchOptions, startEtcdBench } from "./etcd_bench.ts";
import { put } from "./store_contract.ts";
import { patient, scaled } from "../lab/limits.ts";

/** The ways to a member, each with logins by password. */
const ways: readonly (readonly [way: string, options: EtcdBenchOptions])[] = [
  ["gateway", { tls: "server", password: "first words" }],
  ["etcd3", { tls: "mutual", password: "first words", withCertificate: true }],
];

for (const [way, options] of ways) {
  Deno.test(`by ${way}, calls work at once when etcd is back, also with users on`, async () => {
    await using bench = await startEtcdBench({ ...options, limitMs: scaled(2_000) });
    const { store, etcd } = bench;
    await put(store, "a", 1);
    const times: number[] = [];
    for (const round of [1, 2]) {
      await etcd.kill();
      for (let n = 0; n < 5; n++) await assertRejects(() => store.get("a"), Fault, "refused");
      await etcd.startAll();
      const start = performance.now();
      assertEquals((await store.get("a"))?.value, round);
      times.push(performance.now() - start);
      await put(store, "a", round + 1);
    }
    assert(Math.min(...times) < scaled(1_000), `after ${times} ms`);
  });

  Deno.test(`by ${way}, a watch continues across restarts of etcd with users on`, async () => {
    await using bench = await startEtcdBench(options);
    const { store, etcd } = bench;
    await using seen = collect(store, await put(store, "w/0", 0));
    for (const n of [1, 2, 3]) {
      await put(store, "w/1", n);
      await etcd.restart();
      await put(store, "w/2", n);
    }
    await seen.becomes(["w/1=1", "w/2=1", "w/1=2", "w/2=2", "w/1=3", "w/2=3"]);
  });

  Deno.test(`by ${way}, a watch continues after etcd was frozen`, async () => {
    await using bench = await startEtcdBench({ ...options, limitMs: scaled(1_000) });
    const { store, etcd } = bench;
    await using seen = collect(store, await put(store, "w/0", 0));
    etcd.freeze();
    const fault = await assertRejects(() => put(store, "w/1", 1), Fault);
    assertEquals(fault.code, "timeout");
    etcd.thaw();
    await etcd.isHealthy();
    await put(store, "w/2", 2);
    await seen.becomes(["w/2=2"], (line) => line.startsWith("w/2"));
  });

  Deno.test(`by ${way}, one of three members may be down or hang, whichever it is`, async () => {
    await using bench = await startEtcdBench({ ...options, members: 3 });
    const { store, etcd } = bench;
    await using seen = collect(store, await put(store, "w/0", 0));
    const wanted: string[] = [];
    for (const member of [0, 1, 2]) {
      await etcd.kill(member);
      await put(store, "w/1", member);
      await etcd.start(member);
      await etcd.isHealthy();
      etcd.freeze(member);
      await put(store, "w/2", member);
      etcd.thaw(member);
      await etcd.isHealthy();
      wanted.push(`w/1=${member}`, `w/2=${member}`);
    }
    await seen.becomes(wanted);
  });
}

Deno.test("a commit makes a new lease when etcd has lost the old one", async () => {
  await using bench = await startEtcdBench();
  const { store, etcd } = bench;
  await put(store, "a", 1);
  const [lease = ""] = (await etcd.ctl("lease", "list")).split("\n").slice(1);
  await etcd.ctl("lease", "revoke", lease);
  const revision = await put(store, "a", 2);
  assertEquals(await store.get("a"), { key: "a", value: 2, revision });
});

Deno.test("without a majority calls fault in time, and all works again when it is back", async () => {
  await using bench = await startEtcdBench({ members: 3, limitMs: scaled(2_000) });
  const { store, etcd } = bench;
  await using seen = collect(store, await put(store, "w/0", 0));
  await etcd.kill(1);
  await etcd.kill(2);
  for (const call of [() => put(store, "w/1", "lost"), () => store.list("w/")]) {
    const start = performance.now();
    const fault = await assertRejects(call, Fault);
    assert(["timeout", "unavailable"].includes(fault.code), fault.message);
    assert(
      performance.now() - start < scaled(2_000) + patient(500),
      `${performance.now() - start} ms`,
    );
  }
  await etcd.start(1);
  await etcd.isHealthy();
  await put(store, "w/2", "back");
  await seen.becomes(["w/2=back"], (line) => line.startsWith("w/2"));
});

Deno.test("a watch leaves a member that is gone without a word", async () => {
  await using bench = await startEtcdBench({ members: 3 });
  const { etcd } = bench;
  using proxy = startProxy(etcd.endpoints[0]!);
  const store = await openStore(`etcd://${proxy.endpoint},${etcd.endpoints[1]}`, {
    limitMs: scaled(1_000),
  });
  await using _ = { [Symbol.asyncDispose]: () => store.close() };
  await using seen = collect(store, await put(store, "w/0", 0));
  await put(store, "w/1", 1);
  await seen.becomes(["w/1=1"]);
  proxy.mode = "silent";
  await put(bench.store, "w/1", 2);
  await seen.becomes(["w/1=1", "w/1=2"]);
});

Deno.test("a watch whose connection alone is gone without a word is made anew", async () => {
  await using bench = await startEtcdBench();
  using proxy = startProxy(bench.etcd.endpoints[0]!);
  const store = await openStore(`etcd://${proxy.endpoint}`, { limitMs: scaled(500) });
  await using _ = { [Symbol.asyncDispose]: () => store.close() };
  await using seen = collect(store, await put(store, "w/0", 0));
  await put(store, "w/1", 1);
  await seen.becomes(["w/1=1"]);
  assertEquals(proxy.forget("POST /v3/watch"), 1);
  await put(store, "w/1", 2);
  await seen.becomes(["w/1=1", "w/1=2"]);
});

interface Seen extends AsyncDisposable {
  /** Returns when the lines (`KEY=VALUE`) that were reported and pass `wanted` are `lines`. */
  becomes(lines: readonly string[], wanted?: (line: string) => boolean): Promise<void>;
}

function collect(store: Store, revision: number): Seen {
  const stop = new AbortController();
  const lines: string[] = [];
  const text = (value: Json | undefined) => value === undefined ? "" : String(value);
  const read = async () => {
    for await (const batch of store.watch("w/", revision, stop.signal)) {
      assert(batch.kind === "changes", `${batch.kind} came`);
      lines.push(...batch.changes.map(({ key, value }) => `${key}=${text(value)}`));
    }
  };
  const reading = read();
  reading.catch(() => {});
  return {
    becomes: async (wanted, passes = () => true) => {
      const isThere = () => lines.filter(passes).length >= wanted.length;
      await waitFor(`${wanted.join(" ")}, got ${lines.join(" ")}`, isThere);
      assertEquals(lines.filter(passes), [...wanted]);
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await reading.catch(console.log);
    },
  };
}
