// What an agent killed during a set-up on a warm port leaves, on a whole agent in memory: the next one completes it.

import { assertEquals } from "@std/assert";
import type { PodRequest } from "../../../../lib/agent/api/pod_requests.ts";
import { attachmentKey } from "../../../../lib/agent/store/documents.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import type { Json } from "../../../../lib/store/store.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { portOf, reconcileOnce, startFilled, WARM } from "../../../memory/warm_agent.ts";

/** What a set-up may have done of a pod's interface when the agent is killed, the row being complete. */
const INTERRUPTED: readonly [string, (agent: MemoryAgent, port: string) => void][] = [
  ["it is not configured yet", ({ host: { kernel } }, port) => {
    const pod = kernel.host.links.get(port)!.peer!.child!;
    pod.namespace.defaultRoute = undefined;
    Object.assign(pod, { isUp: false, addresses: [], mac: "02:00:00:00:00:01" });
  }],
  ["its set-up had removed it again", ({ host: { kernel } }, port) => {
    kernel.deleteLink(kernel.host.links.get(port)!.peer!.child!);
  }],
  ["it is complete", () => {}],
];

/** Who finishes what was interrupted. */
const FINISHERS: readonly [string, (agent: MemoryAgent, pod: PodRequest) => Promise<unknown>][] = [
  ["the first reconciliation", (agent) => reconcileOnce(agent)],
  ["the repeated set-up", (agent, pod) => agent.setUp(pod)],
];

for (const [what, interrupt] of INTERRUPTED) {
  for (const [who, finish] of FINISHERS) {
    Deno.test(`after a crash ${who} completes a pod's interface on a warm port: ${what}`, async () => {
      using before = await startFilled();
      const pod = startPod(before.host, "db");
      await before.setUp(pod);
      const port = portOf(before, pod)!;
      const [state, inside] = [before.state(), podEndOf(before, port)];
      await setState(before, pod, "planned");
      interrupt(before, port);
      using agent = await startMemoryAgent({ ...WARM, host: before.host, store: before.store });
      await finish(agent, pod);
      assertEquals([podEndOf(agent, port), agent.state()], [inside, state]);
      assertEquals(agent.attachments().map((one) => one.state), ["ready", "ready"]);
      assertEquals(portOf(agent, pod), port);
    });
  }
}

/** Returns what a pod has on a warm port. */
function podEndOf({ host: { kernel } }: MemoryAgent, port: string) {
  const { name, mac, mtu, isUp, addresses, namespace } = kernel.host.links.get(port)!.peer!.child!;
  return { name, mac, mtu, isUp, addresses, gateway: namespace.defaultRoute?.gateway };
}

/** Records a pod's attachment in another state. */
async function setState(agent: MemoryAgent, pod: PodRequest, state: AttachmentRecord["state"]) {
  const one = agent.attachments().find(({ sandbox }) => sandbox === pod.sandbox)!;
  const write = { key: attachmentKey(one), value: { ...one, state } as unknown as Json };
  await agent.cache.commit(() => ({ checks: [], writes: [write] }));
}

for (const [how, isMoved] of [["renamed", false], ["moved to another namespace", true]] as const) {
  Deno.test(`a pod whose set-up was interrupted, and whose interface was ${how}, is attached anew`, async () => {
    using agent = await startFilled();
    const pod = startPod(agent.host, "db");
    await agent.setUp(pod);
    const port = portOf(agent, pod)!;
    const inside = podEndOf(agent, port);
    await setState(agent, pod, "planned");
    const { kernel } = agent.host;
    const { peer: inner } = kernel.host.links.get(port)!;
    const { namespace } = inner!.child!;
    kernel.deleteLink(inner!.child!);
    const home = isMoved ? kernel.addNamespace("/run/netns/other") : namespace;
    kernel.addChild(inner!, home, { name: "other", isUp: true });
    assertEquals([await reconcileOnce(agent), await reconcileOnce(agent)], [1, 0]);
    assertEquals(agent.attachments().map((one) => one.state), ["ready", "ready"]);
    assertEquals(portOf(agent, pod), isMoved ? undefined : port);
    const { mac, addresses } = namespace.links.get("eth0")!;
    assertEquals({ mac, addresses }, { mac: inside.mac, addresses: inside.addresses });
  });
}
