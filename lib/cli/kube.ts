// `kube rbac|status`: the rights that agents need in Kubernetes, and how well this host's agent knows
// its cluster.

import { Fault } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import type { Command, Shell } from "./shell.ts";

export const kube: Command = {
  usage: "kube rbac [-n NAMESPACE] | status [-o table|json]\n" +
    "  rbac: prints account and rights of the agents, in NAMESPACE (kube-system); status: how well\n" +
    "  this host's agent knows its cluster, ends with 5 where it does not\n" +
    "  e.g. k8contivnet kube rbac | kubectl apply -f -",
  run: async (shell) => {
    const [word, ...rest] = shell.words;
    if (word === "rbac" && rest.length === 0) return await rbac(shell);
    if (word === "status" && rest.length === 0) return await status(shell);
    throw new Fault("usage", `kube got "${shell.words.join(" ").slice(0, 60)}"`, {
      why: "it takes rbac, or status",
      fix: "k8contivnet kube status",
    });
  },
};

async function rbac({ options, output }: Shell): Promise<void> {
  const { rbacManifest } = await import("../kube/rbac.ts");
  const namespace = parseName("namespace", options.namespace ?? "kube-system", LONG_NAME_LIMIT);
  output.data(rbacManifest(namespace));
}

async function status({ target, options, output }: Shell): Promise<void> {
  const { kube } = await target.health();
  if (!kube) {
    throw new Fault("unavailable", "agent knows no cluster", {
      fix: "start it with --kubeconfig FILE",
    });
  }
  if (options.format === "json") output.data(JSON.stringify(kube, null, 2));
  else {
    const held = [
      `${kube.pods} pods of node ${kube.node}`,
      `${kube.namespaces} namespaces`,
      `${kube.policies} policies`,
      `${kube.peers} pods for their selectors`,
    ];
    output.data(`${kube.state}${kube.server ? ` at ${kube.server}` : ""}: ${held.join(", ")}`);
  }
  if (kube.state === "up") return;
  throw new Fault("unavailable", "Kubernetes is away, what was known stays", { why: kube.why });
}
