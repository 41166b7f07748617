// Where endpoints are is read once for each state of the records, and is never of an older state.

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Places } from "../../../../lib/agent/policy/places.ts";
import { IndexedDocuments } from "../../../../lib/intent/lookup.ts";
import { keys } from "../../../../lib/intent/records.ts";
import { oneOf, randomFrom } from "../../../lab/random.ts";

const HOSTS = ["host1", "host2"];

function endpoint(name: string, host: string | undefined, generation: number) {
  const bound = host === undefined ? {} : { bound: { host, generation } };
  const place = { tenant: "t", network: "n", container: name };
  return [keys.endpoint("t", "n", name), { ...place, address: "10.0.0.2", ...bound }] as const;
}

function attachment(name: string, host: string, generation: number) {
  const pod = { namespace: "default", name };
  const where = { host, tenant: "t", network: "n", endpoint: name, sandbox: `s${name}` };
  const value = { ...where, pod, addresses: ["10.0.0.2/24"], generation, interface: "eth0" };
  return [keys.attachment(host, where.sandbox, "eth0"), value] as const;
}

function network(tag: number) {
  const value = { tenant: "t", name: "n", encap: "vlan", tag, subnet: "10.0.0.0/24" };
  return [keys.network("t", "n"), value] as const;
}

Deno.test("Places gives what a walk through all records gives, after each change of them", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomFrom(seed);
    const one = <T>(all: readonly T[]) => oneOf(random, all)!;
    const name = () => one(["a", "b", "c"]);
    const number = () => 1 + Math.floor(random() * 3);
    const [documents, places] = [new IndexedDocuments(), new Places()];
    let attached = 0;
    for (let step = 0; step < 200; step++) {
      const [key, value] = one([
        () => endpoint(name(), one([...HOSTS, undefined]), number()),
        () => endpoint(name(), one(HOSTS), number()),
        () => attachment(name(), one(HOSTS), number()),
        () => attachment(name(), one(HOSTS), number()),
        () => network(number()),
        () => [endpoint(name(), undefined, 1)[0], { schema: 99 }] as const,
      ])();
      const chance = random();
      if (chance < 0.02) documents.clear();
      else if (chance < 0.2) documents.delete(key);
      else documents.set(key, { value, revision: step + 1 });
      const host = one(HOSTS);
      const seen = places.of(documents, host);
      assertEquals(seen, new Places().of(new Map(documents), host), `seed ${seed}, step ${step}`);
      attached += seen.filter((place) => place.network).length;
    }
    assert(attached > 0);
  }
});

Deno.test("Places reads nothing anew where records were only written again as they were", () => {
  const [documents, places] = [new IndexedDocuments(), new Places()];
  const all = [network(5), endpoint("a", "host1", 1), attachment("a", "host1", 1)];
  for (const [key, value] of all) documents.set(key, { value, revision: 1 });
  const first = places.of(documents, "host1");
  assertEquals(first[0]?.podName, "default/a");
  for (const [key, value] of all) documents.set(key, { value, revision: 2 });
  documents.delete("endpoints/t/n/nobody");
  assertStrictEquals(places.of(documents, "host1"), first);
  assertEquals(places.of(documents, "host2")[0]?.network, undefined);
});
