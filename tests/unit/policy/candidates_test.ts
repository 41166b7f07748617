// All endpoints of a set are among its candidates, and few others are.

import { assert, assertEquals } from "@std/assert";
import { Candidates } from "../../../lib/policy/candidates.ts";
import type { MemberSpec } from "../../../lib/policy/member_spec.ts";
import type { Endpoint } from "../../../lib/policy/input.ts";
import { Namespaces } from "../../../lib/policy/namespaces.ts";
import { type LabelSelector, selectorMatches } from "../../../lib/util/label_selectors.ts";
import { endpointOf } from "./build.ts";
import { Dice, randomEndpoint } from "./random_worlds.ts";

const web = { matchLabels: { app: "web" } };
const back = { matchExpressions: [{ key: "tier", operator: "In", values: ["back"] }] } as const;
const bare = { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] } as const;
const specs: readonly MemberSpec[] = [
  { kind: "group", tenant: "t1", group: "red" },
  { kind: "pods" },
  { kind: "pods", namespace: "one" },
  { kind: "pods", namespace: "one", podSelector: {} },
  { kind: "pods", namespace: "one", podSelector: web },
  { kind: "pods", namespace: "two", podSelector: back },
  { kind: "pods", namespace: "two", podSelector: bare },
  { kind: "pods", podSelector: web },
  { kind: "pods", podSelector: back },
];

function isMember(spec: MemberSpec, { tenant, group, pod, labels }: Endpoint): boolean {
  if (spec.kind === "group") return spec.tenant === tenant && spec.group === group;
  if (spec.kind === "unknown_labels") return false;
  if (!pod || (spec.namespace ?? pod.namespace) !== pod.namespace) return false;
  return selectorMatches(spec.podSelector ?? {}, labels);
}

Deno.test("Candidates has all members of each set in the order of add(), and ends empty", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const dice = new Dice(seed);
    const candidates = new Candidates<MemberSpec>();
    const [there, sets] = [new Map<string, Endpoint>(), new Set<MemberSpec>()];
    const remove = (endpoint: Endpoint | undefined) => {
      if (!endpoint) return;
      candidates.remove(endpoint);
      there.delete(endpoint.id);
    };
    const toggle = (spec: MemberSpec) => {
      if (sets.delete(spec)) return candidates.removeSet(spec, spec);
      sets.add(spec);
      candidates.addSet(spec, spec);
    };
    for (let step = 0; step < 200; step++) {
      if (dice.chance(30)) toggle(dice.one(specs));
      const { pod, ...rest } = endpointOf(randomEndpoint(dice, dice.below(12)));
      const endpoint: Endpoint = dice.chance(90) ? { ...rest, pod } : rest;
      remove(there.get(endpoint.id));
      if (dice.chance(80)) {
        candidates.add(endpoint);
        there.set(endpoint.id, endpoint);
      }
      for (const spec of sets) {
        const members = [...there.values()].filter((one) => isMember(spec, one));
        const found = [...candidates.endpointsFor(spec)].filter((one) => isMember(spec, one));
        assertEquals(found, members, `seed ${seed}, step ${step}`);
      }
      for (const one of there.values()) {
        const found = candidates.setsFor(one);
        assertEquals(found.length, new Set(found).size, "each set once");
        const missed = [...sets].filter((spec) => isMember(spec, one) && !found.includes(spec));
        assertEquals(missed, [], `seed ${seed}, step ${step}`);
      }
    }
    for (const spec of [...sets]) toggle(spec);
    for (const one of [...there.values()]) remove(one);
    assert(candidates.isEmpty, `seed ${seed}`);
  }
});

Deno.test("Candidates.endpointsFor() gives only those with the label that a set asks for", () => {
  const candidates = new Candidates<MemberSpec>();
  const dice = new Dice(7);
  for (let n = 0; n < 300; n++) candidates.add(endpointOf(randomEndpoint(dice, n)));
  const spec: MemberSpec = { kind: "pods", namespace: "one", podSelector: web };
  candidates.addSet(spec, spec);
  const found = [...candidates.endpointsFor(spec)];
  assert(found.length > 0);
  assertEquals(found.filter((one) => !isMember(spec, one)), []);
});

Deno.test("Namespaces.select() finds what asking each namespace finds", () => {
  const dice = new Dice(3);
  const selectors: readonly LabelSelector[] = [
    {},
    { matchLabels: { team: "blue" } },
    { matchLabels: { team: "blue", name: "a" } },
    { matchExpressions: [{ key: "team", operator: "In", values: ["grey"] }] },
    { matchExpressions: [{ key: "team", operator: "DoesNotExist" }] },
  ];
  const [namespaces, known] = [new Namespaces(), new Map<string, Record<string, string>>()];
  for (let step = 0; step < 500; step++) {
    const name = dice.one(["a", "b", "c", "d"]);
    const labels = dice.chance(30)
      ? undefined
      : { name, ...dice.chance(60) ? { team: dice.one(["blue", "grey"]) } : {} };
    namespaces.set(name, labels);
    if (labels) known.set(name, labels);
    else known.delete(name);
    for (const selector of selectors) {
      const want = [...known].filter(([, one]) => selectorMatches(selector, one));
      assertEquals(namespaces.select(selector).sort(), want.map(([one]) => one).sort());
      const asked = ["a", "b", "c", "d"].filter((one) => namespaces.isSelected(one, selector));
      assertEquals(asked, want.map(([one]) => one).sort());
    }
  }
});
