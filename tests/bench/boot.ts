// Measures a node that boots: all its pods come, and the agent some seconds after them. Compared with a reference CNI
// plugin, which needs no agent, called for as many pods at once in the same round.
// Inside the lab: deno run -A tests/bench/boot.ts [ROUNDS]

import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { Peer } from "./peer.ts";
import { report } from "./report.ts";
import { note, quantile, type Ratio, type Samples } from "./stats.ts";

const PODS = 250;
const ROUNDS = Number(Deno.args[0] ?? 3);
/** So much later than the first pod the agent comes. */
const AGENT_MS = 3_000;
const REST_MS = 2_000;
const PROBE_MS = 100;

const samples: Samples = new Map();
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Returns the memory that programs can still have, in MB (proc(5), meminfo). */
function availableMb(): number {
  const [, kilobytes] = /^MemAvailable:\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/meminfo")) ??
    [];
  return Number(kilobytes) / 1024;
}

/** Does `work` for all pods at once; returns when each ended, in the order of time, and the MB that it took at most. */
async function atOnce(pods: readonly Pod[], work: (pod: Pod) => Promise<void>) {
  await pause(REST_MS);
  const before = availableMb();
  let least = before;
  const probe = setInterval(() => least = Math.min(least, availableMb()), PROBE_MS);
  try {
    const ended: number[] = [];
    await Promise.all(pods.map(async (pod) => {
      await work(pod);
      ended.push(performance.now());
    }));
    return { ended, megabytes: before - least };
  } finally {
    clearInterval(probe);
  }
}

async function must({ agent }: Host, verb: "setup" | "teardown", pod: Pod): Promise<void> {
  const { code, err } = await agent.verb(verb, pod);
  if (code !== 0) throw new Error(`${verb} ended with ${code}: ${err}`);
}

async function round(): Promise<void> {
  await using host = await startHost(intentOf(PODS), "--ports", "warm");
  const { agent } = host;
  // A launcher finds there which socket the agent had before the boot.
  agent.env.K8CONTIVNET_STATE_DIR = agent.stateDir;
  await agent.call("help"); // the program is unpacked
  await agent.stop();
  const names = Array.from({ length: PODS }, (_, n) => `pod${n}`);
  const pods = await Promise.all(names.map((name) => host.pod(name)));
  const setups = atOnce(pods, (pod) => must(host, "setup", pod));
  await pause(REST_MS + AGENT_MS);
  const started = performance.now();
  await agent.start();
  const { ended, megabytes } = await setups;
  note(samples, "first of the setups, from the agent's start on", ended[0]! - started);
  note(samples, "half of the setups", ended[PODS / 2]! - started);
  note(samples, "all setups", ended[PODS - 1]! - started);
  note(samples, "memory for all setups, MB", megabytes);
  await Promise.all(pods.map((pod) => must(host, "teardown", pod)));
  const peer = Peer.bridge(host.dir);
  const start = performance.now() + REST_MS;
  const other = await atOnce(pods, (pod) => peer.call("ADD", pod.id));
  note(samples, "all peer ADDs", other.ended[PODS - 1]! - start);
  note(samples, "memory for all peer ADDs, MB", other.megabytes);
  await Promise.all(pods.map((pod) => peer.call("DEL", pod.id)));
}

for (let n = 0; n < ROUNDS; n++) {
  console.error(`round ${n + 1} of ${ROUNDS}`);
  await round();
}
const p50 = (name: string) => quantile(samples, name, 0.5);
const ratios: Ratio[] = [
  {
    what: `${PODS} setups from the agent's start on ÷ ${PODS} peer ADDs at once`,
    value: p50("all setups") / p50("all peer ADDs"),
  },
  {
    what: "memory of both, ours ÷ the peer's",
    value: p50("memory for all setups, MB") / p50("memory for all peer ADDs, MB"),
  },
];
await report("boot", "boot_samples.json", { samples, ratios });
