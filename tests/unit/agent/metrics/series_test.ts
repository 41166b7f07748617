import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { METRICS } from "../../../../lib/agent/metrics/metric_table.ts";
import {
  boundedSamples,
  Counter,
  exposition,
  familyOf,
  gaugeOf,
  Histogram,
  OTHERS,
} from "../../../../lib/agent/metrics/series.ts";
import { runs } from "../../cases.ts";

Deno.test("a counter is written with its help, type and labels", () => {
  const repairs = new Counter("k8contivnet_repairs_total", [["port"]]);
  repairs.add("flows");
  repairs.add("flows");
  assertEquals(exposition([repairs.family()]).split("\n"), [
    `# HELP k8contivnet_repairs_total ${METRICS.k8contivnet_repairs_total.help}`,
    "# TYPE k8contivnet_repairs_total counter",
    'k8contivnet_repairs_total{kind="port"} 0',
    'k8contivnet_repairs_total{kind="flows"} 2',
    "",
  ]);
});

Deno.test("a histogram has cumulative buckets, the sum and the count", () => {
  const durations = new Histogram("k8contivnet_detach_duration_seconds");
  for (const seconds of [0.0005, 0.02, 0.025, 100]) durations.observe(seconds, "ok");
  const text = exposition([durations.family()]);
  const bucket = (le: string) =>
    Number(
      new RegExp(`_bucket{result="ok",le="${le.replace("+", "\\+")}"} (\\d+)`).exec(text)?.[1],
    );
  assertEquals(["0.001", "0.01", "0.025", "30", "+Inf"].map(bucket), [1, 1, 3, 3, 4]);
  assertMatch(text, /_sum{result="ok"} 100\.045\d*\n/);
  assertMatch(text, /_count{result="ok"} 4\n/);
});

Deno.test("a family without values is left out, and a value that is not known has no line", () => {
  assertEquals(exposition([gaugeOf("k8contivnet_kube_api_up", undefined)]), "");
  assertMatch(exposition([gaugeOf("k8contivnet_store_up", false)]), /\nk8contivnet_store_up 0\n$/);
});

Deno.test("whatever a label's value is, it stays within its line and its quotes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (tenant, network) => {
      const labels = [tenant, network];
      const text = exposition([familyOf("k8contivnet_ipam_pool_size", [{ labels, value: 1 }])]);
      const lines = text.split("\n");
      assertEquals(lines.length, 4);
      const [, a = "", b = ""] =
        /^\w+{tenant="((?:[^"\\]|\\.)*)",network="((?:[^"\\]|\\.)*)"} 1$/s.exec(lines[2] ?? "") ??
          [];
      const plain = (value: string) =>
        value.replace(/\\(.)/gs, (_, one) => one === "n" ? "\n" : one);
      assertEquals([a, b].map(plain), labels.map((one) => one.toWellFormed()));
    }),
    runs(1_000),
  );
});

Deno.test("hostile label values make no more series than the limit", () => {
  const durations = new Histogram("k8contivnet_detach_phase_duration_seconds");
  const events = new Counter("k8contivnet_events_total");
  for (let n = 0; n < 5_000; n++) {
    durations.observe(0.1, `phase${n}`, "ok");
    events.add(`kind${n}`);
  }
  const text = exposition([durations.family(), events.family()]);
  assert(text.split("\n").length < 201 * 17 + 210, `${text.split("\n").length} lines`);
  assertMatch(text, /_count{phase="\(others\)",result="\(others\)"} 4800\n/);
  assertMatch(text, /events_total{kind="\(others\)"} 4800\n/);
});

Deno.test("samples beyond the limit are summed up, in whatever order they come", () => {
  const samples = ["c", "a", "d", "b"].map((name, at) => ({
    labels: ["t", name],
    value: 10 ** at,
  }));
  assertEquals(boundedSamples(samples, 2), [
    { labels: ["t", "a"], value: 10 },
    { labels: ["t", "b"], value: 1000 },
    { labels: [OTHERS, OTHERS], value: 101 },
  ]);
  assertEquals(boundedSamples(samples, 4).length, 4);
  assertEquals(boundedSamples([], 2), []);
});

Deno.test("names follow Prometheus' conventions", () => {
  for (const [name, { type, help, labels }] of Object.entries(METRICS)) {
    assertMatch(name, /^(k8contivnet|process)_[a-z_]+[a-z]$/);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assertMatch(name, /_seconds$/);
    assertMatch(help, /^[A-Z].*\.$/, name);
    // Pods come and go without a limit.
    assert(!labels.some((one: string) => /pod|address|sandbox|endpoint/.test(one)), name);
  }
});
