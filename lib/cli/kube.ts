// `kube …`: what Kubernetes needs for agents (permissions, DaemonSet, image, CNI configuration), and how much of its
// cluster this host's agent knows.

import { Fault } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import { printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

/** What the command does, by its first word. */
const ACTIONS: Readonly<Record<string, (shell: Shell) => Promise<void>>> = {
  manifest: async (shell) => await (await import("./kube_manifest.ts")).printManifest(shell),
  image: async (shell) => await (await import("./kube_manifest.ts")).writeImage(shell),
  rbac,
  conflist: async ({ output }) =>
    output.data((await import("../kube/cni_conflist.ts")).CNI_CONFLIST),
  status,
};

/** The options of the command that each word takes. */
const TAKEN: Readonly<Record<string, readonly string[]>> = {
  manifest: ["file", "strict", "settings", "image", "namespace", "etcd-secret"],
  image: ["image"],
  rbac: ["namespace"],
};

export const kube: Command = {
  usage:
    "kube manifest [-f INTENT] [--settings FILE] [--etcd-secret NAME] [--image NAME] [-n NAMESPACE] |\n" +
    "  image [FILE|-] [--image NAME] | rbac [-n NAMESPACE] | conflist | status [-o table|json|yaml]\n" +
    "  manifest: prints what runs an agent on each node: a DaemonSet, which also installs the CNI plugin\n" +
    "  and, once the agent answers, its configuration; the account with its permissions; a ConfigMap with\n" +
    "  the intent, whose hosts have the names of the nodes, and with the agents' flags in JSON (--settings),\n" +
    "  such as the etcd that they share. Files of the node are below /host there. Certificates for etcd come\n" +
    "  from a Secret with ca.crt, tls.crt and tls.key (--etcd-secret), or name files in --settings.\n" +
    "  Each node needs Open vSwitch, glibc 2.27 or newer, and the image. kubectl delete leaves the plugin and\n" +
    "  /etc/cni/net.d/10-k8contivnet.conflist on the nodes, as a rolling update needs them: remove them there;\n" +
    "  image: writes that image (default: k8contivnet-VERSION-image.tar), made from this file, for each node:\n" +
    "    k8contivnet kube image agent.tar && ctr -n k8s.io images import agent.tar\n" +
    "  rbac: prints only the account and its permissions; conflist: only the CNI configuration;\n" +
    "  status: what this host's agent knows of its cluster; exits with 5 if the API server is unreachable\n" +
    "  e.g. k8contivnet kube manifest -f intent.json --settings agent.json | kubectl apply -f -",
  run: async (shell) => {
    const [word = "", ...rest] = shell.args;
    const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
    if (action && rest.length <= (word === "image" ? 1 : 0)) {
      refuseOthers(word, shell);
      return await action(shell);
    }
    throw wrongWords("kube", shell.args, {
      takes: "manifest, image [FILE], rbac, conflist, or status",
      fix: "k8contivnet kube status",
    });
  },
};

/** Faults: usage, if an option was given that belongs to another word: it would be ignored. */
function refuseOthers(word: string, { options }: Shell): void {
  const given = {
    "file": options.files.length > 0,
    "strict": options.strict,
    "settings": options.settings !== undefined,
    "image": options.image !== undefined,
    "namespace": options.namespace !== undefined,
    "etcd-secret": options.etcdSecret !== undefined,
  };
  const other = Object.entries(given).find(([name, isGiven]) =>
    isGiven && !TAKEN[word]?.includes(name)
  );
  if (other === undefined) return;
  throw new Fault("usage", `kube ${word} has no --${other[0]}`, { fix: "see k8contivnet kube -h" });
}

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
