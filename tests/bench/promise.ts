// Counts how often the first ping after a set-up is answered, with plain and with warm ports, up to 1,000 ports.
// Inside the lab: deno run -A tests/bench/promise.ts [TRIALS]

import { type Host, intentOf, parkedPorts, poolFilled, startHost } from "../lab/host.ts";
import { report } from "./report.ts";
import { note, type Ratio, type Samples, timed } from "./stats.ts";

const PORTS = [0, 100, 500, 1_000] as const;
const TRIALS = Number(Deno.args[0] ?? 200);
const PEER = "10.9.0.1";

const samples: Samples = new Map();
const ratios: Ratio[] = [];

/** Connects pod0, the peer, and more pods, until there are `count` beside it. */
async function fill(host: Host, from: number, count: number): Promise<void> {
  for (let at = from; at <= count; at += 16) {
    const names = Array.from({ length: Math.min(16, count + 1 - at) }, (_, n) => `pod${at + n}`);
    const pods = await Promise.all(names.map((name) => host.pod(name)));
    await Promise.all(pods.map((pod) => host.agent.setupOnce(pod)));
  }
}

/** Sets a pod up and pings once; reports whether that was answered. */
async function isAnswered(host: Host, name: string, label: string): Promise<boolean> {
  await using pod = await host.pod(name);
  note(samples, `setup${label}`, await timed(() => host.agent.setupByFile(pod)));
  const isAnswered = await pod.pings(PEER);
  const { code, err } = await host.agent.verb("teardown", pod);
  if (code !== 0) throw new Error(`teardown ended with ${code}: ${err}`);
  return isAnswered;
}

async function measure(mode: "plain" | "warm"): Promise<void> {
  const most = PORTS[PORTS.length - 1]!;
  await using host = await startHost(intentOf(most + 2), "--ports", mode);
  let present = 0;
  for (const ports of PORTS) {
    await fill(host, present, ports);
    present = ports + 1;
    if (mode === "warm") await poolFilled(host);
    console.error(`${mode}, ${ports} ports: ${TRIALS} set-ups`);
    let answered = 0;
    let warm = 0;
    for (let trial = 0; trial < TRIALS; trial++) {
      if (mode === "warm" && (await parkedPorts(host)).length > 0) warm++;
      if (await isAnswered(host, `pod${most + 1}`, `, ${mode}@${ports}`)) answered++;
    }
    const what = `first pings answered of ${TRIALS}, ${mode}, ${ports} ports`;
    ratios.push({ what, value: answered, least: TRIALS });
    if (mode === "warm") {
      ratios.push({
        what: `of these set-ups with a port of the pool, ${ports} ports`,
        value: warm,
      });
    }
  }
}

for (const mode of ["plain", "warm"] as const) await measure(mode);
await report("promise", "promise_samples.json", { samples, ratios });
