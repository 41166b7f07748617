// Two real nodes with our file as the only CNI plugin: what a user of the cluster sees, and what is left.
// More of it: whole/.

import { assert, assertEquals } from "@std/assert";
import type { PodItem } from "../../lib/agent/api/listed_items.ts";
import { waitFor } from "../lab/wait.ts";
import { type KubeNode, startKubeNodes } from "./lab/kube_nodes.ts";
import { assertNothingLeft, tracesOf } from "./lab/traces.ts";
import {
  applyObjects,
  deployment,
  ingressFrom,
  pingsFrom,
  readyPods,
  rerunPods,
  singlePod,
} from "./lab/workloads.ts";

/** Returns `NAME ADDRESS` of each pod as the agents list them. */
async function listedPods(nodes: readonly KubeNode[]): Promise<string[]> {
  const items = await Promise.all(nodes.map(async ({ lab: { host } }) => {
    const { code, out, err } = await host.agent.call("get", "pods", "-o", "json");
    assertEquals(code, 0, err);
    return JSON.parse(out) as PodItem[];
  }));
  return [...new Set(items.flat().map(({ name, ips }) => `${name} ${ips}`))].sort();
}

Deno.test("two nodes: Deployment, policy, power cut, deletion", async (t) => {
  await using cluster = await startKubeNodes();
  const { kube, nodes: [first, second] } = cluster;
  assert(first && second);
  const before = [await tracesOf(first.lab), await tracesOf(second.lab)];

  await t.step(
    "pods become Ready, with the addresses that we list, and reach each other",
    async () => {
      await applyObjects(kube, deployment("web", 3));
      await applyObjects(kube, singlePod("client", { node: first.name }), singlePod("other"));
      const web = await readyPods(kube, "web", 3);
      const [client] = await readyPods(kube, "client", 1);
      const [other] = await readyPods(kube, "other", 1);
      assertEquals(new Set(web.map(({ node }) => node)).size, 2, "on both nodes");
      const seen = [...web, client!, other!].map(({ name, address }) => `${name} ${address}`)
        .sort();
      assertEquals(await listedPods([first, second]), seen);
      for (const { address } of web) {
        assert(await pingsFrom(kube, "client", address), `client to ${address}`);
        assert(await pingsFrom(kube, "other", address), `other to ${address}`);
      }
    },
  );

  await t.step("a NetworkPolicy holds on both nodes", async () => {
    await applyObjects(kube, ingressFrom("web", { app: "client" }));
    for (const { address } of await readyPods(kube, "web", 3)) {
      await waitFor("the other pod to be denied", async () => {
        return !await pingsFrom(kube, "other", address);
      });
      assert(await pingsFrom(kube, "client", address), "the policy's own pod is denied");
    }
  });

  await t.step("a node without power comes back with its pods", async () => {
    const client = await readyPods(kube, "client", 1);
    const web = (await readyPods(kube, "web", 3)).filter(({ node }) => node === first.name);
    await cluster.cutPower(first);
    await cluster.powerOn(first);
    await rerunPods(kube, "client", client);
    await waitFor("its pods of the Deployment to run again", async () => {
      const now = new Set((await readyPods(kube, "web", 3)).map(({ container }) => container));
      return web.every(({ container }) => !now.has(container));
    }, { limitMs: 90_000 });
    for (const { address } of await readyPods(kube, "web", 3)) {
      assert(await pingsFrom(kube, "client", address), `client to ${address}`);
      assert(!await pingsFrom(kube, "other", address), `other to ${address}`);
    }
  });

  await t.step("deletion leaves nothing", async () => {
    await kube.kubectl("delete", "deployment", "web", "--wait=false");
    await kube.kubectl("delete", "networkpolicy,pod", "--all", "--wait=false");
    await assertNothingLeft(first.lab, before[0]!, { limitMs: 90_000 });
    await assertNothingLeft(second.lab, before[1]!, { limitMs: 90_000 });
  });
});
