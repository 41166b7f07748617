// Measures setup, teardown and status against an empty script and a reference CNI plugin. Each measurement
// is a whole process. A round measures each of them once, so a slow moment of the machine affects all.

import { createPool, lowestFreeAddress } from "../../lib/ipam/addresses.ts";
import { parseSubnet } from "../../lib/ipam/subnets.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { start } from "../lab/one_file.ts";
import { makePod, type Pod } from "../lab/pod.ts";
import { Bare } from "./bare.ts";
import { Peer } from "./peer.ts";
import { report } from "./report.ts";
import { residentMb } from "../lab/resident.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const PORTS = [0, 100, 500] as const;
const ROUNDS = Number(Deno.args[0] ?? 40);
const BURSTS = 5;
const BURST = 50;
const MEMORY_SAMPLES = 6;
/** An agent returns what its start has left behind two seconds after it. */
const AFTER_START_MS = 4_000;

const samples: Samples = new Map();

async function emptyScript(): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--cached-only",
      "--no-check",
      "--no-config",
      "--no-lock",
      "--no-npm",
      "--no-remote",
      new URL("empty.js", import.meta.url).pathname,
    ],
  }).output();
  if (!success) throw new Error("the empty script failed");
}

async function must(host: Host, verb: "setup" | "teardown" | "status", pod: Pod): Promise<void> {
  const { code, err } = await host.agent.verb(verb, pod);
  if (code !== 0) throw new Error(`${verb} ended with ${code}: ${err}`);
}

/** The same by the exec face: the cost where the launcher cannot ask the agent. */
async function byFace(
  host: Host,
  verb: "setup" | "teardown" | "status",
  pod: Pod,
): Promise<void> {
  host.agent.env.K8CONTIVNET_DOOR = "none";
  try {
    await must(host, verb, pod);
  } finally {
    delete host.agent.env.K8CONTIVNET_DOOR;
  }
}

function cniOf(host: Host, pod: Pod) {
  const { socket } = host.agent;
  return { cni: new LabCniRuntime({ file: FILE, socket }), target: { pod } };
}

async function status(cni: LabCniRuntime): Promise<void> {
  const { code, out } = await cni.ofNetwork("STATUS");
  if (code !== 0) throw new Error(`STATUS ended with ${code}: ${out}`);
}

/** A call, and the name of its samples. */
type Call = readonly [name: string, call: () => Promise<unknown>];

/** The calls of one face. */
type Calls = Readonly<Record<"add" | "status" | "remove", Call>>;

/** A kubelet's call that is written a configuration which it does not read: what of CNI's calls is their writing. */
async function fed(host: Host, verb: "setup" | "status" | "teardown", pod: Pod): Promise<void> {
  const { code, err } = await start([FILE, verb, pod.namespace, pod.name, pod.id], {
    env: { K8CONTIVNET_SOCKET: host.agent.socket },
    stdin: '{"cniVersion":"1.0.0","name":"pods","type":"k8contivnet"}',
  });
  if (code !== 0) throw new Error(`${verb} ended with ${code}: ${err}`);
}

/** One round at `ports` ports. Which face is first changes from round to round. */
async function round(host: Host, peer: Peer, bare: Bare, ports: number, n: number): Promise<void> {
  const take = async ([name, call]: Call) => note(samples, `${name}@${ports}`, await timed(call));
  await using pod = await makePod("pod599");
  await using container = await makePod("pod597");
  await using fedPod = await makePod("pod596");
  await using other = await makePod("peer");
  await using again = await makePod("pod598");
  const { cni, target } = cniOf(host, container);
  const kubelet: Calls = {
    add: ["setup", () => must(host, "setup", pod)],
    status: ["status", () => must(host, "status", pod)],
    remove: ["teardown", () => must(host, "teardown", pod)],
  };
  const runtime: Calls = {
    add: ["CNI ADD", () => cni.add(target)],
    status: ["CNI STATUS", () => status(cni)],
    remove: ["CNI DEL", () => cni.del(target)],
  };
  const piped: Calls = {
    add: ["setup with input", () => fed(host, "setup", fedPod)],
    status: ["status with input", () => fed(host, "status", fedPod)],
    remove: ["teardown with input", () => fed(host, "teardown", fedPod)],
  };
  const faces = [kubelet, runtime, piped];
  const [first, second, third] = faces.map((_, at) => faces[(at + n) % faces.length]!) as [
    ...[Calls, Calls, Calls],
  ];
  await take(["empty script", emptyScript]);
  await take(first.add);
  note(samples, `bare insert@${ports}`, await bare.insert());
  await take(first.status);
  await take(["peer ADD", () => peer.call("ADD", other.id)]);
  await take(second.add);
  await take(second.status);
  await take(third.add);
  await take(third.status);
  await take(first.remove);
  await take(["peer DEL", () => peer.call("DEL", other.id)]);
  await take(second.remove);
  await take(third.remove);
  for (const verb of ["setup", "status", "teardown"] as const) {
    await take([`${verb} by the exec face`, () => byFace(host, verb, again)]);
  }
}

