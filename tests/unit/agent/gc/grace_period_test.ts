import { assertEquals } from "@std/assert";
import { GracePeriod } from "../../../../lib/agent/gc/grace_period.ts";

const GRACE_MS = 25_000;

/** One look at a sandbox: what the clock says, whether it is there, and whether it is to be released. */
type Look = readonly [nowMs: number, isAlive: boolean, isDue: boolean];

const cases: readonly { name: string; looks: readonly Look[] }[] = [
  {
    name: "releases what was missing at each look for the grace time",
    looks: [[0, false, false], [10_000, false, false], [20_000, false, false], [
      25_000,
      false,
      true,
    ]],
  },
  { name: "never releases at the first look", looks: [[1e9, false, false]] },
  {
    name: "begins again when the sandbox was there in between",
    looks: [
      [0, false, false],
      [10_000, false, false],
      [11_000, true, false],
      [
        12_000,
        false,
        false,
      ],
      [20_000, false, false],
      [30_000, false, false],
      [37_000, false, true],
    ],
  },
  {
    name: "takes a clock that jumps ahead for ten seconds at most",
    looks: [[0, false, false], [86_400_000, false, false], [86_401_000, false, false]],
  },
  {
    name: "takes a clock that jumps back for no time at all",
    looks: [[50_000, false, false], [0, false, false], [10_000, false, false], [
      20_000,
      false,
      false,
    ], [25_000, false, true]],
  },
];

for (const { name, looks } of cases) {
  Deno.test(`isDue() ${name}`, () => {
    let now = 0;
    const garbage = new GracePeriod(GRACE_MS, () => now);
    for (const [nowMs, isAlive, isDue] of looks) {
      now = nowMs;
      assertEquals(garbage.isDue("a", isAlive ? "alive" : "missing"), isDue, `at ${nowMs}`);
    }
  });
}

Deno.test("nextDueMs() asks for a look every ten seconds while something is marked", () => {
  let now = 0;
  const garbage = new GracePeriod(GRACE_MS, () => now);
  assertEquals(garbage.nextDueMs(), undefined);
  garbage.isDue("a", "missing");
  assertEquals(garbage.nextDueMs(), 10_000);
  for (now of [10_000, 20_000]) garbage.isDue("a", "missing");
  assertEquals(garbage.nextDueMs(), 5_000);
  garbage.keepOnly(new Set(["b"]));
  assertEquals(garbage.nextDueMs(), undefined);
});

Deno.test("isDue() waits for nothing where namespace and runtime agree that it ended", () => {
  assertEquals(new GracePeriod(GRACE_MS, () => 0).isDue("a", "dead"), true);
});

Deno.test("Garbage, hastened, releases what is marked and missing once more, and nothing that is back", () => {
  let now = 0;
  const garbage = new GracePeriod(GRACE_MS, () => now);
  for (const id of ["gone", "back"]) assertEquals(garbage.isDue(id, "missing"), false);
  now = 5_000;
  garbage.isDue("gone", "missing");
  assertEquals([...garbage.remainingMs()], [["gone", 20_000], ["back", 25_000]]);
  assertEquals(garbage.expireAll(), ["gone", "back"]);
  assertEquals([garbage.isDue("gone", "missing"), garbage.isDue("back", "alive")], [true, false]);
  assertEquals(garbage.isDue("back", "missing"), false);
  assertEquals(garbage.isDue("new", "missing"), false);
});
