// What a soak knows: two hosts with everything on them, and the belief of which pod is where. Acts
// change both; after each the world is held against the belief.

import { isWarmPort } from "../../../lib/agent/pods/port_external_ids.ts";
import { assert, assertEquals } from "@std/assert";
import { run } from "../run.ts";
import { type Cluster, startCluster } from "../cluster.ts";
import type { ClusterHost } from "../cluster/host.ts";
import { type Dockerd, startDockerd } from "../dockerd.ts";
import { openFiles } from "../files.ts";
import { ownMb } from "../resident.ts";
import type { Pod } from "../pod.ts";
import { oneOf, someOf } from "../random.ts";
import { waitFor } from "../wait.ts";
import { removeFolder } from "../remove_folder.ts";

const PODS_OF_A_NETWORK = 8;

// What is desired must be there within this after an act, whatever the act was.
const HEALED_MS = 20_000;

// Connections to etcd that an agent may keep: up to 7 streams of watches, and 16 for the calls of its next busy moment.
const POOL = 23;

// A sandbox that went without a word is released after it.
const GRACE_S = 2;

/** Two tenants on one subnet, over VXLAN, and a third one's VLAN network. */
const NETWORKS = [
  { tenant: "one", network: "blue", type: "vxlan", pool: "10.1.0.0/24", letter: "a" },
  { tenant: "two", network: "blue", type: "vxlan", pool: "10.1.0.0/24", letter: "b" },
  { tenant: "three", network: "lan", type: "vlan", pool: "10.3.0.0/24", letter: "c" },
] as const;

const INTENT = {
  Hosts: [1, 2].map((n) => ({
    Name: `host${n}`,
    Intf: "eth2",
    VtepIp: `192.168.2.${n + 9}`,
  })),
  Tenants: NETWORKS.map(({ tenant, network, type, pool, letter }) => ({
    Name: tenant,
    DefaultNetType: type,
    SubnetPool: pool,
    AllocSubnetLen: 24,
    Vlans: "100-200",
    Vxlans: "5000-6000",
    Networks: [{
      Name: network,
      Endpoints: Array.from({ length: PODS_OF_A_NETWORK }, (_, n) => ({
        Container: `${letter}${n}`,
      })),
    }],
  })),
};

/** A pod that should be connected. */
export interface Placed {
  readonly host: ClusterHost;
  readonly pod: Pod;
}

/** What must be as at the start when no pod is left. */
export interface Rest {
  readonly links: readonly string[];
  readonly ports: readonly string[];
  readonly records: readonly string[];
  readonly namespaces: readonly string[];
  /** Of each agent; without connections to etcd, of which a pool keeps some. */
  readonly files: readonly (readonly string[])[];
  /** Whether that pool is small. */
  readonly isPoolSmall: boolean;
}

/** A cluster under soak. */
export class Soak implements AsyncDisposable {
  readonly random: () => number;
  readonly cluster: Cluster;
  /** Both agents ask it; no container of it is a pod. */
  readonly dockerd: Dockerd;
  /** Pods that should be connected, by name. */
  readonly placed = new Map<string, Placed>();
  readonly #stack: AsyncDisposableStack;
  #addresses: ReadonlyMap<string, string> = new Map();

  private constructor(
    { cluster, dockerd }: { readonly cluster: Cluster; readonly dockerd: Dockerd },
    random: () => number,
    stack: AsyncDisposableStack,
  ) {
    this.cluster = cluster;
    this.dockerd = dockerd;
    this.random = random;
    this.#stack = stack;
  }

