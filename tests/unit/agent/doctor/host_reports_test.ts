// Reports of hosts: what is stored of one, when it is written again, and how another host shows it.

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { CheckItem } from "../../../../lib/agent/api/agent_health.ts";
import { reportOf, writeReport } from "../../../../lib/agent/doctor/host_reports.ts";
import { recordItems } from "../../../../lib/agent/server/list_items.ts";
import { isBlank } from "../../../../lib/agent/store/documents.ts";
import { doctor } from "../../../../lib/cli/doctor.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { startMemoryAgent } from "../../../memory/memory_agent.ts";
import { fakeShell } from "../../cli/fake_shell.ts";

const item = (id: string, state: CheckItem["state"]): CheckItem => ({
  ...{ id, group: "host", state, message: `${id}\nis ${state}` },
  ...state === "ok" ? {} : { fix: `mend ${id}` },
});

const AT = "2026-01-01T00:00:00.000Z";
const NOW = new Date().toISOString();

Deno.test("a report has what is wrong on one line each, and counts what is right", () => {
  const report = reportOf("h", [item("a", "ok"), item("b", "failed"), item("c", "warning")], AT);
  assertEquals([report.host, report.at, report.passed], ["h", AT, 1]);
  assertEquals(report.checks.map(({ message }) => message), ["b is failed", "c is warning"]);
  const fix = "ip link set eth1 up && ".repeat(40);
  assertEquals(reportOf("h", [{ ...item("b", "failed"), fix }], AT).checks[0]?.fix, fix.trim());
  assertEquals(reportOf("h", Array(99).fill(item("b", "failed")), AT).checks.length, 50);
});

Deno.test("a report is written if it is news, or an hour old; a store with reports alone is blank", async () => {
  using agent = await startMemoryAgent();
  let [now, checks] = [Date.parse(AT), [item("a", "ok")]];
  const write = async () => {
    await writeReport({
      ...{ host: "host1", store: agent.cache, wallMs: () => now },
      examine: () => Promise.resolve({ ok: true, checks }),
    });
    return (recordItems(agent.cache.documents, "reports")[0] as { at: string }).at;
  };
  assertEquals(await write(), AT);
  assertEquals(isBlank(agent.cache.documents), true);
  now += 600_000;
  assertEquals(await write(), AT);
  checks = [item("a", "failed")];
  assertEquals(await write(), "2026-01-01T00:10:00.000Z");
  now += 3_600_000;
  assertEquals(await write(), "2026-01-01T01:10:00.000Z");
});

Deno.test("doctor --host shows another host's last report, and its exit code says whether something failed", async () => {
  const report = {
    ...{ name: "h2", at: AT, lastSeen: NOW, everyMs: 60_000, version: "1", passed: 9 },
    checks: [item("b", "warning")],
  };
  const run = async (
    checks: readonly CheckItem[],
    options = {},
    life = {},
    inIntent = ["h1", "h2"],
  ) => {
    const target = {
      list: (kind: string) =>
        Promise.resolve(
          kind === "hosts"
            ? inIntent.map((name) => ({ name }))
            : [{ ...report, checks, ...life }, { ...report, name: "h3" }],
        ),
    };
    const shell = fakeShell([], target, { host: "h2", ...options });
    return { ...shell, code: await doctor.run(shell) };
  };
  const warned = await run(report.checks);
  assertEquals([warned.code, warned.stdout], [0, [
    "host",
    "  warning  b\nis warning; mend b".split("\n")[0]!,
    "is warning; mend b",
  ]]);
  assertEquals(warned.stderr, [
    `host h2, examined at ${AT}, last heartbeat ${NOW}`,
    "10 checks: 0 failed, 1 warning",
  ]);
  assertEquals((await run([item("b", "failed")])).code, 1);
  const json = JSON.parse((await run(report.checks, { format: "json" })).stdout.join("\n"));
  assertEquals([json.ok, json.host, json.at, json.checks.length], [true, "h2", AT, 1]);
  const silent = await run([], {}, { lastSeen: AT });
  assertEquals([silent.code, silent.stderr.at(-1)], [1, "10 checks: 1 failed, 0 warnings"]);
  assertMatch(
    silent.stdout.join("\n"),
    /failed +host h2 has been silent since 2026-01-01.*gc --host h2/,
  );
  const removed = await run([], {}, { lost: true });
  assertEquals(removed.code, 1);
  assertMatch(removed.stdout.join("\n"), /failed +host h2 was removed by gc --host.*delete -h/);
  const old = [item("b", "failed")];
  const forgotten = await run(old, {}, { lost: true, lastSeen: AT }, ["h1"]);
  assertEquals([forgotten.code, forgotten.stdout, forgotten.stderr.at(-1)], [
    0,
    ["agent", "  ok       host h2 was removed by gc --host and is not in the intent"],
    "1 check, all ok",
  ]);
  assertEquals((await run(old, {}, {}, ["h1"])).code, 1, "it is not removed");
  await assertRejects(
    () => run([], { host: "h9" }),
    Fault,
    "host h9 has left no report: hosts of a shared store do so, every ten minutes; hosts with one: h2, h3",
  );
});
