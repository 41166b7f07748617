// Two hosts with the pods of reach_intent.ts, the world outside, and services. Every pod, host and the machine
// outside answer with their name and the address that they see, at ports 8080 and 6443.

import { type Cluster, startCluster } from "../cluster.ts";
import type { ClusterHost } from "../cluster/host.ts";
import { parkedPorts, warmPorts } from "../host.ts";
import { type Pod, podAt } from "../pod.ts";
import { run } from "../run.ts";
import { Talker } from "../talk.ts";
import { waitFor } from "../wait.ts";
import { KubeProxies, startServiceKube } from "./kube_services.ts";
import { makeOutside, OUTSIDE_ADDRESS, outsideAddress } from "./outside.ts";
import { REACH_PODS, type ReachFabric, reachIntent } from "./reach_intent.ts";
import { type LabService, writeServiceRules } from "./services.ts";

/** How a world is made. */
export interface ReachWorldOptions {
  readonly fabric: ReachFabric;
  /** Who writes the rules of services. @default "rules" */
  readonly services?: "rules" | "kube-proxy";
  /** Flags of the agents. */
  readonly flags?: readonly string[];
  /** Of the wire between hosts, in bytes; pods on VXLANs get 50 less. @default 1500 */
  readonly mtu?: number;
  /** Pod a2 is guarded by a policy of the intent. @default true */
  readonly isGuarded?: boolean;
}

/** Ports at which everybody answers. */
export const PORTS = { tcp: [8080, 6443], udp: [8080] };

const service = (
  name: string,
  address: string,
  [protocol, port]: readonly ["tcp" | "udp", number],
  [who, target]: readonly [string, number],
  more: Partial<LabService> = {},
): LabService => {
  const pod = REACH_PODS.find((one) => one.name === who);
  const n = pod?.host ?? Number(who.slice(-1));
  const backend = { ip: pod?.ip ?? outsideAddress(n), port: target, host: `host${n}` };
  return { name, address, protocol, port, backend, ...more };
};

/** Warm ports that wait in a network of a host with few networks. */
const LEAST_POOL = 16;

/** The services: `dns` is in a network of its own, `api` on hosts, as Kubernetes has them. */
export const SERVICES: readonly LabService[] = [
  service("dns-udp", "10.96.0.10", ["udp", 53], ["d1", 8080]),
  service("dns-tcp", "10.96.0.12", ["tcp", 53], ["d1", 8080]),
  service("far-dns", "10.96.0.11", ["tcp", 53], ["d2", 8080]),
  service("near", "10.96.0.20", ["tcp", 80], ["a2", 8080], { nodePort: 30_083 }),
  service("near-udp", "10.96.0.25", ["udp", 80], ["a2", 8080]),
  service("far", "10.96.0.21", ["tcp", 80], ["a3", 8080], { nodePort: 30_081 }),
  service("far-udp", "10.96.0.26", ["udp", 80], ["a3", 8080]),
  service("closed", "10.96.0.27", ["udp", 9], ["a3", 9]),
  service("self", "10.96.0.22", ["tcp", 80], ["a1", 8080], { nodePort: 30_080 }),
  service("kept", "10.96.0.23", ["tcp", 80], ["a1", 8080], { nodePort: 30_082, isLocal: true }),
  service("api", "10.96.0.3", ["tcp", 443], ["host1", 6443]),
  service("far-api", "10.96.0.2", ["tcp", 443], ["host2", 6443]),
];

