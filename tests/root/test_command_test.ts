// `install.sh test`: its last lines, and its exit code.

import { assert, assertEquals } from "@std/assert";
import { type Ended, start, tempDir } from "../lab/one_file.ts";
import { run } from "../lab/run.ts";

const HOUSE = new URL("../..", import.meta.url).pathname;

/** Makes a house in `folder` with nothing but `units` and `roots` as tests; runs its install.sh. */
async function testHouse(folder: string, units: string, roots: string): Promise<Ended> {
  // A lab within the lab sees no /run of ours: what install.sh brings on a bare machine is there already.
  const script =
    `cd "$1"; mkdir -p .cache/deno/bin .ci tests/unit tests/contract tests/root tests/node tests/lab
    cp ${Deno.execPath()} .cache/deno/bin/deno
    cp ${HOUSE}install.sh .; cp ${HOUSE}tests/lab/in_lab.sh tests/lab
    if [ "$3" = exit ]; then echo exit 1; else echo :; fi >.ci/build.sh; : >main.ts; echo '{"test":{"include":["tests/unit/"]}}' >deno.json
    : >tests/contract/c_test.ts; echo "$2" >tests/unit/a_test.ts; echo "$3" >tests/root/b_test.ts`;
  await run("sh", ["-ec", script, "sh", folder, units, roots]);
  return await start([`${folder}/install.sh`, "test"], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: Deno.env.get("HOME") ?? "/root" },
  });
}

const GOOD = `Deno.test("good", () => {});`;
const BAD = `Deno.test("bad", () => { throw new Error("x"); });`;
const totals: readonly (readonly [string, string, string, string, number])[] = [
  ["all passed", GOOD, GOOD + GOOD, "3 passed, 0 failed", 0],
  ["a root test failed", GOOD, GOOD + BAD, "2 passed, 1 failed", 1],
  ["a unit test failed", GOOD + BAD, GOOD, "2 passed, 1 failed", 1],
  ["none ran", "", "", "0 passed, 0 failed", 1],
  ["a test could not be loaded", GOOD, "syntax error", "1 passed, 1 failed", 1],
  ["the file cannot be built", GOOD, "exit", "1 passed, 1 failed", 1],
];

for (const [what, units, roots, last, code] of totals) {
  Deno.test(`install.sh test ends with "${last}" where ${what}`, async () => {
    await using dir = await tempDir();
    const ended = await testHouse(`${dir}`, units, roots);
    assertEquals(ended.out.trimEnd().split("\n").at(-1), last, ended.out + ended.err);
    assertEquals(ended.code, code);
    assert(units === "" || ended.out.includes("good ... ok"), "each test's name is printed");
    const slowest = ended.out.split("the slowest suites:\n")[1] ?? "";
    const suites = [...slowest.matchAll(/^ *\d+\.\d s {2}(\S+)$/gm)].map(([, suite]) => suite);
    const ran = [
      ...roots.startsWith("Deno") ? ["tests/root/b_test.ts"] : [],
      ...units === "" ? [] : ["tests/unit/a_test.ts"],
    ];
    assertEquals(suites.sort(), ran);
    const broken = ended.out.split("what failed:\n")[1] ?? "";
    assertEquals(broken.includes("bad => ./tests/"), (units + roots).includes("bad"), ended.out);
  });
}
