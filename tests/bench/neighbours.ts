// Measures ADD and DEL of ovs-cni, of the reference bridge, and our set-up and teardown, plain and warm, in the same
// rounds. ovs-cni has a bridge of its own in the same Open vSwitch, which has N ports of ours. Inside the lab:
// deno run -A tests/bench/neighbours.ts FILE [ROUNDS], FILE being the executable of ovs-cni.

import { type Host, intentOf, parkedPorts, startHost } from "../lab/host.ts";
import { makePod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { Peer } from "./peer.ts";
import { report } from "./report.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const PORTS = [0, 100, 500] as const;
const [FILE = "", COUNT = "20"] = Deno.args;
const ROUNDS = Number(COUNT);
const BRIDGE = "neighbour0";
/** One's links and rows are work for ovs-vswitchd, which the next one would wait for. */
const REST_MS = 400;
const MODES = ["plain", "warm"] as const;

const samples: Samples = new Map();

/** How something is called for a pod with a name of its own. */
interface Plugin {
  readonly name: string;
  readonly pod: string;
  readonly add: (pod: Awaited<ReturnType<typeof makePod>>) => Promise<unknown>;
  readonly remove: (pod: Awaited<ReturnType<typeof makePod>>) => Promise<unknown>;
}

async function measureOne({ name, pod: called, add, remove }: Plugin, ports: number) {
  const take = async (what: string, work: () => Promise<unknown>) => {
    await new Promise((done) => setTimeout(done, REST_MS));
    note(samples, `${name} ${what}@${ports}`, await timed(work));
  };
  await using pod = await makePod(called);
  await take("ADD", () => add(pod));
  await take("DEL", () => remove(pod));
}

function ours(host: Host, mode: string): Plugin {
  const must = async (verb: "setup" | "teardown", pod: Awaited<ReturnType<typeof makePod>>) => {
    const { code, err } = await host.agent.verb(verb, pod);
    if (code !== 0) throw new Error(`${verb} ended with ${code}: ${err}`);
  };
  return {
    name: mode,
    pod: "pod599",
    add: (pod) => must("setup", pod),
    remove: (pod) => must("teardown", pod),
  };
}

const theirs = (name: string, peer: Peer): Plugin => ({
  name,
  pod: name,
  add: (pod) => peer.call("ADD", pod.id),
  remove: (pod) => peer.call("DEL", pod.id),
});

/** Attaches pods until `count` are there. */
async function fill(host: Host, from: number, count: number): Promise<void> {
  for (let at = from; at < count; at += 16) {
    const names = Array.from({ length: Math.min(16, count - at) }, (_, n) => `pod${at + n}`);
    const pods = await Promise.all(names.map((name) => host.pod(name)));
    await Promise.all(pods.map((pod) => host.agent.setupOnce(pod)));
  }
}

async function measure(mode: typeof MODES[number]): Promise<void> {
  await using host = await startHost(intentOf(600), "--ports", mode);
  const { ovs, dir } = host;
  await ovs.vsctl("add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev");
  const plugins = [
    ours(host, mode),
    theirs(`bridge beside ${mode}`, Peer.bridge(`${dir}/bridge`)),
    theirs(`ovs-cni beside ${mode}`, Peer.ovsCni(FILE, `${dir}/ovs-cni`, BRIDGE, ovs.dbSocket)),
  ];
  let present = 0;
  for (const ports of PORTS) {
    // A pool belongs to a network that has a pod.
    const count = Math.max(1, ports);
    await fill(host, present, count);
    present = count;
    if (mode === "warm") {
      await waitFor("warm ports", async () => (await parkedPorts(host)).length >= 8, {
        limitMs: 30_000,
      });
    }
    console.error(`${mode}, ${ports} ports: ${ROUNDS} rounds`);
    for (let n = 0; n < ROUNDS; n++) {
      for (const plugin of n % 2 === 0 ? plugins : plugins.toReversed()) {
        await measureOne(plugin, ports);
      }
    }
  }
}

function ratios(): Ratio[] {
  const p50 = (name: string) => quantile(samples, name, 0.5);
  return MODES.flatMap((mode) =>
    ["ovs-cni", "bridge"].flatMap((name) =>
      ["ADD", "DEL"].flatMap((what) =>
        PORTS.map((n) => ({
          what: `${mode} ${what === "ADD" ? "setup" : "teardown"} ÷ ${name} ${what}, ${n} ports`,
          value: p50(`${mode} ${what}@${n}`) / p50(`${name} beside ${mode} ${what}@${n}`),
        }))
      )
    )
  );
}

for (const mode of MODES) await measure(mode);
await report("neighbours", "neighbours_samples.json", { samples, ratios: ratios() });
