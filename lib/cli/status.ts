// `status` without arguments: the state of this host's agent. With three it is a kubelet's call (faces/exec.ts).

import type { HealthAnswer, KubeHealth } from "../agent/api/agent_health.ts";
import type { SetupCounts } from "../agent/api/pod_requests.ts";
import { printValue, table } from "./output.ts";
import type { Command } from "./shell.ts";

export const status: Command = {
  usage: "status [-o table|json|yaml]\n" +
    "  the state of this host's agent: its store, its Open vSwitch, errors of its interfaces,\n" +
    "  how the set-ups since its start ended, and records that it cannot read. With NAMESPACE NAME ID it is\n" +
    '  a kubelet\'s call: see "k8contivnet help setup"\n' +
    "  e.g. k8contivnet status -o json",
  run: async ({ target, options, output }) => {
    const health = await target.health();
    if (await printValue({ options, output }, health)) return;
    output.data(table(["PART", "STATE"], [
      ["agent", `${health.host}, version ${health.version}, pid ${health.pid}`],
      ["store", `${health.store}, ${storeState(health)}`],
      ["pending writes", String(health.held)],
      ["ovsdb", health.ovsdb],
      ["openflow", health.openflow],
      ...(health.interfaceErrors ?? []).map(({ name, error }) => [
        `interface ${name}`,
        `error: ${error}`,
      ]),
      ...health.setups ? [["setups since its start", setupResults(health.setups)]] : [],
      ...health.policies ? [["policies", `not installed: ${health.policies}`]] : [],
      ...health.reach ? [["reach", `not complete: ${health.reach}`]] : [],
      ...(health.reachWarnings ?? []).map(({ what, fix }) => [
        "reach",
        `warning: ${what}; ${fix}`,
      ]),
      ...(health.fabric ?? []).map(({ part, state, what, fix }) => [
        part,
        `${state}: ${what}; ${fix}`,
      ]),
      ...health.kube ? [["Kubernetes", kubeState(health.kube)]] : [],
    ]));
    for (const line of health.unreadable) output.message(line);
  },
};

/** Returns the state of the store in a line. */
function storeState({ storeAway }: HealthAnswer): string {
  return storeAway === undefined ? "reachable" : `unreachable: ${storeAway}`;
}

/** Returns in a line how the set-ups since the agent's start ended. */
function setupResults({ ready, unmatched, hostNetwork, failed }: SetupCounts): string {
  return `${ready} ready, ${unmatched} unmatched, ${hostNetwork} in the host's network, ${failed} failed`;
}

/** Returns the state of the API server in a line. */
export function kubeState({ state, why, server }: KubeHealth): string {
  return state === "up" ? `up at ${server}` : `unreachable: ${why || "it has not answered yet"}`;
}
