// Others in a cluster: namespaces, their pods on some nodes, their policies; and what an hour makes of
// them. It takes seconds, and is the same for the same seed.

import type { Kube } from "./kube.ts";
import { folderOf, LISTS } from "./kube_lists.ts";
import { oneOf, randomFrom, someOf } from "./random.ts";

const NAMESPACES = 12;
// Beyond a page of a list, as they are after the hour.
const PODS = 120;
const POLICIES = 60;
const APPS = ["web", "app", "db", "cache"];

type Kind = "pods" | "policies";

interface One {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/** The others. */
export class Crowd {
  readonly #kube: Kube;
  readonly #nodes: readonly string[];
  readonly #random: () => number;
  #namespaces: readonly string[] = [];
  #all: readonly One[] = [];
  #count = 0;

  private constructor(kube: Kube, nodes: readonly string[], seed: number) {
    this.#kube = kube;
    this.#nodes = nodes;
    this.#random = randomFrom(seed);
  }

  /** Makes them, with pods on `nodes`. */
  static async start(kube: Kube, nodes: readonly string[], seed = 1): Promise<Crowd> {
    const crowd = new Crowd(kube, nodes, seed);
    await crowd.#makeNamespaces(NAMESPACES);
    await crowd.#make("pods", PODS);
    await crowd.#make("policies", POLICIES);
    return crowd;
  }

  /** A quarter goes, a quarter is made again under its name, a quarter is changed, as many come. */
  async hour(): Promise<void> {
    await this.#hourOfNamespaces();
    const shuffled = someOf(this.#random, this.#all, this.#all.length);
    const fates = [this.#remove, this.#replace, this.#change, () => Promise.resolve()];
    for (const [n, one] of shuffled.entries()) await fates[n % 4]!.call(this, one);
    this.#all = shuffled.filter((_, n) => n % 4 !== 0);
    await this.#make("pods", PODS);
    await this.#make("policies", POLICIES);
  }

  /** No controller ends them: they stay as ending ones, and what is in them goes as it would then. */
  async #hourOfNamespaces(): Promise<void> {
    const shuffled = someOf(this.#random, this.#namespaces, NAMESPACES);
    const [ending, changed] = [shuffled.slice(0, 3), shuffled.slice(3, 6)];
    for (const name of ending) await this.#kube.ask("DELETE", `${LISTS.namespaces}/${name}`);
    for (const name of changed) {
      const body = { metadata: { labels: this.#labels() } };
      await this.#kube.ask("PATCH", `${LISTS.namespaces}/${name}`, body);
    }
    const goes = this.#all.filter(({ namespace }) => ending.includes(namespace));
    for (const one of goes) await this.#remove(one);
    this.#all = this.#all.filter((one) => !goes.includes(one));
    this.#namespaces = shuffled.slice(3);
    await this.#makeNamespaces(4);
  }

  async #makeNamespaces(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const name = `crowd-${++this.#count}`;
      const body = { metadata: { name, labels: this.#labels() } };
      await this.#kube.ask("POST", LISTS.namespaces, body);
      this.#namespaces = [...this.#namespaces, name];
    }
  }

  async #make(kind: Kind, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const namespace = oneOf(this.#random, this.#namespaces)!;
      const one = { kind, namespace, name: `crowd-${++this.#count}` };
      await this.#create(one);
      this.#all = [...this.#all, one];
    }
  }

  async #create(one: One): Promise<void> {
    await this.#kube.ask("POST", folderOf(one.kind, one.namespace), {
      metadata: { name: one.name, labels: this.#labels() },
      spec: one.kind === "pods" ? this.#podSpec() : this.#policySpec(),
    });
  }

  async #remove(one: One): Promise<void> {
    await this.#kube.ask("DELETE", pathOf(one), { gracePeriodSeconds: 0 });
  }

  async #replace(one: One): Promise<void> {
    await this.#remove(one);
    await this.#create(one);
  }

  async #change(one: One): Promise<void> {
    const body = one.kind === "pods"
      ? { metadata: { labels: this.#labels() } }
      : { spec: this.#policySpec() };
    await this.#kube.ask("PATCH", pathOf(one), body);
  }

  #labels(): Record<string, string> {
    return { app: oneOf(this.#random, APPS)!, turn: String(++this.#count) };
  }

  #podSpec(): unknown {
    return { nodeName: oneOf(this.#random, this.#nodes), containers: [{ name: "c", image: "i" }] };
  }

  #policySpec(): unknown {
    const selector = () => ({ matchLabels: { app: oneOf(this.#random, APPS) } });
    const from = [{ podSelector: selector(), namespaceSelector: selector() }];
    return { podSelector: selector(), ingress: [{ from }] };
  }
}

function pathOf({ kind, namespace, name }: One): string {
  return `${folderOf(kind, namespace)}/${name}`;
}
