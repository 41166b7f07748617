// What `get pods` shows of the store, and of the node's pods that are in no network of ours.

import { assertEquals } from "@std/assert";
import { podItems, podItemsOf } from "../../../../lib/agent/kube/pod_items.ts";
import type { HostPod } from "../../../../lib/kube/objects.ts";
import { attachmentOf, documentsOf } from "../pods/dynamic_records.ts";

const web = attachmentOf("web", "10.9.0.1");
const second = { ...attachmentOf("web", "10.9.1.1", { network: "red" }), sandbox: "5bweb-2" };
const far = attachmentOf("far", "10.9.0.3", { host: "host2" });

const viewOf = (...attachments: readonly (typeof web)[]) => ({
  ...{ host: "host1", store: { documents: documentsOf({ attachments }) } },
});

/** Returns a pod of the API server's list. */
function kubePod(name: string, addresses: readonly string[], namespace = "default"): HostPod {
  return { namespace, name, addresses, node: "node-1" } as unknown as HostPod;
}

Deno.test("a pod is listed once, with its networks and addresses in one order", () => {
  assertEquals(podItems(viewOf(web, second), undefined), [{
    ...{ namespace: "default", name: "web", networks: ["t/blue", "t/red"] },
    ...{ ips: ["10.9.0.1", "10.9.1.1"], node: "host1" },
  }]);
});

Deno.test("pods of all hosts are listed by name; this host's under its node, where that is known", () => {
  const node = { nodeName: "node-1", pods: [] };
  const nodes = (items: ReturnType<typeof podItems>) => items.map((one) => [one.name, one.node]);
  assertEquals(nodes(podItems(viewOf(web, far), node)), [["far", "host2"], ["web", "node-1"]]);
  assertEquals(nodes(podItems(viewOf(web, far), undefined)), [["far", "host2"], ["web", "host1"]]);
});

Deno.test("an attachment that is not ready does not count as a network of its pod", () => {
  const planned = { ...web, state: "planned" as const } as unknown as typeof web;
  assertEquals(podItems(viewOf(planned), undefined), []);
  assertEquals(podItems(viewOf(planned, second), undefined)[0]?.networks, ["t/red"]);
});

Deno.test("the node's other pods are listed with the first address that Kubernetes has", () => {
  const pods = [
    kubePod("zebra", ["192.0.2.5", "fd00::5"]),
    kubePod("web", ["10.9.0.1"]),
    kubePod("web", ["192.0.2.6"], "prod"),
    kubePod("new", []),
  ];
  assertEquals(
    podItems(viewOf(web), { nodeName: "node-1", pods }).map((one) => [
      ...[`${one.namespace}/${one.name}`, one.networks.join(), one.ips.join(), one.node],
    ]),
    [
      ["default/new", "", "", "node-1"],
      ["default/web", "t/blue", "10.9.0.1", "node-1"],
      ["default/zebra", "", "192.0.2.5", "node-1"],
      ["prod/web", "", "192.0.2.6", "node-1"],
    ],
  );
});

Deno.test("podItemsOf() answers from a store alone, and a pod that moves is on both hosts for a moment", () => {
  const moved = { ...web, host: "host2", sandbox: "5bnew" };
  const { store: { documents } } = viewOf(web, moved);
  assertEquals(podItemsOf(documents).map(({ name, node }) => [name, node]), [
    ...[["web", "host1"], ["web", "host2"]],
  ]);
});
