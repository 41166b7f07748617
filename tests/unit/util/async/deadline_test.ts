import { assertEquals, assertRejects } from "@std/assert";
import { ConditionWaits, withDeadline } from "../../../../lib/util/async/deadline.ts";
import { Fault, isUnreachable } from "../../../../lib/util/errors.ts";

const never = new Promise<never>(() => {});

Deno.test("withDeadline() returns the result or the error of work that ends in time", async () => {
  const endMs = performance.now() + 60_000;
  assertEquals(await withDeadline(endMs, "no answer", Promise.resolve(1)), 1);
  await assertRejects(
    () => withDeadline(endMs, "no answer", Promise.reject(new Error("no"))),
    Error,
  );
});

Deno.test("withDeadline() faults with what was waited for, or with the Fault of its caller", async () => {
  const fault = await assertRejects(() => withDeadline(0, "no answer", never), Fault);
  assertEquals([fault.code, fault.what], ["timeout", "no answer within 0 ms"]);
  const own = () => new Fault("unavailable", "the disk hangs");
  await assertRejects(() => withDeadline(0, own, never), Fault, "the disk hangs");
});

Deno.test("until() checks at each notification of its key, and of all", async () => {
  const waits = new ConditionWaits();
  let [value, checks]: [string | undefined, number] = [undefined, 0];
  const check = () => {
    checks++;
    return value;
  };
  const limit = { endMs: performance.now() + 60_000, what: "no value" };
  const waiting = waits.until("a", check, limit);
  waits.notify("b");
  waits.notify("a");
  assertEquals(checks, 2);
  value = "here";
  waits.notifyAll();
  assertEquals(await waiting, "here");
  waits.notifyAll();
  assertEquals(checks, 3);
  assertEquals(await waits.until("a", check, limit), "here");
});

Deno.test("until() faults at its deadline, and with what its check throws", async () => {
  const waits = new ConditionWaits();
  const late = { endMs: 0, what: "no value" };
  await assertRejects(() => waits.until("a", () => undefined, late), Fault, "no value within 0 ms");
  const broken = () => {
    throw new Error("broken");
  };
  await assertRejects(
    () => waits.until("a", broken, { ...late, endMs: Infinity }),
    Error,
    "broken",
  );
});

Deno.test("isUnreachable() is true of Faults that say so, and of nothing else", () => {
  const faults = (["unavailable", "timeout", "conflict", "failed"] as const)
    .map((code) => new Fault(code, "x"));
  assertEquals(faults.map(isUnreachable), [true, true, false, false]);
  assertEquals(isUnreachable(new Error("unavailable")), false);
});
