// What `status` shows of the agent.

import { assertEquals, assertRejects } from "@std/assert";
import { LOST_ENDPOINT } from "../../../../lib/agent/pods/unmatched_pods.ts";
import { healthOf } from "../../../../lib/agent/server/health.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

const OPTIONS = { version: "1.2.3", hostLabel: "host1", store: "sqlite:/x" };

const SETTINGS = {
  ...{ host: "host1", stateDir: "/x", ovsdb: "unix:/db", ovsRundir: "/ovs", bridge: "br" },
  ...{ docker: "none", store: "sqlite:/x" },
};

const health = ({ agent, host }: MemoryAgent) =>
  healthOf({ ...agent, options: OPTIONS, settings: SETTINGS, switch: host.switch });

Deno.test("healthOf() names agent, store and connections, and counts set-ups by result", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.setUp(startPod(agent.host, "web"));
  await agent.setUp(startPod(agent.host, "stranger"));
  agent.host.switch.connections = { ovsdb: "up", openflow: "down" };
  const failing = { namespace: "default", name: "web", sandbox: "0123456789abcdef" };
  await assertRejects(() => agent.setUp(failing), Fault);
  assertEquals(health(agent), {
    ...{ version: "1.2.3", host: "host1", pid: Deno.pid, store: "sqlite:/x" },
    ...{ held: 0, unreadable: [], ovsdb: "up", openflow: "down" },
    settings: SETTINGS,
    setups: { ready: 1, unmatched: 1, hostNetwork: 0, failed: 1 },
  });
});

Deno.test("healthOf() says why the store is unreachable and how much it does not know yet", async () => {
  using agent = await startMemoryAgent({ isShared: true });
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.setUp(startPod(agent.host, "web"));
  agent.store.isUnreachable = true;
  await agent.setUp(startPod(agent.host, "web"));
  const { storeAway, held } = health(agent);
  assertEquals([storeAway, held], ["store in memory is unreachable", 1]);
});

Deno.test("healthOf() names records that cannot be read, and what is wrong with policies", async () => {
  using agent = await startMemoryAgent();
  await agent.cache.commit(() => ({
    checks: [],
    writes: [{ key: "networks/t/n", value: { schema: 99 } }],
  }));
  const { unreadable, policies } = healthOf({
    ...{ ...agent.agent, options: OPTIONS, settings: SETTINGS, switch: agent.host.switch },
    policies: { problem: "the switch refused" },
  });
  assertEquals([unreadable.length, policies], [1, "the switch refused"]);
});

Deno.test("healthOf() says what keeps pods from other hosts", async () => {
  using agent = await startMemoryAgent();
  assertEquals(health(agent).fabric, undefined);
  const problem = { part: "overlay", state: "warning", what: "frames are lost", fix: "x" } as const;
  const { fabric } = healthOf({
    ...{ ...agent.agent, options: OPTIONS, settings: SETTINGS, switch: agent.host.switch },
    fabric: { problems: [problem] },
  });
  assertEquals(fabric, [problem]);
});

Deno.test("healthOf() counts running pods that have lost their endpoint, and no other unmatched ones", async () => {
  using agent = await startMemoryAgent();
  const { unmatched } = agent.agent.sandboxes;
  const add = (sandbox: string, reason: string) =>
    unmatched.add({ namespace: "default", name: "web", sandbox }, reason);
  add("0123456789ab", "nothing in the intent is for it");
  assertEquals(health(agent).withoutEndpoint, undefined);
  add("1123456789ab", LOST_ENDPOINT.deleted);
  add("2123456789ab", LOST_ENDPOINT.released);
  assertEquals(health(agent).withoutEndpoint, 2);
  unmatched.remove("1123456789ab");
  assertEquals(health(agent).withoutEndpoint, 1);
});
