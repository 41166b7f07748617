// What happens on real nodes in months: kubelets, runtimes and agents that end, pods that are deleted in
// every way, configurations of others, power cuts. After each, pods have what they had or get it again, no
// address is lost, and in the end nothing is left.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { waitFor } from "../../lab/wait.ts";
import { isInForce } from "../lab/containerd_node.ts";
import { type KubeNode, type KubeNodes, startKubeNodes } from "../lab/kube_nodes.ts";
import { bridgeConfiguration, describeCalls, type PluginCall } from "../lab/plugins.ts";
import { assertNothingLeft, type Traces, tracesOf } from "../lab/traces.ts";
import {
  applyObjects,
  deployment,
  pingsFrom,
  readyPods,
  rerunPods,
  type SeenPod,
  seenPods,
  singlePod,
} from "../lab/workloads.ts";

const LIMIT = { limitMs: 90_000 };

/** The cluster of this suite with what every case needs. */
class Suite {
  readonly cluster: KubeNodes;
  readonly first: KubeNode;
  readonly second: KubeNode;
  #before: readonly Traces[] = [];

  constructor(cluster: KubeNodes) {
    const { nodes: [first, second] } = cluster;
    assert(first && second);
    this.cluster = cluster;
    this.first = first;
    this.second = second;
  }

  get kube() {
    return this.cluster.kube;
  }

  /** Remembers what the nodes have now: that is what has to be left after each case. */
  async remember(): Promise<void> {
    this.#before = await Promise.all([this.first, this.second].map(({ lab }) => tracesOf(lab)));
  }

