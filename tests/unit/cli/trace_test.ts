// `trace` of two that may communicate, that may not, and that have no common network.

import { assertEquals, assertRejects } from "@std/assert";
import type { TraceAnswer } from "../../../lib/agent/api/diagnosis_requests.ts";
import { trace } from "../../../lib/cli/trace.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const ALLOWED: TraceAnswer = {
  ...{ source: "t/app (10.1.0.1)", destination: "t/web (10.1.0.2)", isAgreed: true },
  model: { isAllowed: true, by: "rule 1" },
  switch: { isAllowed: true, by: "its flows", directions: ["out", "in"] },
};

async function run(answer: TraceAnswer, format: "table" | "json" = "table") {
  const options = { tcp: "80", format };
  const shell = fakeShell(["app", "web"], { trace: () => Promise.resolve(answer) }, options);
  await trace.run(shell);
  return shell.stdout;
}

Deno.test("trace prints the verdict of policies and switch", async () => {
  assertEquals(await run(ALLOWED), [
    "allowed  t/app (10.1.0.1) to t/web (10.1.0.2), tcp 80",
    "  policies: allowed  rule 1",
    "  switch:   allowed  its flows",
  ]);
});

Deno.test("trace says what the rule says that decides", async () => {
  const rule = "deny in tcp from any";
  const model = { isAllowed: false, by: "rule 1 of group web of contiv policy t/p", rule };
  const [, policies] = await run({ ...ALLOWED, model });
  assertEquals(policies, `  policies: denied  ${model.by}: ${rule}`);
  const stages = [{ name: "policies" as const, ...model }];
  const [, stage] = await run({ ...ALLOWED, model, stages });
  assertEquals(stage, `  policies: denied  ${model.by}: ${rule}`);
});

Deno.test("trace of what is denied ends with 2 only if it is asked for", async () => {
  const denied = { ...ALLOWED, model: { isAllowed: false, by: "rule 1" } };
  for (
    const [answer, detailedExitcode, code] of [
      ...[[denied, false, 0], [denied, true, 2], [ALLOWED, true, 0]] as const,
    ]
  ) {
    const target = { trace: () => Promise.resolve(answer) };
    const shell = fakeShell(["app", "web"], target, { tcp: "80", detailedExitcode });
    assertEquals(await trace.run(shell), code);
  }
});

Deno.test("trace between two pods without a common network ends well, and says denied", async () => {
  const { switch: _, ...rest } = ALLOWED;
  const by = "no common network: one is in t/a, the other in u/b";
  assertEquals(await run({ ...rest, isApart: true, model: { isAllowed: false, by } }), [
    "denied  t/app (10.1.0.1) to t/web (10.1.0.2), tcp 80: no common network",
    "  one is in t/a, the other in u/b; ReachNetworks would connect them. If a router does, trace the " +
    "address of one of them",
  ]);
  const tunnel = "no tunnel between their hosts: h3 has no VtepIp in the intent; add it to Hosts";
  assertEquals(
    await run({ ...rest, isApart: true, model: { isAllowed: false, by: tunnel } }),
    [
      "denied  t/app (10.1.0.1) to t/web (10.1.0.2), tcp 80: no tunnel between their hosts",
      "  h3 has no VtepIp in the intent; add it to Hosts",
    ],
  );
});

Deno.test("trace fails where policies and switch differ", async () => {
  await assertRejects(() => run({ ...ALLOWED, isAgreed: false }), Fault, "do not agree");
});

Deno.test("trace of a service without a rule of the host says so, and not that rules are wrong", async () => {
  const stages = [
    { name: "switch", isAllowed: true, by: "its flows" },
    { name: "service", isAllowed: false, by: "no rule" },
  ] as const;
  const denied = { ...ALLOWED, isAgreed: false, stages };
  await assertRejects(() => run(denied), Fault, "no service answers at this address");
  const [first, second] = stages;
  const stopped = { ...denied, stages: [{ ...first, isAllowed: false }, second] };
  await assertRejects(() => run(stopped), Fault, "policies and host do not agree");
});

Deno.test("trace on a host that decides one direction names the host that decides the other", async () => {
  const half = async (direction: "out" | "in", isAllowed = true) => {
    const by = isAllowed ? "its flows" : "policy t/p";
    const seen = { isAllowed, by, directions: [direction], otherHost: "host2" };
    return (await run({ ...ALLOWED, switch: seen }))[2];
  };
  assertEquals(
    await half("out"),
    "  switch:   sends it: this host decides only what may be sent; for what may arrive, trace on host2",
  );
  assertEquals(
    await half("in"),
    "  switch:   accepts it: this host decides only what may arrive; for what may be sent, trace on host2",
  );
  assertEquals(await half("out", false), "  switch:   denied  policy t/p (what may be sent)");
});

Deno.test("trace on a host that decides all that there is to decide says allowed", async () => {
  const seen = { isAllowed: true, by: "its flows", directions: ["in"] as const };
  assertEquals(
    (await run({ ...ALLOWED, switch: seen }))[2],
    "  switch:   allowed  its flows (what may arrive)",
  );
});
