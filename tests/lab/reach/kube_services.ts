// The real thing: an API server that has the services, and the real kube-proxy on each host.

import type { ClusterHost } from "../cluster/host.ts";
import { MANAGEMENT_ADDRESS, managementAddress } from "../cluster/fabric.ts";
import { builtKube, type Kube, startKube } from "../kube.ts";
import { type Server, startServer } from "../server.ts";
import { type LabService, SERVICE_CIDR } from "./services.ts";

/** Starts an API server with these services, which has one node for each host. */
export async function startServiceKube(
  dir: string,
  hosts: readonly ClusterHost[],
  services: readonly LabService[],
): Promise<Kube> {
  const flags = [`--service-cluster-ip-range=${SERVICE_CIDR}`];
  const kube = await startKube(dir, { address: MANAGEMENT_ADDRESS, flags });
  try {
    for (const { label, netns } of hosts) {
      const address = managementAddress(Number(netns.slice(1)));
      await kube.ask("POST", "/api/v1/nodes", { metadata: { name: label } });
      await kube.ask("PATCH", `/api/v1/nodes/${label}/status`, {
        status: { addresses: [{ type: "InternalIP", address }] },
      });
    }
    for (const service of services) await makeService(kube, service);
    return kube;
  } catch (error) {
    await kube.stop();
    throw error;
  }
}

/** Makes a service without a selector, and the slice that has its backend. */
export async function makeService(kube: Kube, service: LabService): Promise<void> {
  const { name, address, port, backend, nodePort, isLocal = false } = service;
  const protocol = service.protocol.toUpperCase();
  await kube.ask("POST", "/api/v1/namespaces/default/services", {
    metadata: { name },
    spec: {
      clusterIP: address,
      ports: [{ protocol, port, ...nodePort === undefined ? {} : { nodePort } }],
      ...nodePort === undefined
        ? {}
        : { type: "NodePort", externalTrafficPolicy: isLocal ? "Local" : "Cluster" },
    },
  });
  await kube.ask("POST", "/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices", {
    metadata: { name, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [{ name: "", protocol, port: backend.port }],
    endpoints: [{
      addresses: [backend.ip],
      conditions: { ready: true },
      topology: { "kubernetes.io/hostname": backend.host },
    }],
  });
}

/**
 * Starts the kube-proxy of a host; returns it when it has written its rules. This one, of Kubernetes 1.20, cannot
 * know pods by their link yet (`--detect-local-mode=InterfaceNamePrefix`, from 1.24 on): without
 * `--cluster-cidr` it takes nobody for a stranger, which has the same effect on pods.
 */
export async function startKubeProxy(
  kube: Kube,
  { netns, label, dir }: ClusterHost,
  ...flags: readonly string[]
): Promise<Server> {
  const bin = await builtKube("kube-proxy");
  const conntrack = ["max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait"];
  return await startServer({
    command: `${bin}/kube-proxy`,
    args: [
      ...[`--kubeconfig=${kube.dir}/admin.kubeconfig`, `--hostname-override=${label}`],
      ...["--proxy-mode=iptables", "--v=2", ...flags],
      // Limits of the whole machine stay as they are.
      ...conntrack.map((limit) => `--conntrack-${limit}=0`),
    ],
    netns,
    log: `${dir}/kube-proxy.log`,
    isUp: () => isHealthy(netns),
    limitMs: 60_000,
  });
}

async function isHealthy(netns: string): Promise<boolean> {
  const { success } = await new Deno.Command("ip", {
    args: [
      ...["netns", "exec", netns, "busybox", "wget", "-q", "-O", "/dev/null"],
      "http://127.0.0.1:10256/healthz",
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

/** The kube-proxies of all hosts. */
export class KubeProxies {
  readonly #kube: Kube;
  readonly #hosts: readonly ClusterHost[];
  #servers: Server[] = [];

  constructor(kube: Kube, hosts: readonly ClusterHost[]) {
    this.#kube = kube;
    this.#hosts = hosts;
  }

  /** Starts them; returns when they have written their rules. */
  async start(...flags: string[]): Promise<void> {
    for (const host of this.#hosts) {
      this.#servers.push(await startKubeProxy(this.#kube, host, ...flags));
    }
  }

  /** Ends them in order; their rules stay. Repeatable. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    this.#servers = [];
  }
}
