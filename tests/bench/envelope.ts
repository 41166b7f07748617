// Measures one agent with 250 pods in 40 networks in the largest cluster that one store is for (5,000 hosts, 150,000
// endpoints in 3,000 networks, 2,000 policies) and in one of 10 hosts, on a real etcd with one member: its start, its
// memory, what changes elsewhere cost it, what it asks of etcd, set-ups, and how long a change takes to show in packets.
//
// envelope.ts [ROUNDS [PART]]: with PART, the large cluster has that part of its hosts and tenants only.

import type { IndexedDocuments } from "../../lib/intent/indexed_documents.ts";
import { type EndpointRecord, keys, type TenantRecord } from "../../lib/intent/records.ts";
import { openStore } from "../../lib/store/open_store.ts";
import type { Json, Store } from "../../lib/store/store.ts";
import { LabAgent } from "../lab/agent.ts";
import { type Etcd, startEtcd } from "../lab/etcd.ts";
import { FILE } from "../lab/host.ts";
import { type Ovs, startOvs } from "../lab/ovs.ts";
import { makePod, type Pod } from "../lab/pod.ts";
import { type Proxy, startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";
import { Bystanders } from "./bystanders.ts";
import { clusterDocuments, type ClusterSize, GROUPS, podName, writeAll } from "./envelope_store.ts";
import { epochNow, PacketWatch } from "./packet_watch.ts";
import { report } from "./report.ts";
import { processorMs, residentMb } from "../lab/resident.ts";
import { note, quantile, type Ratio, type Samples, timed } from "./stats.ts";

const ROUNDS = Number(Deno.args[0] ?? 40);
const PART = Number(Deno.args[1] ?? 1);
const TENANT = { networks: 40, endpoints: 50, policies: 27 };
const SMALL: ClusterSize = { hosts: 10, tenants: 2, ...TENANT };
const LARGE: ClusterSize = { hosts: 5_000 / PART, tenants: Math.ceil(75 / PART), ...TENANT };
const SIZES = `${LARGE.hosts.toLocaleString("en")} ÷ ${SMALL.hosts} hosts`;
const HERE = 40;
const PODS = 250;
const STARTS = 9;
const CHANGES_A_SECOND = 50;
const PHASE_MS = 20_000;
/** Longer than an agent takes to return the memory of its start. */
const IDLE_MS = 12_000;

const samples: Samples = new Map();
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** This host's pods: six of each of the 40 networks, and a seventh of the first ones. */
const isHere = (tenant: number, network: number, n: number) =>
  tenant === 0 && network < HERE && (n < 6 || n === 6 && network < PODS - 6 * HERE);
/** Endpoints that set-ups are measured with. */
const isSpare = (tenant: number, network: number, n: number) =>
  tenant === 0 && network < HERE && n === 49;

/** One cluster, with the agent of its host0. */
class Envelope {
  readonly #name: string;
  readonly #store: Store;
  readonly #documents: IndexedDocuments;
  readonly #agent: LabAgent;
  readonly #proxy: Proxy;
  readonly #bystanders: Bystanders;
  readonly #pods = new Map<string, Pod>();

  private constructor(
    name: string,
    parts: {
      store: Store;
      documents: IndexedDocuments;
      agent: LabAgent;
      proxy: Proxy;
      size: ClusterSize;
    },
  ) {
    this.#name = name;
    this.#store = parts.store;
    this.#documents = parts.documents;
    this.#agent = parts.agent;
    this.#proxy = parts.proxy;
    this.#bystanders = new Bystanders(parts.store, parts.documents, parts.size);
  }

  static async start(
    { name, size, dir, etcd, ovs }: {
      readonly name: string;
      readonly size: ClusterSize;
      readonly dir: string;
      readonly etcd: Etcd;
      readonly ovs: Ovs;
    },
    stack: AsyncDisposableStack,
  ): Promise<Envelope> {
    const documents = clusterDocuments(
      size,
      (...place) => !isHere(...place) && !isSpare(...place),
    );
    const store = await openStore(etcd.url(`/${name}`), { limitMs: 60_000 });
    stack.defer(() => store.close());
    const took = await timed(() => writeAll(store, documents));
    console.error(`${name}: ${documents.size} documents written in ${Math.round(took / 1_000)} s`);
    const proxy = stack.use(startProxy(etcd.endpoints[0]!));
    const agent = stack.use(
      new LabAgent({
        ...{ file: FILE, dir: `${dir}/${name}`, ovs, hostLabel: "host0" },
        flags: ["--store", `etcd://${proxy.endpoint}/${name}`],
      }),
    );
    return new Envelope(name, { store, documents, agent, proxy, size });
  }

  /** Sets up the pods of this host. */
  async fill(stack: AsyncDisposableStack): Promise<void> {
    await this.#start();
    const names: string[] = [];
    for (let network = 0; network < HERE; network++) {
      for (let n = 0; n < 7; n++) if (isHere(0, network, n)) names.push(podName(0, network, n));
    }
    for (let at = 0; at < names.length; at += 8) {
      await Promise.all(
        names.slice(at, at + 8).map(async (name) => {
          const pod = stack.use(await makePod(name));
          this.#pods.set(name, pod);
          await this.#agent.setupOnce(pod);
        }),
      );
    }
    console.error(`${this.#name}: ${names.length} pods`);
  }

  async #start(): Promise<number> {
    return await timed(async () => {
      this.#agent.spawn();
      const isReady = () => this.#agent.ask("tenants").then(() => true, () => false);
      await waitFor("the agent to be ready", isReady, { limitMs: 300_000, everyMs: 10 });
    });
  }

  /** Starts the agent again with all its pods. */
  async starts(): Promise<void> {
    for (let n = 0; n < STARTS; n++) {
      await this.#agent.stop();
      const before = this.#proxy.passed.received;
      note(samples, `${this.#name}: start, ms`, await this.#start());
      const bytes = this.#proxy.passed.received - before;
      note(samples, `${this.#name}: read from etcd at the start, MB`, bytes / 1e6);
    }
  }

  /** Measures processor, traffic and memory while nothing happens, while others change and while hosts beat. */
  async costs(): Promise<void> {
    await pause(IDLE_MS);
    await this.#phase("idle", () => pause(PHASE_MS));
    await this.#phase(
      `${CHANGES_A_SECOND} changes/s elsewhere`,
      () => this.#bystanders.change(CHANGES_A_SECOND, PHASE_MS),
    );
    await this.#phase("heartbeats of all hosts", () => this.#bystanders.beat(PHASE_MS));
    await pause(IDLE_MS);
    note(samples, `${this.#name}: memory, MB`, residentMb(this.#agent.pid));
    note(samples, `${this.#name}: connections to etcd`, this.#proxy.open);
  }

  async #phase(what: string, work: () => Promise<unknown>): Promise<void> {
    const { pid } = this.#agent;
    const before = { ...this.#proxy.passed, cpu: processorMs(pid), at: performance.now() };
    await work();
    const after = { ...this.#proxy.passed, cpu: processorMs(pid), at: performance.now() };
    const seconds = (after.at - before.at) / 1_000;
    const add = (figure: string, value: number) =>
      note(samples, `${this.#name}: ${what}: ${figure}`, value / seconds);
    add("processor, %", (after.cpu - before.cpu) / 10);
    add("from etcd, kB/s", (after.received - before.received) / 1_000);
    add("requests/s", after.requests - before.requests);
  }

  /** Measures set-ups while others change. */
  async setups(): Promise<void> {
    const stop = new AbortController();
    const changing = this.#bystanders.change(CHANGES_A_SECOND, Infinity, stop.signal);
    try {
      for (let n = 0; n < ROUNDS; n++) {
        await using pod = await makePod(podName(0, n % HERE, 49));
        await pause(100);
        note(samples, `${this.#name}: setup, ms`, await timed(() => this.#agent.setupOnce(pod)));
        const { code, err } = await this.#agent.verb("teardown", pod);
        if (code !== 0) throw new Error(`teardown ended with ${code}: ${err}`);
      }
    } finally {
      stop.abort();
      await changing;
    }
  }

  /** Measures from a write to the store until packets are handled otherwise: a pod's group, and a policy. */
  async changes(stack: AsyncDisposableStack): Promise<void> {
    const pod = (n: number) => this.#pods.get(podName(0, 0, n))!;
    const [receiver, sender] = [pod(0), pod(1)];
    const address = await this.#agent.addressOf(receiver);
    const packets = await PacketWatch.start({ receiver, sender, address }, stack);
    const endpoint = keys.endpoint("t0", "n0", sender.name);
    const tenant = keys.tenant("t0");
    for (let n = 0; n < ROUNDS / 2; n++) {
      for (const kind of ["denied", "allowed"] as const) {
        const label = await this.#write<EndpointRecord>(endpoint, (record) => ({
          ...record,
          group: kind === "allowed" ? GROUPS.allowed : GROUPS.denied,
        }));
        const at = await packets.next(kind, label);
        note(samples, `${this.#name}: label to packet, ms`, at - label);
      }
      for (const kind of ["denied", "allowed"] as const) {
        const policy = await this.#write<TenantRecord>(tenant, (record) => ({
          ...record,
          policies: record.policies?.map((one) => guarded(one, kind)) ?? [],
        }));
        const at = await packets.next(kind, policy);
        note(samples, `${this.#name}: policy to packet, ms`, at - policy);
      }
    }
  }

  /** Changes a record; returns when that was asked for. */
  async #write<T>(key: string, change: (record: T) => T): Promise<number> {
    const entry = await this.#store.get(key);
    if (!entry) throw new Error(`the store has no ${key}`);
    const value = change(entry.value as unknown as T) as unknown as Json;
    const since = epochNow();
    await this.#store.commit([], [{ key, value }]);
    return since;
  }
}

