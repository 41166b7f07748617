// Measures policies: compile time, throughput, and the delay from a label change to the first packet that
// follows it. Inside the lab: deno run -A tests/bench/policy.ts [ROUNDS] [PODS]

import { startHost } from "../lab/host.ts";
import { startKube } from "../lab/kube.ts";
import { compileRounds } from "./policy_compile.ts";
import { Labels, labelsNetwork } from "./policy_labels.ts";
import { Streams, streamsIntent } from "./policy_streams.ts";
import { report } from "./report.ts";
import { quantile, type Ratio, type Samples } from "./stats.ts";

const ROUNDS = Number(Deno.args[0] ?? 20);
const PODS = Number(Deno.args[1] ?? 500);
const samples: Samples = new Map();

function ratios(): Ratio[] {
  const p50 = (name: string) => quantile(samples, name, 0.5);
  return [
    {
      what: "compile 10,000 rules × 10,000 endpoints, s",
      value: p50("compile all, ms") / 1_000,
      goal: 1,
    },
    ...["local", "remote"].map((where) => ({
      what: `compile a label change of a ${where} pod, ms`,
      value: p50(`compile a label change of a ${where} pod, ms`),
      goal: 10,
    })),
    {
      what: `label change to packet, ${PODS} pods, ms`,
      value: p50("label change to packet, ms"),
      goal: 100,
    },
    {
      what: "throughput with 1,000 rules ÷ the same tables without rules",
      value: p50("1,000 rules, MB/s") / p50("no rules, MB/s"),
      least: 0.95,
    },
    {
      what: "throughput with connection tracking, no rules ÷ no policy",
      value: p50("no rules, MB/s") / p50("no policy, MB/s"),
    },
  ];
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const kube = stack.use(await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" })));
  const { Networks, ...policies } = streamsIntent();
  const intent = {
    Tenants: [{
      Name: "t",
      DefaultNetType: "vlan",
      SubnetPool: "10.0.0.0/8",
      AllocSubnetLen: 20,
      Vlans: "100-200",
      ...policies,
      Networks: [...Networks, labelsNetwork(PODS)],
    }],
  };
  const host = stack.use(await startHost(intent, "--kubeconfig", `${kube.dir}/admin.kubeconfig`));
  const compileRound = compileRounds();
  const streams = await Streams.start(host);
  // Streams come before the many pods: a switch with 500 ports spends its time on the ports, which would
  // hide the cost of the tables.
  for (let n = 0; n < ROUNDS; n++) {
    await streams.round(samples);
    if (n % 2 === 0) compileRound(samples);
  }
  await streams.check();
  const labels = await Labels.start({ kube, host, count: PODS }, stack);
  for (let n = 0; n < ROUNDS; n++) await labels.round(samples);
  await report("policy", "policy_samples.json", { samples, ratios: ratios() });
}

await main();
