// The containerds after Debian 12's: 1.7 calls as 1.6 does; 2.1 speaks version 1.1.0 of CNI and asks for
// STATUS, by which a node without its agent is not Ready.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { blue, tenantOf } from "../../lab/default_network.ts";
import { otherContainerd } from "../../lab/kube.ts";
import { waitFor } from "../../lab/wait.ts";
import {
  callsOf,
  isInForce,
  reaches,
  runPod,
  startContainerdNode,
} from "../lab/containerd_node.ts";
import { startKubeNodes } from "../lab/kube_nodes.ts";
import type { LabNode } from "../lab/lab_node.ts";
import { ourConfiguration } from "../lab/plugins.ts";
import { assertNothingLeft, tracesOf } from "../lab/traces.ts";
import { applyObjects, pingsFrom, readyPods, singlePod } from "../lab/workloads.ts";

/** Runs through the life of sandboxes on a node. */
async function liveAndDie(node: LabNode): Promise<void> {
  const { containerd: { cri }, containerd, plugins } = node;
  const before = await tracesOf(node);
  const [peer, pod] = [await runPod(node, "peer"), await runPod(node, "web")];
  assert(await reaches(node, pod, peer) && await reaches(node, peer, pod));
  await containerd.kill();
  await containerd.start();
  assert((await cri.status(pod.id)).isReady);
  await cri.stop(pod.id);
  await cri.remove(pod.id);
  assertEquals(await callsOf(node, pod), ["ADD", "DEL+", "DEL()"]);

  const absent = ourConfiguration({ network: "absent" });
  await plugins.configure("05-absent.conflist", { ...absent, name: "absent" });
  await waitFor("it to be in force", () => isInForce(node, "absent"));
  const error = await assertRejects(() => cri.run({ name: "nowhere" }), Error);
  assertMatch(error.message, /absent/);
  await plugins.removeConfiguration("05-absent.conflist");
  await waitFor("ours to be in force", () => isInForce(node, "k8contivnet"));

  const names = Array.from({ length: 10 }, (_, n) => `many-${n}`);
  const pods = await Promise.all(names.map((name) => runPod(node, name)));
  assertEquals(new Set(pods.flatMap(({ addresses }) => addresses)).size, 10);
  await Promise.all(pods.map(({ id }) => cri.remove(id)));
  await cri.remove(peer.id);
  await assertNothingLeft(node, before);
}

Deno.test("containerd 1.7", async () => {
  const containerd = await otherContainerd("trixie");
  await using started = await startContainerdNode(tenantOf([blue()]), { containerd });
  const { node } = started;
  assertMatch(await node.containerd.cri.version(), /^containerd v?1\.7\./);
  await liveAndDie(node);
  assertEquals((await node.plugins.calls()).filter(({ command }) => command === "STATUS"), []);
});

Deno.test("containerd 2: STATUS says that the agent is missing, and that it is back", async () => {
  const containerd = await otherContainerd("sid");
  await using started = await startContainerdNode(tenantOf([blue()]), { containerd });
  const { node } = started;
  const { cri } = node.containerd;
  assertMatch(await cri.version(), /^containerd v?2\./);
  await liveAndDie(node);
  assert((await cri.networkReady()).isTrue);
  await node.host.agent.stop();
  const { isTrue, message } = await cri.networkReady();
  assert(!isTrue);
  assertMatch(message, /agent/);
  await node.host.agent.start();
  assert((await cri.networkReady()).isTrue);
  const status = (await node.plugins.calls()).filter(({ command }) => command === "STATUS");
  assert(status.length > 0 && status.every(({ containerId }) => containerId === ""));
});

Deno.test("containerd 2 under kubelets: a node without its agent is not Ready", async () => {
  const containerd = await otherContainerd("sid");
  await using cluster = await startKubeNodes({ node: { containerd } });
  const { kube, nodes: [first, second] } = cluster;
  assert(first && second);
  await applyObjects(
    kube,
    ...[first, second].map(({ name }) => singlePod(`on-${name}`, { node: name })),
  );
  const [one] = await readyPods(kube, `on-${first.name}`, 1);
  const [other] = await readyPods(kube, `on-${second.name}`, 1);
  assert(await pingsFrom(kube, one!.name, other!.address));
  const readiness = async () => {
    const path = "-o=jsonpath={.status.conditions[?(@.type=='Ready')]}";
    const condition = JSON.parse(await kube.kubectl("get", "node", first.name, path));
    return condition as { readonly status: string; readonly message: string };
  };
  await first.lab.host.agent.stop();
  const { message } = await waitFor("the node not to be Ready", async () => {
    const condition = await readiness();
    return condition.status === "False" && condition;
  }, { limitMs: 60_000 });
  assertMatch(message, /agent/);
  assert(await pingsFrom(kube, other!.name, one!.address), "its pods lost their network");
  await first.lab.host.agent.start();
  await waitFor("the node to be Ready", async () => (await readiness()).status === "True", {
    limitMs: 60_000,
  });
});
