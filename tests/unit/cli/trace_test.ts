// `trace` of two that may communicate, that may not, and that have no common network.

import { assertEquals, assertRejects } from "@std/assert";
import type { TraceAnswer } from "../../../lib/agent/api.ts";
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

Deno.test("trace between two pods without a common network ends well, and says denied", async () => {
  const { switch: _, ...rest } = ALLOWED;
  const by = "no common network: one is in t/a, the other in u/b";
  assertEquals(await run({ ...rest, isApart: true, model: { isAllowed: false, by } }), [
    "denied  t/app (10.1.0.1) to t/web (10.1.0.2), tcp 80: no common network",
    "  one is in t/a, the other in u/b; if a router connects them, trace the address of one of them",
  ]);
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
