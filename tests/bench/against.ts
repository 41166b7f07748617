// Compares the built file with another build of it, such as the last release: setups and teardowns, many setups at
// once, and the memory of an idle agent. Both, and the reference plugin, are measured in the same rounds. Each has a
// network namespace of its own, as two Open vSwitches in one would notice each other's links.

import { LabAgent } from "../lab/agent.ts";
import { FILE, intentOf } from "../lab/host.ts";
import { startOvs } from "../lab/ovs.ts";
import { makePod, type Pod } from "../lab/pod.ts";
import { run } from "../lab/run.ts";
import { Peer } from "./peer.ts";
import { report } from "./report.ts";
import { ownMb, residentMb } from "../lab/resident.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const [OTHER, rounds = "40"] = Deno.args;
const PORTS = [0, 100] as const;
const ROUNDS = Number(rounds);
const BURSTS = 10;
const BURST = 50;
const MEMORY_SAMPLES = 10;
/** Longer than an agent takes to return the memory of its start. */
const IDLE_MS = 10_000;
/** The end of one measurement is work for the switch, which the next one would wait for. */
const REST_MS = 200;

const samples: Samples = new Map();
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** One build, with a host of its own. */
interface Build {
  readonly name: "this" | "other";
  readonly agent: LabAgent;
  readonly filler: Pod[];
}

async function startBuild(
  stack: AsyncDisposableStack,
  { name, file, dir }: { name: Build["name"]; file: string; dir: string },
): Promise<Build> {
  const netns = `bench-${name}`;
  await run("ip", ["netns", "add", netns]);
  stack.defer(async () => void await run("ip", ["netns", "del", netns]));
  await run("ip", ["-n", netns, "link", "set", "lo", "up"]);
  const ovs = stack.use(await startOvs(`${dir}/ovs-${name}`, { netns }));
  const agent = stack.use(
    new LabAgent({ file, dir: `${dir}/agent-${name}`, ovs, netns, hostLabel: name }),
  );
  await agent.start("--intent", `${dir}/intent.json`);
  // From the second start on, V8 loads its code from the cache. This is an agent's usual state.
  await agent.stop();
  await agent.start();
  return { name, agent, filler: [] };
}

async function must(build: Build, verb: "setup" | "teardown", pod: Pod): Promise<void> {
  const { code, err } = await build.agent.verb(verb, pod);
  if (code !== 0) throw new Error(`${build.name}: ${verb} ended with ${code}: ${err}`);
}

/** Returns the items in an order that changes from round to round. */
function rotated<T>(items: readonly T[], round: number): T[] {
  return items.map((_, at) => items[(at + round) % items.length]!);
}

async function memory(builds: readonly Build[]): Promise<void> {
  await pause(IDLE_MS);
  for (let n = 0; n < MEMORY_SAMPLES; n++) {
    for (const { name, agent } of builds) {
      note(samples, `${name} idle, MB`, residentMb(agent.pid));
      note(samples, `${name} idle, own memory, MB`, ownMb(agent.pid));
    }
    await pause(1_000);
  }
}

/** One pod of each build and of the reference plugin. */
async function round(builds: readonly Build[], peer: Peer, ports: number, n: number) {
  const take = async (name: string, call: () => Promise<void>) => {
    await pause(REST_MS);
    note(samples, `${name}@${ports}`, await timed(call));
  };
  const ofBuild = (build: Build) => async () => {
    await using pod = await makePod("pod599");
    await take(`${build.name} setup`, () => must(build, "setup", pod));
    await take(`${build.name} teardown`, () => must(build, "teardown", pod));
  };
  const ofPeer = async () => {
    await using pod = await makePod("peer");
    await take("peer ADD", () => peer.call("ADD", pod.id));
    await take("peer DEL", () => peer.call("DEL", pod.id));
  };
  for (const measure of rotated([...builds.map(ofBuild), ofPeer], n)) await measure();
}

async function burst(builds: readonly Build[], peer: Peer, n: number): Promise<void> {
  const atOnce = async (name: string, call: (pod: Pod) => Promise<void>) => {
    await using stack = new AsyncDisposableStack();
    const pods = await Promise.all(Array.from({ length: BURST }, (_, n) => makePod(`pod${n}`)));
    for (const pod of pods) stack.use(pod);
    await pause(REST_MS);
    note(samples, `${name} ${BURST} at once`, await timed(() => Promise.all(pods.map(call))));
    return stack.move();
  };
  const ofBuild = (build: Build) => async () => {
    const pods: Pod[] = [];
    await using _ = await atOnce(build.name, async (pod) => {
      pods.push(pod);
      await must(build, "setup", pod);
    });
    await Promise.all(pods.map((pod) => must(build, "teardown", pod)));
  };
  const ofPeer = async () => {
    const pods: Pod[] = [];
    await using _ = await atOnce("peer", async (pod) => {
      pods.push(pod);
      await peer.call("ADD", pod.id);
    });
    for (const pod of pods) await peer.call("DEL", pod.id);
  };
  for (const measure of rotated([...builds.map(ofBuild), ofPeer], n)) await measure();
}

/** Sets pods up until each build has `count` of them. */
async function fill(builds: readonly Build[], stack: AsyncDisposableStack, count: number) {
  for (const { agent, filler } of builds) {
    while (filler.length < count) {
      const pod = stack.use(await makePod(`pod${filler.length}`));
      filler.push(pod);
      await agent.setupOnce(pod);
    }
  }
}

function ratios(): Ratio[] {
  const p50 = (name: string) => quantile(samples, name, 0.5);
  const compare = (ours: string, peers: string) => [
    {
      what: `${ours}, this build ÷ the other`,
      value: p50(`this ${ours}`) / p50(`other ${ours}`),
      goal: 1,
    },
    { what: `${ours}, this build ÷ ${peers}`, value: p50(`this ${ours}`) / p50(peers) },
    { what: `${ours}, the other build ÷ ${peers}`, value: p50(`other ${ours}`) / p50(peers) },
  ];
  return [
    ...PORTS.flatMap((n) => compare(`setup@${n}`, `peer ADD@${n}`)),
    ...PORTS.flatMap((n) => compare(`teardown@${n}`, `peer DEL@${n}`)),
    ...compare(`${BURST} at once`, `peer ${BURST} at once`),
    {
      what: "agent's memory, idle, this build ÷ the other",
      value: p50("this idle, MB") / p50("other idle, MB"),
      goal: 1,
    },
    {
      what: "the same without pages of files, this build ÷ the other",
      value: p50("this idle, own memory, MB") / p50("other idle, own memory, MB"),
    },
    { what: "agent's memory, idle, MB", value: p50("this idle, MB"), goal: 58 },
  ];
}

async function main(): Promise<void> {
  if (!OTHER) throw new Error("against.ts needs the path of the other build's file");
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-bench-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intentOf(600)));
  const builds = [
    await startBuild(stack, { name: "this", file: FILE, dir }),
    await startBuild(stack, { name: "other", file: OTHER, dir }),
  ];
  const peer = Peer.bridge(dir);
  await memory(builds);
  for (let n = 0; n < BURSTS; n++) await burst(builds, peer, n);
  for (const ports of PORTS) {
    await fill(builds, stack, ports);
    console.error(`${ports} ports: ${ROUNDS} rounds`);
    for (let n = 0; n < ROUNDS; n++) await round(builds, peer, ports, n);
  }
  await report("against", "against_samples.json", { samples, ratios: ratios() });
}

await main();
