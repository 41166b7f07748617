// The agent's HTTP interface without a socket: each route, each kind of failure, and bodies that are not
// what they should be.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { INTENT_BYTES } from "../../../../lib/agent/api.ts";
import { answer, type ServerDeps } from "../../../../lib/agent/server/server.ts";
import type { HealthAnswer } from "../../../../lib/agent/api.ts";
import { Fault, type FaultCode } from "../../../../lib/util/errors.ts";
import { tenantWith } from "../../../fixtures/tenant.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";

speedUpTimers(20);

const WEB = { Name: "n", Endpoints: [{ Container: "web" }] };

const HEALTH = { version: "1", host: "host1" } as HealthAnswer;

function depsOf({ agent }: MemoryAgent, changes: Partial<ServerDeps> = {}): ServerDeps {
  return { ...agent.server, health: () => HEALTH, ...changes };
}

/** Asks the server, a POST where there is a body; returns the status and the answer's JSON. */
async function ask(deps: ServerDeps, path: string, body?: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const init = body === undefined ? {} : { method: "POST", body: text };
  const response = await answer(deps, new Request(`http://agent${path}`, init));
  return { status: response.status, body: await response.json() };
}

/** Starts an agent that knows network t/n with endpoint web. */
async function startAgent(network: object = WEB): Promise<MemoryAgent> {
  const agent = await startMemoryAgent();
  await agent.apply([network]);
  await agent.agent.loops.reconcile.reconcileOnce();
  return agent;
}

const intentText = (networks: readonly object[], more: object = {}) =>
  JSON.stringify({ Tenants: [{ ...tenantWith({ Networks: networks }), ...more }] });

// ---- failures

const STATUS: Readonly<Record<FaultCode, number>> = {
  ...{ failed: 500, usage: 400, "not_found": 404, conflict: 409 },
  ...{ exhausted: 409, unavailable: 503, timeout: 504 },
};

for (const [code, status] of Object.entries(STATUS) as [FaultCode, number][]) {
  Deno.test(`a fault "${code}" is answered with status ${status} and its parts`, async () => {
    using agent = await startMemoryAgent();
    const refuse = (fault: Fault) =>
      depsOf(agent, {
        listItems: () => {
          throw fault;
        },
      });
    const full = new Fault(code, "not done", { why: "it is a test", fix: "do nothing" });
    assertEquals(await ask(refuse(full), "/v1/networks"), {
      status,
      body: { code, what: "not done", why: "it is a test", fix: "do nothing" },
    });
    assertEquals(await ask(refuse(new Fault(code, "not done")), "/v1/networks"), {
      status,
      body: { code, what: "not done" },
    });
  });
}

Deno.test("an error that is not a Fault is answered as failed, and its stack is in the debug log", async () => {
  using agent = await startMemoryAgent();
  const deps = depsOf(agent, {
    explainPod: () => Promise.reject(new RangeError("far out")),
  });
  const { status, body } = await ask(deps, "/v1/why", { namespace: "default", name: "web" });
  assertEquals([status, body.code], [500, "failed"]);
  assertStringIncludes(body.what, "far out");
  const logged = agent.logged.find((line) => line.includes("RangeError: far out"));
  assertStringIncludes(logged ?? "", "debug");
});

Deno.test("a refusal that is the caller's own is not in the log", async () => {
  using agent = await startMemoryAgent();
  await ask(depsOf(agent), "/v1/nothing");
  await ask(depsOf(agent), "/v1/setup", {});
  assertEquals(agent.logged, []);
});

// ---- paths

for (
  const [path, body] of [
    ["/", undefined],
    ["/v1", undefined],
    ["/v1/", undefined],
    ["/v1/nothing", undefined],
    ["/v1/networks/n", undefined],
    ["/v2/networks", undefined],
    ["/v1/NETWORKS", undefined],
    ["/v1/setup", undefined],
    ["/", {}],
    ["/v1/networks", {}],
    ["/v1/health", {}],
    ["/v1/setup/", {}],
    ["/setup", {}],
  ] as const
) {
  Deno.test(`${body ? "POST" : "GET"} ${path} is not_found and says what to do`, async () => {
    using agent = await startAgent();
    const { status, body: fault } = await ask(depsOf(agent), path, body);
    assertEquals([status, fault.code], [404, "not_found"]);
    assert(fault.fix);
  });
}

// ---- GET

Deno.test("GET /v1/health answers what the agent says of itself", async () => {
  using agent = await startMemoryAgent();
  assertEquals(await ask(depsOf(agent), "/v1/health"), { status: 200, body: HEALTH });
});