/** Attaches pods until both bridges have `count` ports. */
async function fill(host: Host, peer: Peer, pods: Pod[], others: Pod[], count: number) {
  while (pods.length < count) {
    const names = Array.from(
      { length: Math.min(16, count - pods.length) },
      (_, n) => `pod${pods.length + n}`,
    );
    const some = await Promise.all(names.map((name) => host.pod(name)));
    await Promise.all(some.map((pod) => host.agent.setupOnce(pod)));
    pods.push(...some);
    for (const name of names) {
      const other = await host.pod(`peer-${name}`);
      await peer.call("ADD", other.id);
      others.push(other);
    }
  }
}

async function burst(host: Host, peer: Peer): Promise<void> {
  const names = Array.from({ length: BURST }, (_, n) => `pod${n}`);
  await using stack = new AsyncDisposableStack();
  const pods = await Promise.all(names.map((name) => makePod(name)));
  const others = await Promise.all(names.map((name) => makePod(name)));
  for (const pod of [...pods, ...others]) stack.use(pod);
  note(samples, `${BURST} empty scripts`, await timed(() => Promise.all(names.map(emptyScript))));
  note(
    samples,
    `${BURST} setups`,
    await timed(() => Promise.all(pods.map((pod) => must(host, "setup", pod)))),
  );
  note(
    samples,
    `${BURST} peer ADDs`,
    await timed(() => Promise.all(others.map((pod) => peer.call("ADD", pod.id)))),
  );
  await Promise.all(pods.map((pod) => must(host, "teardown", pod)));
  for (const other of others) await peer.call("DEL", other.id);
}

/** Samples the resident memory of process `pid` `times` times, one second apart. */
async function memory(name: string, pid: number, times = 1): Promise<void> {
  for (let n = 0; n < times; n++) {
    if (n > 0) await new Promise((done) => setTimeout(done, 1_000));
    note(samples, name, residentMb(pid));
  }
}

function addresses(): void {
  const pool = createPool({ name: "t/n", subnet: parseSubnet("10.0.0.0/16") });
  const used = new Set<number>();
  const start = performance.now();
  let from: number | undefined;
  for (let n = 0; n < 10_000; n++) {
    from = lowestFreeAddress(pool, (address) => used.has(address), from);
    used.add(from);
  }
  note(samples, "10,000 addresses of a /16", performance.now() - start);
}

