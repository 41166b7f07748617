import { assertEquals } from "@std/assert";
import { SandboxSet } from "../../../../lib/agent/pods/sandbox_set.ts";
import { UnmatchedPods } from "../../../../lib/agent/pods/unmatched_pods.ts";

const idOf = (n: number) => n.toString(16).padStart(12, "0");

Deno.test("SandboxSet knows a sandbox by the first 12 digits of its id until it is deleted", () => {
  const tornDown = new SandboxSet();
  tornDown.add(`${idOf(1)}ffff`);
  assertEquals([tornDown.has(idOf(1)), tornDown.has(`${idOf(1)}eeee`)], [true, true]);
  tornDown.delete(idOf(1));
  assertEquals(tornDown.has(idOf(1)), false);
});

Deno.test("SandboxSet remembers the latest 1,000 that were added", () => {
  const tornDown = new SandboxSet();
  for (let n = 0; n < 1_000; n++) tornDown.add(idOf(n));
  tornDown.add(idOf(0));
  tornDown.add(idOf(1_000));
  assertEquals([0, 1, 2, 1_000].map((n) => tornDown.has(idOf(n))), [true, false, true, true]);
});

Deno.test("UnmatchedPods lists the latest 1,000 pods, each sandbox once, with its last reason", () => {
  const pods = new UnmatchedPods();
  const pod = (n: number) => ({ namespace: "default", name: `p${n}`, sandbox: idOf(n) });
  for (let n = 0; n < 1_001; n++) pods.add(pod(n), "first");
  pods.add(pod(5), "second", { app: "web" });
  pods.remove(idOf(6));
  const list = pods.list();
  assertEquals(list.length, 999);
  assertEquals(list.at(-1), { pod: pod(5), reason: "second", labels: { app: "web" } });
  assertEquals(list.some(({ pod: { name } }) => name === "p0" || name === "p6"), false);
});
