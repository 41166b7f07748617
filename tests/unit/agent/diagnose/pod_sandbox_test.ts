// Where a pod runs, and what is said of one that does not run here.

import { assertEquals, assertMatch } from "@std/assert";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { ask, depsOf, startAgent, WEB } from "../server/server_calls.ts";

const pod = (name: string, namespace = "default") => ({ namespace, name });

Deno.test("an attached pod's namespace and interfaces are answered", async () => {
  using agent = await startAgent();
  const started = startPod(agent.host, "web");
  await agent.setUp(started);
  const { body } = await ask(depsOf(agent), "/v1/sandbox", pod("web"));
  assertEquals([body.host, body.sandbox], ["host1", started.sandbox]);
  assertEquals(body.interfaces, [{ name: "eth0", network: "t/n", addresses: ["10.9.0.1/24"] }]);
  const found = await agent.host.runtimes.findSandbox(started.sandbox);
  assertEquals([body.netns, body.netnsInode], [found?.netns, found?.netnsInode]);
});

Deno.test("a pod without a network is found, too; one that ended is not", async () => {
  using agent = await startAgent();
  const [web, stranger] = [startPod(agent.host, "web"), startPod(agent.host, "stranger")];
  for (const one of [web, stranger]) await agent.setUp(one);
  const { body } = await ask(depsOf(agent), "/v1/sandbox", pod("stranger"));
  assertEquals([body.sandbox, body.interfaces], [stranger.sandbox, []]);
  agent.host.runtimes.kill(web.sandbox);
  const gone = await ask(depsOf(agent), "/v1/sandbox", pod("web"));
  assertEquals(gone.status, 404);
  assertMatch(gone.body.what, /^pod default\/web does not run any longer$/);
});

Deno.test("a pod of another host, of another namespace, and of none", async () => {
  const store = new MemoryStore();
  using one = await startMemoryAgent({ store, isShared: true });
  await one.apply([WEB]);
  using two = await startMemoryAgent({ store, isShared: true, label: "host2" });
  await two.setUp(startPod(two.host, "web"));
  await one.agent.store.catchUp();
  const asked = async (name: string, namespace?: string) =>
    (await ask(depsOf(one), "/v1/sandbox", pod(name, namespace))).body;
  const { what, fix } = await asked("web");
  assertEquals([what, fix], ["pod default/web is on host host2", "run the command there"]);
  assertEquals((await asked("web", "shop")).fix, "did you mean default/web?");
  assertEquals((await asked("nobody")).fix, "see k8contivnet get pods -A");
  assertEquals((await ask(depsOf(one), "/v1/sandbox", pod("../x"))).status, 400);
});
