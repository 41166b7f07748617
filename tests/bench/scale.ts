// Measures a large store: planning an intent of 10,000 endpoints in 50 networks and applying it to a real
// etcd with one member, starting an agent with it, the part of a set-up that could grow with it, and many
// hosts that join at the same time.

import { planClaim } from "../../lib/agent/pods/claim.ts";
import { planFabric } from "../../lib/agent/fabric/plan_fabric.ts";
import { StoreCache } from "../../lib/agent/store/store_cache.ts";
import { chooseEndpoints } from "../../lib/intent/bind.ts";
import { openStore } from "../../lib/store/open_store.ts";
import { LabAgent } from "../lab/agent.ts";
import { gatherCrowd, takeAddressesAtOnce } from "../lab/crowd.ts";
import { type Etcd, startEtcd } from "../lab/etcd.ts";
import { FILE } from "../lab/host.ts";
import { startOvs } from "../lab/ovs.ts";
import { report } from "./report.ts";
import { waitFor } from "../lab/wait.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const NETWORKS = 50;
const LARGE_ROUNDS = 2;
const samples: Samples = new Map();

function intentOf(endpoints: number, networks = NETWORKS): unknown {
  return {
    Hosts: [{ Name: "host1", VtepIp: "192.0.2.1" }],
    Tenants: [{
      Name: "big",
      DefaultNetType: "vxlan",
      SubnetPool: "10.0.0.0/8",
      AllocSubnetLen: 24,
      Vxlans: "10000-12000",
      Networks: Array.from({ length: networks }, (_, n) => ({
        Name: `n${n}`,
        Endpoints: Array.from({ length: endpoints / networks }, (_, e) => ({
          Container: `n${n}p${e}`,
        })),
      })),
    }],
  };
}

/** Runs the executable; records how long it took and its peak memory. */
async function command(name: string, ...args: string[]): Promise<void> {
  const child = new Deno.Command(FILE, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let peak = 0;
  const timer = setInterval(() => peak = Math.max(peak, memoryOf(child.pid, "VmHWM")), 5);
  const ms = await timed(async () => {
    const { success } = await child.status;
    if (!success) throw new Error(`${args.join(" ")} failed`);
  });
  clearInterval(timer);
  note(samples, name, ms);
  note(samples, `${name}, peak memory, MB`, peak);
}

function memoryOf(pid: number, field: "VmHWM" | "VmRSS"): number {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) / 1_024;
  } catch {
    return 0; // the process has just ended
  }
}

/** One round: an empty store, the whole intent, and an agent that starts with it. */
async function round(
  dir: string,
  etcd: Etcd,
  ovs: Awaited<ReturnType<typeof startOvs>>,
  n: number,
) {
  const etcdUrl = etcd.url(`/scale${n}`);
  const file = `${dir}/intent.json`;
  await command("plan", "plan", "-f", file, "--store", etcdUrl);
  await command("apply", "apply", "-f", file, "--store", etcdUrl);
  const sqlite = `${dir}/${n}`;
  await Deno.mkdir(sqlite, { mode: 0o700 });
  await command("apply to SQLite", "apply", "-f", file, "--store", `sqlite:${sqlite}/store.db`);
  await using agent = new LabAgent({
    ...{ file: FILE, dir: `${dir}/agent${n}`, ovs },
    flags: ["--store", etcdUrl],
  });
  const hasAll = async () => {
    return (await agent.call("get", "endpoints", "big/n7/n7p7", "-o", "name")).code === 0;
  };
  const ms = await timed(() => {
    agent.spawn();
    return waitFor("the agent to have all endpoints", hasAll, { limitMs: 20_000, everyMs: 10 });
  });
  note(samples, "agent's start", ms);
  note(samples, "agent's memory, MB", memoryOf(agent.pid, "VmRSS"));
}

/** Measures the part of a set-up that reads records: choose endpoints, plan the claim, plan the fabric. */
async function lookups(url: string, name: string): Promise<void> {
  const store = await openStore(url);
  const { documents } = await StoreCache.load(store);
  await store.close();
  const sandbox = "0123456789abcdef";
  const placement = { host: "host1", namespace: "default", pod: "n7p0", sandbox };
  const place = {
    host: "host1",
    sandbox,
    netns: "",
    netnsInode: 1,
    pod: { namespace: "", name: "" },
  };
  const work = () => {
    const choices = chooseEndpoints(documents, placement);
    if (choices.length !== 1) throw new Error("the pod has no endpoint");
    planClaim(documents, place, choices, {
      ...{ newId: () => "0", mtuOf: () => 1_450, isAliasTaken: () => false },
    });
    planFabric(documents, { host: "host1" }, () => 1);
  };
  // Warm up until V8 has collected the garbage that loading the records left.
  for (let n = 0; n < 20_000; n++) work();
  for (let n = 0; n < 20; n++) {
    const ms = await timed(() => {
      for (let repeat = 0; repeat < 100; repeat++) work();
      return Promise.resolve();
    });
    note(samples, name, ms / 100 * 1_000);
  }
}

