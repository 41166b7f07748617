// Containers that no kubelet made, on two hosts with a Docker each.

import { assert } from "@std/assert";
import { bindings, intents } from "../fixtures/intents.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { type LabContainer, startContainer } from "../lab/container.ts";
import { type Dockerd, startDockerd } from "../lab/dockerd.ts";
import { waitFor } from "../lab/wait.ts";

/** Two hosts, joined by a wire, with the guide's late bindings. */
async function startHosts(): Promise<
  { readonly cluster: Cluster; readonly dockers: readonly Dockerd[] } & AsyncDisposable
> {
  const stack = new AsyncDisposableStack();
  try {
    const cluster = stack.use(
      await startCluster({ hosts: 2, fabric: "wire", intent: intents.lateBindings }),
    );
    const dockers: Dockerd[] = [];
    for (const { agent, dir } of cluster.hosts) {
      const dockerd = stack.use(await startDockerd(`${dir}/docker`));
      dockers.push(dockerd);
      await agent.stop();
      await agent.start("--docker", dockerd.address);
    }
    return { cluster, dockers, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function meets(from: LabContainer, address: string): Promise<boolean> {
  return waitFor(`${from.name} to reach ${address}`, () => from.pings(address), {
    limitMs: 20_000,
  });
}

Deno.test("scenario 21 with docker run on two hosts: each finds its network and its peer", async () => {
  await using at = await startHosts();
  const [one, two] = at.dockers as [Dockerd, Dockerd];
  await at.cluster.apply(JSON.parse(bindings.lateHostBindings), "-host-bindings-cfg");
  const c1 = await startContainer(one, "myContainer1");
  const c2 = await startContainer(one, "myContainer2");
  const c3 = await startContainer(two, "myContainer3");
  const c4 = await startContainer(two, "myContainer4");
  await c1.has("eth0 11.1.0.1/24");
  await c2.has("eth0 11.1.1.1/24");
  await meets(c3, "11.1.0.1");
  await meets(c4, "11.1.1.1");
  assert(!await c3.pings("11.1.1.1"));
});

Deno.test("a container that moves takes its address along, once the other has ended or the operator says so", async () => {
  await using at = await startHosts();
  const [one, two] = at.dockers as [Dockerd, Dockerd];
  const peer = await startContainer(one, "myContainer3");
  const first = await startContainer(one, "myContainer1");
  await first.has("eth0 11.1.0.1/24");
  const second = await startContainer(two, "myContainer1");
  // It is connected after all that was heard before it: the namesake's start, too.
  const after = await startContainer(two, "myContainer4");
  await after.has("eth0 11.1.1.2/24");
  await second.has();
  await first.remove();
  await second.has("eth0 11.1.0.1/24");
  await meets(peer, "11.1.0.1");
  const third = await startContainer(one, "myContainer1");
  await at.cluster.apply([{ Container: "myContainer1", Host: "host1" }], "-host-bindings-cfg");
  await third.has("eth0 11.1.0.1/24");
  await second.has();
  await meets(peer, "11.1.0.1");
});
