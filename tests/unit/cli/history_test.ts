import { assertEquals, assertRejects } from "@std/assert";
import type {
  HistoryItem,
  IntentRequest,
  PlanAnswer,
} from "../../../lib/agent/api/intent_requests.ts";
import { rollback } from "../../../lib/cli/change.ts";
import { plan } from "../../../lib/cli/plan_command.ts";
import { history } from "../../../lib/cli/history.ts";
import type { CommonOptions } from "../../../lib/cli/shell.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const host = { kind: "host" as const, key: "h1" };
const ITEMS: HistoryItem[] = [{
  ...{ revision: 12, at: "2026-01-02T00:00:00Z", by: "ada", host: "desk", source: "shop.json" },
  ...{ state: "done", mode: "add", count: 2 },
  changes: [
    {
      op: "update",
      ...host,
      before: { name: "h1", intf: "eth1" },
      after: { name: "h1", intf: "eth2" },
    },
    { op: "delete", kind: "network", key: "t/blue", before: { tenant: "t", name: "blue" } },
  ],
}, {
  ...{ revision: 11, at: "2026-01-01T00:00:00Z", by: "", host: "", source: "" },
  ...{ state: "interrupted", mode: "add", count: 7, changes: [], isUnknown: true },
}];

async function run(words: readonly string[], options: Partial<CommonOptions> = {}) {
  const asked: unknown[] = [];
  const target = {
    history: (revision?: string) => {
      asked.push(revision);
      return Promise.resolve(ITEMS);
    },
  };
  const shell = fakeShell(words, target, options);
  await history.run(shell);
  return { ...shell, asked };
}

Deno.test("history prints a table, and -p what each revision changed", async () => {
  const { stdout, asked } = await run([]);
  assertEquals(asked, [undefined]);
  assertEquals(stdout, [
    "REVISION  AT                    BY   HOST  SOURCE     CHANGES",
    "12        2026-01-02T00:00:00Z  ada  desk  shop.json  1 updated, 1 deleted",
    "11        2026-01-01T00:00:00Z  -    -     -          7, not recorded (interrupted)",
  ]);
  assertEquals((await run(["12"], { patch: true })).stdout, [
    "revision 12, 2026-01-02T00:00:00Z, by ada on desk, from shop.json",
    "  ~ host h1",
    "      Intf: eth1 → eth2",
    "  - network t/blue",
    "",
    "revision 11, 2026-01-01T00:00:00Z, by unknown on unknown (interrupted)",
    "  7 objects, not recorded",
  ]);
});

Deno.test("history -o json has the items, -o name the numbers", async () => {
  const { stdout } = await run([], { format: "json" });
  assertEquals(JSON.parse(stdout.join("\n")), JSON.parse(JSON.stringify(ITEMS)));
  assertEquals((await run([], { format: "name" })).stdout, ["12", "11"]);
});

const ANSWER: PlanAnswer = {
  operations: [{
    verb: "delete",
    kind: "endpoint",
    name: "t/n/c",
    lines: ["detaches default/c on h1"],
  }],
  ...{ warnings: ["look out"], revision: 13 },
};

const REVISIONS = [12, 11, 7].map((revision): HistoryItem => ({
  ...ITEMS[0]!,
  revision,
  state: revision === 11 ? "interrupted" : "done",
}));

function target(changed: PlanAnswer = ANSWER, revisions = REVISIONS) {
  const asked: [string, IntentRequest][] = [];
  const answer = (way: string) => (request: IntentRequest) => {
    asked.push([way, request]);
    return Promise.resolve(changed);
  };
  const history = () => Promise.resolve(revisions);
  return { asked, plan: answer("plan"), apply: answer("apply"), history };
}

Deno.test("rollback applies, and with --dry-run or as plan --to only plans, going back", async () => {
  const asked = target();
  const shell = fakeShell(["12"], asked, { force: true });
  await rollback.run(shell);
  await rollback.run(fakeShell(["12"], asked, { dryRun: true }));
  await plan.run(fakeShell([], asked, { to: "12" }));
  assertEquals(asked.asked.map(([way, { mode, to, force }]) => [way, mode, to, force]), [
    ["apply", "rollback", 12, true],
    ["plan", "rollback", 12, false],
    ["plan", "rollback", 12, false],
  ]);
  assertEquals(asked.asked[0]?.[1].origin?.source, "rollback 12");
  assertEquals(shell.stdout, ["- endpoint t/n/c", "    detaches default/c on h1"]);
  assertEquals(shell.stderr, ["warning: look out", "changed: 1 object, revision 13"]);
});

for (
  const [words, message] of [
    [
      [],
      "rollback got 0 arguments: it takes 1; k8contivnet history shows revisions; rollback 7 goes back to revision 7",
    ],
    [
      ["a", "b"],
      "rollback got 2 arguments: it takes 1; k8contivnet history shows revisions; rollback 7 goes back to revision 7",
    ],
    [["-1"], '"-1" is not a revision: it must be a number; see k8contivnet history'],
    [["last"], '"last" is not a revision: it must be a number; see k8contivnet history'],
  ] as const
) {
  Deno.test(`rollback ${words.join(" ")} is refused`, async () => {
    const fault = await assertRejects(
      async () => await rollback.run(fakeShell(words, target())),
      Fault,
    );
    assertEquals([fault.code, fault.message], ["usage", message]);
  });
}

const SAME: PlanAnswer = { operations: [], warnings: [] };

for (
  const [revision, revisions, hint] of [
    ["12", REVISIONS, ["revision 12 is the intent as it is; the one before is 7"]],
    ["7", REVISIONS, []],
    ["12", REVISIONS.slice(0, 1), ["revision 12 is the intent as it is"]],
    ["1", [{ ...REVISIONS[0]!, revision: 1 }], [
      "revision 1 is the intent as it is; the one before is 0",
    ]],
    ["0", [], []],
  ] as const
) {
  const kept = revisions.map((one) => one.revision).join();
  Deno.test(`going back to ${revision} of ${kept} without a change says ${hint[0] ?? "no more"}`, async () => {
    const same = target(SAME, [...revisions]);
    const back = fakeShell([revision], same);
    await rollback.run(back);
    assertEquals([back.stdout, back.stderr], [[], ["nothing to change", ...hint]]);
    const planned = fakeShell([], same, { to: revision });
    await plan.run(planned);
    assertEquals(planned.stderr, ["nothing to change", ...hint]);
    const json = fakeShell([revision], same, { format: "json" });
    await rollback.run(json);
    assertEquals(json.stderr, []);
  });
}

Deno.test("a change that has succeeded does not fail because nobody answers for its hint", async () => {
  const history = () => Promise.reject(new Fault("unavailable", "no agent"));
  const shell = fakeShell(["12"], { ...target(SAME), history });
  await rollback.run(shell);
  assertEquals(shell.stderr, ["nothing to change"]);
});

Deno.test("rollback without a revision says how to go back also if nobody answers", async () => {
  const silent = { history: () => Promise.reject(new Fault("unavailable", "no agent")) };
  const { message } = await assertRejects(
    async () => await rollback.run(fakeShell([], silent)),
    Fault,
  );
  assertEquals(
    message,
    "rollback got 0 arguments: it takes 1; " +
      "k8contivnet history shows revisions; rollback REV goes back to revision REV",
  );
});
