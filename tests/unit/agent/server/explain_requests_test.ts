// Requests that explain what a pod may do (why, trace), and policies of Kubernetes that the agent takes over.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startPod } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";
import { ask, depsOf, startAgent } from "./server_calls.ts";

speedUpTimers(20);

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
