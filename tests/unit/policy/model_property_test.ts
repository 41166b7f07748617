// Random policies: what the model says, what the flows do and what the plain evaluator says are one.

import { assertEquals } from "@std/assert";
import { disagreements } from "./agreement.ts";
import { build, change } from "./build.ts";
import { Dice, randomEndpoint, randomPolicy, randomWorld } from "./random_worlds.ts";
import { cases } from "../cases.ts";

Deno.test("model and flows agree with the evaluator on random policies", () => {
  for (let seed = 1; seed <= cases(80); seed++) {
    const world = randomWorld(new Dice(seed));
    assertEquals(disagreements(world, build(world)), [], `seed ${seed}`);
  }
});

Deno.test("model and flows agree with the evaluator after each change, one at a time", () => {
  for (let seed = 1; seed <= cases(20); seed++) {
    const dice = new Dice(seed * 7_919);
    let world = randomWorld(dice);
    const built = build(world);
    for (let step = 0; step < 5; step++) {
      const was = world;
      const n = dice.below(9);
      const others = was.endpoints.filter(({ id }) => id !== `e${n}`);
      const policies = was.policies.filter(() => dice.chance(80));
      world = {
        ...was,
        endpoints: dice.chance(15) ? others : [...others, randomEndpoint(dice, n)],
        policies: dice.chance(50) ? policies : [...policies, randomPolicy(dice, `new${step}`)],
        ...dice.chance(20) ? { tenants: randomWorld(dice).tenants } : {},
        ...dice.chance(20) ? { namespaces: randomWorld(dice).namespaces } : {},
      };
      change(built, was, world);
      assertEquals(disagreements(world, built), [], `seed ${seed}, step ${step}`);
    }
    change(built, world, { ...world, policies: [], tenants: world.tenants.map(silent) });
    assertEquals(built.flows.flows(), [], `seed ${seed}: lines are left without policies`);
    assertEquals(built.flows.tags.size, 0);
  }
});

function silent<T extends { readonly groups: readonly { readonly name: string }[] }>(tenant: T): T {
  return { ...tenant, groups: tenant.groups.map(({ name }) => ({ name, policies: [] })) };
}
