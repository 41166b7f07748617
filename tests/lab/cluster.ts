// Many simulated hosts on one machine: each a namespace with its own Open vSwitch and agent, joined by
// a wire or a VLAN switch, sharing one store. Run inside in_lab.sh.

import type { Ended } from "./agent.ts";
import { type Fabric, type Fabrics, makeFabrics, MANAGEMENT_ADDRESS } from "./cluster/fabric.ts";
import { type ClusterHost, makeHost } from "./cluster/host.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { FILE } from "./host.ts";
import { waitFor } from "./wait.ts";
import { removeFolder } from "./remove_folder.ts";

/** What a cluster is made of. */
export interface ClusterOptions {
  readonly hosts: number;
  /** @default "none" */
  readonly fabric?: Fabric;
  /** Members of etcd; 0: all agents open one SQLite file instead, as only a lab can. @default 1 */
  readonly etcd?: 0 | 1 | 3;
  /** Applied once, by the first host, when all agents answer. */
  readonly intent?: unknown;
  /** Of the wire, in bytes; pods on VXLANs get 50 less. @default 1500 */
  readonly mtu?: number;
  /** More flags for every agent. */
  readonly flags?: readonly string[];
  /** The executable. @default dist/k8contivnet */
  readonly file?: string;
}

/** Starts a cluster; returns it when every agent answers and the intent is applied. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { hosts, fabric = "none", etcd: members = 1, mtu = 1500, intent } = options;
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-cluster-" });
  stack.defer(() => removeFolder(dir));
  const fabrics = stack.use(await makeFabrics(fabric, { dir, mtu }));
  const etcd = members === 0
    ? undefined
    : stack.use(await startEtcd(`${dir}/etcd`, { members, address: MANAGEMENT_ADDRESS }));
  // A failed start must not leave the hosts that came up: they go first, with the parts below them.
  const machines = stack.use(new Machines({ dir, options, fabrics, etcd }));
  await machines.add(hosts);
  const cluster = new Cluster(machines, etcd, fabrics, stack.move());
  try {
    if (intent !== undefined) await cluster.apply(intent);
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  readonly dir: string;
  readonly options: ClusterOptions;
  readonly fabrics: Fabrics;
  readonly etcd: Etcd | undefined;
}

/** The hosts that are there, by number. */
class Machines implements AsyncDisposable {
  readonly dir: string;
  readonly hostByNumber = new Map<number, ClusterHost>();
  readonly #parts: Parts;
  #last = 0;

  constructor(parts: Parts) {
    this.dir = parts.dir;
    this.#parts = parts;
  }

  /** Starts `count` more hosts side by side; returns them when their agents answer. */
  async add(count: number): Promise<ClusterHost[]> {
    const numbers = Array.from({ length: count }, () => ++this.#last);
    const started = await Promise.allSettled(numbers.map((n) => this.#start(n)));
    const failed = started.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
    return numbers.map((n) => this.hostByNumber.get(n)!);
  }

  async #start(n: number): Promise<void> {
    const { dir, options, fabrics } = this.#parts;
    const { fabric = "none", mtu = 1500, file = FILE, flags = [] } = options;
    const host = await makeHost({
      n,
      dir: `${dir}/h${n}`,
      file,
      flags: ["--store", this.#store(), ...flags],
      wireMtu: fabric === "wire" || fabric === "both" ? mtu : undefined,
      fabrics,
    });
    this.hostByNumber.set(n, host);
    await host.agent.start();
  }

  #store(): string {
    const { dir, etcd } = this.#parts;
    return etcd ? etcd.url("/lab") : `sqlite:${dir}/store.db`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.hostByNumber.values()].map((host) => host[Symbol.asyncDispose]()));
    this.hostByNumber.clear();
  }
}

/** Hosts that share one store and one fabric; everything goes with it. */
export class Cluster implements AsyncDisposable {
  /** Undefined where the store is a file. */
  readonly etcd: Etcd | undefined;
  readonly fabrics: Fabrics;
  readonly #machines: Machines;
  readonly #stack: AsyncDisposableStack;

  constructor(
    machines: Machines,
    etcd: Etcd | undefined,
    fabrics: Fabrics,
    stack: AsyncDisposableStack,
  ) {
    this.etcd = etcd;
    this.fabrics = fabrics;
    this.#machines = machines;
    this.#stack = stack;
  }

  /** Folder of everything that the cluster writes. */
  get dir(): string {
    return this.#machines.dir;
  }

  get hosts(): readonly ClusterHost[] {
    const byNumber = [...this.#machines.hostByNumber].sort(([one], [other]) => one - other);
    return byNumber.map(([, host]) => host);
  }

  /** Returns the host of that number (from 1) or label; throws where there is none. */
  host(which: number | string): ClusterHost {
    const found = this.hosts.find(({ label, netns }) =>
      label === which || netns === `h${which}` || netns === which
    );
    if (!found) throw new Error(`the cluster has no host ${which}`);
    return found;
  }

  /** Starts one host more and returns it when its agent answers. */
  async join(): Promise<ClusterHost> {
    const [host] = await this.#machines.add(1);
    return host!;
  }

  /** Ends a host with all that is on it, as if its power were cut: its records stay. */
  async leave(which: number | string): Promise<void> {
    const host = this.host(which);
    await host.agent.stop("SIGKILL");
    this.#machines.hostByNumber.delete(Number(host.netns.slice(1)));
    await host[Symbol.asyncDispose]();
  }

  /** Hands a document to netdcli on a host, `-add-cfg` by default; returns how that ended. */
  async post(
    document: unknown,
    { flag = "-add-cfg", on = 1 }: { readonly flag?: string; readonly on?: number } = {},
  ): Promise<Ended> {
    const file = await Deno.makeTempFile({ dir: this.dir, suffix: ".json" });
    const text = typeof document === "string" ? document : JSON.stringify(document);
    await Deno.writeTextFile(file, text);
    return await this.host(on).agent.call("netdcli", flag, file);
  }

  /** As `post`, returns when all agents know it; throws with the answer when it is refused. */
  async apply(document: unknown, flag = "-add-cfg"): Promise<void> {
    const { code, err } = await this.post(document, { flag });
    if (code !== 0) throw new Error(`netdcli ${flag} ended with ${code}: ${err}`);
    await this.agree();
  }

  /** Returns when all agents show the same networks and endpoints. */
  async agree(): Promise<void> {
    await waitFor("all agents to show the same", async () => {
      const records = await Promise.all(this.hosts.map(recordOf));
      return records.every((one) => one === records[0]);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

async function recordOf({ agent }: ClusterHost): Promise<string> {
  const kinds = ["hosts", "tenants", "networks", "endpoints"];
  const items = await Promise.all(kinds.map((kind) => agent.ask(kind).catch(() => "away")));
  return JSON.stringify(items);
}
