// `status` without words: how the agent of this host is. With three words it is a kubelet's question.

import type { KubeHealth } from "../agent/api.ts";
import { table } from "./output.ts";
import type { Command } from "./shell.ts";

export const status: Command = {
  usage: "status [-o table|json]\n" +
    "  how this host's agent is: its store, its Open vSwitch, and records that it cannot read\n" +
    "  e.g. k8contivnet status -o json",
  run: async ({ target, options, output }) => {
    const health = await target.health();
    if (options.format === "json") return output.data(JSON.stringify(health, null, 2));
    output.data(table(["PART", "STATE"], [
      ["agent", `${health.host}, version ${health.version}, pid ${health.pid}`],
      ["store", `${health.store} ${health.storeAway ? `is away: ${health.storeAway}` : "answers"}`],
      ["not told to it yet", String(health.held)],
      ["ovsdb", health.ovsdb],
      ["openflow", health.openflow],
      ...health.policies ? [["policies", `not in force: ${health.policies}`]] : [],
      ...health.kube ? [["Kubernetes", kubeState(health.kube)]] : [],
    ]));
    for (const line of health.unreadable) output.words(line);
  },
};

/** Says in a line how well Kubernetes is known. */
export function kubeState({ state, why, server }: KubeHealth): string {
  return state === "up" ? `up at ${server}` : `is away: ${why || "it has not answered yet"}`;
}
