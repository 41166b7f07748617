// A real Kubernetes: an API server with its etcd, scheduler and controllers in the lab's own namespace, and
// nodes with kubelet, kube-proxy, containerd, Open vSwitch and our agent, whose one CNI plugin is our file.

import { tenantOf } from "../../lab/default_network.ts";
import { makeFabrics, MANAGEMENT_ADDRESS, managementAddress } from "../../lab/cluster/fabric.ts";
import { vtepOf } from "../../lab/cluster/host.ts";
import { startEtcd } from "../../lab/etcd.ts";
import type { Certificates } from "../../lab/etcd_files.ts";
import { hangSignal } from "../../lab/limits.ts";
import { builtKube, type Kube } from "../../lab/kube.ts";
import { agentKubeconfig, startKubeWithRbac } from "../../lab/kube_account.ts";
import { startServer } from "../../lab/server.ts";
import { waitFor } from "../../lab/wait.ts";
import { makeImage } from "./image.ts";
import { RealKubelet } from "./kubelet.ts";
import { LabNode, type LabNodeOptions } from "./lab_node.ts";

const MTU = 1500;
const CONTROLLERS = [
  ...["deployment", "replicaset", "daemonset", "endpoint", "endpointslice", "namespace"],
  ...["nodelifecycle", "podgc", "garbagecollector", "serviceaccount", "serviceaccount-token"],
];

/** What nodes are made of. */
export interface KubeNodesOptions {
  /** @default 2 */
  readonly count?: number;
  /** Options of every node. */
  readonly node?: Partial<Pick<LabNodeOptions, "containerd" | "plugins">>;
  /** @default one default network, a VXLAN between the hosts */
  readonly intent?: unknown;
  /** Programs of this machine that the containers' image has beside busybox. */
  readonly programs?: readonly string[];
  /** `pod`: nothing of ours is there; the test makes the agents' pods and waits for the nodes. @default "process" */
  readonly agents?: "process" | "pod";
  /** The CNI configuration that is there when the kubelets start. @default ours */
  readonly configure?: (node: LabNode, n: number) => Promise<void>;
}

/** One node with its kubelet. */
export interface KubeNode {
  readonly name: string;
  readonly lab: LabNode;
  readonly kubelet: RealKubelet;
}

/** A cluster of real nodes. */
export interface KubeNodes extends AsyncDisposable {
  readonly kube: Kube;
  /** The store of the agents, a URL. */
  readonly store: string;
  /** Of the store, if agents are pods. */
  readonly certificates: Certificates | undefined;
  readonly nodes: readonly KubeNode[];
  /** Boots a node that has no power. */
  powerOn(node: KubeNode): Promise<void>;
  /** Ends all that runs on a node. */
  cutPower(node: KubeNode): Promise<void>;
}

/** Returns the intent: one default network, a VXLAN between the hosts. */
export function vxlanIntent(hosts: number): unknown {
  const numbers = Array.from({ length: hosts }, (_, at) => at + 1);
  return {
    Hosts: numbers.map((n) => ({ Name: `host${n}`, VtepIp: vtepOf(n) })),
    ...tenantOf([{ Name: "blue", Default: true }], {
      DefaultNetType: "vxlan",
      Vxlans: "10001-14000",
    }) as object,
  };
}

/** Starts a cluster; returns it when all nodes are Ready, or with agents as pods, when kubelets run. */
export async function startKubeNodes(options: KubeNodesOptions = {}): Promise<KubeNodes> {
  const { count = 2, agents = "process" } = options;
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-node-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const bin = await builtKube();
  const image = await makeImage(dir, options.programs);
  const fabrics = stack.use(await makeFabrics("wire", { dir, mtu: MTU }));
  // An etcd of its own: one that others write to, as the API server does, makes each ADD wait for a watch.
  // Pods of agents have certificates for it from a Secret.
  const tls = agents === "pod" ? "mutual" : "none";
  const store = stack.use(await startEtcd(`${dir}/store`, { address: MANAGEMENT_ADDRESS, tls }));
  const kube = stack.use(
    await startKubeWithRbac({
      parent: dir,
      address: MANAGEMENT_ADDRESS,
      servesPods: agents === "pod",
      flags: ["--allow-privileged", "--kubelet-preferred-address-types=InternalIP"],
    }),
  );
  for (const server of await startControllers(kube, bin, dir)) stack.defer(() => server.stop());
  const kubeconfig = await agentKubeconfig(kube);
  const start = async (n: number): Promise<KubeNode> => {
    const agent = ["--store", store.url("/lab"), "--kubeconfig", kubeconfig];
    const flags = [...agent, "--node-name", `host${n}`, "--grace", "2", "--heartbeat", "1"];
    const node = { n, dir: `${dir}/h${n}`, fabrics, image, wireMtu: MTU, flags, agent: agents };
    const lab = stack.use(await LabNode.start({ ...node, ...options.node }));
    await options.configure?.(lab, n);
    const admin = `${kube.dir}/admin.kubeconfig`;
    const address = managementAddress(n);
    const kubelet = new RealKubelet({ node: lab, bin, kubeconfig: admin, address });
    return { name: lab.name, lab, kubelet };
  };
  const nodes: KubeNode[] = [];
  for (let n = 1; n <= count; n++) nodes.push(await start(n));
  if (agents === "process") {
    const intent = `${dir}/intent.json`;
    await Deno.writeTextFile(intent, JSON.stringify(options.intent ?? vxlanIntent(count)));
    const { code, err } = await nodes[0]!.lab.host.agent.call("apply", "-f", intent);
    if (code !== 0) throw new Error(`apply ended with ${code}: ${err}`);
  }
  await Promise.all(nodes.map(({ kubelet }) => kubelet.start()));
  if (agents === "process") await allReady(kube, count);
  const kept = stack.move();
  return {
    kube,
    store: store.url("/lab"),
    certificates: store.certificates,
    nodes,
    powerOn: async ({ lab, kubelet }) => {
      await lab.powerOn();
      await kubelet.start();
    },
    cutPower: async ({ lab, kubelet }) => {
      await lab.cutPower();
      kubelet.forget();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function startControllers(kube: Kube, bin: string, dir: string) {
  const kubeconfig = `--kubeconfig=${kube.dir}/admin.kubeconfig`;
  // Makes each account's token, which pods are given.
  const accounts = [
    `--service-account-private-key-file=${kube.dir}/accounts.key`,
    `--root-ca-file=${kube.files.ca}`,
  ];
  const start = (name: string, port: number, ...flags: string[]) =>
    startServer({
      command: `${bin}/${name}`,
      args: [kubeconfig, "--leader-elect=false", ...flags],
      log: `${dir}/${name}.log`,
      isUp: () => isHealthy(port),
      limitMs: 60_000,
    });
  return await Promise.all([
    start("kube-scheduler", 10_251),
    start("kube-controller-manager", 10_252, `--controllers=${CONTROLLERS}`, ...accounts),
  ]);
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: hangSignal(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** Waits until all nodes are Ready. */
export async function allReady(kube: Kube, count: number): Promise<void> {
  await waitFor("all nodes to be Ready", async () => {
    const text = await kube.kubectl("get", "nodes", "--no-headers");
    return text.split("\n").filter((line) => / Ready /.test(line)).length === count;
  }, { limitMs: 60_000, everyMs: 500 });
}
