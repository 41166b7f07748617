// Agents whose etcd has other users, too: what these write costs a set-up nothing.

import { assert, assertEquals } from "@std/assert";
import { startCluster } from "../lab/cluster.ts";
import { applyOn, blue, tenantOf } from "../lab/default_network.ts";
import { startForeignWriter } from "../lab/foreign_writer.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { FILE } from "../lab/host.ts";

const LATE = "store watch is behind";

Deno.test("while another user writes 200 keys a second into etcd, pods without endpoints are set up, and no agent reads the store anew", async () => {
  await using cluster = await startCluster({ hosts: 2, intent: tenantOf([blue()]) });
  await using writer = startForeignWriter(cluster.etcd!, 200);
  const places = await Promise.all(Array.from({ length: 20 }, async (_, n) => {
    const host = cluster.hosts[n % 2]!;
    return { host, pod: await host.pod(`web-${n}`) };
  }));
  const before = writer.count;
  // One after the other, then many at once: kubelets' verbs and CNI.
  for (const { host, pod } of places.slice(0, 8)) await host.agent.setup(pod);
  await Promise.all(places.slice(8, 14).map(({ host, pod }) => host.agent.setup(pod)));
  const runtimes = cluster.hosts.map(({ agent }) =>
    new LabCniRuntime({ file: FILE, socket: agent.socket })
  );
  for (const [n, { pod }] of places.slice(14).entries()) await runtimes[n % 2]!.add({ pod });
  assert(writer.count > before, "the other user did write");
  const attached = await Promise.all(cluster.hosts.map(({ agent }) => agent.attachments()));
  assertEquals(attached.flat().filter(({ state }) => state === "ready").length, 20);
  for (const { agent } of cluster.hosts) {
    assertEquals((await agent.logText()).split(LATE).length - 1, 0, "stores read anew");
  }
});

Deno.test("while another user writes into etcd, a set-up knows what was applied on another host just before it", async () => {
  const network = (more: object) => tenantOf([blue(more)]);
  await using cluster = await startCluster({ hosts: 2, intent: network({}) });
  await using _writer = startForeignWriter(cluster.etcd!, 200);
  const [one, two] = [cluster.host(1), cluster.host(2)];
  const endpoints: object[] = [];
  for (let n = 0; n < 5; n++) {
    const pod = await two.pod(`named-${n}`);
    const address = `10.9.0.${100 + n}`;
    endpoints.push({ Container: pod.name, IpAddress: address });
    const { code, err } = await applyOn(one.agent, network({ Endpoints: endpoints }));
    assertEquals(code, 0, err);
    await two.agent.setup(pod);
    assertEquals(await two.agent.addressOf(pod), address);
  }
  assert(!(await two.agent.logText()).includes(LATE));
});
