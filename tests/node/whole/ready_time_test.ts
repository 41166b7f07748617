// Seconds from `kubectl create` to Ready, in turns with Debian's bridge and host-local on the same node:
// printed, and not judged, as on a busy machine a kubelet's own times differ more.

import { assertEquals } from "@std/assert";
import { waitFor } from "../../lab/wait.ts";
import { isInForce } from "../lab/containerd_node.ts";
import { startKubeNodes } from "../lab/kube_nodes.ts";
import { bridgeConfiguration } from "../lab/plugins.ts";
import { applyObjects, readyPods, seenPods, singlePod } from "../lab/workloads.ts";

const ROUNDS = 10;
const BRIDGE = "05-bridge.conflist";

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

Deno.test("seconds to Ready beside Debian's bridge", async () => {
  await using cluster = await startKubeNodes({
    count: 1,
    node: { plugins: ["bridge", "host-local"] },
  });
  const { kube, nodes: [only] } = cluster;
  const { lab } = only!;
  const times = { ours: [] as number[], bridge: [] as number[] };
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const isBridge = round % 2 === 1;
    if (isBridge) {
      await lab.plugins.configure(BRIDGE, bridgeConfiguration("bridge", "10.77.0.0/16"));
    } else if (round > 0) await lab.plugins.removeConfiguration(BRIDGE);
    const network = isBridge ? "bridge" : "k8contivnet";
    await waitFor(`${network} to be in force`, () => isInForce(lab, network));
    // A probe is made once a second: without one, a pod is Ready when its container runs.
    const pod = singlePod(`pod-${round}`, { node: lab.name, hasProbe: false });
    const before = performance.now();
    await applyObjects(kube, pod);
    await waitFor("the pod", async () => (await seenPods(kube, `pod-${round}`))[0]?.isReady, {
      everyMs: 20,
    });
    times[isBridge ? "bridge" : "ours"].push((performance.now() - before) / 1000);
    await readyPods(kube, `pod-${round}`, 1);
  }
  const adds = async (plugin: string) => {
    const calls = await lab.plugins.calls({ plugin });
    return calls.filter(({ command, code }) => command === "ADD" && code === 0).map(({ ms }) => ms);
  };
  const [ours, bridge] = [median(times.ours), median(times.bridge)];
  const [ourAdd, bridgeAdd] = [median(await adds("k8contivnet")), median(await adds("bridge"))];
  console.log(
    `create to Ready, median of ${ROUNDS}: ${ours.toFixed(2)} s; Debian's bridge ${
      bridge.toFixed(2)
    } s; ratio ${(ours / bridge).toFixed(2)}; ADD ${ourAdd} ms, Debian's bridge ${bridgeAdd} ms`,
  );
  assertEquals([times.ours.length, times.bridge.length], [ROUNDS, ROUNDS]);
});
