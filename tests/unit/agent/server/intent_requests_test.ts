// Requests about the intent and its records: plan, apply, bind, repair and gc.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";
import { ask, depsOf, intentText, startAgent, WEB } from "./server_calls.ts";

speedUpTimers(20);

// ---- the intent

Deno.test("POST /v1/plan shows what an apply would do and does not do it", async () => {
  using agent = await startAgent();
  const before = [...agent.store.database.documents.keys()];
  const request = { mode: "add", text: intentText([WEB, { Name: "m" }]) };
  const { status, body } = await ask(depsOf(agent), "/v1/plan", request);
  assertEquals(status, 200);
  const created = body.operations.map(({ verb, kind, name }: Record<string, string>) =>
    `${verb} ${kind} ${name}`
  );
  assertEquals(created, ["create network t/m"]);
  assertEquals(body.revision, undefined);
  assertEquals([...agent.store.database.documents.keys()], before);
});

Deno.test("POST /v1/apply writes the intent and asks for a reconciliation", async () => {
  using agent = await startAgent();
  let notified = 0;
  const deps = depsOf(agent, { reconcileSignal: { notify: () => notified++ } });
  const request = { mode: "add", text: intentText([WEB, { Name: "m" }]) };
  const { status, body } = await ask(deps, "/v1/apply", request);
  assertEquals([status, body.revision, notified], [200, 2, 1]);
  assert(agent.store.database.documents.has("networks/t/m"));
});

Deno.test("POST /v1/apply that changes nothing makes no revision and asks for no reconciliation", async () => {
  using agent = await startAgent();
  let notified = 0;
  const deps = depsOf(agent, { reconcileSignal: { notify: () => notified++ } });
  const { body } = await ask(deps, "/v1/apply", { mode: "add", text: intentText([WEB]) });
  assertEquals([body.operations, body.revision, notified], [[], undefined, 0]);
});

const GUARDED = {
  ...{ Policies: [{ Name: "p", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] }] },
  Groups: [{ Name: "g", Network: "n", Policies: ["p"] }],
};
const GUARDED_WEB = { Name: "n", Endpoints: [{ Container: "web", Group: "g" }] };

Deno.test("POST /v1/apply answers when the policies it brings are installed here", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([GUARDED_WEB], { ...GUARDED, Policies: [{ Name: "p", Rules: [] }] });
  await agent.setUp(startPod(agent.host, "web"));
  const before = agent.host.policyTables.flows.size;
  const request = { mode: "add", text: intentText([GUARDED_WEB], GUARDED), force: true };
  const { status } = await ask(depsOf(agent), "/v1/apply", request);
  assertEquals(status, 200);
  assert(agent.host.policyTables.flows.size > before);
});

Deno.test("POST /v1/apply succeeds while the switch does not answer, and the policies are tried again", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([GUARDED_WEB], { ...GUARDED, Policies: [{ Name: "p", Rules: [] }] });
  await agent.setUp(startPod(agent.host, "web"));
  agent.host.policyTables.isUnreachable = true;
  let notified = 0;
  agent.agent.policies.signal.notify = () => notified++;
  const request = { mode: "add", text: intentText([GUARDED_WEB], GUARDED), force: true };
  const { status, body } = await ask(depsOf(agent), "/v1/apply", request);
  assertEquals([status, body.revision, notified], [200, 2, 1]);
});

Deno.test("an intent that is not valid is refused as usage, and nothing is written", async () => {
  using agent = await startAgent();
  const before = [...agent.store.database.documents.keys()];
  for (const text of ["{", "[]", '{"Tenants":[{"Name":"no name"}]}']) {
    for (const path of ["/v1/plan", "/v1/apply"]) {
      const { status, body } = await ask(depsOf(agent), path, { mode: "add", text });
      assertEquals([status, body.code], [400, "usage"]);
    }
  }
  assertEquals([...agent.store.database.documents.keys()], before);
});

Deno.test("POST /v1/apply with strict refuses what it would else only warn of", async () => {
  using agent = await startAgent();
  const text = intentText([{ ...WEB, Colour: "red" }]);
  const lenient = await ask(depsOf(agent), "/v1/plan", { mode: "add", text });
  assertEquals([lenient.status, lenient.body.warnings.length], [200, 1]);
  const strict = await ask(depsOf(agent), "/v1/apply", { mode: "add", text, strict: true });
  assertEquals([strict.status, strict.body.code], [400, "usage"]);
});

Deno.test("POST /v1/bind pins a pod's endpoint to a host, as a bindings file of one line does", async () => {
  using agent = await startAgent();
  const { status, body } = await ask(depsOf(agent), "/v1/bind", { pod: "web", host: "host1" });
  assertEquals([status, body.revision], [200, 2]);
  const endpoint = agent.store.database.get("endpoints/t/n/web");
  assertEquals((endpoint?.pin as { host: string }).host, "host1");
  const unknown = await ask(depsOf(agent), "/v1/bind", { pod: "nobody", host: "host1" });
  assertEquals([unknown.status, unknown.body.operations, unknown.body.warnings.length], [
    ...[200, [], 1],
  ]);
});

