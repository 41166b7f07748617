// `./install.sh try --kubernetes`: two real Kubernetes nodes on this machine alone, in the lab, with our file
// as their CNI plugin: a Deployment, pings between the nodes, a NetworkPolicy, deletion. Ends with 1 if any
// expectation fails. Run inside in_lab.sh: deno run -A tests/node/lab/try_kubernetes.ts

import { waitFor } from "../../lab/wait.ts";
import { type KubeNodes, startKubeNodes } from "./kube_nodes.ts";
import { tracesOf } from "./traces.ts";
import { applyObjects, deployment, ingressFrom, pingsFrom, readyPods } from "./workloads.ts";

let failures = 0;

/** Prints one expectation and whether it is met. */
function expectation(what: string, isMet: boolean): void {
  if (!isMet) failures++;
  console.log(`  ${isMet ? "ok    " : "FAILED"}  ${what}`);
}

async function showPods({ kube, nodes }: KubeNodes): Promise<void> {
  console.log(`\n${await kube.kubectl("get", "pods", "-o", "wide")}`);
  for (const { name, lab: { host } } of nodes) {
    const { out } = await host.agent.call("get", "attachments");
    console.log(`\nk8contivnet get attachments, on ${name}:\n${out.trimEnd()}`);
  }
}

async function showTraffic(cluster: KubeNodes): Promise<void> {
  const { kube } = cluster;
  const before = performance.now();
  await applyObjects(kube, deployment("web", 3), deployment("client", 2));
  const web = await readyPods(kube, "web", 3);
  const [client, other] = await readyPods(kube, "client", 2);
  console.log(`five pods are Ready after ${((performance.now() - before) / 1000).toFixed(1)} s`);
  await showPods(cluster);
  console.log("\nevery pod reaches every other, also on the other node:");
  for (const { name, node, address } of web) {
    const isAnswered = await pingsFrom(kube, client!.name, address);
    expectation(`client on ${client!.node} -> ${name} on ${node} is answered`, isAnswered);
  }
  console.log("\na NetworkPolicy allows clients with the label role=friend only:");
  await kube.label("default", client!.name, { role: "friend" });
  await applyObjects(kube, ingressFrom("web", { role: "friend" }));
  for (const { name, address } of web) {
    const isDenied = await waitFor("", async () => !await pingsFrom(kube, other!.name, address))
      .catch(() => false);
    expectation(`the other client -> ${name} is denied`, isDenied);
    expectation(
      `the friend -> ${name} is answered`,
      await waitFor("", () => pingsFrom(kube, client!.name, address)).catch(() => false),
    );
  }
}

async function main(): Promise<void> {
  console.log("starting etcd, API server, scheduler, controllers, and two nodes: some 30 s");
  await using cluster = await startKubeNodes();
  const { kube, nodes } = cluster;
  console.log(`\n${await kube.kubectl("get", "nodes", "-o", "wide")}\n`);
  const before = await Promise.all(nodes.map(({ lab }) => tracesOf(lab)));
  await showTraffic(cluster);
  console.log("\ndeletion leaves nothing:");
  await kube.kubectl("delete", "networkpolicy,deployment", "--all", "--wait=false");
  for (const [at, { name, lab }] of nodes.entries()) {
    const isAsBefore = await waitFor("", async () => {
      return JSON.stringify(await tracesOf(lab)) === JSON.stringify(before[at]);
    }, { limitMs: 60_000 }).catch(() => false);
    expectation(`${name} has no address, port, link or namespace of them`, isAsBefore);
  }
}

await main();
console.log(failures === 0 ? "\nall as expected" : `\n${failures} expectations failed`);
Deno.exit(failures === 0 ? 0 : 1);
