// The kubelet and the kube-proxy of one node: the real ones.

import type { Server } from "../../lab/server.ts";
import type { LabNode } from "./lab_node.ts";

/** The service that pods ask for names, if a test makes one. */
export const DNS_ADDRESS = "10.0.0.10";

/** What a node's kubelet is started with. */
export interface RealKubeletOptions {
  readonly node: LabNode;
  /** Folder of the executables. */
  readonly bin: string;
  readonly kubeconfig: string;
  /** The node's address in the management network. */
  readonly address: string;
}

/** A kubelet that can be killed and started while its pods run. */
export class RealKubelet {
  readonly #options: RealKubeletOptions;
  #kubelet: Server | undefined;
  #proxy: Server | undefined;

  constructor(options: RealKubeletOptions) {
    this.#options = options;
  }

  /** Starts what is down of the two; returns when both answer. */
  async start(): Promise<void> {
    [this.#kubelet, this.#proxy] = await Promise.all([
      this.#kubelet ?? this.#startKubelet(),
      this.#proxy ?? this.#startProxy(),
    ]);
  }

  /** Ends the kubelet by SIGKILL; pods stay. */
  async kill(): Promise<void> {
    await this.#kubelet?.kill();
    this.#kubelet = undefined;
  }

  /** Ends the kubelet in order; pods stay. */
  async stop(): Promise<void> {
    await this.#kubelet?.stop();
    this.#kubelet = undefined;
  }

  /** Forgets the processes, which have ended with their machine. */
  forget(): void {
    this.#kubelet = this.#proxy = undefined;
  }

  async #startKubelet(): Promise<Server> {
    const { node: { name, machine, containerd }, bin, kubeconfig, address } = this.#options;
    const { dir } = machine.options;
    await Deno.mkdir(`${dir}/manifests`, { recursive: true });
    await Deno.writeTextFile(`${dir}/resolv.conf`, `nameserver ${DNS_ADDRESS}\n`);
    await Deno.writeTextFile(`${dir}/kubelet.json`, JSON.stringify(this.#config()));
    return await machine.start({
      name: "kubelet",
      command: `${bin}/kubelet`,
      args: [
        ...[`--config=${dir}/kubelet.json`, `--kubeconfig=${kubeconfig}`],
        ...[`--hostname-override=${name}`, `--node-ip=${address}`],
        ...["--container-runtime=remote", `--root-dir=/var/lib/kubelet`],
        ...[`--container-runtime-endpoint=unix://${containerd.socket}`],
        ...["--volume-plugin-dir=/var/lib/kubelet/plugins", "--cert-dir=/var/lib/kubelet/pki"],
        ...["--maximum-dead-containers-per-container=0", "--v=2"],
      ],
      isUp: () => isHealthy(machine, 10_248),
      limitMs: 60_000,
    });
  }

  #config() {
    const { dir } = this.#options.node.machine.options;
    return {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: "AlwaysAllow" },
      cgroupDriver: "cgroupfs",
      clusterDNS: [DNS_ADDRESS],
      clusterDomain: "cluster.local",
      enforceNodeAllocatable: [],
      evictionHard: { "memory.available": "1Mi" },
      failSwapOn: false,
      imageGCHighThresholdPercent: 100,
      kubeAPIBurst: 200,
      kubeAPIQPS: 100,
      nodeStatusUpdateFrequency: "2s",
      registryPullQPS: 0,
      resolvConf: `${dir}/resolv.conf`,
      serializeImagePulls: false,
      staticPodPath: `${dir}/manifests`,
    };
  }

  async #startProxy(): Promise<Server> {
    const { node: { name, machine }, bin, kubeconfig } = this.#options;
    const conntrack = ["max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait"];
    return await machine.start({
      name: "kube-proxy",
      command: `${bin}/kube-proxy`,
      args: [
        ...[`--kubeconfig=${kubeconfig}`, `--hostname-override=${name}`, "--proxy-mode=iptables"],
        // Limits of the whole machine stay as they are.
        ...conntrack.map((limit) => `--conntrack-${limit}=0`),
      ],
      isUp: () => isHealthy(machine, 10_256),
      limitMs: 60_000,
    });
  }
}

async function isHealthy(machine: LabNode["machine"], port: number): Promise<boolean> {
  const { code } = await machine.run("busybox", [
    ...["wget", "-q", "-O", "/dev/null", `http://127.0.0.1:${port}/healthz`],
  ]);
  return code === 0;
}
