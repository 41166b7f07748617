import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { planCommits, resolveChecks } from "../../../lib/intent/plan_commits.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { brokenPromises } from "./check_store.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";

const planOf = (store: IntentDatabase, file: object, mode: "add" | "replace" = "add") =>
  planIntent(store.documents, { mode, intent: parseIntent(JSON.stringify(file)).intent });

const many = (count: number, prefix = "c") => Array.from({ length: count }, (_, n) => prefix + n);

Deno.test("planCommits() keeps each commit within ninety checks and writes and 480 KiB", () => {
  const labels = { Labels: { note: "ä".repeat(30_000) } };
  const store = new IntentDatabase();
  const endpoints = many(100).map((Container) => ({ Container, ...labels }));
  const plan = planOf(
    store,
    vlanTenant([network("a", endpoints), ...many(10, "n").map((n) => network(n))]),
  );
  const commits = [...planCommits(plan)];
  for (const { checks, writes } of commits) {
    assert(checks.length + writes.length <= 90);
    const bytes = writes.reduce(
      (sum, { key, value }) => sum + new TextEncoder().encode(key + JSON.stringify(value)).length,
      0,
    );
    assert(bytes <= 480 * 1024, `${bytes}`);
  }
  assertEquals(commits.flatMap(({ objects }) => objects).length, plan.operations.length);
  assertEquals(store.apply(plan), commits.length);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("planCommits() fills commits: a thousand endpoints take fewer than fifty", () => {
  const store = new IntentDatabase();
  const plan = planOf(store, vlanTenant([network("a", many(1000))], { AllocSubnetLen: 20 }));
  assert([...planCommits(plan)].length < 50);
});

Deno.test("planCommits() can be gone through twice", () => {
  const commits = planCommits(planOf(new IntentDatabase(), vlanTenant([network("a", ["c"])])));
  assertEquals([...commits], [...commits]);
});

Deno.test("planCommits() returns nothing for an empty plan", () => {
  assertEquals([...planCommits(planOf(new IntentDatabase(), {}))], []);
});

Deno.test("an endpoint's commit waits for a network's before it, though they have no key in common", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a")]));
  const plan = planOf(store, vlanTenant([network("a", ["c"]), network("b")]));
  const commits = [...planCommits(plan, { groups: 1 })];
  assertEquals(commits.map(({ objects }) => objects), [["network one/b"], ["endpoint one/a/c"]]);
  assertEquals(commits.map(({ after }) => after), [undefined, [0]]);
});

Deno.test("a new endpoint's commit checks that its network is as it was seen", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a")]));
  const revision = store.documents.get("networks/one/a")!.revision;
  const [operation] = planOf(store, vlanTenant([network("a", ["c"])])).operations;
  assertEquals(operation?.checks.find(({ key }) => key === "networks/one/a")?.revision, revision);
});

Deno.test("a tenant's list of subnets is deleted together with its last network", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a")]));
  assert(store.documents.has("subnets/one"));
  store.applyFile("delete", { Tenants: [{ Name: "one", Networks: [{ Name: "a" }] }] });
  assert(!store.documents.has("subnets/one"));
});

Deno.test("resolveChecks() fills in the revisions of earlier commits, and faults without them", () => {
  const store = new IntentDatabase();
  const plan = planOf(store, vlanTenant([network("a", ["c"])]));
  const [tenant, net, endpoint] = [...planCommits(plan, { groups: 1 })];
  assert(tenant && net && endpoint);
  assertEquals(tenant.checks, [{ key: "tenants/one", revision: 0 }]);
  assert(net.checks.some((check) => "writtenBy" in check && check.writtenBy === 0));
  const filled = resolveChecks(endpoint, [7, 8]);
  assertEquals(filled.find(({ key }) => key === "networks/one/a")?.revision, 8);
  const fault = assertThrows(() => resolveChecks(endpoint, [7]), Fault);
  assertEquals(fault.code, "failed");
});

Deno.test("a commit fails where another client was faster, and a new plan goes on from there", () => {
  const store = new IntentDatabase();
  const file = vlanTenant([network("a", ["c1", "c2"])]);
  const late = planOf(store, file);
  store.applyFile("add", vlanTenant([network("b", ["c"])]));
  assertThrows(() => store.apply(late), Error, "conflict at tenants/one");
  store.applyFile("add", file);
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(store.keysBelow("endpoints/").length, 3);
});

