// Measures a set-up until its answer and until its pod's first ping is answered, and a teardown, with plain and with
// warm ports. Each is compared with a reference CNI plugin that is measured in the same rounds, on a bridge with as
// many ports: two Open vSwitches on one machine would notice each other's links.

import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { FILE, type Host, intentOf, parkedPorts, poolFilled, startHost } from "../lab/host.ts";
import { makePod, type Pod } from "../lab/pod.ts";
import { endedProcessorMs, processorMs } from "../lab/resident.ts";
import { waitFor } from "../lab/wait.ts";
import { Peer } from "./peer.ts";
import { report } from "./report.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const PORTS = [0, 100, 500] as const;
const ROUNDS = Number(Deno.args[0] ?? 20);
/** Of warm set-ups at 500 ports: one of a hundred takes long, as ovs-vswitchd reads all ports' counters each 5 s. */
const MORE_ROUNDS = 70;
const BURSTS = 3;
/** How many at once, and on a bridge with how many ports. */
const BURST_SIZES = [16, 50, 100] as const;
const BURST_PORTS: readonly number[] = [0, 500];
/** A pool is filled once nobody has come for a moment; the bridge has settled after that. */
const POOL_REST_MS = 6_000;
/** After a fill, for each new pod: the agent still announces them, which nobody waits for. */
const FILL_REST_MS = 100;
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

/** Adds and deletes a pod as a CNI runtime does, whose configuration asks for warm ports. */
async function cniRound(host: Host, ports: number): Promise<void> {
  await using pod = await makePod("pod598");
  const plugins = [{ type: "k8contivnet", ports: "warm" }];
  const cni = new LabCniRuntime({ file: FILE, socket: host.agent.socket, plugins });
  await rest();
  note(samples, `warm CNI ADD@${ports}`, await timed(() => cni.add({ pod })));
  await rest();
  note(samples, `warm CNI DEL@${ports}`, await timed(() => cni.del({ pod })));
}

async function peerRound(peer: Peer, name: string, ports: number): Promise<void> {
  await using pod = await makePod("peer");
  await rest();
  note(samples, `${name} peer ADD@${ports}`, await timed(() => peer.call("ADD", pod.id)));
  await rest();
  note(samples, `${name} peer DEL@${ports}`, await timed(() => peer.call("DEL", pod.id)));
}

/** Sets pods up at once, tears them down at once, and lets the peer do the same with their sandboxes. */
async function burst(host: Host, peer: Peer, at: BurstPlace): Promise<void> {
  const { name, ports, count } = at;
  await new Promise((done) => setTimeout(done, POOL_REST_MS));
  await using stack = new AsyncDisposableStack();
  const pods = await Promise.all(Array.from({ length: count }, (_, n) => makePod(`pod${600 + n}`)));
  for (const pod of pods) stack.use(pod);
  const all = async (what: string, one: (pod: Pod) => Promise<void>) => {
    await rest();
    const start = performance.now();
    const ended: number[] = [];
    await Promise.all(pods.map(async (pod) => {
      await one(pod);
      ended.push(performance.now() - start);
    }));
    note(samples, `${name} ${count} ${what}@${ports}`, Math.max(...ended));
    return Math.min(...ended);
  };
  const before = processorTimes(host);
  const first = await all("setups", (pod) => must(host, "setup", pod));
  for (const [who, ms] of processorTimes(host)) {
    note(samples, `${name} ${count} setups: CPU of ${who}@${ports}`, ms - before.get(who)!);
  }
  note(samples, `${name} first of ${count} setups@${ports}`, first);
  await all("teardowns", (pod) => must(host, "teardown", pod));
  await all("peer ADDs", (pod) => peer.call("ADD", pod.id));
  await all("peer DELs", (pod) => peer.call("DEL", pod.id));
}

/** Returns the milliseconds of a processor that each part of a burst has used so far. */
function processorTimes({ agent, ovs }: Host): ReadonlyMap<string, number> {
  const parts = { agent: agent.pid, "ovs-vswitchd": ovs.vswitchdPid, "ovsdb-server": ovs.ovsdbPid };
  const times = Object.entries(parts).map(([who, pid]) => [who, processorMs(pid!)] as const);
  return new Map([
    ...times,
    ["launchers", endedProcessorMs(Deno.pid)],
    ["this benchmark", processorMs(Deno.pid)],
  ]);
}