  /** Checks that the nodes have nothing more and nothing less than what was remembered. */
  async nothingLeft(): Promise<void> {
    for (const [at, { lab }] of [this.first, this.second].entries()) {
      await assertNothingLeft(lab, this.#before[at]!, LIMIT);
    }
  }

  /** Ends what a case has injected, also where it failed: the next one has nothing of it. */
  async endFaults(): Promise<void> {
    const { plugins } = this.first.lab;
    for (const command of ["ADD", "DEL"]) await plugins.fault(command, undefined);
  }

  /** Makes a pod on the first node; returns it when it is Ready. */
  async pod(name: string): Promise<SeenPod> {
    await applyObjects(this.kube, singlePod(name, { node: this.first.name }));
    return (await readyPods(this.kube, name, 1))[0]!;
  }

  /** Deletes a pod; `now` as an operator who does not wait for its kubelet. */
  async remove(name: string, { now = false } = {}): Promise<void> {
    const force = now ? ["--force", "--grace-period=0"] : [];
    await this.kube.kubectl("delete", "pod", name, "--wait=false", ...force);
  }

  /** Returns the calls for a pod on the first node. */
  async calls(pod: string): Promise<PluginCall[]> {
    const calls = await this.first.lab.plugins.calls();
    return calls.filter(({ args }) => `;${args};`.includes(`;K8S_POD_NAME=${pod};`));
  }

  /** Checks that the peer on the other node reaches a pod. */
  async isReached({ name }: SeenPod): Promise<void> {
    const { address } = (await seenPods(this.kube, name))[0]!;
    assert(await pingsFrom(this.kube, "peer", address), `${name} is not reached at ${address}`);
  }
}

Deno.test("the life of two nodes", async (t) => {
  await using cluster = await startKubeNodes({ node: { plugins: ["bridge", "host-local"] } });
  const suite = new Suite(cluster);
  const { kube, first, second } = suite;
  const { containerd, plugins, machine, host } = first.lab;
  const { kubelet } = first;
  await applyObjects(kube, singlePod("peer", { node: second.name }));
  await readyPods(kube, "peer", 1);
  await suite.remember();
  const step = (name: string, work: () => Promise<void>) =>
    t.step(name, async () => {
      await using _ = { [Symbol.asyncDispose]: () => suite.endFaults() };
      await work();
      await suite.endFaults();
      await suite.nothingLeft();
    });

  for (const way of ["stop", "kill"] as const) {
    await step(`kubelet ended by ${way} and started: no call`, async () => {
      const pod = await suite.pod(`kubelet-${way}`);
      await kubelet[way]();
      await suite.isReached(pod);
      await kubelet.start();
      await readyPods(kube, pod.name, 1);
      await suite.isReached(pod);
      assertEquals(describeCalls(await suite.calls(pod.name)), ["ADD"]);
      await suite.remove(pod.name);
    });

    await step(`containerd ended by ${way} and started: no call`, async () => {
      const pod = await suite.pod(`containerd-${way}`);
      await containerd[way]();
      await suite.isReached(pod);
      await containerd.start();
      await readyPods(kube, pod.name, 1);
      await suite.isReached(pod);
      assertEquals(describeCalls(await suite.calls(pod.name)), ["ADD"]);
      await suite.remove(pod.name);
    });
  }

  await step("pause process killed: a new sandbox, late DELs of the old one", async () => {
    const pod = await suite.pod("pause");
    const sandbox = (await suite.calls(pod.name))[0]!.containerId;
    const { pid } = await containerd.cri.status(sandbox);
    await machine.sh('kill -9 "$1"', String(pid));
    await rerunPods(kube, pod.name, [pod]);
    await suite.isReached(pod);
    await waitFor("a late DEL of the old sandbox", async () => {
      const calls = await plugins.calls({ of: sandbox });
      return calls.filter(({ command, netns }) => command === "DEL" && netns === "").length >= 1;
    }, LIMIT);
    await suite.isReached(pod);
    const own = (await host.agent.attachments()).filter(({ pod: { name } }) => name === "pause");
    assertEquals(own.length, 1, "the old sandbox still has an address");
    await suite.remove(pod.name);
  });

  await step("app container killed: no call", async () => {
    const pod = await suite.pod("app");
    await kube.kubectl("exec", pod.name, "--", "kill", "-9", "-1").catch(() => {});
    const task = pod.container.replace("containerd://", "");
    const ctr = `ctr -a ${containerd.socket} -n k8s.io tasks kill -s SIGKILL ${task}`;
    await machine.sh(`${ctr} || :`);
    await rerunPods(kube, pod.name, [pod]);
    await suite.isReached(pod);
    assertEquals(describeCalls(await suite.calls(pod.name)), ["ADD"]);
    await suite.remove(pod.name);
  });

  await step("ADD fails: the user sees why, and the pod comes up after it", async () => {
    const answer = '{"cniVersion":"1.0.0","code":101,"msg":"no network here","details":"a fault"}';
    await plugins.fault("ADD", `echo '${answer}'; result 1; exit 1`);
    await applyObjects(kube, singlePod("refused", { node: first.name }));
    await waitFor("the event", async () => {
      const events = await kube.kubectl("get", "events");
      return /FailedCreatePodSandBox.*pod\/refused.*no network here; a fault/.test(events);
    }, LIMIT);
    await plugins.fault("ADD", undefined);
    await suite.isReached((await readyPods(kube, "refused", 1, LIMIT))[0]!);
    await suite.remove("refused");
  });

  await step("DEL fails: the pod stays until it succeeds", async () => {
    const pod = await suite.pod("stuck");
    await plugins.fault(
      "DEL",
      `echo '{"cniVersion":"1.0.0","code":11,"msg":"no"}'; result 1; exit 1`,
    );
    await suite.remove(pod.name);
    await waitFor("two tries", async () => {
      const calls = await suite.calls(pod.name);
      return calls.filter(({ command, code }) => command === "DEL" && code === 1).length >= 2;
    }, LIMIT);
    assertEquals((await seenPods(kube, pod.name)).map(({ isDeleted }) => isDeleted), [true]);
    await plugins.fault("DEL", undefined);
  });

  await step("a pod in the host's network: no call", async () => {
    const template = singlePod("host-network", { node: first.name }) as { spec: object };
    await applyObjects(kube, { ...template, spec: { ...template.spec, hostNetwork: true } });
    await readyPods(kube, "host-network", 1);
    assertEquals(await suite.calls("host-network"), []);
    await suite.remove("host-network");
  });

  await step("a pod deleted by force while its kubelet is down", async () => {
    const pod = await suite.pod("orphan");
    await kubelet.kill();
    await suite.remove(pod.name, { now: true });
    await kubelet.start();
  });

  await step("pods made and deleted at once", async () => {
    const names = [1, 2, 3, 4, 5].map((n) => `short-${n}`);
    await applyObjects(kube, ...names.map((name) => singlePod(name, { node: first.name })));
    for (const name of names) await suite.remove(name, { now: true });
    const after = await suite.pod("after");
    await suite.isReached(after);
    await suite.remove(after.name);
  });

  await step("the agent is down when a pod comes: it is connected later", async () => {
    await host.agent.stop();
    await applyObjects(kube, singlePod("early", { node: first.name }));
    await waitFor("the scheduler", async () => (await seenPods(kube, "early"))[0]?.node !== "");
    await new Promise((done) => setTimeout(done, 3_000));
    await host.agent.start();
    await suite.isReached((await readyPods(kube, "early", 1, LIMIT))[0]!);
    await suite.remove("early");
  });

  await step("the agent killed while pods are being connected", async () => {
    const names = Array.from({ length: 6 }, (_, n) => `killed-${n}`);
    await applyObjects(kube, ...names.map((name) => singlePod(name, { node: first.name })));
    for (let n = 0; n < 3; n++) {
      await waitFor("an ADD", async () => (await suite.calls(names[n]!)).length > 0, LIMIT);
      await host.agent.stop("SIGKILL");
      await host.agent.start();
    }
    for (const name of names) await suite.isReached((await readyPods(kube, name, 1, LIMIT))[0]!);
    for (const name of names) await suite.remove(name);
  });

  await step("another configuration that sorts first, and goes again", async () => {
    const pod = await suite.pod("ours");
    await plugins.configure("05-other.conflist", bridgeConfiguration("other", "10.77.0.0/24"));
    await waitFor("it to be in force", () => isInForce(first.lab, "other"));
    const [theirs] = await applyAndWait(suite, "theirs");
    assertMatch(theirs!.address, /^10\.77\.0\./);
    await suite.isReached(pod);
    await suite.remove(pod.name);
    await suite.remove("theirs");
    await waitFor("both to be gone", async () => {
      return (await machine.sandboxes()).length === 0;
    }, LIMIT);
    await plugins.removeConfiguration("05-other.conflist");
    await waitFor("ours to be in force", () => isInForce(first.lab, "k8contivnet"));
    await machine.sh("ip link del br-other");
  });

  await step("a rolling update, and thirty pods at once", async () => {
    await applyObjects(kube, deployment("web", 4));
    const old = await readyPods(kube, "web", 4);
    await applyObjects(kube, deployment("web", 4, { version: "2" }));
    await waitFor("the new pods", async () => {
      const now = await readyPods(kube, "web", 4);
      return now.every(({ uid }) => !old.some((one) => one.uid === uid));
    }, LIMIT);
    await applyObjects(kube, deployment("web", 30, { version: "2" }));
    const many = await readyPods(kube, "web", 30, { limitMs: 120_000 });
    assertEquals(new Set(many.map(({ address }) => address)).size, 30);
    for (const { address } of many.slice(0, 5)) assert(await pingsFrom(kube, "peer", address));
    await kube.kubectl("delete", "deployment", "web", "--wait=false");
  });

  await step("power cut of a node, a pod of which is deleted meanwhile", async () => {
    const stays = await suite.pod("stays");
    const goes = await suite.pod("goes");
    await cluster.cutPower(first);
    await suite.remove(goes.name, { now: true });
    await cluster.powerOn(first);
    await rerunPods(kube, stays.name, [stays]);
    await suite.isReached(stays);
    await suite.remove(stays.name);
  });

  await step("power cut of both nodes", async () => {
    const pod = await suite.pod("dark");
    const [peer] = await readyPods(kube, "peer", 1);
    await Promise.all([first, second].map((node) => cluster.cutPower(node)));
    await Promise.all([first, second].map((node) => cluster.powerOn(node)));
    await rerunPods(kube, pod.name, [pod]);
    await rerunPods(kube, "peer", [peer!]);
    await suite.isReached(pod);
    await suite.remove(pod.name);
    await waitFor("the pod to be gone", async () => {
      return (await host.agent.attachments()).every(({ pod: { name } }) => name !== "dark");
    }, LIMIT);
    await suite.remember();
  });
});

/** Makes a pod on the first node by another plugin than ours. */
async function applyAndWait({ kube, first }: Suite, name: string): Promise<SeenPod[]> {
  await applyObjects(kube, singlePod(name, { node: first.name }));
  return await readyPods(kube, name, 1);
}
