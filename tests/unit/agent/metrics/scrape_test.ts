import { assert, assertEquals, assertMatch } from "@std/assert";
import { AgentMeter } from "../../../../lib/agent/metrics/agent_meter.ts";
import { WatchLag } from "../../../../lib/agent/metrics/metered_store.ts";
import { PoolCounter } from "../../../../lib/agent/metrics/pool_counts.ts";
import { repairKindOf } from "../../../../lib/agent/metrics/repair_kinds.ts";
import { Scraper } from "../../../../lib/agent/metrics/scrape.ts";
import { dropSamples } from "../../../../lib/agent/metrics/state_families.ts";
import { poolsInUse } from "../../../../lib/intent/audit.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

async function scraped() {
  const meter = new AgentMeter(() => performance.now());
  const made = await startMemoryAgent({ meter });
  const lag = new WatchLag(meter.watchDelays, () => performance.now());
  const scraper = new Scraper({
    ...{ version: "1.2.3", host: "host1", meter, lag, cpuSeconds: () => 1.5, log: new MemoryLog() },
  });
  const { agent, host, cache } = made;
  const sources = {
    ...{ host: "host1", store: cache, switch: host.switch, policies: agent.policies },
    ...{ unmatched: agent.sandboxes.unmatched, reach: agent.reach, cluster: agent.cluster },
  };
  return { ...made, meter, scraper, sources };
}