/** Applies ten times as many endpoints in ten times as many networks. */
async function large(dir: string, etcd: Etcd): Promise<void> {
  const file = `${dir}/large.json`;
  await Deno.writeTextFile(file, JSON.stringify(intentOf(100_000, 10 * NETWORKS)));
  for (let n = 0; n < LARGE_ROUNDS; n++) {
    await command("apply 100,000", "apply", "-f", file, "--store", etcd.url(`/large${n}`));
  }
}

async function crowds(etcd: Etcd): Promise<void> {
  for (const hosts of [250, 500, 1_000]) {
    const { tookMs, tries } = await gatherCrowd(etcd.url(`/crowd${hosts}`), hosts);
    note(samples, `join, per host, ${hosts} hosts`, tookMs / hosts);
    note(samples, `attempts per address, ${hosts} hosts`, tries);
  }
  for (const hosts of [1_000, 5_000]) {
    const { tries, mostTries } = await takeAddressesAtOnce(etcd.url(`/pool${hosts}`), hosts);
    note(samples, `attempts per pod's address, ${hosts} hosts`, tries);
    note(samples, `most attempts for a pod's address, ${hosts} hosts`, mostTries);
  }
}

function ratios(): Ratio[] {
  const p50 = (name: string) => quantile(samples, name, 0.5);
  return [
    { what: "plan 10,000 endpoints, s", value: p50("plan") / 1_000, goal: 1 },
    { what: "apply to etcd, s", value: p50("apply") / 1_000, goal: 3 },
    {
      what: "apply 100,000 endpoints to etcd ÷ 10 × apply 10,000",
      value: p50("apply 100,000") / (10 * p50("apply")),
      goal: 1.1,
    },
    {
      what: "peak memory of apply 100,000, MB",
      value: p50("apply 100,000, peak memory, MB"),
    },
    { what: "apply to SQLite, s", value: p50("apply to SQLite") / 1_000 },
    { what: "peak memory of apply, MB", value: p50("apply, peak memory, MB"), goal: 300 },
    {
      what: "agent's start until it answers with all endpoints, s",
      value: p50("agent's start") / 1_000,
      goal: 2,
    },
    {
      what: "a set-up's record reads, 10,000 ÷ 50 endpoints",
      value: p50("record reads with 10,000 endpoints, µs") /
        p50("record reads with 50 endpoints, µs"),
    },
    {
      what: "join per host, 1,000 ÷ 250 hosts",
      value: p50("join, per host, 1000 hosts") / p50("join, per host, 250 hosts"),
      goal: 1.5,
    },
    {
      what: "attempts per address, 1,000 hosts",
      value: p50("attempts per address, 1000 hosts"),
      goal: 3,
    },
    {
      what: "attempts per pod's address, 5,000 hosts at once",
      value: p50("attempts per pod's address, 5000 hosts"),
      goal: 1.5,
    },
  ];
}

async function main(): Promise<void> {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const etcd = stack.use(await startEtcd(`${dir}/etcd`));
  const ovs = stack.use(await startOvs(`${dir}/ovs`));
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intentOf(10_000)));
  await Deno.writeTextFile(`${dir}/small.json`, JSON.stringify(intentOf(50)));
  await command("unpacked", "version");
  samples.clear();
  for (let n = 0; n < ROUNDS; n++) await round(dir, etcd, ovs, n);
  await command("small", "apply", "-f", `${dir}/small.json`, "--store", etcd.url("/small"));
  for (const name of ["small", "small, peak memory, MB"]) samples.delete(name);
  await lookups(etcd.url("/scale0"), "record reads with 10,000 endpoints, µs");
  await lookups(etcd.url("/small"), "record reads with 50 endpoints, µs");
  await large(dir, etcd);
  await crowds(etcd);
  await report("scale", "scale_samples.json", { samples, ratios: ratios() });
}

await main();
