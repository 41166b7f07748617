// Pods of a CNI runtime on warm ports, alone and in lists with the reference plugins of Debian's
// containernetworking-plugins 1.1.1.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isWarmPort } from "../../lib/agent/pods/port_external_ids.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { LabCniRuntime, type PluginConfig } from "../lab/cni_runtime.ts";
import {
  assertNothingLeft,
  FILE,
  type Host,
  parkedPorts,
  poolFilled,
  startHost,
  worldOf,
} from "../lab/host.ts";
import { run } from "../lab/run.ts";

const INTENT = {
  Tenants: [tenantWith({ Networks: [{ Name: "n", Default: true, DefaultGw: "10.9.0.254" }] })],
};

const OURS: PluginConfig = { type: "k8contivnet", ports: "warm" };

/** A host with a running pod, whose agent has added ports ahead for the next ones. */
async function startWarm(
  ...behind: readonly PluginConfig[]
): Promise<{ readonly host: Host; readonly runtime: LabCniRuntime; readonly address: string }> {
  const host = await startHost(INTENT, "--ports", "warm");
  const plugins = [OURS, ...behind];
  const runtime = new LabCniRuntime({ file: FILE, socket: host.agent.socket, plugins });
  const { ips: [ip] } = await runtime.add({ pod: await host.pod("first") });
  await poolFilled(host);
  return { host, runtime, address: ip!.address.split("/")[0]! };
}

const addressOf = ({ ips }: { readonly ips: readonly { readonly address: string }[] }) =>
  ips[0]!.address.split("/")[0]!;

Deno.test("a pod of a runtime has a warm port from ADD to DEL, the next one the port that has waited longest", async () => {
  const { host, runtime, address } = await startWarm();
  await using _ = host;
  const before = await worldOf(host);
  const parked = (await parkedPorts(host)).length;
  const used = new Set<string>();
  for (const name of ["a", "b"]) {
    const pod = await host.pod(name);
    const result = await runtime.add({ pod });
    const [hostEnd, podEnd] = result.interfaces;
    assert(isWarmPort(hostEnd!.name), hostEnd!.name);
    used.add(hostEnd!.name);
    assertEquals([podEnd!.name, podEnd!.sandbox], ["eth0", `/run/netns/${pod.id}`]);
    assert(await pod.pings(address), "the first ping is lost");
    await runtime.check({ pod });
    assertEquals((await parkedPorts(host)).length, parked - 1);
    await runtime.del({ pod });
    await runtime.del({ pod });
    assertEquals(await pod.pings(address), false);
    await assertNothingLeft(host, before);
  }
  assertEquals(used.size, 2);
});

for (
  const plugin of [
    { type: "tuning", sysctl: { "net.ipv4.conf.eth0.arp_filter": "1" } },
    { type: "portmap", snat: true, capabilities: { portMappings: true } },
    { type: "firewall", backend: "iptables" },
    { type: "sbr" },
  ] as const satisfies readonly PluginConfig[]
) {
  Deno.test(`a list with ${plugin.type} behind warm ports: ADD, DEL, and nothing is left`, async () => {
    const { host, runtime, address } = await startWarm(plugin);
    await using _ = host;
    const before = await worldOf(host);
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }];
    const target = { pod: await host.pod("a"), runtimeConfig: { portMappings } };
    const result = await runtime.add(target);
    assert(isWarmPort(result.interfaces[0]!.name));
    const checked = await runtime.call("CHECK", OURS, target, result);
    assertEquals([checked.code, checked.out], [0, ""], checked.err);
    // With sbr, packets have routes only by their source.
    const words = ["-c1", "-W30", "-q", "-I", addressOf(result), address];
    assertEquals((await target.pod.run("ping", ...words)).code, 0);
    await runtime.del(target);
    await assertNothingLeft(host, before);
  });
}

Deno.test("bandwidth cannot limit a pod on a warm port, and says so; with plain ports it does", async () => {
  const bandwidth = { ingressRate: 8_000_000, ingressBurst: 8_000_000 };
  const limited: PluginConfig = { type: "bandwidth", capabilities: { bandwidth: true } };
  const { host, runtime } = await startWarm(limited);
  await using _ = host;
  const before = await worldOf(host);
  const target = { pod: await host.pod("a"), runtimeConfig: { bandwidth } };
  const result = await runtime.call("ADD", OURS, target);
  const answer = await runtime.call("ADD", limited, target, JSON.parse(result.out));
  assert(answer.code !== 0);
  assertStringIncludes(answer.out, "veth");
  await runtime.del(target);
  await assertNothingLeft(host, before);
  const plain: PluginConfig = { type: "k8contivnet", ports: "plain" };
  const again = await runtime.call("ADD", plain, target);
  const done = await runtime.call("ADD", limited, target, JSON.parse(again.out));
  assertEquals(done.code, 0, done.out);
  await runtime.del(target);
});

Deno.test("agents killed between ADD and DEL, or while the pod's sandbox ends, return the port", async () => {
  const { host, runtime, address } = await startWarm();
  await using _ = host;
  const before = await worldOf(host);
  const [a, b] = [await host.pod("a"), await host.pod("b")];
  for (const pod of [a, b]) await runtime.add({ pod });
  await host.agent.stop("SIGKILL");
  await host.agent.start("--ports", "warm");
  assert(await a.pings(address) && await b.pings(address));
  await runtime.check({ pod: a });
  await runtime.del({ pod: a });
  // Its namespace is gone before DEL, as after a kubelet's kill -9.
  await run("ip", ["netns", "del", b.id]);
  await runtime.del({ pod: b, netns: "" });
  await assertNothingLeft(host, before);
});
