import { assert, assertEquals } from "@std/assert";
import { Containers, KUBELETS_TURN_MS } from "../../../../lib/agent/pods/known_containers.ts";
import { LogDedup } from "../../../../lib/util/log_dedup.ts";
import { SandboxSet } from "../../../../lib/agent/pods/sandbox_set.ts";

const pod = (id: string) => ({ id, name: `k8s_${id}`, pod: { namespace: "prod", name: id } });
const plain = (id: string) => ({ id, name: id });
const never = () => false;

function named(containers: Containers, now: number): string {
  return containers.pods(now).map(({ namespace, name }) => `${namespace}/${name}`).join(" ");
}

Deno.test("Containers: the agent acts at once for plain containers, of namespace default", () => {
  const containers = new Containers();
  containers.take([], { now: 0, isAttached: never });
  containers.take([plain("a"), pod("b")], { now: 10, isAttached: never });
  assertEquals(named(containers, 10), "default/a");
});

Deno.test("Containers: a pod that starts is its kubelet's for its turn, however often it is listed", () => {
  const containers = new Containers();
  containers.take([], { now: 0, isAttached: never });
  for (const now of [10, 1_000, 60_000]) containers.take([pod("b")], { now, isAttached: never });
  assertEquals(named(containers, KUBELETS_TURN_MS + 9), "");
  assertEquals(named(containers, KUBELETS_TURN_MS + 10), "prod/b");
});

Deno.test("Containers: pods that ran before the agent had their turn, unless Docker came later", () => {
  const started = new Containers();
  started.take([pod("b")], { now: 0, isAttached: never });
  assertEquals(named(started, 0), "prod/b");
  const late = new Containers();
  late.missStart();
  late.take([pod("b")], { now: 0, isAttached: never });
  assertEquals(named(late, 0), "");
});

Deno.test("Containers: what ended is reported once, and known as plain while it is attached", () => {
  const containers = new Containers();
  containers.take([plain("a"), pod("b")], { now: 0, isAttached: never });
  assert(containers.isPlain("a") && !containers.isPlain("b"));
  assertEquals(containers.take([pod("b")], { now: 1, isAttached: (id) => id === "a" }), ["a"]);
  assert(containers.isPlain("a"));
  assertEquals(containers.take([pod("b")], { now: 2, isAttached: never }), []);
  assert(!containers.isPlain("a"));
});

Deno.test("Containers: what proved not to be a sandbox is ignored until it is listed again", () => {
  const containers = new Containers();
  containers.take([plain("a"), plain("b")], { now: 0, isAttached: never });
  containers.dismiss("a");
  assertEquals(named(containers, 0), "default/b");
});

Deno.test("Departed knows sandboxes by 12 digits or more, until they are set up again", () => {
  const departed = new SandboxSet();
  const id = "0123456789abcdef".repeat(4);
  departed.add(id.slice(0, 12));
  assert(departed.has(id) && !departed.has("f".repeat(64)));
  departed.delete(id);
  assert(!departed.has(id));
  for (let n = 0; n < 1_001; n++) departed.add(n.toString(16).padStart(12, "0"));
  assert(!departed.has("0".repeat(12)) && departed.has("000000000001"));
});

Deno.test("Once says what is wrong once, and again when it is wrong in another way or anew", () => {
  const once = new LogDedup();
  const said = ["x", "x", "y", "x"].map((words) => once.isNew("a", words));
  assertEquals(said, [true, false, true, true]);
  assertEquals([once.forget("a"), once.forget("a")], [true, false]);
  assert(once.isNew("a", "x"));
  for (let n = 0; n < 1_000; n++) once.isNew(`b${n}`, "x");
  assert(once.isNew("a", "x"), "more than a thousand are kept");
});
