// What a kubelet's verbs wait for: other work for the same sandbox, and nothing else.

import { assertEquals, assertRejects } from "@std/assert";
import type { PodRequest, PodVerb } from "../../../../lib/agent/api/pod_requests.ts";
import { answerVerb, type PodVerbsDeps } from "../../../../lib/agent/server/pod_verbs.ts";
import { SetupCounter } from "../../../../lib/agent/server/setup_counter.ts";
import { Containers } from "../../../../lib/agent/pods/known_containers.ts";
import { SandboxSet } from "../../../../lib/agent/pods/sandbox_set.ts";
import { Backoff } from "../../../../lib/util/async/backoff.ts";
import { KeyedQueue } from "../../../../lib/util/async/keyed_queue.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

const podOf = (digit: string): PodRequest => ({
  ...{ namespace: "default", name: `pod-${digit}`, sandbox: digit.repeat(64) },
});

/** What verbs work with, where each set-up and teardown waits until the test lets it go on. */
function heldVerbs() {
  const events: string[] = [];
  const waiting = new Map<string, (error?: Fault) => void>();
  const work = async (what: string) => {
    events.push(`${what} begins`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.set(what, (error) => error ? reject(error) : resolve());
    await promise;
    events.push(`${what} ends`);
  };
  let trims = 0;
  const deps: PodVerbsDeps = {
    host: "host1",
    store: { documents: new Map() },
    tags: { tagOf: () => 100 },
    sandboxes: {
      queue: new KeyedQueue(),
      containers: new Containers(),
      statusAsked: new SandboxSet(),
    },
    clock: { now: () => 0 },
    backoff: new Backoff(),
    reconcileSignal: { notify: () => {} },
    memoryTrim: { note: () => trims++ },
    setups: new SetupCounter(),
    setUp: async ({ name }) => {
      await work(`setup ${name}`);
      return { outcome: "unmatched", attachments: [] };
    },
    tearDown: async ({ name }) => {
      await work(`teardown ${name}`);
      return { released: 0 };
    },
  };
  return {
    ...{ deps, events },
    trims: () => trims,
    ask: (verb: PodVerb, pod: PodRequest) => answerVerb(deps, verb, pod),
    /** Lets work go on; returns when what follows from it was begun. */
    end: async (what: string, error?: Fault) => {
      waiting.get(what)!(error);
      await settled();
    },
  };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("verbs for one sandbox run one after the other, in the order of their requests", async () => {
  const { ask, end, events } = heldVerbs();
  const pod = podOf("a");
  const answers = [ask("setup", pod), ask("teardown", pod), ask("setup", { ...pod, name: "b" })];
  await settled();
  assertEquals(events, ["setup pod-a begins"]);
  await end("setup pod-a");
  assertEquals(events.slice(1), ["setup pod-a ends", "teardown pod-a begins"]);
  await end("teardown pod-a");
  assertEquals(events.slice(3), ["teardown pod-a ends", "setup b begins"]);
  await end("setup b");
  assertEquals(await Promise.all(answers), [
    { outcome: "unmatched", attachments: [] },
    { released: 0 },
    { outcome: "unmatched", attachments: [] },
  ]);
});

Deno.test("verbs for different sandboxes run in parallel", async () => {
  const { ask, end, events } = heldVerbs();
  const answers = ["a", "b", "c"].map((digit) => ask("setup", podOf(digit)));
  await settled();
  assertEquals(events, ["setup pod-a begins", "setup pod-b begins", "setup pod-c begins"]);
  for (const digit of ["c", "a", "b"]) await end(`setup pod-${digit}`);
  assertEquals((await Promise.all(answers)).length, 3);
});

Deno.test("status is answered at once while a setup of its sandbox is running", async () => {
  const { ask, end, trims } = heldVerbs();
  const setup = ask("setup", podOf("a"));
  await settled();
  assertEquals(await ask("status", podOf("a")), {});
  assertEquals(trims(), 1);
  await end("setup pod-a");
  await setup;
});

Deno.test("a verb that fails affects only its own caller: the next one runs", async () => {
  const { ask, end, events } = heldVerbs();
  const pod = podOf("a");
  const first = assertRejects(() => ask("setup", pod), Fault, "refused");
  const second = ask("teardown", pod);
  await settled();
  await end("setup pod-a", new Fault("exhausted", "refused"));
  await first;
  assertEquals(events, ["setup pod-a begins", "teardown pod-a begins"]);
  await end("teardown pod-a");
  assertEquals(await second, { released: 0 });
});

Deno.test("each setup and teardown notes that memory may be given back", async () => {
  const { ask, end, trims } = heldVerbs();
  const [one, two] = [ask("setup", podOf("a")), ask("teardown", podOf("b"))];
  await settled();
  assertEquals(trims(), 2);
  await end("setup pod-a");
  await end("teardown pod-b");
  await Promise.all([one, two]);
});

Deno.test("setup answers with the access tag that each interface has on this host", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([
    { Name: "m", PktTagType: "vlan", PktTag: "150", Endpoints: [{ Container: "web" }] },
    { Name: "x", PktTagType: "vxlan", PktTag: "7000", Endpoints: [{ Container: "web" }] },
  ], { Vxlans: "7000-7100" });
  const { attachments } = await agent.setUp(startPod(agent.host, "web"));
  const rows = [...agent.host.switch.rows.values()].map(({ tag }) => tag).sort();
  assertEquals(attachments.map(({ vlan }) => vlan).sort(), rows);
  assertEquals(rows, [150, 4_094]);
});

Deno.test("set-ups are counted by how they ended, since the agent's start", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  assertEquals(agent.agent.setups.counts(), { ready: 0, unmatched: 0, hostNetwork: 0, failed: 0 });
  const web = startPod(agent.host, "web");
  await agent.setUp(web);
  await agent.setUp(web); // a kubelet that repeats itself is counted again
  await agent.setUp(startPod(agent.host, "unknown"));
  const sandbox = agent.host.runtimes.start({ name: "host-pod", network: "host" });
  await agent.setUp({ namespace: "default", name: "host-pod", sandbox });
  await assertRejects(() => agent.setUp(podOf("a")), Fault, "is unknown");
  assertEquals(agent.agent.setups.counts(), { ready: 2, unmatched: 1, hostNetwork: 1, failed: 1 });
});

Deno.test("teardown, status and pods that the agent attaches by itself count as no set-up", async () => {
  using agent = await startMemoryAgent();
  const web = startPod(agent.host, "web");
  await agent.setUp(web);
  const before = agent.agent.setups.counts();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(agent.attachments().map(({ state }) => state), ["ready"]);
  await agent.agent.answerVerb("status", web);
  await agent.agent.answerVerb("teardown", web);
  assertEquals(agent.agent.setups.counts(), before);
});
