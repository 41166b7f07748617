// `kube rbac|status`: the permissions that agents need in Kubernetes, and how much of its cluster this host's
// agent knows.

import { Fault } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import { printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

export const kube: Command = {
  usage: "kube rbac [-n NAMESPACE] | status [-o table|json|yaml]\n" +
    "  rbac: prints the service account of the agents and its permissions, for NAMESPACE (kube-system);\n" +
    "  status: what this host's agent knows of its cluster; exits with 5 if the API server is unreachable\n" +
    "  e.g. k8contivnet kube rbac | kubectl apply -f -",
  run: async (shell) => {
    const [word, ...rest] = shell.args;
    if (word === "rbac" && rest.length === 0) return await rbac(shell);
    if (word === "status" && rest.length === 0) return await status(shell);
    throw new Fault("usage", `kube got "${shell.args.join(" ").slice(0, 60)}"`, {
      why: "it takes rbac, or status",
      fix: "k8contivnet kube status",
    });
  },
};

/** Prints the manifest for `kubectl apply -f -`. */
async function rbac({ options, output }: Shell): Promise<void> {
  const { rbacManifest } = await import("../kube/rbac.ts");
  const namespace = parseName("namespace", options.namespace ?? "kube-system", LONG_NAME_LIMIT);
  output.data(rbacManifest(namespace));
}

/** Prints the state of the agent's informers. Faults: unavailable, without a cluster or an API server. */
async function status(shell: Shell): Promise<void> {
  const { target, output } = shell;
  const { kube } = await target.health();
  if (!kube) {
    throw new Fault("unavailable", "the agent has no cluster", {
      fix: "start it with --kubeconfig FILE",
    });
  }
  if (!await printValue(shell, kube)) {
    const held = [
      `${kube.pods} pods of node ${kube.node}`,
      `${kube.namespaces} namespaces`,
      `${kube.policies} policies`,
      `${kube.peers} pods for policy selectors`,
    ];
    output.data(`${kube.state}${kube.server ? ` at ${kube.server}` : ""}: ${held.join(", ")}`);
  }
  if (kube.state === "up") return;
  throw new Fault("unavailable", "API server unreachable, cached objects stay in use", {
    why: kube.why,
  });
}
