// A compiler that follows change by change against one that is made anew: both must know the same.

import { assert, assertEquals } from "@std/assert";
import {
  Compiler,
  type CompilerInput,
  type KubeObjects,
} from "../../../../lib/agent/policy/compiler.ts";
import { IndexedDocuments } from "../../../../lib/intent/indexed_documents.ts";
import type { KubePod } from "../../../../lib/policy/input.ts";
import { Dice, randomPolicy } from "../../policy/random_worlds.ts";

const [TENANTS, NETWORKS, CONTAINERS, HOSTS] = [
  ["t1", "t2"],
  ["n1", "n2"],
  ["c1", "c2", "c3"],
  ["h1", "h2"],
];
const NAMESPACES = ["one", "two", "three"];

/** A store and a cluster that change at random. */
class Chance {
  readonly documents = new IndexedDocuments();
  kube: KubeObjects | undefined;
  readonly #dice: Dice;
  #revision = 0;
  #shift = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    for (let n = 0; n < 40; n++) this.step();
  }

  get input(): CompilerInput {
    const { documents, kube } = this;
    return { documents, kube, host: "h1", tagOf: ({ tag }) => tag + this.#shift };
  }

  step(): void {
    const dice = this.#dice;
    dice.one([
      () => this.#tenant(),
      () => this.#network(),
      () => this.#endpoint(),
      () => this.#endpoint(),
      () => this.#attachment(),
      () => this.#attachment(),
      () => this.#put("claims/ip/t1/n1/10.1.1.9", { schema: 1, owner: String(this.#revision) }),
      () => this.#kubernetes(),
      () => this.#kubernetes(),
      () => this.#shift = dice.below(3),
      () => dice.chance(5) && this.documents.clear(),
    ])();
  }

  #put(key: string, value: unknown): void {
    if (this.#dice.chance(20)) this.documents.delete(key);
    else this.documents.set(key, { value, revision: ++this.#revision });
  }

  #tenant(): void {
    const dice = this.#dice;
    const name = dice.one(TENANTS);
    const rule = (n: number) => ({
      Id: String(n),
      Direction: "in",
      ...dice.one([{ FromGroup: "red" }, { FromNetwork: "n2" }]),
      Action: dice.one(["allow", "deny"]),
    });
    this.#put(`tenants/${name}`, {
      ...{ schema: 1, name, defaultNetType: "vlan", subnetPool: "10.1.0.0/16" },
      allocSubnetLen: 24,
      groups: ["red", "green"].map((Name) => ({ Name, Policies: ["p"] })),
      policies: [{ Name: "p", Rules: Array.from({ length: dice.below(3) }, (_, n) => rule(n)) }],
    });
  }

  #network(): void {
    const [tenant, name] = [this.#dice.one(TENANTS), this.#dice.one(NETWORKS)];
    const tag = 10 + this.#dice.below(3);
    const subnet = `10.1.${this.#dice.below(3)}.0/24`;
    const reachNetworks = ["t1/n1", "t2/n1", "t2/n2"];
    const gateway = subnet.startsWith("10.1.1.")
      ? { owner: true, gatewayType: "distributed", reachNetworks }
      : {};
    const record = { schema: 1, tenant, name, encap: "vlan", tag, subnet, ...gateway };
    this.#put(`networks/${tenant}/${name}`, record);
  }

  #endpoint(): void {
    const dice = this.#dice;
    const [tenant, network, container] = [
      dice.one(TENANTS),
      dice.one(NETWORKS),
      dice.one(CONTAINERS),
    ];
    this.#put(`endpoints/${tenant}/${network}/${container}`, {
      ...{ schema: 1, tenant, network, container, address: `10.1.1.${dice.below(9)}` },
      ...dice.chance(80) ? { bound: { host: dice.one(HOSTS), generation: dice.below(2) } } : {},
      ...dice.chance(50) ? { group: dice.one(["red", "green"]) } : {},
      labels: { app: dice.one(["web", "db"]) },
    });
  }

  #attachment(): void {
    const dice = this.#dice;
    const [host, tenant, network, endpoint] = [
      dice.one(HOSTS),
      dice.one(TENANTS),
      dice.one(NETWORKS),
      dice.one(CONTAINERS),
    ];
    this.#put(`attachments/${host}/${tenant}-${network}-${endpoint}/eth0`, {
      ...{ schema: 1, host, tenant, network, endpoint, sandbox: "s" },
      pod: { namespace: dice.one(NAMESPACES), name: dice.one(["a", "b"]) },
      addresses: [`10.1.1.${dice.below(9)}/24`],
      mac: "02:02:00:00:00:01",
      generation: dice.below(2),
    });
  }

  #kubernetes(): void {
    const dice = this.#dice;
    const { namespaces, pods, policies } = this.kube ?? { namespaces: [], pods: [], policies: [] };
    const pod: KubePod = {
      ...{ namespace: dice.one(NAMESPACES), name: dice.one(["a", "b"]), uid: "u" },
      ...{ labels: { app: dice.one(["web", "db"]) }, addresses: [], ports: [] },
    };
    const name = dice.one(NAMESPACES);
    this.kube = dice.chance(5) ? undefined : {
      namespaces: dice.chance(70)
        ? namespaces
        : [...namespaces.filter((one) => one.name !== name), {
          name,
          labels: { name, team: dice.one(["blue", "grey"]) },
        }],
      pods: dice.chance(50) ? changed(dice, pods, pod) : [...pods],
      policies: dice.chance(30)
        ? changed(dice, policies, randomPolicy(dice, `p${dice.below(4)}`))
        : [...policies],
    };
  }
}

