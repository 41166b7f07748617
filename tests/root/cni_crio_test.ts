// Calls as CRI-O 1.33 makes them (ocicni 0.4.3, libcni 1.3.0, read in their source): VERSION for each file that is
// loaded; STATUS and GC at its start; CHECK after each ADD, and for each pod that it finds at its start; one DEL of a
// pod, repeated by nobody.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { type CniTarget, LabCniRuntime, type PluginConfig } from "../lab/cni_runtime.ts";
import { assertNothingLeft, FILE, type Host, startHost, worldOf } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const NETWORKS = [{ Name: "n", Default: true, DefaultGw: "10.9.0.254" }, { Name: "blue" }];
const INTENT = { Tenants: [tenantWith({ Networks: NETWORKS })] };
const ANNOTATIONS = "io.kubernetes.cri.pod-annotations";

// A capability that is declared and not ours is passed on, too.
const PLUGIN: PluginConfig = {
  type: "k8contivnet",
  capabilities: { [ANNOTATIONS]: true, bandwidth: true, cgroupPath: true },
};

/** CRI-O on a host: its namespaces, its calls, and the pods that it knows. */
class Crio {
  readonly #runtime: LabCniRuntime;
  readonly targets = new Map<Pod, CniTarget>();

  constructor({ agent: { socket } }: Host) {
    this.#runtime = new LabCniRuntime({
      ...{ file: FILE, socket, name: "k8contivnet", cniVersion: "1.1.0", plugins: [PLUGIN] },
    });
  }

  /** Loads its configuration, waits for STATUS, collects garbage, and checks the pods that it has found. */
  async begin(): Promise<void> {
    await this.#loadConfig();
    await waitFor("STATUS", async () => (await this.#runtime.ofNetwork("STATUS")).code === 0);
    const all = [...this.targets.keys()].map(({ id }) => ({ containerID: id, ifname: "eth0" }));
    // For a network without pods it has a nil list of Go.
    const valid = all.length === 0 ? null : all;
    const { code, out } = await this.#runtime.ofNetwork("GC", {
      ...{ "cni.dev/valid-attachments": valid, "cni.dev/attachments": valid },
    });
    assertEquals([code, out], [0, ""]);
    for (const target of this.targets.values()) await this.#runtime.check(target);
  }

  async runPod(pod: Pod, annotations: Readonly<Record<string, string>> = {}): Promise<string> {
    const netns = `/var/run/netns/${crypto.randomUUID()}`;
    await Deno.writeTextFile(netns, "");
    await run("mount", ["--bind", `/run/netns/${pod.id}`, netns]);
    const target = {
      ...{ pod, netns },
      runtimeConfig: {
        bandwidth: {
          ...{ egressBurst: 34359738359, egressRate: 10_000_000 },
          ...{ ingressBurst: 0, ingressRate: 0 },
        },
        cgroupPath: "/kubepods.slice/kubepods-burstable.slice",
        [ANNOTATIONS]: { "kubernetes.io/config.source": "api", ...annotations },
      },
    };
    await this.#loadConfig();
    const { ips } = await this.#runtime.add(target);
    this.targets.set(pod, target);
    await this.#runtime.check(target);
    return ips[0]!.address;
  }

  /** Stops a pod; throws where DEL fails. CRI-O repeats none: the namespace goes, and so does its record. */
  async stopPod(pod: Pod): Promise<void> {
    const target = this.targets.get(pod)!;
    this.targets.delete(pod);
    await this.#runtime.del(target);
    await removeNetns(pod, target);
  }

  /** All pods end, as by a power cut: nobody calls for them. */
  async losePods(): Promise<void> {
    for (const [pod, target] of this.targets) await removeNetns(pod, target);
    this.targets.clear();
  }

  async #loadConfig(): Promise<void> {
    const env = { CNI_COMMAND: "VERSION", CNI_NETNS: "dummy", CNI_IFNAME: "dummy" };
    const { code, out } = await this.#runtime.raw(env, { type: "k8contivnet" });
    assertEquals(code, 0);
    assertMatch(out, /"supportedVersions":.*"1\.1\.0"/);
  }
}

async function removeNetns(pod: Pod, { netns }: CniTarget): Promise<void> {
  await run("umount", [netns!]);
  await Deno.remove(netns!);
  await pod[Symbol.asyncDispose]();
}

Deno.test("calls as CRI-O makes them: pods, their network by annotation, its restart, and their end", async () => {
  await using host = await startHost(INTENT);
  const before = await worldOf(host);
  const crio = new Crio(host);
  await crio.begin();
  const [a, b, c] = [await host.pod("a"), await host.pod("b"), await host.pod("c")];
  const [addressOfA] = await Promise.all([crio.runPod(a), crio.runPod(b)]);
  await crio.runPod(c, { "io.contiv.network": "blue" });
  const networks = (await host.agent.attachments()).map(({ pod, network }) =>
    `${pod.name} ${network}`
  );
  assertEquals(networks.sort(), ["a n", "b n", "c blue"]);
  assert(await b.reaches(addressOfA.split("/")[0]!));
  await crio.begin();
  assertEquals((await host.agent.attachments()).length, 3);
  for (const pod of [a, b, c]) await crio.stopPod(pod);
  await crio.begin();
  await assertNothingLeft(host, before);
});

Deno.test("CRI-O that finds no pods at its start sends null to GC: what ended is released at once, what runs stays", async () => {
  await using host = await startHost(INTENT);
  const before = await worldOf(host);
  const crio = new Crio(host);
  for (const name of ["a", "b"]) await crio.runPod(await host.pod(name));
  await crio.losePods();
  // Of another runtime's process, such as one that CRI-O replaces: it does not know it.
  const other = new Crio(host);
  const running = await host.pod("c");
  await other.runPod(running);
  await crio.begin();
  assertEquals((await host.agent.attachments()).map(({ pod }) => pod.name), ["c"]);
  await other.stopPod(running);
  await assertNothingLeft(host, before);
});

Deno.test("CRI-O calls DEL once, also while the agent does not run: what it asked for is done later", async () => {
  await using host = await startHost(INTENT);
  const before = await worldOf(host);
  const crio = new Crio(host);
  const pod = await host.pod("a");
  await crio.runPod(pod);
  await host.agent.stop();
  await crio.stopPod(pod);
  await host.agent.start();
  await assertNothingLeft(host, before);
});
