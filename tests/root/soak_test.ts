// Random pods and restarts of every part on two hosts, held against a belief after each act. Longer,
// or again: deno test -A tests/root/soak_test.ts -- --seconds 3600 --seed 7

import { assert, assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { randomFrom } from "../lab/random.ts";
import { someAct } from "../lab/soak/acts.ts";
import { type Rest, Soak } from "../lab/soak/soak.ts";
import { waitFor } from "../lab/wait.ts";

const { seconds, seed } = parseArgs(Deno.args, {
  string: ["seconds", "seed"],
  default: { seconds: "60", seed: String(Date.now() % 100_000) },
});

/** Every pod once, and away again: what use opens and keeps is part of the start. */
async function warmUp(soak: Soak): Promise<void> {
  for (const name of soak.someAbsent(Infinity)) await soak.setUp(name, soak.someHost());
  await empty(soak);
}

async function empty(soak: Soak): Promise<void> {
  for (const name of [...soak.placed.keys()]) await soak.tearDown(name);
  await soak.check();
}

/** Returns what there is now, of the files only those that were not open at the start. */
function beyond(start: Rest, now: Rest): Rest {
  const files = now.files.map((all, n) => {
    const left = [...all];
    for (const file of start.files[n] ?? []) {
      const at = left.indexOf(file);
      if (at >= 0) left.splice(at, 1);
    }
    return left;
  });
  return { ...now, files };
}

for (const ports of ["plain", "warm"] as const) {
  Deno.test(`soak: ${seconds} s of pods and restarts, all as believed after each act, and nothing left, ${ports} ports`, async () => {
    console.log(`seed ${seed}`);
    await using soak = await Soak.start(randomFrom(Number(seed)), ports);
    await warmUp(soak);
    const steady = soak.cluster.host(2); // its agent lives through all of it
    const before = { rest: await soak.atRest(), mb: await soak.memory(steady) };
    const counts = new Map<string, number>();
    const end = performance.now() + Number(seconds) * 1_000;
    while (performance.now() < end) {
      const act = someAct(soak.random);
      counts.set(act.name, (counts.get(act.name) ?? 0) + 1);
      try {
        await act.run(soak);
        await soak.check();
      } catch (cause) {
        throw new Error(`after ${[...counts.values()].reduce((a, b) => a + b)} acts: ${act.name}`, {
          cause,
        });
      }
    }
    await empty(soak);
    // What an agent has open for a moment is closed soon, also what it had at the start; what it leaks stays.
    const leaked = {
      ...before.rest,
      files: before.rest.files.map(() => []),
      // At the start it may be larger: an agent then reads the whole store, and follows what its host needs afterwards.
      isPoolSmall: true,
    };
    await waitFor("all to be as at the start", async () => {
      return JSON.stringify(beyond(before.rest, await soak.atRest())) === JSON.stringify(leaked);
    }, { limitMs: 20_000, everyMs: 500 }).catch(async () => {
      assertEquals(beyond(before.rest, await soak.atRest()), leaked);
    });
    // Garbage is collected now and then, on a busy machine later; what is leaked never is.
    let mb = Infinity;
    await waitFor("the agent's memory to be as at the start", async () => {
      mb = await soak.memory(steady);
      return mb < before.mb * 1.1;
    }, { limitMs: 10_000 }).catch(() => {});
    console.log([...counts].map(([name, count]) => `${count} × ${name}`).sort().join("\n"));
    console.log(`agent: ${before.mb.toFixed(1)} MB before, ${mb.toFixed(1)} MB after`);
    assert(mb < before.mb * 1.1, `memory grew from ${before.mb} to ${mb} MB`);
  });
}
