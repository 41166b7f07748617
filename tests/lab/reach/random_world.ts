// A random cluster (tests/unit/reach/random_clusters.ts) on real hosts: with real pods, services and a machine outside,
// which say who they are and the address that they see. What the random cluster calls h1, its uplink 192.0.2.1 and so
// on are host1 and its addresses here.

import {
  fileOf,
  type FileTenant,
  HOSTS,
  podsOf,
  type Probe,
  type RandomCluster,
  STRANGERS_ADDRESS,
  UPLINKS,
  WORLD,
} from "../../unit/reach/random_clusters.ts";
import { type Expected, ReachEvaluator } from "../../unit/reach/reach_evaluator.ts";
import { type Cluster, startCluster } from "../cluster.ts";
import { vtepOf } from "../cluster/host.ts";
import { podAt } from "../pod.ts";
import { Talker } from "../talk.ts";
import { makeOutside, OUTSIDE_ADDRESS, outsideAddress } from "./outside.ts";
import { linkAddresses } from "./reach_world.ts";
import { writeServiceRules } from "./services.ts";

const PORT = 8080;

/** A running random cluster. */
export class RandomWorld implements AsyncDisposable {
  readonly #random: RandomCluster;
  readonly #cluster: Cluster;
  /** By `pod ID` and `host NAME`. */
  readonly #talkers: ReadonlyMap<string, Talker>;
  /** Real addresses by those of the random cluster. */
  readonly #addresses: ReadonlyMap<string, string>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    random: RandomCluster,
    cluster: Cluster,
    parts: {
      readonly talkers: ReadonlyMap<string, Talker>;
      readonly addresses: ReadonlyMap<string, string>;
    },
    stack: AsyncDisposableStack,
  ) {
    this.#random = random;
    this.#cluster = cluster;
    this.#talkers = parts.talkers;
    this.#addresses = parts.addresses;
    this.#stack = stack;
  }

  /** Starts hosts, pods and services. */
  static async start(random: RandomCluster): Promise<RandomWorld> {
    await using stack = new AsyncDisposableStack();
    const cluster = stack.use(
      await startCluster({
        ...{ hosts: HOSTS.length, fabric: "both", etcd: 0 },
        intent: intentOf(random.tenants),
      }),
    );
    const outside = stack.use(await makeOutside(cluster.hosts));
    const listen = { tcp: [PORT] };
    stack.use(await Talker.start(outside, { ...listen, name: "outside" }));
    const talkers = new Map<string, Talker>();
    for (const [at, name] of HOSTS.entries()) {
      const { netns, label } = cluster.host(at + 1);
      const place = `host ${name}`;
      talkers.set(
        place,
        stack.use(await Talker.start(podAt(netns, label), { ...listen, name: place })),
      );
    }
    await Promise.all(
      podsOf(random.tenants).map(async ({ id }) => {
        const [namespace = "", , container = ""] = id.split("/");
        const { pod, agent } = cluster.host(hostNumber(random.places.get(id)!));
        const made = await pod(container, namespace);
        await agent.setup(made);
        const place = `pod ${id}`;
        talkers.set(place, stack.use(await Talker.start(made, { ...listen, name: place })));
      }),
    );
    const addresses = await addressesOf(cluster);
    await writeServices(random, cluster, addresses);
    return new RandomWorld(random, cluster, { talkers, addresses }, stack.move());
  }

  /** Makes these the words of the intent. */
  async apply(tenants: readonly FileTenant[]): Promise<void> {
    await this.#cluster.apply(intentOf(tenants));
  }

  /** Returns those of `probes` whose packets do not arrive as the words of `tenants` say, with what was seen. */
  async disagreements(
    tenants: readonly FileTenant[],
    probes: readonly Probe[],
  ): Promise<{ readonly probe: Probe; readonly text: string }[]> {
    const evaluator = this.#evaluator(tenants);
    const found = await Promise.all(probes.map(async (probe) => {
      const expected = evaluator.expect(probe);
      const seen = await this.#ask(probe);
      if (isAsExpected(seen, expected)) return [];
      const want = `${expected.place}${expected.source ? ` from ${expected.source}` : ""}`;
      return [{ probe, text: `${probe.from} to ${probe.to}: expected ${want}, saw ${seen}` }];
    }));
    return found.flat();
  }

  /** Reports whether a packet can be sent and answered here: what is outside is one machine. */
  canAsk(tenants: readonly FileTenant[], { from, to }: Probe): boolean {
    const isStrange = to === STRANGERS_ADDRESS || to === "127.0.0.1" || /^100\.64\./.test(to);
    if (from.startsWith("outside") || isStrange) return false;
    const { place } = this.#evaluator(tenants).expect({ from, to });
    const target = this.#random.services.find(({ address }) => address === to)?.backend ?? to;
    return place !== "outside" || WORLD.includes(target);
  }

  /** The rules of writeServiceRules() masquerade no host. */
  #evaluator(tenants: readonly FileTenant[]): ReachEvaluator {
    return new ReachEvaluator({ ...this.#random, tenants }, { marksHosts: false });
  }

  /** Returns `PLACE from SOURCE` in the random cluster's names, or `nowhere`. */
  async #ask({ from, to }: Probe): Promise<string> {
    const answer = await this.#talkers.get(from)!
      .asksWho("tcp", this.#addresses.get(to) ?? to, PORT, { limitMs: 1_000 });
    if (answer === undefined) return "nowhere";
    const [place, source = ""] = answer.split(" saw ");
    const known = [...this.#addresses].find(([, real]) => real === source)?.[0];
    return `${place} from ${known ?? source}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

function isAsExpected(seen: string, { place, source }: Expected): boolean {
  if (place === "nowhere") return seen === "nowhere";
  return source === undefined
    ? seen.startsWith(`${place} from `)
    : seen === `${place} from ${source}`;
}

function hostNumber(name: string): number {
  return HOSTS.indexOf(name) + 1;
}

function intentOf(tenants: readonly FileTenant[]): object {
  const hosts = HOSTS.map((_, at) => ({
    ...{ Name: `host${at + 1}`, Intf: "eth2", VtepIp: vtepOf(at + 1) },
  }));
  return fileOf({ tenants }, hosts);
}

async function addressesOf(cluster: Cluster): Promise<Map<string, string>> {
  const addresses = new Map(WORLD.map((one) => [one, OUTSIDE_ADDRESS]));
  for (const [at, uplink] of Object.values(UPLINKS).entries()) {
    const { netns } = cluster.host(at + 1);
    const [nat = "", node = ""] = await linkAddresses(netns);
    addresses.set(uplink, outsideAddress(at + 1));
    addresses.set(`100.65.0.${at + 1}`, node).set(`100.66.0.${at + 1}`, nat);
  }
  return addresses;
}

async function writeServices(
  { services }: RandomCluster,
  cluster: Cluster,
  addresses: ReadonlyMap<string, string>,
): Promise<void> {
  const rules = services.filter(({ address }) => address !== STRANGERS_ADDRESS)
    .map(({ address, backend }, at) => ({
      ...{ name: `s${at}`, address, protocol: "tcp" as const, port: PORT },
      backend: { ip: addresses.get(backend) ?? backend, port: PORT, host: "" },
    }));
  for (const host of cluster.hosts) await writeServiceRules(host, rules);
}
