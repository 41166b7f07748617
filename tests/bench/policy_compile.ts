// Measures compiling policies: 10,000 rules over 10,000 endpoints, of which 500 are on this host.

import { HostFlows } from "../../lib/policy/flows/host_flows.ts";
import type { Endpoint, NetworkPolicy } from "../../lib/policy/input.ts";
import { PolicyModel } from "../../lib/policy/model.ts";
import { rulesOfNetworkPolicy } from "../../lib/policy/network_policy.ts";
import { note, type Samples } from "./stats.ts";

const [NAMESPACES, PODS, POLICIES, APPS] = [100, 100, 100, 20];
const EVERY_LOCAL = 20;

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
      ...n % EVERY_LOCAL === 0 ? { here: { tag: 100, mac: "02:02:0a:00:00:01" } } : {},
    };
  });
}

function networkPolicies(): NetworkPolicy[] {
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

function compile(all: readonly Endpoint[], policies: readonly NetworkPolicy[]) {
  const flows = new HostFlows();
  const model = new PolicyModel(flows);
  for (let n = 0; n < NAMESPACES; n++) model.setNamespace(`ns${n}`, { name: `ns${n}` });
  for (const endpoint of all) model.setEndpoint(endpoint);
  for (const policy of policies) {
    model.setRules(`${policy.namespace}/${policy.name}`, rulesOfNetworkPolicy(policy).rules);
  }
  const { added: fresh } = flows.changes();
  return { model, flows, added: fresh.length };
}

/** Returns a function that measures one round: a full compile, then a label change of a local and of a remote pod. */
export function compileRounds(): (samples: Samples) => void {
  const [all, policies] = [endpoints(), networkPolicies()];
  return (samples) => {
    const start = performance.now();
    const built = compile(all, policies);
    note(samples, "compile all, ms", performance.now() - start);
    if (built.added === 0) throw new Error("nothing was compiled");
    for (const [n, where] of ["local", "remote"].entries()) {
      const one = all[n]!;
      const relabelled = { ...one, labels: { ...one.labels, app: "app7" } };
      const began = performance.now();
      built.model.setEndpoint(relabelled);
      built.flows.changes();
      note(samples, `compile a label change of a ${where} pod, ms`, performance.now() - began);
    }
  };
}
