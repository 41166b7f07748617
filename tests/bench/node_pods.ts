// What is measured on a node: a pod from its creation to Ready, and a sandbox without a kubelet.

import { waitFor } from "../lab/wait.ts";
import { IMAGE } from "../node/lab/image.ts";
import { type BenchNetwork, type BenchNode, putInForce, waitUntilIdle } from "./node_networks.ts";
import { timed } from "./stats.ts";

/** Milliseconds by what took them. */
export type Figures = Readonly<Record<string, number>>;

/** Creates the resident of each network. */
export async function startResidents(bench: BenchNode): Promise<void> {
  for (const network of bench.networks) {
    await putInForce(bench, network);
    await createReady(bench, `resident-${network.label}`);
  }
}

/** Creates a pod, waits until it is Ready, and ends it. */
export async function measurePod(
  bench: BenchNode,
  network: BenchNetwork,
  name: string,
): Promise<Figures> {
  const { kube } = bench.cluster;
  const created = Date.now();
  const ready = await timed(() => createReady(bench, name));
  const running = await firstOutput(bench, name) - created;
  await kube.kubectl("delete", "pod", name, "--force", "--grace-period=0", "--wait=false");
  const { ADD: add, DEL: del } = await pluginCalls(bench, network, name);
  await waitUntilIdle(bench, network);
  return {
    "create to Ready": ready,
    "create to a running process": running,
    "ADD": add,
    "DEL": del,
  };
}

/** Runs, stops and removes a sandbox. */
export async function measureSandbox(
  bench: BenchNode,
  network: BenchNetwork,
  name: string,
): Promise<Figures> {
  const { cri } = bench.node.lab.containerd;
  let id = "";
  const run = await timed(async () => id = await cri.run({ name }));
  const stop = await timed(() => cri.stop(id));
  const remove = await timed(() => cri.remove(id));
  await waitUntilIdle(bench, network);
  return {
    "sandbox run, stopped, removed": run + stop + remove,
    "sandbox run": run,
    "sandbox stopped": stop,
    "sandbox removed": remove,
  };
}

async function createReady({ cluster: { kube }, node }: BenchNode, name: string): Promise<void> {
  const stdin = JSON.stringify(podOf(name, node.name));
  await kube.kubectlWith({ stdin }, "create", "-f", "-");
  await kube.kubectl("wait", "--for=condition=Ready", "--timeout=55s", `pod/${name}`);
}

// It prints a line when it runs, and is Ready when a command in it succeeds, as kubelets try each second.
function podOf(name: string, node: string): unknown {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      tolerations: [{ operator: "Exists" }],
      containers: [{
        name: "main",
        image: IMAGE,
        imagePullPolicy: "Never",
        command: ["sh", "-c", "echo running; exec sleep 2000000000"],
        readinessProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
      }],
    },
  };
}

/** Returns when the runtime read a pod's first line, in milliseconds since 1970. */
async function firstOutput({ node: { lab } }: BenchNode, pod: string): Promise<number> {
  const folder = `${lab.machine.options.dir}/log/pods`;
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const own = names.find((name) => name.startsWith(`default_${pod}_`));
  const [line = ""] = (await Deno.readTextFile(`${folder}/${own}/main/0.log`)).split("\n");
  const found = /^(\S+\.\d{3})\d*(\S*) stdout F running$/.exec(line);
  if (!found) throw new Error(`unexpected line in the log of ${pod}: ${line}`);
  return Date.parse(`${found[1]}${found[2]}`);
}

/** Waits for the first DEL of a pod; returns how long its ADD and that took, without other calls. */
async function pluginCalls({ node: { lab } }: BenchNode, { plugin }: BenchNetwork, pod: string) {
  const ended = async (command: string) => {
    const calls = await lab.plugins.calls({ plugin });
    return calls.find((call) => {
      const isOurs = `;${call.args};`.includes(`;K8S_POD_NAME=${pod};`);
      return isOurs && call.command === command && call.code === 0;
    });
  };
  const wait = async (command: string) =>
    (await waitFor(`${command} of ${pod}`, () => ended(command), { limitMs: 60_000 })).ms;
  return { ADD: await wait("ADD"), DEL: await wait("DEL") };
}
