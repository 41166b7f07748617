// The lab's world outside and its services, by hand-written rules and by a real kube-proxy: what tests of reach
// build on.

import { assertEquals } from "@std/assert";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { podAt } from "../lab/pod.ts";
import { startKubeProxy, startServiceKube } from "../lab/reach/kube_services.ts";
import { run } from "../lab/run.ts";
import { makeOutside, OUTSIDE_ADDRESS, outsideAddress } from "../lab/reach/outside.ts";
import { type LabService, writeServiceRules } from "../lab/reach/services.ts";
import { Talker } from "../lab/talk.ts";
import { waitFor } from "../lab/wait.ts";

const SERVICES: readonly LabService[] = [
  {
    ...{ name: "web", address: "10.96.0.20", protocol: "tcp", port: 80, nodePort: 30080 },
    backend: { ip: outsideAddress(2), port: 8080, host: "host2" },
  },
  {
    ...{ name: "words", address: "10.96.0.21", protocol: "udp", port: 53 },
    backend: { ip: OUTSIDE_ADDRESS, port: 8080, host: "elsewhere" },
  },
];

/** Asks all services, once they are there. */
async function checkServices(cluster: Cluster): Promise<void> {
  await using outside = await makeOutside(cluster.hosts);
  for (const { netns } of cluster.hosts) {
    await run("ip", ["netns", "exec", netns, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  }
  await using stack = new AsyncDisposableStack();
  const start = async (id: string, name: string) =>
    stack.use(await Talker.start(podAt(id, name), { tcp: [8080], udp: [8080] }));
  const [first] = [await start("h1", "host1"), await start("h2", "host2")];
  const stranger = await start(outside.id, "outside");
  const web = () => first!.asksWho("tcp", "10.96.0.20", 80);
  const saw = await waitFor("the services to be there", web, { limitMs: 30_000 });
  assertEquals(saw, "host2 saw 198.51.100.1");
  assertEquals(await first!.asksWho("udp", "10.96.0.21", 53), "outside saw 198.51.100.1 5");
  const byNode = () => stranger.asksWho("tcp", outsideAddress(1), 30_080);
  assertEquals(await waitFor("the node port", byNode), "host2 saw 198.51.100.1");
  assertEquals(await first!.asksWho("tcp", OUTSIDE_ADDRESS, 8080), "outside saw 198.51.100.1");
}

Deno.test("a lab's hosts reach the world outside, and services by rules like kube-proxy's", async () => {
  await using cluster = await startCluster({ hosts: 2, etcd: 0 });
  for (const host of cluster.hosts) await writeServiceRules(host, SERVICES);
  await checkServices(cluster);
});

Deno.test("a lab's hosts have services by a real kube-proxy", async () => {
  await using cluster = await startCluster({ hosts: 2, etcd: 0 });
  await using kube = await startServiceKube(`${cluster.dir}/kube`, cluster.hosts, SERVICES);
  await using stack = new AsyncDisposableStack();
  for (const host of cluster.hosts) {
    const proxy = await startKubeProxy(kube, host);
    stack.defer(() => proxy.stop());
  }
  await checkServices(cluster);
});
