import { assert, assertEquals, assertRejects } from "@std/assert";
import { Histogram } from "../../../../lib/agent/metrics/series.ts";
import { meteredStore, WatchLag } from "../../../../lib/agent/metrics/metered_store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

function lagging() {
  const time = { now: 0 };
  const delays: number[] = [];
  const lag = new WatchLag({ observe: (seconds) => void delays.push(seconds) }, () => time.now);
  return { time, delays, lag };
}

Deno.test("the lag is the age of the oldest commit that the watch has not reported", () => {
  const { time, delays, lag } = lagging();
  assertEquals(lag.seconds, 0);
  lag.committed(5);
  time.now = 1_000;
  lag.committed(6);
  time.now = 3_000;
  assertEquals(lag.seconds, 3);
  lag.reported(5);
  assertEquals(lag.seconds, 2);
  lag.reported(9);
  assertEquals([lag.seconds, delays], [0, [3, 2]]);
});

Deno.test("a commit that the watch reported before its answer has no delay", () => {
  const { delays, lag } = lagging();
  lag.reported(7);
  lag.committed(7);
  assertEquals([lag.seconds, delays], [0, [0]]);
});

Deno.test("a watch of a restored store, whose revisions are lower, counts from there", () => {
  const { time, delays, lag } = lagging();
  lag.reported(900);
  lag.committed(901);
  lag.lost();
  lag.started(3);
  time.now = 500;
  lag.committed(4);
  time.now = 750;
  assertEquals(lag.seconds, 0.25);
  lag.reported(4);
  assertEquals(delays, [0.25]);
});

Deno.test("a watch that hangs keeps only so many commits in memory", () => {
  const { time, delays, lag } = lagging();
  for (let revision = 1; revision <= 5_000; revision++) lag.committed(revision);
  time.now = 60_000;
  assertEquals(lag.seconds, 60);
  lag.reported(5_000);
  assertEquals([lag.seconds, delays.length], [0, 1_000]);
});

Deno.test("requests of a store are measured, whether they fail or not, and do what they did", async () => {
  const inner = new MemoryStore();
  const requests = new Histogram("k8contivnet_store_request_duration_seconds");
  const now = () => performance.now();
  const { lag } = lagging();
  const store = meteredStore(inner, { requests, lag, now });
  const aborting = new AbortController();
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { revision } of store.watch("", 0, aborting.signal)) seen.push(revision);
  })();
  const result = await store.commit([], [{ key: "a", value: { b: 1 } }]);
  assert(result.done);
  assertEquals((await store.get("a"))?.value, { b: 1 });
  assertEquals((await store.list("")).entries.length, 1);
  while (seen.at(-1) !== result.revision) await new Promise((done) => setTimeout(done, 1));
  assertEquals(lag.seconds, 0);
  aborting.abort();
  await watching;
  await store.close();
  const failing = store;
  await assertRejects(() => failing.get("a"), Fault);
  const lines = requests.family().lines.filter((line) => line.includes("_count"));
  assertEquals(lines.map((line) => line.replace(/^\w+/, "")).sort(), [
    '{operation="commit",result="ok"} 1',
    '{operation="get",result="failed"} 1',
    '{operation="get",result="ok"} 1',
    '{operation="list",result="ok"} 1',
  ]);
});