Deno.test("before the agent is composed, a scrape says that it is starting", async () => {
  const { scraper } = await scraped();
  const text = await scraper.text();
  assertMatch(text, /k8contivnet_build_info{version="1.2.3",deno="[^"]+",host="host1"} 1\n/);
  assertMatch(text, /k8contivnet_agent_ready 0\n/);
  assert(!text.includes("store_up"));
});

Deno.test("a scrape has pods by network, pools, and durations of attach and detach by phase", async () => {
  const { agent, host, apply, setUp, scraper, sources } = await scraped();
  await apply([{ Name: "blue", Endpoints: [{ Container: "web" }, { Container: "db" }] }]);
  const pod = startPod(host, "web");
  await setUp(pod);
  await setUp(startPod(host, "nobody"));
  await agent.answerVerb("teardown", startPod(host, "host-pod"));
  scraper.follow(sources);
  scraper.noteReady();
  const text = await scraper.text();
  const value = (line: string) =>
    text.split("\n").find((one) => one.startsWith(line))?.slice(line.length);
  assertEquals(value("k8contivnet_agent_ready "), "1");
  assertEquals(value('k8contivnet_attachments{tenant="t",network="blue",state="ready"} '), "1");
  assertEquals(value("k8contivnet_unmatched_pods "), "1");
  assertEquals(value('k8contivnet_ipam_allocations_in_use{tenant="t",network="blue"} '), "2");
  assert(Number(value('k8contivnet_ipam_pool_size{tenant="t",network="blue"} ')) > 2);
  assertEquals(value('k8contivnet_attach_duration_seconds_count{result="ready"} '), "1");
  assertEquals(value('k8contivnet_attach_duration_seconds_count{result="unmatched"} '), "1");
  assertEquals(value('k8contivnet_detach_duration_seconds_count{result="ok"} '), "1");
  for (const phase of ["sandbox", "claim", "policies", "fabric", "gateway", "port", "record"]) {
    const line = `k8contivnet_attach_phase_duration_seconds_count{phase="${phase}",result="ok"} `;
    assert(Number(value(line)) >= 1, phase);
  }
  assertEquals(value("k8contivnet_store_up "), "1");
  assert(!/web|nobody|host-pod/.test(text), "no pod's name");
});

Deno.test("a set-up that fails is counted as such, with the phase that failed", async () => {
  const { host, apply, setUp, scraper } = await scraped();
  await apply([{ Name: "blue", Endpoints: [{ Container: "web" }] }]);
  host.switch.addPort = () => Promise.reject(new Error("broken"));
  await setUp(startPod(host, "web")).catch(() => {});
  const text = await scraper.text();
  assertMatch(text, /attach_duration_seconds_count{result="failed"} 1\n/);
  assertMatch(text, /attach_phase_duration_seconds_count{phase="port",result="failed"} 1\n/);
});

Deno.test("pools are counted as ipam show counts them, and again only after a change", async () => {
  const { cache, apply } = await scraped();
  await apply([
    { Name: "blue", Endpoints: [{ Container: "a" }, { Container: "b" }] },
    { Name: "red", Endpoints: [{ Container: "c" }] },
  ]);
  const counter = new PoolCounter();
  const counts = await counter.count(cache);
  const pools = poolsInUse(cache.documents);
  const byName = (samples: typeof counts.used) =>
    samples.map(({ labels, value }) => `${labels.join("/")} ${value}`).sort();
  assertEquals(byName(counts.used), pools.map((one) => `${one.tenant}/${one.network} ${one.used}`));
  assertEquals(
    byName(counts.sizes),
    pools.map((one) => `${one.tenant}/${one.network} ${one.size}`),
  );
  assertEquals(await counter.count(cache), counts);
});

Deno.test("a switch that does not answer costs a scrape only its drops", async () => {
  const { scraper, sources } = await scraped();
  const known = { flows: { policies: new Map([[1, { tier: "contiv", policy: "t/p" }]]) } };
  let asked = 0;
  const tables = {
    drops: () => {
      asked++;
      return asked === 1 ? Promise.resolve(new Map([[1, 7]])) : Promise.reject(new Error("away"));
    },
  };
  const policies = { known: known as never, problem: undefined, tables };
  scraper.follow({ ...sources, policies });
  const line = /policy_dropped_packets_total{source="contiv",policy="t\/p"} 7\n/;
  assertMatch(await scraper.text(), line);
  await Promise.all(Array.from({ length: 100 }, () => scraper.text()));
  assertEquals(asked, 1, "scrapes at once ask once");
  const failing = new Scraper({
    ...{ version: "", host: "", meter: new AgentMeter(() => 0), log: new MemoryLog() },
    ...{ lag: new WatchLag({ observe: () => {} }, () => 0), cpuSeconds: () => 0 },
  });
  failing.follow({ ...sources, policies });
  assertMatch(await failing.text(), /scrape_errors_total{part="policy_drops"} 1\n/);
});

Deno.test("drops of a policy's several numbers are one sample", () => {
  const policy = { tier: "contiv", policy: "t/p" };
  const numbers = new Map([[1, policy], [2, policy], [3, { tier: "kubernetes", policy: "n/q" }]]);
  assertEquals(dropSamples(numbers, new Map([[1, 2], [2, 3], [9, 99]])), [
    { labels: ["contiv", "t/p"], value: 5 },
    { labels: ["kubernetes", "n/q"], value: 0 },
  ]);
});

Deno.test("CNI calls are measured by command, whatever the command is called", async () => {
  const meter = new AgentMeter(() => 0);
  const call = (command: string, exit: 0 | 1) =>
    meter.cniCall(command, () => Promise.resolve({ exit, output: "" }));
  await call("ADD", 0);
  await call("DEL", 1);
  await call('x"}\n', 1);
  const lines = meter.families().flatMap((one) => one.lines).filter((line) => /_count/.test(line));
  assertEquals(lines, [
    // These are there from the start on, so that a first failure is an increment.
    'k8contivnet_attach_duration_seconds_count{result="ready"} 0',
    'k8contivnet_attach_duration_seconds_count{result="failed"} 0',
    'k8contivnet_detach_duration_seconds_count{result="ok"} 0',
    'k8contivnet_detach_duration_seconds_count{result="failed"} 1',
    'k8contivnet_cni_call_duration_seconds_count{command="ADD",result="ok"} 1',
    'k8contivnet_cni_call_duration_seconds_count{command="DEL",result="failed"} 1',
    'k8contivnet_cni_call_duration_seconds_count{command="other",result="failed"} 1',
  ]);
});

Deno.test("repairs are counted by kind, from the events", () => {
  const meter = new AgentMeter(() => 0);
  meter.event("repair", "stray port removed (port x)");
  meter.event("repair", "something new");
  meter.event("store", "store watch is behind: the whole store was read again");
  const lines = meter.families().flatMap((one) => one.lines).filter((line) => / [1-9]/.test(line));
  assertEquals(lines, [
    'k8contivnet_repairs_total{kind="stray_port"} 1',
    'k8contivnet_repairs_total{kind="other"} 1',
    'k8contivnet_events_total{kind="repair"} 2',
    'k8contivnet_events_total{kind="store"} 1',
    "k8contivnet_store_watch_resyncs_total 1",
  ]);
  assertEquals(repairKindOf("pod interface reconciled"), "pod_interface");
});