for (
  const [kind, names] of [
    ["hosts", ["host1"]],
    ["tenants", ["t"]],
    ["networks", ["m", "n"]],
    ["endpoints", ["db", "web"]],
    ["attachments", ["web"]],
    ["pods", ["web"]],
    ["policies", ["t/p", "t/q"]],
    ["pools", ["m", "n"]],
    ["differences", []],
  ] as const
) {
  Deno.test(`GET /v1/${kind} lists what there is`, async () => {
    using agent = await startMemoryAgent();
    await agent.apply(
      [{ Name: "m" }, { ...WEB, Endpoints: [{ Container: "web" }, { Container: "db" }] }],
      { Policies: [{ Name: "q", Rules: [] }, { Name: "p", Rules: [] }] },
    );
    await agent.setUp(startPod(agent.host, "web"));
    const { status, body } = await ask(depsOf(agent), `/v1/${kind}`);
    assertEquals(status, 200);
    const nameOf = (item: Record<string, string>) => item.name ?? item.endpoint ?? item.network;
    assertEquals(body.map(nameOf).sort(), [...names]);
  });
}

Deno.test("GET with ?name= lists only what has that name, policies as well", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "m" }, { Name: "n" }], {
    Policies: [{ Name: "p", Rules: [] }, { Name: "q", Rules: [] }],
  });
  const named = async (path: string) => {
    const { body } = await ask(depsOf(agent), path);
    return body.map(({ name }: { name: string }) => name);
  };
  assertEquals(await named("/v1/networks?name=n"), ["n"]);
  assertEquals(await named("/v1/networks?name=t/m"), ["m"]);
  assertEquals(await named("/v1/networks?name=x"), []);
  assertEquals(await named("/v1/policies?name=t/q"), ["t/q"]);
  assertEquals(await named("/v1/policies"), ["t/p", "t/q"]);
});

Deno.test("GET /v1/differences first reads what others have written; other kinds do not", async () => {
  using agent = await startAgent();
  const claim = { schema: 1, owner: "networks/t/gone" };
  agent.store.database.put({ "claims/vni/7": claim });
  const deps = depsOf(agent);
  await ask(deps, "/v1/networks");
  assert(!agent.cache.documents.has("claims/vni/7"));
  const { body } = await ask(deps, "/v1/differences");
  assertEquals(body.map(({ name }: { name: string }) => name), ["claims/vni/7"]);
});

Deno.test("GET /v1/differences answers what is known while the store is unreachable", async () => {
  using agent = await startAgent();
  agent.store.isUnreachable = true;
  assertEquals(await ask(depsOf(agent), "/v1/differences"), { status: 200, body: [] });
});

// ---- what kubelets ask for

Deno.test("POST /v1/setup, /v1/status and /v1/teardown do what they say", async () => {
  using agent = await startAgent();
  const deps = depsOf(agent);
  const pod = startPod(agent.host, "web");
  const before = agent.state();
  const setup = await ask(deps, "/v1/setup", pod);
  assertEquals([setup.status, setup.body.outcome], [200, "ready"]);
  assertEquals(setup.body.attachments[0].addresses, ["10.9.0.1/24"]);
  assertEquals(await ask(deps, "/v1/status", pod), { status: 200, body: { ip: "10.9.0.1" } });
  assertEquals(await ask(deps, "/v1/teardown", pod), { status: 200, body: { released: 1 } });
  await agent.agent.sandboxes.queue.idle();
  assertEquals(agent.state(), { ...before, documents: agent.state().documents });
  assertEquals(agent.attachments(), []);
  assertEquals(await ask(deps, "/v1/status", pod), { status: 200, body: {} });
  assertEquals(await ask(deps, "/v1/teardown", pod), { status: 200, body: { released: 0 } });
});

Deno.test("a setup that is refused is answered with the refusal, and nothing is done", async () => {
  using agent = await startAgent();
  const before = agent.state();
  const pod = { namespace: "default", name: "web", sandbox: "0123456789abcdef" };
  const { status, body } = await ask(depsOf(agent), "/v1/setup", pod);
  assertEquals([status, body.code], [404, "not_found"]);
  assertEquals(agent.state(), before);
});

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

// ---- questions

Deno.test("POST /v1/why answers where a pod is or would be", async () => {
  using agent = await startAgent();
  const why = async () =>
    (await ask(depsOf(agent), "/v1/why", { namespace: "default", name: "web" })).body;
  assertEquals((await why()).state, "expected");
  await agent.setUp(startPod(agent.host, "web"));
  const { state, places } = await why();
  assertEquals([state, places[0].address], ["attached", "10.9.0.1"]);
});

Deno.test("POST /v1/why says why a pod of this host was left alone", async () => {
  using agent = await startAgent();
  await agent.setUp(startPod(agent.host, "stranger"));
  const { body } = await ask(depsOf(agent), "/v1/why", { namespace: "default", name: "stranger" });
  assertEquals(body.state, "nowhere");
  assertStringIncludes(body.notes[0], "no endpoint names default/stranger");
});

for (
  const [what, change, status] of [
    ["of an unknown protocol", { protocol: "sctp" }, 400],
    ["to a port out of range", { port: 65_536 }, 400],
    ["without a source", { source: undefined }, 400],
    ["from a pod that is not attached", { source: "nobody" }, 404],
    ["to a pod that is not attached", { destination: "nobody" }, 404],
  ] as const
) {
  Deno.test(`POST /v1/trace ${what} is refused with ${status}`, async () => {
    using agent = await startAgent();
    await agent.setUp(startPod(agent.host, "web"));
    const request = { source: "web", destination: "10.9.0.7", protocol: "tcp", port: 80 };
    const { status: got } = await ask(depsOf(agent), "/v1/trace", { ...request, ...change });
    assertEquals(got, status);
  });
}

