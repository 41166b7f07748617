import { assertEquals, assertRejects } from "@std/assert";
import { apiPodItem } from "../../../../lib/agent/kube/api_pod_items.ts";
import { clusterPodMetadata } from "../../../../lib/agent/kube/cluster_pod_metadata.ts";
import type { ClusterSync } from "../../../../lib/agent/kube/cluster_sync.ts";
import { withContainerLabels } from "../../../../lib/agent/pods/pod_metadata.ts";
import { type HostPod, NETWORK_STATUS } from "../../../../lib/kube/objects.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const WEB = { namespace: "shop", name: "web" };

const syncWith = (facts: object) =>
  ({
    factsOf: () => Promise.resolve(facts),
    factsAtHand: () => facts,
    settle: () => Promise.resolve("uid-1"),
  }) as unknown as ClusterSync;

Deno.test("clusterPodMetadata() faults until the agent has a connection, and never guesses labels", async () => {
  const metadata = clusterPodMetadata(() => undefined);
  const fault = await assertRejects(() => metadata.of(WEB), Fault, "labels of pod shop/web");
  assertEquals(fault.code, "unavailable");
  assertEquals(metadata.atHand(WEB), undefined);
  assertEquals(await metadata.settle({ ...WEB, uid: "uid-7" }), "uid-7");
});

Deno.test("clusterPodMetadata() returns complete labels of what the API server has", async () => {
  const facts = { pod: { labels: { app: "web" }, annotations: {} }, namespace: undefined };
  const metadata = clusterPodMetadata(() => syncWith(facts));
  const known = await metadata.of(WEB);
  assertEquals(known.labels, { values: { app: "web" }, isComplete: true });
  assertEquals(known.namespaceLabels.isComplete, false);
  assertEquals(metadata.atHand(WEB), known);
  assertEquals(await metadata.settle(WEB), "uid-1");
});

Deno.test("withContainerLabels() adds to incomplete metadata only", async () => {
  const container = { app: "old", "annotation.io.contiv.network": "red" };
  const whole = await clusterPodMetadata(() =>
    syncWith({ pod: { labels: { app: "web" }, annotations: {} }, namespace: undefined })
  ).of(WEB);
  assertEquals(withContainerLabels(whole, container), whole);
  const none = await clusterPodMetadata(() => syncWith({})).of(WEB);
  const some = withContainerLabels(none, container);
  assertEquals([some.labels, some.annotations], [
    { values: { app: "old" }, isComplete: false },
    { values: { "io.contiv.network": "red" }, isComplete: false },
  ]);
});

Deno.test("apiPodItem() shows our networks, and the kubelet's address of a pod without any", () => {
  const pod = (status?: string) =>
    ({
      ...{ ...WEB, node: "node-a", addresses: ["172.17.0.2", "fd00::2"] },
      annotations: status === undefined ? {} : { [NETWORK_STATUS]: status },
    }) as unknown as HostPod;
  const ours =
    '[{"name":"other","ips":["1.2.3.4"]},{"name":"k8contivnet/t/blue","ips":["10.9.0.1"]}]';
  assertEquals(apiPodItem(pod(ours)), {
    ...{ ...WEB, node: "node-a" },
    ...{ networks: ["t/blue"], ips: ["10.9.0.1"] },
  });
  for (const status of [undefined, "no JSON", '[{"name":"other"}]']) {
    assertEquals(apiPodItem(pod(status)).ips, ["172.17.0.2"], status);
  }
});