  /** Starts the cluster with its intent, and agents that give pods such ports. */
  static async start(random: () => number, ports: "plain" | "warm"): Promise<Soak> {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "k8contivnet-soak-" });
    stack.defer(() => removeFolder(dir));
    const dockerd = stack.use(await startDockerd(dir));
    const flags = ["--grace", String(GRACE_S), "--docker", dockerd.address, "--ports", ports];
    const cluster = stack.use(
      await startCluster({ hosts: 2, fabric: "both", intent: INTENT, flags }),
    );
    const soak = new Soak({ cluster, dockerd }, random, stack.move());
    const { out } = await cluster.host(1).agent.call("get", "endpoints", "-o", "json");
    const endpoints: { endpoint: string; address: string }[] = JSON.parse(out);
    soak.#addresses = new Map(endpoints.map(({ endpoint, address }) => [endpoint, address]));
    return soak;
  }

  /** Returns a host by chance. */
  someHost(): ClusterHost {
    return oneOf(this.random, this.cluster.hosts)!;
  }

  /** Returns up to `count` pods that are not there, by chance. */
  someAbsent(count: number): string[] {
    return someOf(
      this.random,
      [...this.#addresses.keys()].filter((n) => !this.placed.has(n)),
      count,
    );
  }

  /** Returns the name of a pod that is there, by chance; undefined where none is. */
  somePlaced(): string | undefined {
    return oneOf(this.random, [...this.placed.keys()]);
  }

  /** Sets a pod up in a new sandbox on `host`; what it had before is for the agents to clear. */
  async setUp(name: string, host: ClusterHost): Promise<void> {
    const pod = await host.pod(name);
    await host.agent.setup(pod);
    this.placed.set(name, { host, pod });
  }

  /** Tears a pod down as a kubelet does, and ends its sandbox. */
  async tearDown(name: string): Promise<void> {
    const { host, pod } = this.placed.get(name)!;
    const { code, err } = await host.agent.verb("teardown", pod);
    assertEquals(code, 0, err);
    await this.forget(name);
  }

  /** Ends a pod's sandbox without a teardown. */
  async forget(name: string): Promise<void> {
    await this.placed.get(name)!.pod[Symbol.asyncDispose]();
    this.placed.delete(name);
  }

  /** Returns the name of a pod's port. */
  async portOf(name: string): Promise<string> {
    const { host, pod } = this.placed.get(name)!;
    const port = (await portsOf(host)).get(pod.id);
    if (port === undefined) throw new Error(`no port of pod ${name}`);
    return port;
  }

  /** Holds the world against the belief: returns when they agree, throws when they do not in time. */
  async check(): Promise<void> {
    for (const host of this.cluster.hosts) {
      const want = this.#wanted(host);
      let seen: string[] = [];
      await waitFor("the attachments that should be", async () => {
        seen = await attachmentsOf(host);
        return `${seen}` === `${want}`;
      }, { limitMs: HEALED_MS }).catch(() => assertEquals(seen, want, host.label));
      const sandboxes = this.#sandboxes(host);
      await waitFor("the ports that should be", async () => {
        return `${[...(await portsOf(host)).keys()].sort()}` === `${sandboxes}`;
      }, { limitMs: HEALED_MS });
    }
    await this.#checkMeeting();
    await this.#checkApart();
  }

  /** Returns what is there when no pod is. */
  async atRest(): Promise<Rest> {
    const { hosts, etcd } = this.cluster;
    const records = [...(await etcd!.read("/lab")).keys()]
      .filter((key) => /\/(claims|attachments|endpoints)\//.test(key)).sort();
    const files = await Promise.all(hosts.map(({ agent }) => openFiles(agent.pid)));
    const isToEtcd = (file: string) => file === "socket tcp";
    // The namespace of warm ports is opened with the first of them.
    const isHolding = (file: string) => file.startsWith("/run/netns/");
    return {
      links: (await Promise.all(hosts.map(({ netns }) => settledLinks(netns)))).flat(),
      ports: (await Promise.all(hosts.map(({ ovs }) => ovs.vsctl("list-ports", "contivBridge"))))
        .flatMap((text) => text.split("\n").sort().filter((name) => !isWarmPort(name))),
      records,
      namespaces: (await run("ip", ["netns"])).split("\n").map((line) => line.split(" ")[0]!)
        .filter((name) => !name.startsWith("k8contivnet-")).sort(),
      files: files.map((all) => all.filter((file) => !isToEtcd(file) && !isHolding(file))),
      isPoolSmall: files.every((all) => all.filter(isToEtcd).length <= POOL),
    };
  }

  /**
   * Returns the host's agent's own memory at rest, in MB. Pages of its executable do not count: it gives back those that
   * only its start has read, and reads again what it needs.
   */
  async memory(host: ClusterHost): Promise<number> {
    await new Promise((done) => setTimeout(done, 5_000));
    return ownMb(host.agent.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #wanted(host: ClusterHost): string[] {
    return [...this.placed].filter(([, one]) => one.host === host)
      .map(([name, { pod }]) => `${name} ${this.#addresses.get(name)} ${pod.id} ready`).sort();
  }

  #sandboxes(host: ClusterHost): string[] {
    const here = [...this.placed.values()].filter((one) => one.host === host);
    return here.map(({ pod }) => pod.id).sort();
  }

  /** Some pods of one network meet, from each of them. */
  async #checkMeeting(): Promise<void> {
    const name = this.somePlaced();
    const peer = oneOf(
      this.random,
      [...this.placed.keys()].filter((other) => other !== name && other[0] === name?.[0]),
    );
    if (name === undefined || peer === undefined) return;
    const { pod } = this.placed.get(name)!;
    await waitFor(
      `${name} to reach ${peer}`,
      () => pod.pings(this.#addresses.get(peer)!),
      { limitMs: HEALED_MS },
    );
  }

  /** An address that only the other tenant's pod has is not answered to pods of this one. */
  async #checkApart(): Promise<void> {
    const names = [...this.placed.keys()];
    const asker = oneOf(this.random, names.filter((name) => name.startsWith("a")));
    const taken = oneOf(
      this.random,
      names.filter((name) => name.startsWith("b") && !names.includes(`a${name.slice(1)}`)),
    );
    if (asker === undefined || taken === undefined) return;
    const { pod } = this.placed.get(asker)!;
    const address = this.#addresses.get(taken)!;
    assertEquals(address, this.#addresses.get(`a${taken.slice(1)}`), "both tenants have it");
    assert(!await pod.pings(address), `${asker} reaches ${taken} of the other tenant`);
  }
}

/** The ports of pods on a host's bridge by their sandboxes, as the rows' ids say. */
async function portsOf({ ovs }: ClusterHost): Promise<Map<string, string>> {
  const rows = await ovs.vsctl("--format=json", "--columns=name,external_ids", "list", "Port");
  const { data }: { data: [string, ["map", [string, string][]]][] } = JSON.parse(rows);
  return new Map(data.flatMap(([name, [, ids]]) => {
    const sandbox = ids.map(([, value]) => value).find((value) => /^[0-9a-f]{64}$/.test(value));
    return sandbox === undefined ? [] : [[sandbox, name]];
  }));
}

async function attachmentsOf({ agent }: ClusterHost): Promise<string[]> {
  const items = await agent.attachments();
  return items.map(({ endpoint, addresses, sandbox, state }) =>
    `${endpoint} ${addresses[0]?.split("/")[0]} ${sandbox} ${state}`
  ).sort();
}

/** Links of a host when those of former pods are gone. */
async function settledLinks(netns: string): Promise<string[]> {
  return await waitFor("former pods' links to be gone", async () => {
    const links: { ifname: string }[] = JSON.parse(await run("ip", ["-n", netns, "-j", "link"]));
    // How many ports wait for a pod is the agent's matter.
    const names = links.map(({ ifname }) => ifname).filter((name) => !isWarmPort(name));
    return !names.some((name) => name.startsWith("cv")) && names.sort();
  });
}
