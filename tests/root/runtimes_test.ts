// Who a sandbox is, asked of a real Docker and of real network namespaces.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openRuntimes } from "../../lib/runtimes/open_runtimes.ts";
import type { Runtimes, Sandbox } from "../../lib/runtimes/runtime.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { run } from "../../lib/util/run.ts";
import { type Dockerd, startDockerd } from "../lab/dockerd.ts";
import { randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const UID = "0f0a1d2c-3b4e-11e5-a151-feff819cdc9f";

Deno.test("Docker's containers and named namespaces are told apart", async (t) => {
  const dir = await Deno.makeTempDir();
  await using dockerd = await startDockerd(dir);
  const runtimes = openRuntimes({ docker: dockerd.address });
  const step = (words: string, check: () => Promise<void>) => t.step(words, check);
  try {
    await step(
      "an infra container is found, in full by its first 12 digits",
      () => findsInfra(dockerd, runtimes),
    );
    await step(
      "a host network pod's sandbox is the host's own",
      () => findsHost(dockerd, runtimes),
    );
    await step("a container in another's sandbox is refused", () => refusesApp(dockerd, runtimes));
    await step(
      "a container that was stopped is known and not alive",
      () => findsStopped(dockerd, runtimes),
    );
    await step(
      "a container that was restarted is another place",
      () => findsRestarted(dockerd, runtimes),
    );
    await step("an id that nobody knows gives undefined", () => findsNothing(runtimes));
    await step(
      "a container that is named like an id is not that id's",
      () => ignoresNames(dockerd, runtimes),
    );
    await step(
      "Docker refuses a prefix that several containers have in the words that are expected",
      () => refusesAmbiguous(dockerd),
    );
    await step("a named namespace is found beside Docker", () => findsNamed(runtimes));
    await step(
      "a Docker that hangs is a timeout, but for named namespaces",
      () => survivesHang(dockerd),
    );
    await step(
      "sandboxes stay alive while dockerd is killed and started",
      () => survivesKill(dockerd, runtimes),
    );
  } finally {
    await dockerd.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

async function findsInfra(dockerd: Dockerd, runtimes: Runtimes): Promise<void> {
  const name = `k8s_POD.6d00e006_web_default_${UID}_0123abcd`;
  const id = await dockerd.runContainer("--name", name, "--label", "app=web");
  const found = await known(runtimes, id.slice(0, 12));
  const pid = Number(await dockerd.docker("inspect", "-f", "{{.State.Pid}}", id));
  const { dev: _, ...inside } = await netnsOf(pid);
  assertEquals({ ...found, netns: "" }, {
    ...inside,
    ...{ id, name, pid, netns: "", isHostNetwork: false, isRunning: true },
    pod: { namespace: "default", name: "web", uid: UID },
    labels: { app: "web" },
  });
  assertEquals((await Deno.stat(found.netns)).ino, inside.netnsInode);
  assert(await runtimes.isAlive(found));
}

async function findsHost(dockerd: Dockerd, runtimes: Runtimes): Promise<void> {
  const id = await dockerd.runContainer(
    "--net=host",
    "--name",
    `k8s_POD_proxy_kube-system_${UID}_0`,
  );
  const found = await known(runtimes, id);
  assert(found.isHostNetwork && found.isRunning);
  assertEquals(found.pod, { namespace: "kube-system", name: "proxy", uid: UID });
}

async function refusesApp(dockerd: Dockerd, runtimes: Runtimes): Promise<void> {
  const infra = await dockerd.runContainer("--name", `k8s_POD_app_default_${UID}_0`);
  const name = `k8s_main_app_default_${UID}_0`;
  const app = await dockerd.runContainer(`--net=container:${infra}`, "--name", name);
  await faults("usage", () => runtimes.findSandbox(app));
}

async function findsStopped(dockerd: Dockerd, runtimes: Runtimes): Promise<void> {
  const id = await dockerd.runContainer();
  const before = await known(runtimes, id);
  await dockerd.docker("kill", id);
  const { isRunning, netns, pod } = await known(runtimes, id);
  assertEquals({ isRunning, netns, pod }, { isRunning: false, netns: "", pod: undefined });
  assertEquals(await runtimes.isAlive(before), false);
}

async function findsRestarted(dockerd: Dockerd, runtimes: Runtimes): Promise<void> {
  const id = await dockerd.runContainer();
  const before = await known(runtimes, id);
  // Kept, so that the kernel does not give its inode number to the next one.
  await run("ip", ["netns", "attach", "kept", String(before.pid)]);
  await dockerd.docker("restart", "-t", "0", id);
  const after = await known(runtimes, id);
  assert(after.netnsInode !== before.netnsInode && await runtimes.isAlive(after));
  assertEquals(await runtimes.isAlive(before), false);
  await run("ip", ["netns", "del", "kept"]);
}

async function findsNothing(runtimes: Runtimes): Promise<void> {
  for (const id of [randomHex(64), randomHex(12), "web", "..", "a/b", ""]) {
    assertEquals(await runtimes.findSandbox(id), undefined);
  }
}

async function ignoresNames(dockerd: Dockerd, runtimes: Runtimes): Promise<void> {
  const id = randomHex(12);
  await dockerd.runContainer("--name", id);
  assertEquals(await runtimes.findSandbox(id), undefined);
}

// 12 digits never meet by chance, so the real answer is asked for with one; that the driver
// understands it is in tests/contract/docker_test.ts.
async function refusesAmbiguous(dockerd: Dockerd): Promise<void> {
  for (let n = 0; n < 17; n++) await dockerd.docker("create", "k8contivnet-lab");
  const ids = (await dockerd.docker("ps", "-aq")).split("\n").map((id) => id.slice(0, 1));
  const twice = ids.find((digit, at) => ids.indexOf(digit) !== at)!;
  const refusal = await assertRejects(() => dockerd.docker("container", "inspect", twice), Fault);
  assert(/multiple ids found/i.test(refusal.message), refusal.message);
}

async function findsNamed(runtimes: Runtimes): Promise<void> {
  const id = randomHex(64);
  await run("ip", ["netns", "add", id]);
  const found = await known(runtimes, id);
  const { netns, isHostNetwork, isRunning, name } = found;
  assertEquals(netns, `/run/netns/${id}`);
  assertEquals({ isHostNetwork, isRunning, name }, {
    isHostNetwork: false,
    isRunning: true,
    name: id,
  });
  assert(await runtimes.isAlive(found));
  await run("ip", ["netns", "del", id]);
  assertEquals(await runtimes.findSandbox(id), undefined);
  assertEquals(await runtimes.isAlive(found), false);
}

async function survivesHang(dockerd: Dockerd): Promise<void> {
  const runtimes = openRuntimes({ docker: dockerd.address, limitMs: 300 });
  const id = await dockerd.runContainer();
  await run("ip", ["netns", "add", "beside"]);
  dockerd.freeze();
  await faults("timeout", () => runtimes.findSandbox(id));
  assertEquals((await known(runtimes, "beside")).id, "beside");
  dockerd.thaw();
  assertEquals((await waitFor("Docker to answer", () => runtimes.findSandbox(id)))?.id, id);
  await run("ip", ["netns", "del", "beside"]);
}

async function survivesKill(dockerd: Dockerd, runtimes: Runtimes): Promise<void> {
  const id = await dockerd.runContainer();
  const found = await known(runtimes, id);
  await dockerd.kill();
  assert(await runtimes.isAlive(found));
  await faults("unavailable", () => runtimes.findSandbox(id));
  await dockerd.start();
  assertEquals((await known(runtimes, id)).netnsInode, found.netnsInode);
  assert(await runtimes.isAlive(found));
}

async function known(runtimes: Runtimes, id: string): Promise<Sandbox> {
  const found = await runtimes.findSandbox(id);
  assert(found, `${id} is not found`);
  return found;
}

async function netnsOf(pid: number): Promise<{ dev: number; netnsInode: number }> {
  const { dev, ino } = await Deno.stat(`/proc/${pid}/ns/net`);
  return { dev, netnsInode: ino ?? 0 };
}

async function faults(code: FaultCode, call: () => Promise<unknown>): Promise<void> {
  const fault = await assertRejects(call, Fault);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
}