// ---- repair and gc

Deno.test("POST /v1/repair releases a claim that nothing owns; with dryRun it only says so", async () => {
  const claim = { schema: 1, owner: "networks/t/gone" };
  const repairWith = async (dryRun: boolean) => {
    using agent = await startAgent();
    agent.store.database.put({ "claims/vni/7": claim });
    const { status, body } = await ask(depsOf(agent), "/v1/repair", { dryRun });
    const acts = body.acts.map(({ act, claim }: Record<string, string>) => `${act} ${claim}`);
    assertEquals([status, acts], [200, ["release claims/vni/7"]]);
    const logged = agent.logged.filter((line) => line.includes("claim repaired"));
    return [agent.store.database.documents.has("claims/vni/7"), logged.length, body.left.length];
  };
  assertEquals(await repairWith(true), [true, 0, 1]);
  assertEquals(await repairWith(false), [false, 1, 0]);
});

Deno.test("POST /v1/repair of a store that is right does nothing", async () => {
  using agent = await startAgent();
  const { status, body } = await ask(depsOf(agent), "/v1/repair", {});
  assertEquals([status, body], [200, { acts: [], left: [] }]);
});

Deno.test("POST /v1/gc answers for this host; of this host itself it refuses the removal", async () => {
  using agent = await startAgent();
  const local = await ask(depsOf(agent), "/v1/gc", {});
  assertEquals(local, { status: 200, body: { host: "host1", acts: [], left: [] } });
  const self = await ask(depsOf(agent), "/v1/gc", { host: "host1" });
  assertEquals([self.status, self.body.code], [409, "conflict"]);
  const unknown = await ask(depsOf(agent), "/v1/gc", { host: "host7" });
  assertEquals([unknown.status, unknown.body.code], [404, "not_found"]);
});

Deno.test("GET /v1/history has the user of each change, and this host; rollback goes back to one", async () => {
  using agent = await startAgent();
  const origin = { by: "ada\n", host: "elsewhere", source: "x".repeat(500) };
  const text = intentText([WEB, { Name: "m" }]);
  await ask(depsOf(agent), "/v1/apply", { mode: "add", text, origin });
  const { body } = await ask(depsOf(agent), "/v1/history");
  const [last] = body;
  assertEquals([last.revision, last.by, last.host, last.source.length], [2, "ada", "host1", 200]);
  assertEquals(last.changes.map(({ op, kind, key }: Record<string, string>) => [op, kind, key]), [
    ["create", "network", "t/m"],
  ]);
  assertEquals((await ask(depsOf(agent), "/v1/history?name=2")).body, [last]);
  assertEquals((await ask(depsOf(agent), "/v1/history?name=9")).status, 404);
  assertEquals((await ask(depsOf(agent), "/v1/history?name=x")).status, 400);
  for (const to of [undefined, "1", -1, 1.5]) {
    assertEquals(
      (await ask(depsOf(agent), "/v1/apply", { mode: "rollback", text: "", to })).status,
      400,
    );
  }
  const back = await ask(depsOf(agent), "/v1/apply", { mode: "rollback", text: "", to: 1 });
  assertEquals([back.status, back.body.revision], [200, 3]);
  assertEquals(agent.store.database.documents.has("networks/t/m"), false);
});

Deno.test("a plan of going back shows all it changes and cuts off, and that it will be refused; only going back is", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([WEB]);
  await agent.setUp(startPod(agent.host, "web"));
  const request = { mode: "rollback", text: "", to: 0 };
  const { status, body } = await ask(depsOf(agent), "/v1/plan", request);
  assertEquals(status, 200);
  const names = body.operations.map(({ verb, name }: Record<string, string>) => `${verb} ${name}`);
  assertEquals(names.sort(), ["delete host1", "delete t", "delete t/n", "delete t/n/web"]);
  const cuts = body.hosts.host1.cuts.map(({ pod, why }: Record<string, string>) => `${pod} ${why}`);
  assert(cuts.includes("default/web its endpoint is deleted"), cuts.join());
  assertMatch(body.warnings[0], /^rollback will be refused: .*default\/web on host1; .*--force$/);
  const forced = await ask(depsOf(agent), "/v1/plan", { ...request, force: true });
  assertEquals(forced.body, { ...body, warnings: body.warnings.slice(1) });
  const done = await ask(depsOf(agent), "/v1/apply", request);
  assertEquals([done.status, done.body.code], [409, "conflict"]);
  assertEquals(agent.attachments().length, 1);
});
