// Random words of an intent on running pods: each packet arrives where the intent says, with the source that it
// says, or nowhere. The same clusters and the same reading of the intent as in tests/unit/reach, where flows and
// packet filter are judged; here it is the traffic.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { patient } from "../lab/limits.ts";
import { RandomWorld } from "../lab/reach/random_world.ts";
import {
  type FileTenant,
  otherWords,
  type Probe,
  probesOf,
  randomClusters,
} from "../unit/reach/random_clusters.ts";

// How often the words change, and packets after each change.
const ROUNDS = Number(Deno.env.get("K8CONTIVNET_REACH_ROUNDS") ?? 6);
const PACKETS = 200;
const AT_ONCE = 40;
const SETTLED_MS = 2_000;

/** Asks again what is not as it should be, until hosts have followed the intent for sure. */
async function settledDisagreements(
  world: RandomWorld,
  tenants: readonly FileTenant[],
  probes: readonly Probe[],
): Promise<string[]> {
  const end = performance.now() + patient(SETTLED_MS);
  let left: readonly Probe[] = probes;
  while (true) {
    const wrong = [];
    for (let at = 0; at < left.length; at += AT_ONCE) {
      wrong.push(...await world.disagreements(tenants, left.slice(at, at + AT_ONCE)));
    }
    if (wrong.length === 0 || performance.now() > end) return wrong.map(({ text }) => text);
    left = wrong.map(({ probe }) => probe);
  }
}

Deno.test("traffic of random intents is what the intent says", async (t) => {
  const seed = Number(
    Deno.env.get("K8CONTIVNET_REACH_SEED") ?? Math.floor(Math.random() * 2 ** 31),
  );
  console.log(`seed ${seed}`);
  const [random] = fc.sample(randomClusters(1), { seed, numRuns: 1 });
  const words = fc.sample(otherWords(random!.tenants), { seed, numRuns: ROUNDS });
  await using world = await RandomWorld.start(random!);
  let asked = 0;
  for (const [at, tenants] of words.entries()) {
    await t.step(`words ${at + 1} of ${ROUNDS}`, async () => {
      await world.apply(tenants);
      const [all] = fc.sample(probesOf(tenants, PACKETS * 2), { seed: seed + at, numRuns: 1 });
      const probes = all!.filter((one) => world.canAsk(tenants, one)).slice(0, PACKETS);
      asked += probes.length;
      assertEquals(await settledDisagreements(world, tenants, probes), []);
    });
  }
  console.log(`${asked} packets`);
});