Deno.test("POST /v1/trace answers with both what the model and what the switch says", async () => {
  using agent = await startAgent();
  await agent.setUp(startPod(agent.host, "web"));
  const request = { source: "web", destination: "10.9.0.7", protocol: "tcp", port: 80 };
  const { status, body } = await ask(depsOf(agent), "/v1/trace", request);
  assertEquals([status, body.model.isAllowed, body.switch.directions], [200, true, ["out"]]);
  // The switch in memory forwards nothing, which is a difference.
  assertEquals(body.isAgreed, false);
});

Deno.test("POST /v1/trace between two pods without a common network answers that it is denied", async () => {
  using agent = await startAgent();
  await agent.apply([
    { Name: "a", Endpoints: [{ Container: "app" }] },
    { Name: "b", Endpoints: [{ Container: "db" }] },
  ]);
  for (const name of ["app", "db"]) await agent.setUp(startPod(agent.host, name));
  const request = { source: "app", destination: "db", protocol: "tcp", port: 80 };
  const { status, body } = await ask(depsOf(agent), "/v1/trace", request);
  assertEquals([status, body.model.isAllowed, body.isAgreed, body.isApart], [
    200,
    false,
    true,
    true,
  ]);
  assertEquals(body.model.by, "no common network: one is in t/a, the other in t/b");
  assertMatch(body.source, /^default\/app \(/);
});

Deno.test("POST /v1/trace takes an address from outside as source", async () => {
  using agent = await startAgent();
  await agent.setUp(startPod(agent.host, "web"));
  const request = { source: "192.0.2.9", destination: "web", protocol: "tcp", port: 80 };
  const { status, body } = await ask(depsOf(agent), "/v1/trace", request);
  assertEquals([status, body.source, body.model.isAllowed], [200, "192.0.2.9", true]);
  assertEquals(body.switch.directions, ["in"]);
  const both = { ...request, destination: "192.0.2.10" };
  assertEquals((await ask(depsOf(agent), "/v1/trace", both)).status, 404);
  const odd = { ...request, source: "192.0.2" };
  assertEquals((await ask(depsOf(agent), "/v1/trace", odd)).status, 400);
});

Deno.test("POST /v1/kubernetes takes policies over, and GET /v1/policies lists them", async () => {
  using agent = await startAgent();
  const policy = { namespace: "default", name: "closed", podSelector: {} };
  const answered = await ask(depsOf(agent), "/v1/kubernetes", { policies: [policy] });
  assertEquals(answered, { status: 200, body: {} });
  const { body } = await ask(depsOf(agent), "/v1/policies");
  assertEquals(body.map(({ name, source }: Record<string, string>) => `${source} ${name}`), [
    "kubernetes default/closed",
  ]);
});

for (
  const [what, body] of [
    ["has policies that are not a list", { policies: {} }],
    ["has a policy without name", { policies: [{ namespace: "default" }] }],
    ["has a pod without namespace", { pods: [{ name: "web" }] }],
    ["has a namespace that is not an object", { namespaces: ["default"] }],
  ] as const
) {
  Deno.test(`POST /v1/kubernetes with a body that ${what} is refused, and nothing is taken over`, async () => {
    using agent = await startAgent();
    const { status } = await ask(depsOf(agent), "/v1/kubernetes", body);
    assertEquals(status, 400);
    assertEquals((await ask(depsOf(agent), "/v1/policies")).body, []);
  });
}

// ---- bodies

for (
  const [what, text] of [
    ["is empty", ""],
    ["is cut off", '{"namespace":'],
    ["is a list", "[]"],
    ["is null", "null"],
    ["is a number", "7"],
    ["is text", '"setup"'],
  ] as const
) {
  Deno.test(`a body that ${what} is refused as usage`, async () => {
    using agent = await startAgent();
    const { status, body } = await ask(depsOf(agent), "/v1/setup", text);
    assertEquals([status, body.code, body.why], [400, "usage", "its body is not a JSON object"]);
  });
}

Deno.test("a body over the limit is refused, whether its length is announced or not", async () => {
  using agent = await startAgent();
  const post = async (body: BodyInit, headers: HeadersInit = {}) => {
    const request = new Request("http://agent/v1/apply", { method: "POST", body, headers });
    const response = await answer(depsOf(agent), request);
    return [response.status, (await response.json()).why];
  };
  const why = `its body is over ${2 * INTENT_BYTES} bytes`;
  const long = (2 * INTENT_BYTES + 1).toString();
  assertEquals(await post("{}", { "content-length": long }), [400, why]);
  // Announced as short, and longer: it is read in parts, and not to its end.
  let pulls = 0;
  const chunk = new Uint8Array(1024 * 1024).fill(0x20);
  const endless = new ReadableStream({
    pull: (controller) => {
      pulls++;
      controller.enqueue(chunk);
    },
  });
  assertEquals(await post(endless, { "content-length": "2" }), [400, why]);
  assert(pulls < 25, `${pulls} parts were read`);
});
