// Captures of dropped packets: they report while somebody asks, and not a moment longer than the lease.

import { assertEquals } from "@std/assert";
import type { PacketIn } from "../../../../lib/ovs/openflow/packet_in.ts";
import {
  REPORT_AND_DROP,
  REPORT_WHOLE_AND_DROP,
} from "../../../../lib/ovs/policy_tables/drop_watch.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";
import { ask, depsOf } from "../server/server_calls.ts";

speedUpTimers(50);

const GUARDED = {
  Groups: [{ Name: "g", Network: "n", Policies: ["p"] }],
  Policies: [{ Name: "p", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] }],
};

async function startAgent(logsDrops = false): Promise<MemoryAgent> {
  const agent = await startMemoryAgent({ options: { logsDrops } });
  const endpoints = [{ Container: "web", Group: "g" }, { Container: "app" }];
  await agent.apply([{ Name: "n", Endpoints: endpoints }], GUARDED);
  await agent.agent.loops.reconcile.reconcileOnce();
  for (const name of ["web", "app"]) await agent.setUp(startPod(agent.host, name));
  return agent;
}

const actionsOf = ({ host }: MemoryAgent) =>
  [...host.policyTables.flows].filter((flow) => flow.includes("table=31, priority=10,reg5="))
    .map((flow) => flow.split(" actions=")[1]);

/** Returns a packet from 10.9.0.FROM to 10.9.0.TO that policy 1 drops. */
function packet(from: number, to: number, size = 60): PacketIn {
  const base = 0x0a09_0000;
  return {
    cookie: 0x6b38_0006_0000_0001n,
    registers: new Map([[0, 100], [1, base + from], [2, base + to], [3, 0x6_0050], [5, 1]]),
    data: new Uint8Array(size).fill(from),
  };
}

Deno.test("the first question makes flows report whole packets; without more questions they only drop", async () => {
  for (const [logsDrops, usual] of [[false, "drop"], [true, REPORT_AND_DROP]] as const) {
    using agent = await startAgent(logsDrops);
    // Each change also exchanges the flow that flushes the cache.
    const flowsNow = () =>
      [...agent.host.policyTables.flows].filter((flow) => !flow.includes(",pkt_mark=")).sort();
    const flows = flowsNow();
    assertEquals(actionsOf(agent), [usual]);
    const { status, body } = await ask(depsOf(agent), "/v1/drops", {});
    assertEquals([status, body.hasPolicies, body.drops, body.missed], [200, true, [], 0]);
    assertEquals(actionsOf(agent), [REPORT_WHOLE_AND_DROP]);
    assertEquals([agent.host.policyTables.meters, agent.host.dropWatchers.size], [1, 1]);
    await new Promise((done) => setTimeout(done, 10_000));
    assertEquals(flowsNow(), flows);
    assertEquals([agent.host.policyTables.meters, agent.host.dropWatchers.size], [
      logsDrops ? 1 : 0,
      0,
    ]);
  }
});

Deno.test("packets have names and policy; each reader goes on where it was; one may ask for one pod", async () => {
  using agent = await startAgent();
  const read = async (request: object) => (await ask(depsOf(agent), "/v1/drops", request)).body;
  const { next } = await read({});
  const [show] = agent.host.dropWatchers;
  show!(packet(2, 1));
  show!(packet(9, 8));
  const all = await read({ after: next });
  assertEquals(all.drops.map(({ from, to }: Record<string, unknown>) => [from, to]), [
    ["default/app", "default/web"],
    [undefined, undefined],
  ]);
  assertEquals(Uint8Array.fromBase64(all.drops[0].packet), new Uint8Array(60).fill(2));
  assertEquals((await read({ after: all.next })).drops, []);
  const web = await read({ after: next, pod: { namespace: "default", name: "web" } });
  assertEquals([web.drops.length, web.next], [1, all.next]);
});

Deno.test("packets that come too fast are counted, and memory is bounded", async () => {
  using agent = await startAgent();
  const read = async (request: object) => (await ask(depsOf(agent), "/v1/drops", request)).body;
  const { next } = await read({});
  const [show] = agent.host.dropWatchers;
  for (let n = 0; n < 1_500; n++) show!(packet(2, 1));
  const { drops, missed } = await read({ after: next });
  assertEquals([drops.length, missed], [1_000, 500]);
  for (let n = 0; n < 100; n++) show!(packet(2, 1, 65_000));
  assertEquals((await read({ after: next + 1_500 })).drops.length, 64);
});

Deno.test("a switch without meters is an error that says so, and packets are dropped as before", async () => {
  using agent = await startAgent();
  agent.host.policyTables.hasMeters = false;
  const { status, body } = await ask(depsOf(agent), "/v1/drops", {});
  assertEquals([status, body.what, body.why], [503, "drops cannot be captured", "meter refused"]);
  assertEquals(actionsOf(agent), ["drop"]);
  assertEquals(agent.host.dropWatchers.size, 0);
});

Deno.test("a question with a wrong number is refused, and a host without policies says so", async () => {
  using agent = await startMemoryAgent();
  assertEquals((await ask(depsOf(agent), "/v1/drops", { after: -1 })).status, 400);
  assertEquals((await ask(depsOf(agent), "/v1/drops", {})).body.hasPolicies, false);
});
