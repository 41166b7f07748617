// An agent whose API server does not answer: what it still says, and what it logs.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { clusterPodMetadata } from "../../../../lib/agent/kube/cluster_pod_metadata.ts";
import { ClusterSync } from "../../../../lib/agent/kube/cluster_sync.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { startMemoryAgent } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";

speedUpTimers(100);

const POD = { namespace: "default", name: "web" };

/** Follows a cluster whose access always fails, until it has failed so often. */
async function startAlone(failures: readonly string[]) {
  const agent = await startMemoryAgent();
  let [tries, notified] = [0, 0];
  const { promise: isOver, resolve: over } = Promise.withResolvers<void>();
  const sync = new ClusterSync({
    nodeName: "node-1",
    access: () => {
      const why = failures[tries++];
      if (why === undefined) over();
      return Promise.reject(new Fault("unavailable", why ?? failures.at(-1)!));
    },
  }, {
    ...agent.agent.clusterDeps,
    stateDir: "/none",
    reconcileSignal: { notify: () => notified++ },
  });
  const stop = new AbortController();
  const following = sync.keep(stop.signal);
  await isOver;
  return {
    ...{ agent, sync, notified: () => notified },
    lines: () => agent.logged.filter((line) => line.includes("API server")),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await following;
      agent[Symbol.dispose]();
    },
  };
}

Deno.test("an API server that is unreachable is logged once, and again for another reason", async () => {
  await using one = await startAlone(["no route", "no route", "no route", "refused", "refused"]);
  const lines = one.lines();
  assertEquals(lines.length, 2);
  assert(lines[0]!.startsWith("warn  API server unreachable") && lines[0]!.includes("no route"));
  assert(lines[1]!.includes("refused"), lines[1]);
});

Deno.test("health says why the API server is not reached", async () => {
  await using one = await startAlone(["no route"]);
  assertEquals<unknown>(one.sync.health(), {
    ...{ state: "down", why: "no route", server: "", node: "node-1" },
    ...{ pods: 0, namespaces: 0, policies: 0, peers: 0 },
  });
});

Deno.test("what the API server knows of a pod is unavailable, and nothing is at hand", async () => {
  await using one = await startAlone(["no route"]);
  const fault = await assertRejects(() => one.sync.factsOf(POD), Fault, "no route");
  assertEquals(fault.code, "unavailable");
  assertEquals(one.sync.factsAtHand(POD), undefined);
});

Deno.test("a set-up does not wait for policies of an API server that is not reached", async () => {
  await using one = await startAlone(["no route"]);
  assertEquals(await one.sync.settle({ ...POD, uid: "u" }), "u");
  assertEquals(await one.sync.settle(POD), undefined);
});

Deno.test("while nothing is heard, no reconciliation is asked for and policies stay as they were", async () => {
  await using one = await startAlone(["no route", "no route"]);
  one.agent.agent.sandboxes.unmatched.add({ ...POD, sandbox: "5b" }, "nothing names it");
  one.sync.documentChanged("attachments/host1/5b/eth0");
  assertEquals([one.notified(), one.agent.agent.policies.kubePolicies], [0, []]);
});

Deno.test("an agent that has not begun to follow its cluster refuses labels as unavailable, and knows UIDs", async () => {
  const metadata = clusterPodMetadata(() => undefined);
  const fault = await assertRejects(() => metadata.of(POD), Fault, "default/web");
  assertEquals([fault.code, fault.fix], ["unavailable", "try again"]);
  assertEquals(metadata.atHand(POD), undefined);
  assertEquals(await metadata.settle({ ...POD, uid: "u" }), "u");
});
