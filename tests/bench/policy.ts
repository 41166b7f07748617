// What policies cost to compile: 10,000 rules over 10,000 endpoints, of which this host has 500.
// deno run tests/bench/policy.ts [ROUNDS]

import { HostFlows } from "../../lib/policy/flows/host_flows.ts";
import type { Endpoint, NetworkPolicy } from "../../lib/policy/input.ts";
import { PolicyModel } from "../../lib/policy/model.ts";
import { rulesOfNetworkPolicy } from "../../lib/policy/network_policy.ts";
import { note, quantile, type Samples } from "./stats.ts";

const ROUNDS = Number(Deno.args[0] ?? 10);
const [NAMESPACES, PODS, POLICIES, APPS] = [100, 100, 100, 20];
const HERE = 500;

function endpoints(): Endpoint[] {
  return Array.from({ length: NAMESPACES * PODS }, (_, n): Endpoint => {
    const namespace = `ns${n % NAMESPACES}`;
    return {
      id: `e${n}`,
      tenant: "t",
      address: 0x0a00_0000 + n,
      pod: { namespace, name: `pod${n}` },
      labels: { app: `app${Math.floor(n / NAMESPACES) % APPS}`, run: `pod${n}` },
      ports: [],
      ...n % 20 === 0 ? { here: { tag: 100, mac: "02:02:0a:00:00:01" } } : {},
    };
  });
}

function policies(): NetworkPolicy[] {
  return Array.from({ length: NAMESPACES * POLICIES }, (_, n): NetworkPolicy => {
    const app = (step: number) => ({ matchLabels: { app: `app${(n + step) % APPS}` } });
    const namespaceSelector = { matchLabels: { name: `ns${(n * 7) % NAMESPACES}` } };
    return {
      namespace: `ns${Math.floor(n / POLICIES)}`,
      name: `policy${n}`,
      podSelector: app(0),
      ingress: [{
        from: n % 4 === 0
          ? [{ podSelector: app(1), namespaceSelector }]
          : [{ podSelector: app(1) }],
        ports: [{ protocol: "TCP", port: 8_000 + n % 50 }, { protocol: "UDP", port: 53 }],
      }],
    };
  });
}

function compile(all: readonly Endpoint[], written: readonly NetworkPolicy[]) {
  const flows = new HostFlows();
  const model = new PolicyModel(flows);
  for (let n = 0; n < NAMESPACES; n++) model.setNamespace(`ns${n}`, { name: `ns${n}` });
  for (const endpoint of all) model.setEndpoint(endpoint);
  for (const policy of written) {
    model.setRules(`${policy.namespace}/${policy.name}`, rulesOfNetworkPolicy(policy).rules);
  }
  const { fresh } = flows.changes();
  return { model, flows, lines: fresh.length };
}

function main(): void {
  const samples: Samples = new Map();
  const [all, written] = [endpoints(), policies()];
  let lines = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const built = compile(all, written);
    note(samples, "compile all, ms", performance.now() - start);
    lines = built.lines;
    for (const n of [0, 1]) {
      const one = all[n]!;
      const moved = { ...one, labels: { ...one.labels, app: "app7" } };
      const began = performance.now();
      built.model.setEndpoint(moved);
      built.flows.changes();
      const whose = n === 0 ? "a pod here" : "a pod elsewhere";
      note(samples, `one label of ${whose}, ms`, performance.now() - began);
    }
  }
  console.log(`${written.length} policies, ${all.length} endpoints, ${HERE} here: ${lines} flows`);
  for (
    const [name, goal] of [
      ["compile all, ms", 1_000],
      ["one label of a pod here, ms", 10],
      ["one label of a pod elsewhere, ms", 10],
    ] as const
  ) {
    const [p50, p90] = [0.5, 0.9].map((q) => quantile(samples, name, q));
    console.log(`${name}: p50 ${p50!.toFixed(2)}, p90 ${p90!.toFixed(2)} (at most ${goal})`);
  }
}

main();