/** Two hosts, pods, services, and what is outside. */
export class ReachWorld implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly outside: Pod;
  readonly #pods: ReadonlyMap<string, Pod>;
  readonly #talkers: ReadonlyMap<string, Talker>;
  readonly #proxies: KubeProxies | undefined;
  readonly #stack: AsyncDisposableStack;
  #names: Names;

  private constructor(
    cluster: Cluster,
    outside: Pod,
    parts: {
      readonly pods: ReadonlyMap<string, Pod>;
      readonly talkers: ReadonlyMap<string, Talker>;
      readonly names: Names;
      readonly proxies: KubeProxies | undefined;
    },
    stack: AsyncDisposableStack,
  ) {
    this.cluster = cluster;
    this.outside = outside;
    this.#pods = parts.pods;
    this.#talkers = parts.talkers;
    this.#names = parts.names;
    this.#proxies = parts.proxies;
    this.#stack = stack;
  }

  /** Starts it; returns it when everybody answers. */
  static async start(options: ReachWorldOptions) {
    const { fabric, services = "rules", flags = [], mtu = 1_500, isGuarded = true } = options;
    await using stack = new AsyncDisposableStack();
    const wires = { vxlan: "wire", vlan: "vlan-switch" } as const;
    const intent = reachIntent(fabric, { isGuarded });
    const cluster = stack.use(
      await startCluster({ hosts: 2, fabric: wires[fabric], etcd: 0, intent, flags, mtu }),
    );
    const outside = stack.use(await makeOutside(cluster.hosts));
    const proxies = await startServices(stack, cluster, services);
    const pods = new Map<string, Pod>([
      ...cluster.hosts.map(({ label, netns }) => [label, podAt(netns, label)] as const),
      ["outside", outside],
    ]);
    await Promise.all(REACH_PODS.map(async ({ name, namespace, host }) => {
      const { agent, pod } = cluster.host(host);
      const made = await pod(name, namespace);
      await agent.setup(made);
      pods.set(name, made);
    }));
    const talkers = new Map<string, Talker>();
    await Promise.all([...pods].map(async ([name, pod]) => {
      talkers.set(name, stack.use(await Talker.start(pod, PORTS)));
    }));
    const names = await namesOf(cluster);
    return new ReachWorld(cluster, outside, { pods, talkers, names, proxies }, stack.move());
  }

  /** Starts the kube-proxies of all hosts anew, with those flags. */
  async restartProxies(...flags: string[]): Promise<void> {
    await this.#proxies?.stop();
    await this.#proxies?.start(...flags);
  }

  /** Gives all pods warm ports instead of their own, each in the sandbox that it has. */
  async useWarmPorts(): Promise<void> {
    await Promise.all(this.cluster.hosts.map(async (host) => {
      const pods = REACH_PODS.filter((one) => this.hostOf(one.name) === host);
      await host.agent.stop();
      await host.agent.start("--ports", "warm");
      // Of each network that has pods here.
      const least = new Set(pods.map(({ network }) => network)).size * LEAST_POOL;
      await waitFor("warm ports", async () => (await parkedPorts(host)).length >= least, {
        limitMs: 30_000,
      });
      for (const pod of pods.map(({ name }) => this.pod(name))) {
        const { code, err } = await host.agent.verb("teardown", pod);
        if (code !== 0) throw new Error(`teardown of ${pod.name} ended with ${code}: ${err}`);
        await host.agent.setup(pod);
      }
      const warm = (await warmPorts(host)).filter(({ hasPod }) => hasPod);
      if (warm.length !== pods.length) throw new Error(`${warm.length} pods have warm ports`);
    }));
    this.#names = await namesOf(this.cluster);
  }

  /** Returns a pod, `host1`, `host2` or `outside` by its name. */
  pod(name: string): Pod {
    return found(this.#pods, name);
  }

  /** Returns the program of one of them. */
  talker(name: string): Talker {
    return found(this.#talkers, name);
  }

  /** Returns the host that a pod is on; the first one for what is outside. */
  hostOf(name: string): ClusterHost {
    const pod = REACH_PODS.find((one) => one.name === name);
    return this.cluster.host(pod?.host ?? (name.startsWith("host") ? name : 1));
  }

  /** Returns the address that has this name, such as `NODE of host1` or `alias of b1`. */
  address(name: string): string {
    const { shared, aliases } = this.#names;
    const all = [shared, ...aliases.values()].flatMap((names) => [...names]);
    const found = all.find(([, one]) => one === name);
    if (!found) throw new Error(`nothing is called "${name}"`);
    return found[0];
  }

  /**
   * Returns an answer, `NAME saw ADDRESS`, in which addresses of hosts and aliases are replaced by their names. An
   * alias is known on one host only, the one of who answers.
   */
  named(answer: string): string {
    const { shared, aliases } = this.#names;
    const here = aliases.get(this.hostOf(answer.split(" ")[0] ?? "").label);
    return answer.replace(
      /\d+\.\d+\.\d+\.\d+/g,
      (address) => shared.get(address) ?? here?.get(address) ?? address,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const one = map.get(name);
  if (one === undefined) throw new Error(`nobody is called "${name}"`);
  return one;
}

async function startServices(
  stack: AsyncDisposableStack,
  cluster: Cluster,
  kind: "rules" | "kube-proxy",
): Promise<KubeProxies | undefined> {
  if (kind === "rules") {
    for (const host of cluster.hosts) await writeServiceRules(host, SERVICES);
    return undefined;
  }
  const kube = stack.use(await startServiceKube(`${cluster.dir}/kube`, cluster.hosts, SERVICES));
  const proxies = new KubeProxies(kube, cluster.hosts);
  stack.defer(() => proxies.stop());
  await proxies.start();
  return proxies;
}

/** Names of the addresses that agents choose. */
interface Names {
  readonly shared: ReadonlyMap<string, string>;
  /** By host: each has aliases of its own. */
  readonly aliases: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** NAT and NODE are the addresses of a host's link, in this order. */
async function namesOf(cluster: Cluster): Promise<Names> {
  const shared = new Map([[OUTSIDE_ADDRESS, "outside"]]);
  const aliases = new Map<string, ReadonlyMap<string, string>>();
  for (const { label, netns, agent } of cluster.hosts) {
    shared.set(outsideAddress(Number(netns.slice(1))), label);
    const [nat = "", node = ""] = await waitFor(`the addresses of ${label}`, async () => {
      const found = await linkAddresses(netns);
      return found.length === 2 && found;
    });
    shared.set(nat, `NAT of ${label}`).set(node, `NODE of ${label}`);
    const pods = (await agent.attachments()).flatMap(({ pod: { name }, alias }) =>
      alias === undefined ? [] : [
        [alias, `alias of ${name}`] as const,
        [hairpinOf(alias), `hairpin alias of ${name}`] as const,
      ]
    );
    aliases.set(label, new Map(pods));
  }
  return { shared, aliases };
}

/** Returns the addresses of a host's link to pods; none while it is not there. */
export async function linkAddresses(netns: string): Promise<string[]> {
  const words = ["-n", netns, "-4", "-br", "address", "show", "contivHost"];
  const text = await run("ip", words).catch(() => "");
  return [...text.matchAll(/([\d.]+)\/32/g)].map(([, address]) => address ?? "");
}

/** The upper half of the range's first quarter. */
function hairpinOf(alias: string): string {
  const [a, b, c, d] = alias.split(".").map(Number);
  return `${a}.${b}.${c! + 128}.${d}`;
}
