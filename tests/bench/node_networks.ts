// One real node with two networks, ours and that of Debian's bridge with host-local ("peer"), of which one
// at a time is in force.

import { waitFor } from "../lab/wait.ts";
import { FILE } from "../lab/host.ts";
import { isInForce } from "../node/lab/containerd_node.ts";
import { type KubeNode, type KubeNodes, startKubeNodes } from "../node/lab/kube_nodes.ts";
import type { LabNode } from "../node/lab/lab_node.ts";
import { bridgeConfiguration } from "../node/lab/plugins.ts";
import { usedAddresses } from "../node/lab/traces.ts";

/** Sorts before every other configuration: its network is in force. */
const FIRST = "05-first.conflist";
const PEER = "bridge";
const DEBIAN = "/usr/lib/cni";

/** One of the two networks. */
export interface BenchNetwork {
  readonly label: "ours" | "peer";
  /** As its configuration calls it. */
  readonly name: string;
  readonly plugin: string;
  /** The plugin's executable. */
  readonly file: string;
  readonly configuration: unknown;
  /** Returns how many addresses pods have. */
  readonly held: () => Promise<number>;
}

/** The node and its networks. Each network has one pod that stays, its resident, as a node in use has many. */
export interface BenchNode extends AsyncDisposable {
  readonly cluster: KubeNodes;
  readonly node: KubeNode;
  readonly networks: readonly BenchNetwork[];
}

/** Starts the node. */
export async function startBenchNode(): Promise<BenchNode> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startKubeNodes({ count: 1, node: { plugins: [PEER] } }));
  const node = cluster.nodes[0]!;
  const { plugins } = node.lab;
  // Not in the log: the time of its calls is part of the bridge's.
  await Deno.symlink(`${DEBIAN}/host-local`, `${plugins.bin}/host-local`);
  const networks = [await ourNetwork(node.lab), peerNetwork(node.lab)];
  const kept = stack.move();
  return { cluster, node, networks, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function ourNetwork(lab: LabNode): Promise<BenchNetwork> {
  const name = "k8contivnet";
  const idle = await usedAddresses(lab);
  return {
    ...{ label: "ours", name, plugin: name, file: FILE },
    configuration: await Deno.readTextFile(`${lab.plugins.conf}/10-k8contivnet.conflist`),
    held: async () => await usedAddresses(lab) - idle,
  };
}

function peerNetwork({ machine }: LabNode): BenchNetwork {
  // host-local has a file for each address.
  const folder = `${machine.options.dir}/lib/cni/${PEER}/${PEER}`;
  return {
    ...{ label: "peer", name: PEER, plugin: PEER, file: `${DEBIAN}/${PEER}` },
    configuration: bridgeConfiguration(PEER, "10.77.0.0/16"),
    held: async () => {
      const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
      return names.filter((name) => /^[\d.]+$/.test(name)).length;
    },
  };
}

/** Puts a network in force where it is not; returns when the runtime has loaded its configuration. */
export async function putInForce(
  { node: { lab } }: BenchNode,
  { name, configuration }: BenchNetwork,
): Promise<void> {
  if (await isInForce(lab, name)) return;
  await lab.plugins.configure(FIRST, configuration);
  await waitFor(`${name} to be in force`, () => isInForce(lab, name));
}

/** Waits until the node has its residents and no other pod. */
export async function waitUntilIdle(
  { node: { lab }, networks }: BenchNode,
  { name, held }: BenchNetwork,
): Promise<void> {
  const isIdle = async () =>
    (await lab.machine.sandboxes()).length === networks.length && await held() === 1;
  await waitFor(`the addresses of ${name} to be free`, isIdle, { limitMs: 60_000 });
}

/** Lets the runtime call both plugins themselves, no longer by way of the log. */
export async function endLog({ node: { lab: { plugins } }, networks }: BenchNode): Promise<void> {
  for (const { plugin, file } of networks) {
    await Deno.symlink(file, `${plugins.bin}/.new`);
    await Deno.rename(`${plugins.bin}/.new`, `${plugins.bin}/${plugin}`);
  }
}
