// The agent's HTTP interface without a socket: each route, each kind of failure, and bodies that are not
// what they should be.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { INTENT_BYTES } from "../../../../lib/agent/api/intent_requests.ts";
import { answer } from "../../../../lib/agent/server/server.ts";
import { Fault, type FaultCode } from "../../../../lib/util/errors.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";
import { ask, depsOf, startAgent } from "./server_calls.ts";

speedUpTimers(20);

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
    questions: {
      ...agent.agent.server.questions,
      explainPod: () => Promise.reject(new RangeError("far out")),
    },
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

for (const path of ["/metrics", "/healthz", "/readyz"]) {
  Deno.test(`GET ${path} at the socket says where it is answered`, async () => {
    using agent = await startAgent();
    const { status, body } = await ask(depsOf(agent), path);
    assertEquals([status, body], [404, {
      code: "not_found",
      what: `${path} is not served at the agent's socket`,
      fix: `start the agent with --listen ADDRESS:PORT, and ask http://ADDRESS:PORT${path}`,
    }]);
  });
}

Deno.test("GET of a path without a kind names the path", async () => {
  using agent = await startAgent();
  assertEquals((await ask(depsOf(agent), "/v2/x")).body.what, "agent has no /v2/x");
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
