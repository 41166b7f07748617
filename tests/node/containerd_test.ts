// Our file as the CNI plugin of a real containerd, without a kubelet: what containerd calls in the life of
// a sandbox, what the pod has then, and that nothing is left.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { blue, tenantOf } from "../lab/default_network.ts";
import { poolFilled, warmPorts } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";
import { callsOf, isInForce, reaches, runPod, startContainerdNode } from "./lab/containerd_node.ts";
import { bridgeConfiguration, describeCalls, ourConfiguration } from "./lab/plugins.ts";
import { assertNothingLeft, type Traces, tracesOf, usedAddresses } from "./lab/traces.ts";

const CONFIGURATION = "10-k8contivnet.conflist";
const FIRST = "05-first.conflist";

for (const ports of ["plain", "warm"]) {
  Deno.test(`containerd and our plugin, ${ports} ports`, (t) => testLives(t, ports));
}

async function testLives(t: Deno.TestContext, ports: string): Promise<void> {
  await using started = await startContainerdNode(tenantOf([blue()]), {
    plugins: ["bridge", "host-local"],
    flags: ["--ports", ports],
  });
  const { node } = started;
  const { containerd, plugins, machine, host } = node;
  const { cri } = containerd;
  const before: Traces = await tracesOf(node);
  const peer = await runPod(node, "peer");
  if (ports === "warm") await poolFilled(host);
  const withPeer = await tracesOf(node);

  await t.step("run, stop, remove", async () => {
    const pod = await runPod(node, "web");
    const used = (await warmPorts(host)).filter(({ hasPod }) => hasPod);
    assertEquals(used.length, ports === "warm" ? 1 : 0);
    assert(await reaches(node, pod, peer) && await reaches(node, peer, pod));
    assertEquals(await usedAddresses(node), 2);
    await cri.stop(pod.id);
    assertEquals(await usedAddresses(node), 1);
    await cri.remove(pod.id);
    assertEquals(await callsOf(node, pod), ["ADD", "DEL+", "DEL()"]);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("stopped twice; removed without a stop", async () => {
    const [twice, never] = [await runPod(node, "twice"), await runPod(node, "never")];
    await cri.stop(twice.id);
    await cri.stop(twice.id);
    await cri.remove(twice.id);
    await cri.remove(never.id);
    assertEquals(await callsOf(node, twice), ["ADD", "DEL+", "DEL()", "DEL()"]);
    assertEquals(await callsOf(node, never), ["ADD", "DEL+"]);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("four DELs of an old sandbox leave the pod's new one alone", async () => {
    const pod = { name: "again", uid: crypto.randomUUID() };
    const old = await cri.run(pod);
    await cri.stop(old);
    const status = await cri.status(await cri.run({ ...pod, attempt: 1 }));
    for (let n = 0; n < 3; n++) await cri.stop(old);
    await cri.remove(old);
    assertEquals(await callsOf(node, { id: old }), ["ADD", "DEL+", ...Array(4).fill("DEL()")]);
    assert(await reaches(node, status, peer), "the new sandbox was torn down");
    assertEquals(await usedAddresses(node), 2);
    await cri.remove(status.id);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("an ADD that fails says why, and leaves nothing", async () => {
    await plugins.configure(FIRST, {
      ...ourConfiguration({ network: "absent" }),
      name: "absent",
    });
    await waitFor("it to be in force", () => isInForce(node, "absent"));
    const error = await assertRejects(() => cri.run({ name: "nowhere" }), Error);
    assertMatch(error.message, /absent/);
    const calls = (await plugins.calls()).slice(-2);
    assertEquals(describeCalls(calls), ["ADD!1", "DEL"]);
    await plugins.removeConfiguration(FIRST);
    await waitFor("ours to be in force", () => isInForce(node, "k8contivnet"));
    await assertNothingLeft(node, withPeer);
  });

  await t.step("without an agent ADD fails, DEL is done later", async () => {
    const pod = await runPod(node, "late");
    await host.agent.stop();
    const error = await assertRejects(() => cri.run({ name: "early" }), Error);
    assertMatch(error.message, /agent/);
    await cri.stop(pod.id);
    await cri.remove(pod.id);
    assertEquals(await callsOf(node, pod), ["ADD", "DEL+", "DEL()"]);
    await host.agent.start();
    await assertNothingLeft(node, withPeer);
  });

  await t.step("containerd killed and started: no call, sandboxes stay", async () => {
    const pod = await runPod(node, "stays");
    await containerd.kill();
    assert(await reaches(node, pod, peer));
    await containerd.start();
    assert((await cri.status(pod.id)).isReady);
    assert(await reaches(node, peer, pod));
    assertEquals(await callsOf(node, pod), ["ADD"]);
    await cri.stop(pod.id);
    await cri.remove(pod.id);
    assertEquals(await callsOf(node, pod), ["ADD", "DEL+", "DEL()"]);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("containerd killed during ADD", async () => {
    const struck = `${machine.options.dir}/struck`;
    await plugins.fault("ADD", `touch ${struck}; sleep 1`);
    const running = assertRejects(() => cri.run({ name: "cut" }));
    await waitFor("the call", () => Deno.lstat(struck).then(() => true, () => false));
    await containerd.kill();
    await plugins.fault("ADD", undefined);
    await running;
    const known = new Set((await plugins.calls()).map(({ at }) => at));
    await containerd.start();
    await waitFor("the plugin to end", async () => {
      const calls = await plugins.calls();
      return calls.some(({ at, command }) => !known.has(at) && command === "ADD");
    });
    const [id] = [...await cri.list()].find(([, name]) => name === "default/cut") ?? [];
    assert(id !== undefined && !(await cri.status(id)).isReady);
    await cri.stop(id);
    await cri.remove(id);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("the pause process killed", async () => {
    const pod = await runPod(node, "paused");
    await machine.sh('kill -9 "$1"', String(pod.pid));
    await waitFor("containerd to notice", async () => !(await cri.status(pod.id)).isReady);
    assertEquals(await callsOf(node, pod), ["ADD"]);
    await cri.stop(pod.id);
    await cri.remove(pod.id);
    assertEquals(await callsOf(node, pod), ["ADD", "DEL+", "DEL()"]);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("the namespace deleted behind its back", async () => {
    const pod = await runPod(node, "bare");
    await machine.sh('umount "$1"; rm "$1"', pod.netns);
    await cri.stop(pod.id);
    await cri.remove(pod.id);
    assertEquals(await callsOf(node, pod), ["ADD", "DEL()+", "DEL()"]);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("another configuration that sorts first: its own DELs never reach us", async () => {
    const pod = await runPod(node, "ours");
    await plugins.configure(FIRST, bridgeConfiguration("other", "10.77.0.0/24"));
    await waitFor("it to be in force", () => isInForce(node, "other"));
    const other = await cri.run({ name: "theirs" });
    assertEquals((await cri.status(other)).addresses, ["10.77.0.2"]);
    for (const id of [pod.id, other]) await cri.remove(id);
    assertEquals(await callsOf(node, pod), ["ADD"]);
    await plugins.removeConfiguration(FIRST);
    await waitFor("ours to be in force", () => isInForce(node, "k8contivnet"));
    await machine.sh("ip link del br-other");
    await assertNothingLeft(node, withPeer);
  });

  await t.step("a configuration that is half written", async () => {
    const pod = await runPod(node, "half");
    await plugins.configure(CONFIGURATION, '{"cniVersion": "1.0.0", "na');
    await waitFor("it to be refused", async () => !(await cri.networkReady()).isTrue);
    await assertRejects(() => cri.run({ name: "refused" }), Error, "cni plugin not initialized");
    await plugins.configure(CONFIGURATION, ourConfiguration());
    await waitFor("ours to be in force", () => isInForce(node, "k8contivnet"));
    assert(await reaches(node, pod, peer));
    for (const [id, name] of await cri.list()) if (name !== "default/peer") await cri.remove(id);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("the agent killed during ADD", async () => {
    const struck = `${machine.options.dir}/struck`;
    await plugins.fault("ADD", `touch ${struck}`);
    for (const delayMs of [0, 10, 30, 60, 120, 250]) {
      await Deno.remove(struck).catch(() => {});
      const running = cri.run({ name: `killed-${delayMs}` }).then((id) => id, () => undefined);
      await waitFor("ADD", () => Deno.lstat(struck).then(() => true, () => false));
      await new Promise((done) => setTimeout(done, delayMs));
      await host.agent.stop("SIGKILL");
      await host.agent.start();
      const id = await running;
      if (id !== undefined) {
        assert(await reaches(node, await cri.status(id), peer));
        await cri.remove(id);
      }
      await assertNothingLeft(node, withPeer);
    }
    await plugins.fault("ADD", undefined);
  });

  await t.step("thirty sandboxes at once", async () => {
    const names = Array.from({ length: 30 }, (_, n) => `many-${n}`);
    const pods = await Promise.all(names.map((name) => runPod(node, name)));
    assertEquals(new Set(pods.flatMap(({ addresses }) => addresses)).size, 30);
    assert(await reaches(node, pods[0]!, pods[29]!) && await reaches(node, peer, pods[15]!));
    await Promise.all(pods.map(async ({ id }) => {
      await cri.stop(id);
      await cri.remove(id);
    }));
    await assertNothingLeft(node, withPeer);
  });

  await cri.remove(peer.id);
  await assertNothingLeft(node, before);
}