Deno.test("two plans for networks of one tenant do not both pass, however their subnets lie", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([]));
  const wide = planOf(
    store,
    vlanTenant([network("a", [], { SubnetCIDR: "10.0.0.0/16", PktTag: 50 })]),
  );
  const part = planOf(
    store,
    vlanTenant([network("b", [], { SubnetCIDR: "10.0.7.0/24", PktTag: 51 })]),
  );
  store.apply(wide);
  assertThrows(() => store.apply(part), Error, "conflict at subnets/one");
});

Deno.test("two plans do not both give one VLAN to networks of two tenants", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([]));
  store.applyFile("add", vlanTenant([], { Name: "two" }));
  const first = planOf(store, vlanTenant([network("a")]));
  const second = planOf(store, vlanTenant([network("a")], { Name: "two" }));
  store.apply(first);
  assertThrows(() => store.apply(second), Error, "conflict at claims/vlan/11");
});

Deno.test("an endpoint does not come into a network that goes at the same time", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a")]));
  const late = planOf(store, vlanTenant([network("a", ["c"])]));
  store.applyFile("replace", vlanTenant([]));
  assertThrows(() => store.apply(late), Error, "conflict at networks/one/a");
});

Deno.test("a network does not go while an endpoint comes that the plan has not seen", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a")]));
  const late = planOf(store, vlanTenant([]), "replace");
  store.applyFile("add", vlanTenant([network("a", ["c"])]));
  assertThrows(() => store.apply(late), Error, "conflict at arrivals/one/a");
});

Deno.test("a tenant does not go while a network comes that the plan has not seen", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([]));
  const late = planOf(store, {}, "replace");
  store.applyFile("add", vlanTenant([network("a")]));
  assertThrows(() => store.apply(late), Error, "conflict at subnets/one");
});

Deno.test("a subnet does not move while an endpoint's address is fixed in the old one", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", ["c"])]));
  const late = planOf(store, vlanTenant([network("a", [], { SubnetCIDR: "10.0.0.0/24" })]));
  store.applyFile("add", vlanTenant([network("a", [{ Container: "c", IpAddress: "11.1.0.9" }])]));
  assertThrows(() => store.apply(late), Error, "conflict at arrivals/one/a");
});

Deno.test("planCommits() refuses a ring of addresses that is too long, before the first commit", () => {
  const ring = (shift: number) =>
    many(40).map((Container, n) => ({ Container, IpAddress: `11.1.0.${(n + shift) % 40 + 1}` }));
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", ring(0))]));
  const plan = planOf(store, vlanTenant([network("a", ring(1))]));
  const fault = assertThrows(() => planCommits(plan), Fault);
  assertEquals(fault.code, "usage");
  assertStringIncludes(fault.message, "and 39 more do not fit into one commit");
  assertStringIncludes(fault.message, "apply in two steps");
  assert(fault.message.length <= 200, fault.message);
});

Deno.test("replacing every endpoint of a large network goes through: what goes hands on in pairs", () => {
  const store = new IntentDatabase();
  const file = (prefix: string) => vlanTenant([network("a", many(254, prefix))]);
  store.applyFile("replace", file("c"));
  const plan = planOf(store, file("d"), "replace");
  const groups = Map.groupBy(plan.operations, ({ group }) => group);
  assertEquals(Math.max(...[...groups.values()].map((group) => group.length)), 2);
  store.apply(plan);
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(store.keysBelow("endpoints/").length, 254);
});

Deno.test("a full network whose endpoints are all moved by fixed ones does not tie them together", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", many(100))]));
  const fixed = many(50, "d").map((Container, n) => ({ Container, IpAddress: `11.1.0.${n + 1}` }));
  const plan = planOf(store, vlanTenant([network("a", [...many(100), ...fixed])]));
  store.apply(plan);
  assertEquals(brokenPromises(store.documents), []);
  const groups = Map.groupBy(plan.operations, ({ group }) => group);
  assertEquals(Math.max(...[...groups.values()].map((group) => group.length)), 2);
});