function ratios(): Ratio[] {
  const p50 = (name: string) => quantile(samples, name, 0.5);
  const own = (n: number) => p50(`setup@${n}`) - p50(`empty script@${n}`);
  const goalOf = (n: number) => (n === 0 ? { goal: 2.5 } : {});
  return [
    ...PORTS.map((n) => ({
      what: `setup ÷ peer ADD, ${n} ports`,
      value: p50(`setup@${n}`) / p50(`peer ADD@${n}`),
      ...goalOf(n),
    })),
    ...PORTS.map((n) => ({
      what: `the same by the exec face, ${n} ports`,
      value: p50(`setup by the exec face@${n}`) / p50(`peer ADD@${n}`),
    })),
    ...PORTS.map((n) => ({
      what: `(setup − empty script) ÷ bare insert, ${n} ports`,
      value: own(n) / p50(`bare insert@${n}`),
      goal: 1.5,
    })),
    ...PORTS.map((n) => ({
      what: `teardown ÷ peer DEL, ${n} ports`,
      value: p50(`teardown@${n}`) / p50(`peer DEL@${n}`),
      goal: 0.45,
    })),
    ...PORTS.map((n) => ({
      what: `status ÷ empty script, ${n} ports`,
      value: p50(`status@${n}`) / p50(`empty script@${n}`),
      goal: 0.35,
    })),
    ...PORTS.map((n) => ({
      what: `CNI ADD ÷ peer ADD, ${n} ports`,
      value: p50(`CNI ADD@${n}`) / p50(`peer ADD@${n}`),
    })),
    ...PORTS.map((n) => ({
      what: `CNI DEL ÷ peer DEL, ${n} ports`,
      value: p50(`CNI DEL@${n}`) / p50(`peer DEL@${n}`),
    })),
    ...PORTS.map((n) => ({
      what: `CNI ADD ÷ setup, ${n} ports`,
      value: p50(`CNI ADD@${n}`) / p50(`setup@${n}`),
    })),
    ...PORTS.map((n) => ({
      what: `CNI DEL ÷ teardown, ${n} ports`,
      value: p50(`CNI DEL@${n}`) / p50(`teardown@${n}`),
    })),
    ...PORTS.map((n) => ({
      what: `CNI ADD ÷ setup that is written the same input, ${n} ports`,
      value: p50(`CNI ADD@${n}`) / p50(`setup with input@${n}`),
    })),
    ...PORTS.map((n) => ({
      what: `CNI DEL ÷ teardown that is written the same input, ${n} ports`,
      value: p50(`CNI DEL@${n}`) / p50(`teardown with input@${n}`),
    })),
    ...PORTS.map((n) => ({
      what: `CNI STATUS ÷ empty script, ${n} ports`,
      value: p50(`CNI STATUS@${n}`) / p50(`empty script@${n}`),
      goal: 0.4,
    })),
    {
      what: `${BURST} setups at once ÷ peer's ${BURST}`,
      value: p50(`${BURST} setups`) / p50(`${BURST} peer ADDs`),
      goal: 2.5,
    },
    { what: "agent's memory, idle, MB", value: p50("agent idle, MB"), goal: 58 },
    { what: "agent's memory, 250 pods, MB", value: p50("agent with 250 pods, MB"), goal: 68 },
    { what: "10,000 addresses of a /16, ms", value: p50("10,000 addresses of a /16"), goal: 200 },
  ];
}

/** As CNI has them, and as a row that is inserted by hand. */
const PLAIN = ["--ports", "plain"] as const;

async function main(): Promise<void> {
  await using host = await startHost(intentOf(600), ...PLAIN);
  const peer = Peer.bridge(host.dir);
  await using bare = await Bare.start(host.ovs);
  await memory("agent after its first start, MB", host.agent.pid);
  // From the second start on, V8 loads its code from the cache. This is an agent's usual state.
  await host.agent.stop();
  await host.agent.start(...PLAIN);
  await new Promise((done) => setTimeout(done, AFTER_START_MS));
  await memory("agent idle, MB", host.agent.pid, MEMORY_SAMPLES);
  for (let n = 0; n < 3; n++) addresses();
  for (let n = 0; n < BURSTS; n++) await burst(host, peer);
  const [pods, others]: [Pod[], Pod[]] = [[], []];
  for (const ports of PORTS) {
    if (ports > 250) {
      await fill(host, peer, pods, others, 250);
      await memory("agent with 250 pods, MB", host.agent.pid, MEMORY_SAMPLES);
    }
    await fill(host, peer, pods, others, ports);
    console.error(`${ports} ports: ${ROUNDS} rounds`);
    for (let n = 0; n < ROUNDS; n++) await round(host, peer, bare, ports, n);
  }
  await report("bench", "samples.json", { samples, ratios: ratios() });
}

await main();
