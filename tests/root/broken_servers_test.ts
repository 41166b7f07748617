// Servers and clusters that are broken on purpose, each found by `doctor` of the built file with its cause and the way
// out; see broken_machines_test.ts.

import { assert } from "@std/assert";
import { BROKEN_CLUSTERS } from "../lab/broken_clusters.ts";
import { BROKEN_API_SERVERS, BROKEN_ETCDS } from "../lab/broken_servers.ts";
import { startCluster } from "../lab/cluster.ts";
import { assertFound, assertHealthy, examineInTime, findAll } from "../lab/doctor.ts";
import { startEtcd } from "../lab/etcd.ts";
import { expireClient } from "../lab/etcd_files.ts";
import { intentOf, startHost } from "../lab/host.ts";
import { agentKubeconfig, startKubeWithRbac } from "../lab/kube_account.ts";
import { startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";
import { intentOf as clusterIntent } from "../lab/scenarios/scenario.ts";

/** Makes a folder that goes with the test. */
async function makeFolder(): Promise<AsyncDisposable & { readonly dir: string }> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-doctor-" });
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

Deno.test("doctor finds what is broken with etcd", async (t) => {
  await using place = await makeFolder();
  const { dir } = place;
  await using etcd = await startEtcd(`${dir}/etcd`, {
    tls: "server",
    flags: ["--quota-backend-bytes", "20000000"],
  });
  using proxy = startProxy(etcd.endpoints[0]!);
  const ca = ["--etcd-ca", etcd.certificates!.ca];
  await using host = await startHost(
    intentOf(1),
    ...["--store", `etcds://${proxy.endpoint}/doctor`, ...ca],
  );
  await assertHealthy(host);
  await findAll(t, { agent: host.agent, etcd, proxy }, BROKEN_ETCDS);
});

Deno.test("doctor has no complaint about an etcd that asks for certificates, and finds that ours has expired", async () => {
  await using place = await makeFolder();
  const { dir } = place;
  await using etcd = await startEtcd(`${dir}/etcd`, { tls: "mutual" });
  const { ca, clientCert, clientKey } = etcd.certificates!;
  const files = ["--etcd-ca", ca, "--etcd-cert", clientCert, "--etcd-key", clientKey];
  await using host = await startHost(intentOf(1), "--store", etcd.url("/doctor"), ...files);
  const healthy = await assertHealthy(host);
  for (const id of ["etcd-members", "etcd-server-cert", "etcd-cert"]) {
    assert(healthy.answer.checks.some((one) => one.id === id), id);
  }
  await expireClient(etcd.dir);
  const words = /certificate \S+client\.pem expired on .*; replace it/;
  assertFound(await examineInTime(host), "failed etcd-cert", words);
});

Deno.test("doctor finds what is broken with the API server", async (t) => {
  await using kube = await startKubeWithRbac();
  const kubeconfig = await agentKubeconfig(kube);
  await using host = await startHost(intentOf(1), "--kubeconfig", kubeconfig);
  const isUp = async () => (await host.agent.kubeHealth()).state === "up";
  await waitFor("the cluster to be known", isUp, { limitMs: 30_000 });
  await assertHealthy(host);
  await findAll(t, { agent: host.agent, kube, kubeconfig }, BROKEN_API_SERVERS);
});

Deno.test("doctor finds what is broken between hosts", async (t) => {
  const intent = clusterIntent("vteps", { orange: ["c1", "c2"] });
  const flags = ["--heartbeat", "1"];
  await using cluster = await startCluster({ hosts: 2, etcd: 3, fabric: "wire", intent, flags });
  const pods = [
    await cluster.host(1).pod("myContainer1"),
    await cluster.host(2).pod("myContainer2"),
  ];
  await cluster.host(1).agent.setup(pods[0]!);
  await cluster.host(2).agent.setup(pods[1]!);
  const [{ agent, netns }, etcd] = [cluster.host(1), cluster.etcd!];
  await assertHealthy({ agent, netns });
  await findAll(t, { agent, netns, cluster, etcd, pods }, BROKEN_CLUSTERS);
});
