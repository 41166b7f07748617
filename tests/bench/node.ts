// Measures a real node with our file and, in turns, with Debian's bridge and host-local ("peer"): seconds
// from `kubectl create` to Ready, and a sandbox by calls of the Container Runtime Interface alone. Inside
// the lab: deno run -A tests/bench/node.ts [ROUNDS]

import { endLog, putInForce, startBenchNode } from "./node_networks.ts";
import type { BenchNetwork, BenchNode } from "./node_networks.ts";
import { type Figures, measurePod, measureSandbox, startResidents } from "./node_pods.ts";
import { report } from "./report.ts";
import { meanOf, note, quantile, type Ratio, type Samples } from "./stats.ts";

const ROUNDS = Number(Deno.args[0] ?? 20);
/** Sandboxes of each network in a round: one takes less time than the change of networks. */
const SANDBOXES = 3;

const samples: Samples = new Map();

type Measure = (bench: BenchNode, network: BenchNetwork, name: string) => Promise<Figures>;

/**
 * Measures both networks in each round, and in the next one in the other order, so that each comes as
 * often after a change of networks. The first round of all fills caches and is not counted.
 */
async function inTurns(bench: BenchNode, what: string, repeats: number, measure: Measure) {
  console.error(`${what}: ${ROUNDS} rounds`);
  for (let round = 0; round <= ROUNDS; round++) {
    const networks = round % 2 === 0 ? bench.networks : bench.networks.toReversed();
    for (const network of networks) {
      await putInForce(bench, network);
      for (let n = 0; n < repeats; n++) {
        const figures = await measure(bench, network, `${what}-${network.label}-${round}-${n}`);
        if (round === 0) continue;
        for (const [name, ms] of Object.entries(figures)) {
          note(samples, `${name}, ${network.label}`, ms);
        }
      }
    }
  }
}

/** Returns what was measured, ours by the peer's. */
function ratiosOf(name: string): Ratio[] {
  const ratio = (q: number) =>
    quantile(samples, `${name}, ours`, q) / quantile(samples, `${name}, peer`, q);
  return [
    { what: `${name}, ours ÷ peer`, value: ratio(0.5) },
    { what: `${name}, ours ÷ peer, by p90`, value: ratio(0.9) },
  ];
}

/**
 * The same by means, with the standard error: a kubelet looks at its pods once a second, so these samples are spread
 * over more than that second, and their medians over a good part of it.
 */
function meansOf(name: string, goal?: number): Ratio[] {
  const [ours, peer] = ["ours", "peer"].map((label) => meanOf(samples, `${name}, ${label}`));
  const value = ours!.mean / peer!.mean;
  const error = value * Math.hypot(ours!.error / ours!.mean, peer!.error / peer!.mean);
  return [
    { what: `${name}, ours ÷ peer, by means`, value, ...goal !== undefined && { goal } },
    { what: "its standard error", value: error },
  ];
}

async function main(): Promise<void> {
  await using bench = await startBenchNode();
  await startResidents(bench);
  await inTurns(bench, "pod", 1, measurePod);
  // A kubelet ends sandboxes that it did not ask for.
  await bench.node.kubelet.stop();
  await endLog(bench);
  await inTurns(bench, "sandbox", SANDBOXES, measureSandbox);
  const ratios = [
    ...meansOf("create to Ready", 1.05),
    ...ratiosOf("create to Ready"),
    ...meansOf("create to a running process"),
    ...ratiosOf("create to a running process"),
    ...ratiosOf("sandbox run, stopped, removed"),
    ...ratiosOf("sandbox run"),
    ...ratiosOf("ADD"),
  ];
  await report("node", "node_samples.json", { samples, ratios });
}

await main();
