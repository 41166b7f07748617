// GET requests to the agent's HTTP interface: health, and lists of what the agent knows.

import { assert, assertEquals } from "@std/assert";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";
import { ask, depsOf, HEALTH, startAgent, WEB } from "./server_calls.ts";

speedUpTimers(20);

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