/** Where and how many. */
interface BurstPlace {
  readonly name: string;
  readonly ports: number;
  readonly count: number;
}

/** Attaches pods until both bridges have `count` ports. */
async function fill(host: Host, peer: Peer, from: number, count: number): Promise<void> {
  for (let at = from; at < count; at += 16) {
    const names = Array.from({ length: Math.min(16, count - at) }, (_, n) => `pod${at + n}`);
    const pods = await Promise.all(names.map((name) => host.pod(name)));
    await Promise.all(pods.map((pod) => host.agent.setupOnce(pod)));
    for (const name of names) await peer.call("ADD", (await host.pod(`peer-${name}`)).id);
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
    ...PORTS.map((n, at) => ({
      what: `warm CNI ADD ÷ peer ADD, ${n} ports`,
      value: p50(`warm CNI ADD@${n}`) / p50(`warm peer ADD@${n}`),
      goal: [0.65, 0.7, 0.9][at]!,
    })),
    ...PORTS.map((n) => ({
      what: `warm CNI DEL ÷ peer DEL, ${n} ports`,
      value: p50(`warm CNI DEL@${n}`) / p50(`warm peer DEL@${n}`),
      goal: 0.45,
    })),
    {
      what: "warm setup at 500 ports ÷ at 0",
      value: p50("warm setup@500") / p50("warm setup@0"),
      goal: 1.8,
    },
    {
      what: "warm setup at 500 ports, p99 ÷ p50",
      value: quantile(samples, "warm setup@500", 0.99) / p50("warm setup@500"),
      goal: 3,
    },
    ...bursts(p50, (count) => count === 16 ? {} : { goal: 0.55 }),
  ];
}

function bursts(
  p50: (name: string) => number,
  goalOf: (count: number) => Partial<Ratio>,
): Ratio[] {
  return BURST_PORTS.flatMap((n) =>
    BURST_SIZES.flatMap((count) => [
      ...["warm", "plain"].map((name) => ({
        what: `${count} ${name} setups at once ÷ ${count} peer ADDs, ${n} ports`,
        value: p50(`${name} ${count} setups@${n}`) / p50(`${name} ${count} peer ADDs@${n}`),
        ...name === "warm" ? goalOf(count) : {},
      })),
      {
        what: `${count} warm teardowns at once ÷ ${count} peer DELs, ${n} ports`,
        value: p50(`warm ${count} teardowns@${n}`) / p50(`warm ${count} peer DELs@${n}`),
      },
      {
        what: `first of ${count} warm setups ÷ one alone, ${n} ports, the worst of ${BURSTS}`,
        value: quantile(samples, `warm first of ${count} setups@${n}`, 0.99) /
          p50(`warm setup@${n}`),
      },
    ])
  );
}

async function measure(name: "plain" | "warm"): Promise<void> {
  await using host = await startHost(intentOf(700), "--ports", name);
  const peer = Peer.bridge(host.dir);
  await must(host, "setup", await host.pod("pod0"));
  let before = 1;
  const ready = async () => {
    if (name === "plain") return;
    await poolFilled(host);
    const isReady = async () => (await parkedPorts(host)).length > 8;
    await waitFor("the pool to be filled", isReady, { limitMs: 30_000 });
  };
  for (const ports of PORTS) {
    await fill(host, peer, before, ports);
    before = Math.max(1, ports);
    await ready();
    await new Promise((done) => setTimeout(done, ports * FILL_REST_MS));
    console.error(`${name}, ${ports} ports: ${ROUNDS} rounds`);
    for (let n = 0; n < ROUNDS; n++) {
      await setupAndPing(host, name, ports);
      if (name === "warm") await cniRound(host, ports);
      await peerRound(peer, name, ports);
    }
    if (name === "warm" && ports === 500) {
      for (let n = 0; n < MORE_ROUNDS; n++) await setupAndPing(host, name, ports);
    }
    if (!BURST_PORTS.includes(ports)) continue;
    for (const count of BURST_SIZES) {
      for (let n = 0; n < BURSTS; n++) await burst(host, peer, { name, ports, count });
    }
  }
}

await measure("plain");
await measure("warm");
await report("ports", "ports_samples.json", { samples, ratios: ratios() });
