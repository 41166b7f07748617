// Tests of policies must be able to fail: each fault that is put into the compiler's text has to be
// found by comparing it with the plain evaluator.

import { assert, assertEquals } from "@std/assert";
import { run } from "../../lib/util/run.ts";

const HOUSE = new URL("../..", import.meta.url).pathname;

const mutants: { fault: string; file: string; from: string; to: string }[] = [
  {
    fault: "policyTypes leaves egress out by default",
    file: "network_policy.ts",
    from: 'return egress.length > 0 ? ["in", "out"] : ["in"]',
    to: 'return ["in"]',
  },
  {
    fault: "exceptions of a block are forgotten",
    file: "flows/rule_parts.ts",
    from: "blockWithout(peer.block, peer.excepts)",
    to: "[peer.block]",
  },
  {
    fault: "a pod selector finds pods of every namespace",
    file: "network_policy.ts",
    from: "const only = namespaceSelector ? undefined : namespace;",
    to: "const only = undefined;",
  },
  {
    fault: "peers of another tenant with the same address get in",
    file: "flows/host_flows.ts",
    from: "if (peer.tenant !== active.tenant || !isNamed",
    to: "if (!isNamed",
  },
  {
    fault: "allow goes before deny at one priority",
    file: "flows/host_flows.ts",
    from: '(action === "deny" ? 1 : 0)',
    to: '(action === "allow" ? 1 : 0)',
  },
  {
    fault: "the last port of a range is left out",
    file: "blocks.ts",
    from: "for (let at = first; at <= last;)",
    to: "for (let at = first; at < last;)",
  },
  {
    fault: "a change of labels keeps old members",
    file: "groups.ts",
    from: "if (known && !(isSame && now.has(group))) this.#leave(group, known);",
    to: "if (known && !isSame && !now.has(group)) this.#leave(group, known);",
  },
];

/** Copies what the property needs, with one fault put in. */
async function copyWith(mutant: typeof mutants[0] | undefined): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-mutant-" });
  for (const path of ["lib/policy", "lib/ipam", "lib/util", "tests/unit/policy", ".std"]) {
    await run("mkdir", ["-p", `${dir}/${path}`]);
    await run("cp", ["-r", `${HOUSE}/${path}/.`, `${dir}/${path}`]);
  }
  await run("cp", [`${HOUSE}/deno.json`, dir]);
  if (!mutant) return dir;
  const file = `${dir}/lib/policy/${mutant.file}`;
  const text = await Deno.readTextFile(file);
  assertEquals(text.split(mutant.from).length, 2, `${mutant.file} has "${mutant.from}" once`);
  await Deno.writeTextFile(file, text.replace(mutant.from, mutant.to));
  return dir;
}

/** Reports whether the properties hold in that copy. */
async function holds(dir: string): Promise<boolean> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-check", "--no-lock", `${dir}/tests/unit/policy/model_property_test.ts`],
    cwd: dir,
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(120_000),
  }).output();
  await Deno.remove(dir, { recursive: true });
  return code === 0;
}

Deno.test("without a fault the compiler and the evaluator agree", async () => {
  assert(await holds(await copyWith(undefined)));
});

for (const mutant of mutants) {
  Deno.test(`a compiler with this fault is found out: ${mutant.fault}`, async () => {
    assert(!await holds(await copyWith(mutant)));
  });
}
