// A large cluster as one host's agent has it: 5,000 pods with 100,000 labels, 100 of the pods here.

import { assert, assertEquals } from "@std/assert";
import { intentOf, startHost } from "../lab/host.ts";
import type { Kube } from "../lab/kube.ts";
import { agentKubeconfig, startKubeWithRbac } from "../lab/kube_account.ts";
import { follow } from "../lab/kube_cluster.ts";
import { waitFor } from "../lab/wait.ts";

const PODS = 5_000;
const PODS_HERE = 100;
const LABELS = 20;
const MOST_MB = 110;
const LIMIT = { limitMs: 120_000, everyMs: 100 };

Deno.test("5,000 pods with 100,000 labels are known within 110 MB, and a label's change is followed", async () => {
  await using kube = await startKubeWithRbac();
  await fill(kube);
  const kubeconfig = await agentKubeconfig(kube);
  await using host = await startHost(
    intentOf(3),
    ...["--kubeconfig", kubeconfig, "--node-name", "node-0"],
  );
  const known = await waitFor("the cluster to be known", async () => {
    const health = await host.agent.kubeHealth();
    return health.state === "up" && health;
  }, LIMIT);
  assertEquals([known.pods, known.peers], [PODS_HERE, PODS]);
  const pod = await host.pod("pod0");
  await host.agent.setup(pod);
  const mb = await memoryOf(host.agent.pid);
  console.log(`agent with ${PODS} pods, ${PODS * LABELS} labels: ${mb.toFixed(1)} MB`);
  assert(mb <= MOST_MB, `the agent has ${mb} MB`);

  // From a label's change to the pods that it concerns, with 500 pods here and all others known, too.
  await using followed = follow(kube, { node: "node-1", kubeconfig, probeMs: 20_000 });
  await followed.cluster.up(120_000);
  const times: number[] = [];
  for (let n = 0; n < 40; n++) {
    const began = performance.now();
    const before = followed.changes.length;
    await kube.label("default", `many-${PODS_HERE}`, { turn: String(n) });
    const isTold = () => followed.changes.slice(before).some(({ kind }) => kind === "pod");
    await waitFor("the change", isTold, { ...LIMIT, everyMs: 1 });
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const [p50 = 0, p90 = 0] = [times[20], times[36]];
  console.log(`label's change: p50 ${p50.toFixed(1)} ms, p90 ${p90.toFixed(1)} ms`);
});

/** Makes the pods, several at once; 500 of them on node-1. */
async function fill(kube: Kube): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let n = next++; n < PODS; n = next++) {
      const node = n < PODS_HERE ? 0 : n < PODS_HERE + 500 ? 1 : 2 + n % 48;
      const labels = Object.fromEntries(Array.from({ length: LABELS }, (_, at) => [
        `app.example.org/label-${at}`,
        // Some are many pods' own, some are each pod's.
        at < 15 ? `value-${n % 50}-${at}` : `value-${n}-${at}`,
      ]));
      await kube.pod("default", `many-${n}`, `node-${node}`, { labels });
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  await kube.ask("POST", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", {
    metadata: { name: "all" },
    spec: { podSelector: {}, policyTypes: ["Ingress"] },
  });
}

/** Returns the agent's memory once it has come to rest. */
async function memoryOf(pid: number): Promise<number> {
  const samples: number[] = [];
  const began = performance.now();
  await waitFor("it to come to rest", async () => {
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    samples.push(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
    return performance.now() - began > 8_000;
  }, LIMIT);
  return samples.at(-1) ?? 0;
}
