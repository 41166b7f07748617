// `pods`, linked as kubectl-contiv also `kubectl contiv pods`: pods and their addresses in our networks, read
// from the API server with the user's own kubeconfig. `get pods` asks the agent instead.

import type { PodItem } from "../agent/api/listed_items.ts";
import { Fault } from "../util/errors.ts";
import { printLines, printValue, table } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

export const pods: Command = {
  usage:
    "pods [NAME] [-n NAMESPACE | -A] [-o table|json|yaml|name] [--kubeconfig FILE] [--context NAME]\n" +
    "  pods with their networks and addresses, as recorded in the API server; without --kubeconfig by the\n" +
    "  files that kubectl reads: KUBECONFIG, else ~/.kube/config\n" +
    "  e.g. kubectl contiv pods -A",
  run: async (shell) => {
    const [name, ...rest] = shell.args;
    if (rest.length > 0) {
      throw new Fault("usage", `pods got ${shell.args.length} arguments`, { fix: "pods [NAME]" });
    }
    const { accessSource, defaultAccessSource } = await import("../kube/access.ts");
    const { kubeconfig, context, allNamespaces } = shell.options;
    const access = kubeconfig
      ? await accessSource(kubeconfig, { context })()
      : await defaultAccessSource({ context })();
    const namespace = allNamespaces ? undefined : shell.options.namespace ?? access.namespace;
    const { apiPodItems } = await import("../agent/kube/api_pod_items.ts");
    const items = await shell.long.run({ what: "pods" }, () => apiPodItems(access, namespace));
    await showPods(shell, items, { namespace, name });
  },
};

/** Prints the pods of a namespace (of all without one) with that name (all without one). Faults: not_found. */
export async function showPods(
  shell: Shell,
  all: readonly PodItem[],
  { namespace, name }: {
    readonly namespace: string | undefined;
    readonly name: string | undefined;
  },
): Promise<void> {
  const { options, output } = shell;
  const items = all.filter((item) =>
    (namespace === undefined || item.namespace === namespace) &&
    (name === undefined || item.name === name || `${item.namespace}/${item.name}` === name)
  );
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  if (name !== undefined && items.length === 0) {
    throw new Fault("not_found", `pod "${name.slice(0, 60)}"${where} not found`, {
      fix: "add -n NAMESPACE, or -A for all namespaces",
    });
  }
  if (await printValue(shell, items)) return;
  if (options.format === "name") {
    return printLines(output, items.map((item) => `${item.namespace}/${item.name}`));
  }
  if (items.length === 0) return output.note(`no pods${where}`);
  const rows = items.map((item) => [
    item.namespace,
    item.name,
    item.networks.join(",") || "-",
    item.ips.join(",") || "-",
    item.node || "-",
  ]);
  output.data(table(["NAMESPACE", "NAME", "NETWORK", "IP", "NODE"], rows));
}
