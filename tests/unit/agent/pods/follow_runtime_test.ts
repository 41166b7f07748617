// The container runtime's events: when they lead to a list, when a list leads to a reconciliation, and
// what an outage looks like in the log.

import { assertEquals } from "@std/assert";
import {
  followRuntime,
  type FollowRuntimeDeps,
} from "../../../../lib/agent/pods/follow_runtime.ts";
import type { RuntimeEvent } from "../../../../lib/runtimes/runtime.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { partsOf } from "../agent_parts.ts";
import { speedUpTimers } from "../fast_timers.ts";

speedUpTimers(10);

/** In the time of the test's timers. */
const LIMIT_MS = 600_000;
/** Longer than events are gathered for. */
const QUIET_MS = 120;

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Waits until `isDone`; a limit ends what would hang. */
async function until(isDone: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !isDone(); waited += 20) {
    if (waited > LIMIT_MS) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await pause(20);
  }
}

/** Starts an agent that knows endpoint web, and follows its host's runtime. */
async function startFollowing(change: Partial<FollowRuntimeDeps> = {}) {
  const agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const parts = partsOf(agent);
  const stop = new AbortController();
  const memoryTrim = { note: () => {} };
  const following = followRuntime({ ...parts, memoryTrim, ...change }, stop.signal);
  const lists = () => agent.host.runtimes.recorder.argsOf("listSandboxes").length;
  if (!change.runtimes) await until(() => parts.notified() === 1, "the reconciliation at start");
  return {
    ...{ agent, lists, log: parts.log, sandboxes: parts.sandboxes },
    runtimes: agent.host.runtimes,
    notified: parts.notified,
    /** Does `work`; returns how many lists and reconciliations follow within a while. */
    following: async (work: () => unknown) => {
      const before = [lists(), parts.notified()];
      await work();
      await pause(QUIET_MS);
      return [lists() - before[0]!, parts.notified() - before[1]!];
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await following;
      agent[Symbol.dispose]();
    },
  };
}

const attach = async (agent: MemoryAgent) => {
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  return pod;
};

Deno.test("when the runtime is reachable it is listed once and a reconciliation follows", async () => {
  await using one = await startFollowing();
  await pause(QUIET_MS);
  assertEquals([one.lists(), one.notified(), one.log.lines], [1, 1, []]);
});

Deno.test("a container that has nothing to do with us leads to a list and to no reconciliation", async () => {
  await using one = await startFollowing();
  assertEquals(await one.following(() => one.runtimes.start({ name: "other" })), [1, 0]);
});

Deno.test("a container that an endpoint names leads to a reconciliation", async () => {
  await using one = await startFollowing();
  assertEquals(await one.following(() => one.runtimes.start({ name: "web" })), [1, 1]);
});

Deno.test("the end of a sandbox that is attached leads to a reconciliation, an infra container's as well", async () => {
  await using one = await startFollowing();
  const pod = await attach(one.agent);
  assertEquals(await one.following(() => one.runtimes.kill(pod.sandbox)), [1, 1]);
});

Deno.test("a pod that starts is its kubelet's: it leads neither to a list nor to a reconciliation", async () => {
  await using one = await startFollowing();
  assertEquals(await one.following(() => startPod(one.agent.host, "web")), [0, 0]);
});

Deno.test("a burst of events leads to one list", async () => {
  await using one = await startFollowing();
  const burst = () => {
    for (let at = 0; at < 50; at++) one.runtimes.start({ name: `other-${at}` });
  };
  assertEquals(await one.following(burst), [1, 0]);
});

Deno.test("a plain container that starts again may be attached again, a torn down pod may not", async () => {
  await using one = await startFollowing();
  const plain = one.runtimes.start({ name: "web" });
  const { sandbox } = await attach(one.agent);
  for (const id of [plain, sandbox]) {
    one.sandboxes.tornDown.add(id);
    one.runtimes.restart(id);
  }
  assertEquals([one.sandboxes.tornDown.has(plain), one.sandboxes.tornDown.has(sandbox)], [
    ...[false, true],
  ]);
});

Deno.test("a container that has ended is forgotten as an unmatched one", async () => {
  await using one = await startFollowing();
  const sandbox = one.runtimes.start({ name: "other" });
  await one.following(() => {});
  one.sandboxes.unmatched.add({ namespace: "default", name: "other", sandbox }, "nothing names it");
  await one.following(() => one.runtimes.kill(sandbox));
  assertEquals(one.sandboxes.unmatched.list(), []);
});

Deno.test("an outage is logged once, and so is its end, which leads to a reconciliation", async () => {
  await using one = await startFollowing();
  for (let times = 0; times < 3; times++) {
    one.runtimes.breakOff(new Fault("unavailable", "Docker does not answer"));
  }
  await pause(QUIET_MS);
  assertEquals(one.log.lines, ["warn container runtime unreachable: Docker does not answer"]);
  const [lists, notified] = await one.following(() => one.runtimes.reopen());
  assertEquals([lists, notified], [1, 1]);
  assertEquals(one.log.lines.slice(1), ["info container runtime reachable again"]);
});

Deno.test("an outage of another kind is logged anew", async () => {
  await using one = await startFollowing();
  for (const what of ["no socket", "no socket", "no answer"]) {
    one.runtimes.breakOff(new Fault("unavailable", what));
  }
  assertEquals(one.log.lines.length, 2);
});

Deno.test("a runtime that takes the stream and cannot list is not logged as reachable", async () => {
  await using one = await startFollowing();
  one.runtimes.breakOff(new Fault("unavailable", "Docker does not answer"));
  one.runtimes.recorder.fail("listSandboxes", new Fault("failed", "no list"), { times: 2 });
  await one.following(() => one.runtimes.reopen());
  await one.following(() => one.runtimes.start({ name: "other" }));
  const words = one.log.lines.map((line) => line.split(":")[0]);
  assertEquals(words, ["warn container runtime unreachable", "warn containers cannot be listed"]);
  await one.following(() => one.runtimes.start({ name: "another" }));
  assertEquals(one.log.lines.slice(2).sort(), [
    ...["info container runtime reachable again", "info containers are listed again"],
  ]);
});

Deno.test("a list that failed is tried again without an event", async () => {
  await using one = await startFollowing();
  one.runtimes.recorder.fail("listSandboxes", new Fault("failed", "no list"));
  one.runtimes.start({ name: "web" });
  await until(() => one.log.lines.includes("info containers are listed again"), "another list");
  assertEquals(one.notified() > 1, true);
});

Deno.test("pods that ran before a runtime came late have their kubelet's turn first", async () => {
  await using one = await startFollowing();
  one.runtimes.breakOff(new Fault("unavailable", "Docker does not answer"));
  startPod(one.agent.host, "web");
  one.runtimes.reopen();
  await pause(QUIET_MS);
  assertEquals(one.sandboxes.containers.pods(0), []);
});

Deno.test("a host without a runtime is logged as that, once", async () => {
  const reports: ((news: RuntimeEvent) => void)[] = [];
  await using one = await startFollowing({
    runtimes: {
      follow: (_, report) => void reports.push(report),
      listSandboxes: () => Promise.resolve(undefined),
    },
  });
  for (let times = 0; times < 3; times++) reports[0]!({ kind: "lost", fault: undefined });
  assertEquals(one.log.lines.length, 1);
  assertEquals(one.log.lines[0]?.startsWith("info no Docker"), true);
});