/** Returns the policy `guard` so that it allows or denies what the sender sends; others as they are. */
function guarded(policy: Readonly<Record<string, unknown>>, kind: "allowed" | "denied") {
  if (policy.Name !== "guard" || !Array.isArray(policy.Rules)) return policy;
  const FromGroup = kind === "allowed" ? GROUPS.allowed : GROUPS.denied;
  return {
    ...policy,
    Rules: policy.Rules.map((rule) => rule.Id === "2" ? { ...rule, FromGroup } : rule),
  };
}

function ratios(): Ratio[] {
  const p = (name: string, q = 0.5) => quantile(samples, name, q);
  const ratio = (what: string, q = 0.5, goal?: number): Ratio => ({
    what: `${what}${q === 0.5 ? "" : `, p${q * 100}`}, ${SIZES}`,
    value: p(`large: ${what}`, q) / p(`small: ${what}`, q),
    ...goal === undefined ? {} : { goal },
  });
  return [
    ratio("start, ms", 0.5, 1.5),
    ratio("memory, MB", 0.5, 1.2),
    ratio(`${CHANGES_A_SECOND} changes/s elsewhere: processor, %`),
    ratio(`${CHANGES_A_SECOND} changes/s elsewhere: from etcd, kB/s`),
    ratio("setup, ms"),
    ratio("setup, ms", 0.99),
    ratio("label to packet, ms"),
    ratio("policy to packet, ms"),
  ];
}

async function measure(name: string, size: ClusterSize, dir: string, etcd: Etcd): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const ovs = stack.use(await startOvs(`${dir}/ovs-${name}`));
  const envelope = await Envelope.start({ name, size, dir, etcd, ovs }, stack);
  await envelope.fill(stack);
  await envelope.starts();
  await envelope.costs();
  await envelope.setups();
  await envelope.changes(stack);
}

async function main(): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-bench-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const etcd = stack.use(await startEtcd(`${dir}/etcd`));
  await measure("small", SMALL, dir, etcd);
  await measure("large", LARGE, dir, etcd);
  await report("envelope", "envelope_samples.json", { samples, ratios: ratios() });
}

await main();