/** Returns the list with another one of that name, or without it. */
function changed<T extends { readonly namespace: string; readonly name: string }>(
  dice: Dice,
  list: readonly T[],
  one: T,
): T[] {
  const at = list.findIndex(({ namespace, name }) =>
    namespace === one.namespace && name === one.name
  );
  if (at < 0) return [...list, one];
  if (dice.chance(50)) return list.with(at, one);
  const others = list.toSpliced(at, 1);
  return dice.chance(50) ? others : [...others, one];
}

function knowledgeOf({ model, flows, problems }: Compiler) {
  const byId = [...model.endpoints].sort(([a], [b]) => a < b ? -1 : 1);
  const rules = [...model.rules()].map(({ rule, subjects, peers }) => ({
    rule,
    subjects: [...subjects.members.keys()].sort(),
    peers: peers.map(({ members }) => [...members.keys()].sort()),
  }));
  return {
    endpoints: byId,
    rules: rules.sort((a, b) => a.rule.id < b.rule.id ? -1 : 1),
    tags: [...flows.tags].sort(),
    count: flows.flows().length,
    problems: [...problems].sort(),
  };
}

Deno.test("Compiler.update() ends where a new compiler begins, whatever changed before", () => {
  let policed = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const chance = new Chance(seed);
    const follower = new Compiler();
    for (let look = 0; look < 40; look++) {
      for (let n = look % 3; n >= 0; n--) chance.step();
      follower.update(chance.input);
      const anew = new Compiler();
      // A plain map does not report its changes.
      anew.update({ ...chance.input, documents: new Map(chance.documents) });
      assertEquals(knowledgeOf(follower), knowledgeOf(anew), `seed ${seed}, look ${look}`);
      policed += follower.flows.tags.size > 0 ? 1 : 0;
    }
  }
  assert(policed > 100, `policies were in force only ${policed} times`);
});

Deno.test("rules of a tenant are compiled while it has endpoints that are known here", () => {
  const documents = new IndexedDocuments();
  const put = (key: string, value: object) => documents.set(key, { value, revision: 1 });
  for (const name of ["t1", "t2"]) {
    put(`tenants/${name}`, {
      ...{ schema: 1, name, defaultNetType: "vlan", subnetPool: "10.0.0.0/8", allocSubnetLen: 24 },
      groups: [{ Name: "g", Network: "n", Policies: ["p"] }],
      policies: [{ Name: "p", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] }],
    });
    put(`networks/${name}/n`, {
      ...{ schema: 1, tenant: name, name: "n", subnet: "10.1.0.0/24", encap: "vlan", tag: 7 },
    });
  }
  const compiler = new Compiler();
  const sources = () => {
    compiler.update({ documents, kube: undefined, host: "h1", tagOf: ({ tag }) => tag });
    return compiler.model.sources;
  };
  const endpoint = (container: string) => ({
    ...{ schema: 1, tenant: "t1", network: "n", container, address: "10.1.0.9", group: "g" },
  });
  assertEquals(sources(), []);
  put("endpoints/t1/n/a", endpoint("a"));
  assertEquals(sources(), ["contiv t1"]);
  put("endpoints/t1/n/b", endpoint("b"));
  documents.delete("endpoints/t1/n/a");
  assertEquals(sources(), ["contiv t1"]);
  documents.delete("endpoints/t1/n/b");
  assertEquals(sources(), []);
  put("endpoints/t1/n/a", endpoint("a"));
  assertEquals(sources(), ["contiv t1"]);
});
