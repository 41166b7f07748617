// Measures a set-up until its answer and until its pod's first ping is answered, and a teardown, with plain and with
// warm ports. Each is compared with a reference CNI plugin that is measured in the same rounds: two Open vSwitches
// on one machine would notice each other's links.

import { type Host, intentOf, parkedPorts, poolFilled, startHost } from "../lab/host.ts";
import { makePod, type Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { Peer } from "./peer.ts";
import { report } from "./report.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const PORTS = [0, 100, 500] as const;
const ROUNDS = Number(Deno.args[0] ?? 20);
const BURSTS = 3;
const BURST = 16;
/** The peer's links are events for ovs-vswitchd, too. */
const REST_MS = 400;

const samples: Samples = new Map();
const rest = () => new Promise((done) => setTimeout(done, REST_MS));

async function must(host: Host, verb: "setup" | "teardown", pod: Pod): Promise<void> {
  const { code, err } = await host.agent.verb(verb, pod);
  if (code !== 0) throw new Error(`${verb} ended with ${code}: ${err}`);
}

/** Sets a pod up and pings from it until it is answered; then tears it down. */
async function setupAndPing(host: Host, name: string, ports: number): Promise<void> {
  await using pod = await makePod("pod599");
  await rest();
  const start = performance.now();
  await must(host, "setup", pod);
  note(samples, `${name} setup@${ports}`, performance.now() - start);
  if (!await pod.pings("10.9.0.1")) throw new Error(`${name}: the first ping is lost`);
  note(samples, `${name} setup and ping@${ports}`, performance.now() - start);
  await rest();
  note(samples, `${name} teardown@${ports}`, await timed(() => must(host, "teardown", pod)));
}

async function peerRound(peer: Peer, name: string, ports: number): Promise<void> {
  await using pod = await makePod("peer");
  await rest();
  note(samples, `${name} peer ADD@${ports}`, await timed(() => peer.call("ADD", pod.id)));
  await rest();
  note(samples, `${name} peer DEL@${ports}`, await timed(() => peer.call("DEL", pod.id)));
}

async function burst(host: Host, name: string, ports: number): Promise<void> {
  await rest();
  await using stack = new AsyncDisposableStack();
  const pods = await Promise.all(Array.from({ length: BURST }, (_, n) => makePod(`pod${560 + n}`)));
  for (const pod of pods) stack.use(pod);
  const work = () => Promise.all(pods.map((pod) => must(host, "setup", pod)));
  note(samples, `${name} ${BURST} setups@${ports}`, await timed(work));
  await Promise.all(pods.map((pod) => must(host, "teardown", pod)));
}

/** Attaches pods until `count` are there. */
async function fill(host: Host, from: number, count: number): Promise<void> {
  for (let at = from; at < count; at += 16) {
    const names = Array.from({ length: Math.min(16, count - at) }, (_, n) => `pod${at + n}`);
    const pods = await Promise.all(names.map((name) => host.pod(name)));
    await Promise.all(pods.map((pod) => host.agent.setupOnce(pod)));
  }
}

function ratios(): Ratio[] {
  const p50 = (name: string) => quantile(samples, name, 0.5);
  return [
    ...PORTS.map((n, at) => ({
      what: `warm setup ÷ peer ADD, ${n} ports`,
      value: p50(`warm setup@${n}`) / p50(`warm peer ADD@${n}`),
      goal: [0.65, 0.7, 0.9][at]!,
    })),
    ...PORTS.map((n) => ({
      what: `plain setup ÷ peer ADD, ${n} ports`,
      value: p50(`plain setup@${n}`) / p50(`plain peer ADD@${n}`),
    })),
    ...PORTS.map((n, at) => ({
      what: `warm teardown ÷ peer DEL, ${n} ports`,
      value: p50(`warm teardown@${n}`) / p50(`warm peer DEL@${n}`),
      goal: [0.45, 0.45, 0.45][at]!,
    })),
    {
      what: "warm setup at 500 ports ÷ at 0",
      value: p50("warm setup@500") / p50("warm setup@0"),
      goal: 1.8,
    },
    {
      what: "warm setup at 500 ports, p90 ÷ p50",
      value: quantile(samples, "warm setup@500", 0.9) / p50("warm setup@500"),
      goal: 3,
    },
    ...PORTS.map((n) => ({
      what: `${BURST} warm setups at once ÷ ${BURST} plain ones, ${n} ports`,
      value: p50(`warm ${BURST} setups@${n}`) / p50(`plain ${BURST} setups@${n}`),
    })),
  ];
}

async function measure(name: "plain" | "warm"): Promise<void> {
  await using host = await startHost(intentOf(600), "--ports", name);
  const peer = new Peer(host.dir);
  await must(host, "setup", await host.pod("pod0"));
  let before = 1;
  const ready = async () => {
    if (name === "plain") return;
    await poolFilled(host);
    const isReady = async () => (await parkedPorts(host)).length >= BURST;
    await waitFor("the pool to be filled", isReady, { limitMs: 30_000 });
  };
  for (const ports of PORTS) {
    await fill(host, before, ports);
    before = Math.max(1, ports);
    await ready();
    console.error(`${name}, ${ports} ports: ${ROUNDS} rounds`);
    for (let n = 0; n < ROUNDS; n++) {
      await setupAndPing(host, name, ports);
      await peerRound(peer, name, ports);
    }
    for (let n = 0; n < BURSTS; n++) {
      await ready();
      await burst(host, name, ports);
    }
  }
}

await measure("plain");
await measure("warm");
await report("ports", "ports_samples.json", { samples, ratios: ratios() });
