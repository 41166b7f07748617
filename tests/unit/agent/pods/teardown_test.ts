// Detaching one pod, and what `status` answers, on drivers in memory.

import { assertEquals, assertRejects } from "@std/assert";
import { statusOfPod } from "../../../../lib/agent/pods/teardown.ts";
import { attachmentKey } from "../../../../lib/agent/store/documents.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

const NETWORK = { Name: "n", Endpoints: [{ Container: "web" }] };

async function startAttached(more: { readonly isShared?: boolean } = {}) {
  const agent = await startMemoryAgent(more);
  await agent.apply([NETWORK]);
  const before = agent.state();
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  return { agent, pod, before };
}

const teardown = (agent: MemoryAgent, pod: Parameters<MemoryAgent["setUp"]>[0]) =>
  agent.agent.answerVerb("teardown", pod);

Deno.test("teardown removes port, link, record, and leaves the endpoint its address", async () => {
  const { agent, pod, before } = await startAttached();
  using _ = agent;
  assertEquals(await teardown(agent, pod), { released: 1 });
  assertEquals(agent.host.switch.rows.size, 0);
  await agent.agent.sandboxes.queue.idle();
  assertEquals(agent.state(), before);
});

Deno.test("teardown of an unknown pod, and a second one, succeed and change nothing", async () => {
  const { agent, pod } = await startAttached();
  using _ = agent;
  await teardown(agent, pod);
  await agent.agent.sandboxes.queue.idle();
  const before = agent.state();
  assertEquals(await teardown(agent, pod), { released: 0 });
  assertEquals(await teardown(agent, { ...pod, sandbox: "0123456789abcdef" }), { released: 0 });
  assertEquals(agent.state(), before);
});

Deno.test("teardown whose port cannot be removed fails and keeps the record, so that it can be repeated", async () => {
  const { agent, pod, before } = await startAttached();
  using _ = agent;
  agent.host.switch.failNext("removePorts", new Fault("timeout", "no answer"));
  await assertRejects(() => teardown(agent, pod), Fault, "no answer");
  assertEquals(agent.attachments().length, 1);
  await teardown(agent, pod);
  await agent.agent.sandboxes.queue.idle();
  assertEquals(agent.state(), before);
});

Deno.test("teardown while a shared store is unreachable detaches now and is replayed later", async () => {
  const { agent, pod } = await startAttached({ isShared: true });
  using _ = agent;
  agent.store.isUnreachable = true;
  assertEquals(await teardown(agent, pod), { released: 1 });
  assertEquals([agent.host.switch.rows.size, agent.attachments()], [0, []]);
  agent.store.isUnreachable = false;
  await agent.cache.replayPending();
  const left = [...agent.store.database.documents.keys()].filter((key) => /^attach/.test(key));
  assertEquals(left, []);
});

Deno.test("teardown notifies peers and policies", async () => {
  const { agent, pod } = await startAttached();
  using _ = agent;
  const { signal } = new AbortController();
  await teardown(agent, pod);
  // Both end at once, as they were notified.
  await agent.agent.signals.fabric.wait({ signal });
  await agent.agent.signals.policies.wait({ signal });
});

Deno.test("status answers eth0's address, else that of the first interface, and nothing for an unknown pod", async () => {
  const { agent, pod } = await startAttached();
  using _ = agent;
  const view = { host: "host1", store: agent.cache };
  assertEquals(await agent.agent.answerVerb("status", pod), { ip: "10.9.0.1" });
  assertEquals(statusOfPod(view, { ...pod, sandbox: "0123456789abcdef" }), {});
  const [one] = agent.attachments();
  const more = (name: string, address: string, state = "ready") => {
    const record = { ...one!, interface: name, addresses: [address], state } as AttachmentRecord;
    return { key: attachmentKey(record), value: JSON.parse(JSON.stringify(record)) };
  };
  await agent.cache.commit(() => ({ checks: [], writes: [more("ens1", "10.9.0.7/24")] }));
  assertEquals(statusOfPod(view, pod), { ip: "10.9.0.7" });
  await agent.cache.commit(() => ({ checks: [], writes: [more("ens1", "10.9.0.7/24", "failed")] }));
  assertEquals(statusOfPod(view, pod), { ip: "10.9.0.1" });
});
