// What `gc` says at its end: how many endpoints, and that the intent still has the host.

import { assertEquals } from "@std/assert";
import type { GcAct, GcAnswer } from "../../../lib/agent/api/repair_requests.ts";
import { gc } from "../../../lib/cli/gc.ts";
import { fakeShell } from "./fake_shell.ts";

const act = (endpoint: string): GcAct => ({
  act: "unbind",
  endpoint,
  address: "10.0.0.1",
  pod: "",
});

Deno.test("gc --host says for how long it watches, where that is known", async () => {
  const cases = [
    [[{ name: "h1", everyMs: 1_000 }, { name: "h2", everyMs: 10_500 }], " for 27 s"],
    [[{ name: "h2" }], ""],
    [[{ name: "h2", everyMs: 1_000, lost: true }], undefined],
    [[], ""],
    [undefined, ""],
  ] as const;
  for (const [reports, time] of cases) {
    const target = {
      list: () => reports ? Promise.resolve(reports) : Promise.reject(new Error("no such kind")),
      gc: () => Promise.resolve({ host: "h2", acts: [], left: [] }),
    };
    const shell = fakeShell([], target, { host: "h2" });
    await gc.run(shell);
    const watching = time === undefined ? [] : [`watching for heartbeats of host h2${time}`];
    assertEquals(shell.stderr.slice(0, -1), watching);
  }
});

async function run(answer: Partial<GcAnswer>, dryRun = false): Promise<string[]> {
  const target = { gc: () => Promise.resolve({ host: "h2", acts: [], left: [], ...answer }) };
  const shell = fakeShell([], target, { host: "h2", dryRun });
  await gc.run(shell);
  return shell.stderr.slice(1);
}

Deno.test("gc counts endpoints", async () => {
  assertEquals(await run({}), ["host h2: nothing removed"]);
  assertEquals(await run({ acts: [act("t/n/a")] }), ["host h2: 1 endpoint removed from it"]);
  assertEquals(await run({ acts: [act("t/n/a"), act("t/n/b")] }, true), [
    "host h2: 2 endpoints to be removed from it",
  ]);
});

Deno.test("gc says that the intent still has the host, and how to delete it", async () => {
  assertEquals(await run({ isInIntent: true }), [
    "host h2: nothing removed",
    `host h2 is still in the intent; to delete it: echo '{"Hosts":[{"Name":"h2"}]}' | k8contivnet delete -f -`,
  ]);
});
