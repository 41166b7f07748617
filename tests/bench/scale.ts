// What a large store costs: an intent of 10,000 endpoints in 50 networks planned and applied to a real
// etcd of one member, an agent that starts with it, set-up's share that could grow with it, and hosts
// that join at the same time.

import { planClaim } from "../../lib/agent/pods/claim.ts";
import { planFabric } from "../../lib/agent/fabric/plan_fabric.ts";
import { StoreCache } from "../../lib/agent/store/store_cache.ts";
import { chooseEndpoints } from "../../lib/intent/bind.ts";
import { openStore } from "../../lib/store/open_store.ts";
import { LabAgent } from "../lab/agent.ts";
import { gatherCrowd } from "../lab/crowd.ts";
import { type Etcd, startEtcd } from "../lab/etcd.ts";
import { FILE } from "../lab/host.ts";
import { startOvs } from "../lab/ovs.ts";
import { report } from "./report.ts";
import { waitFor } from "../lab/wait.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const NETWORKS = 50;
const samples: Samples = new Map();

function intentOf(endpoints: number): unknown {
  return {
    Hosts: [{ Name: "host1", VtepIp: "192.0.2.1" }],
    Tenants: [{
      Name: "big",
      DefaultNetType: "vxlan",
      SubnetPool: "10.0.0.0/8",
      AllocSubnetLen: 24,
      Vxlans: "10000-12000",
      Networks: Array.from({ length: NETWORKS }, (_, n) => ({
        Name: `n${n}`,
        Endpoints: Array.from({ length: endpoints / NETWORKS }, (_, e) => ({
          Container: `n${n}p${e}`,
        })),
      })),
    }],
  };
}

/** Runs the file; notes how long it took and the most memory that it had. */
async function command(name: string, ...words: string[]): Promise<void> {
  const child = new Deno.Command(FILE, {
    args: words,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let peak = 0;
  const timer = setInterval(() => peak = Math.max(peak, memoryOf(child.pid, "VmHWM")), 5);
  const ms = await timed(async () => {
    const { success } = await child.status;
    if (!success) throw new Error(`${words.join(" ")} failed`);
  });
  clearInterval(timer);
  note(samples, name, ms);
  note(samples, `${name}, memory`, peak);
}

function memoryOf(pid: number, field: "VmHWM" | "VmRSS"): number {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) / 1_024;
  } catch {
    return 0; // it has just ended
  }
}

/** One round: an empty store, the whole intent, and an agent that finds it there. */
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
  const knowsAll = async () => {
    return (await agent.call("get", "endpoints", "big/n7/n7p7", "-o", "name")).code === 0;
  };
  const ms = await timed(() => {
    agent.spawn();
    return waitFor("the agent to know all", knowsAll, { limitMs: 20_000, everyMs: 10 });
  });
  note(samples, "agent's start", ms);
  note(samples, "agent, memory", memoryOf(agent.pid, "VmRSS"));
}

/** The part of a set-up that looks at records: choose, claim, fabric. */
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
    planClaim(documents, place, choices, { newId: () => "0", mtuOf: () => 1_450 });
    planFabric(documents, { host: "host1" }, () => 1);
  };
  // Long enough for V8 to have collected what reading them has left.
  for (let n = 0; n < 20_000; n++) work();
  for (let n = 0; n < 20; n++) {
    const ms = await timed(() => {
      for (let times = 0; times < 100; times++) work();
      return Promise.resolve();
    });
    note(samples, name, ms / 100 * 1_000);
  }
}

async function crowds(etcd: Etcd): Promise<void> {
  for (const hosts of [250, 500, 1_000]) {
    const { tookMs, tries } = await gatherCrowd(etcd.url(`/crowd${hosts}`), hosts);
    note(samples, `a host's joining among ${hosts}`, tookMs / hosts);
    note(samples, `tries an address among ${hosts}`, tries);
  }
}

function ratios(): Ratio[] {
  const p50 = (name: string) => quantile(samples, name, 0.5);
  return [
    { what: "10,000 endpoints: plan, s", value: p50("plan") / 1_000, goal: 1 },
    { what: "apply to etcd, s", value: p50("apply") / 1_000, goal: 3 },
    { what: "apply to SQLite, s", value: p50("apply to SQLite") / 1_000 },
    { what: "apply's memory at most, MB", value: p50("apply, memory"), goal: 300 },
    {
      what: "agent's start until it answers with all, s",
      value: p50("agent's start") / 1_000,
      goal: 2,
    },
    {
      what: "set-up's look-ups at 10,000 ÷ at 50 endpoints",
      value: p50("look-ups at 10,000, µs") / p50("look-ups at 50, µs"),
    },
    {
      what: "a host's joining among 1,000 ÷ among 250",
      value: p50("a host's joining among 1000") / p50("a host's joining among 250"),
      goal: 1.5,
    },
    {
      what: "tries for an address among 1,000",
      value: p50("tries an address among 1000"),
      goal: 3,
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
  for (const name of ["small", "small, memory"]) samples.delete(name);
  await lookups(etcd.url("/scale0"), "look-ups at 10,000, µs");
  await lookups(etcd.url("/small"), "look-ups at 50, µs");
  await crowds(etcd);
  await report("scale", "scale_samples.json", { samples, ratios: ratios() });
}

await main();
