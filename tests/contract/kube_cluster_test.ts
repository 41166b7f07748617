// What is known of a cluster against what the real API server has, over anything that happens to it.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Kube, startKube } from "../lab/kube.ts";
import { follow, unusedName } from "../lab/kube_cluster.ts";
import { startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";

let kube: Kube;

Deno.test.beforeAll(async () => {
  kube = await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" }));
});
Deno.test.afterAll(() => kube.stop());

const LIMIT = { limitMs: 30_000 };

/** Makes a namespace and names for a test of its own. */
async function place(): Promise<{ namespace: string; node: string }> {
  const namespace = unusedName("ns");
  await kube.ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  return { namespace, node: unusedName("node") };
}

Deno.test("pods of this host are known with their labels, others' are not", async () => {
  const { namespace, node } = await place();
  await kube.pod(namespace, "before", node, { labels: { app: "x" } });
  await using followed = follow(kube, { node });
  const { cluster } = followed;
  await cluster.up(30_000);
  assertEquals(cluster.pods.find(namespace, "before")?.labels, { app: "x" });
  const uid = await kube.pod(namespace, "after", node, {
    labels: { app: "y" },
    annotations: { "io.contiv.network": "blue", "other.org/long": "x".repeat(5_000) },
    ports: [{ name: "dns", containerPort: 53, protocol: "UDP" }],
  });
  await kube.pod(namespace, "elsewhere", `${node}-other`);
  const pod = await waitFor("the pod", () => cluster.pods.find(namespace, "after", uid), LIMIT);
  assertEquals(pod.annotations, { "io.contiv.network": "blue" });
  assertEquals(pod.ports, [{ name: "dns", protocol: "UDP", port: 53 }]);
  await kube.label(namespace, "after", { app: "z", more: "1" });
  await waitFor(
    "the label",
    () => cluster.pods.find(namespace, "after")?.labels.app === "z",
    LIMIT,
  );
  await kube.label(namespace, "after", { app: null });
  await waitFor("no label", () => cluster.pods.find(namespace, "after")?.labels.app === undefined);
  await kube.removePod(namespace, "after");
  await waitFor("its end", () => cluster.pods.find(namespace, "after") === undefined, LIMIT);
  assertEquals([...cluster.pods.objects].map((one) => one.name), ["before"]);
  assertEquals(cluster.namespaces.find("", namespace)?.name, namespace);
});

Deno.test("a pod that was made again under its name is another one", async () => {
  const { namespace, node } = await place();
  const old = await kube.pod(namespace, "db-0", node, { labels: { age: "old" } });
  await using followed = follow(kube, { node });
  await followed.cluster.up(30_000);
  await kube.removePod(namespace, "db-0");
  const fresh = await kube.pod(namespace, "db-0", node, { labels: { age: "new" } });
  const { pods } = followed.cluster;
  await waitFor("the new pod", () => pods.find(namespace, "db-0")?.uid === fresh, LIMIT);
  assertEquals(pods.find(namespace, "db-0", old), undefined);
  assertEquals(pods.find(namespace, "db-0", fresh)?.labels, { age: "new" });
  assertEquals(await followed.cluster.lookUp({ namespace, name: "db-0", uid: old }), undefined);
});

Deno.test("a static pod's mirror is found by the UID that the runtime reports, also when it is made again", async () => {
  const { namespace, node } = await place();
  const hash = "0f3c7e5b8f2f4bd19a0d3d1c6f2f6a11";
  const annotations = {
    "kubernetes.io/config.hash": hash,
    "kubernetes.io/config.mirror": hash,
    "kubernetes.io/config.source": "file",
  };
  const mirror = () => kube.pod(namespace, "proxy-host1", node, { annotations });
  const name = { namespace, name: "proxy-host1" };
  const first = await mirror();
  await using followed = follow(kube, { node });
  const { cluster } = followed;
  await cluster.up(30_000);
  assertEquals(cluster.pods.find(namespace, "proxy-host1", hash)?.uid, first);
  assertEquals((await cluster.lookUp({ ...name, uid: hash }))?.uid, first);
  // The API server is asked: no watch has reported a pod with this UID.
  assertEquals(await cluster.lookUp({ ...name, uid: "another" }), undefined);
  await kube.removePod(namespace, "proxy-host1");
  await waitFor("its end", () => cluster.pods.size === 0, LIMIT);
  const second = await mirror();
  assertEquals((await cluster.lookUp({ ...name, uid: hash }))?.uid, second);
  await waitFor("the new one", () => cluster.pods.find(namespace, "proxy-host1", hash), LIMIT);
});

Deno.test("changes that do not concern this host are not reported", async () => {
  const { namespace, node } = await place();
  await kube.pod(namespace, "a", node);
  await using followed = follow(kube, { node });
  await followed.cluster.up(30_000);
  const before = followed.changes.length;
  await kube.ask("PATCH", `/api/v1/namespaces/${namespace}/pods/a`, {
    metadata: { annotations: { "other.org/x": "y" } },
  });
  await kube.label(namespace, "a", { seen: "yes" });
  await waitFor(
    "the label",
    () => followed.cluster.pods.find(namespace, "a")?.labels.seen === "yes",
    LIMIT,
  );
  const changes = followed.changes.slice(before).filter(({ kind }) => kind === "pod");
  assertEquals(changes.length, 1);
});

Deno.test("other hosts' pods are held only while there is a policy", async () => {
  const { namespace, node } = await place();
  await kube.pod(namespace, "far", `${node}-other`, { labels: { app: "x" } });
  await using followed = follow(kube, { node });
  const { cluster } = followed;
  await cluster.up(30_000);
  assertEquals(cluster.peers.size, 0);
  const policies = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
  await kube.ask("POST", policies, {
    metadata: { name: "p" },
    spec: { podSelector: { matchLabels: { app: "x" } }, policyTypes: ["Ingress"] },
  });
  await waitFor("the peer", () => cluster.peers.find(namespace, "far")?.labels.app === "x", LIMIT);
  assertEquals(cluster.policies.find(namespace, "p")?.spec.policyTypes, ["Ingress"]);
  await waitFor("all to be known", () => cluster.state.isUp, LIMIT);
  await kube.ask("DELETE", `${policies}/p`);
  await waitFor("them to be forgotten", () => cluster.peers.size === 0, LIMIT);
  assert(cluster.state.isUp);
});

Deno.test("a namespace that is deleted under its pods is known to be ending", async () => {
  const { namespace, node } = await place();
  await kube.pod(namespace, "a", node);
  await using followed = follow(kube, { node });
  const { cluster } = followed;
  await cluster.up(30_000);
  await kube.ask("DELETE", `/api/v1/namespaces/${namespace}`);
  await waitFor("its end", () => cluster.namespaces.find("", namespace)?.isEnding, LIMIT);
  await kube.removePod(namespace, "a");
  await waitFor("its pod's end", () => cluster.pods.size === 0, LIMIT);
});

Deno.test("a watch that ends by its timeout is followed by the next, and nothing is listed again", async () => {
  const { namespace, node } = await place();
  await using followed = follow(kube, { node, watchSeconds: 2 });
  const { cluster } = followed;
  await cluster.up(30_000);
  await waitFor("three watches", async () => {
    const asked = (await kube.audited()).filter(({ uri }) => uri.includes(node));
    return asked.filter(({ verb }) => verb === "watch").length >= 3 &&
      asked.filter(({ verb }) => verb === "list").length === 1;
  }, { ...LIMIT, everyMs: 200 });
  await kube.pod(namespace, "late", node);
  await waitFor("the pod", () => cluster.pods.find(namespace, "late"), LIMIT);
  assertEquals(followed.states.filter(({ isUp }) => !isUp), []);
});

Deno.test("a watch without changes keeps up by bookmarks, and nothing is listed again", async () => {
  const { namespace, node } = await place();
  // A bookmark comes two seconds before a watch's end.
  await using followed = follow(kube, { node, watchSeconds: 4 });
  const { cluster, changes } = followed;
  await cluster.up(30_000);
  for (let n = 0; n < 5; n++) await kube.pod(namespace, `elsewhere-${n}`, `${node}-other`);
  const { metadata } = await kube.ask("GET", `/api/v1/namespaces/${namespace}/pods?limit=1`);
  const { resourceVersion } = metadata as { resourceVersion: string };
  await waitFor("the bookmark", () => {
    return BigInt(cluster.pods.version ?? 0) >= BigInt(resourceVersion);
  }, LIMIT);
  assertEquals(changes.filter(({ kind }) => kind === "pod"), []);
  const lists = (await kube.audited()).filter(({ uri, verb }) =>
    verb === "list" && uri.includes(node)
  );
  assertEquals(lists.length, 1);
});

Deno.test("what is known stays while the API server is unreachable, and is right again when it is back", async () => {
  const { namespace, node } = await place();
  for (const name of ["stays", "goes", "changes"]) await kube.pod(namespace, name, node);
  using proxy = startProxy(kube.endpoint);
  const kubeconfig = await kube.kubeconfig("by-proxy", { token: kube.adminToken }, {
    server: `https://${proxy.endpoint}`,
  });
  await using followed = follow(kube, { node, kubeconfig });
  const { cluster } = followed;
  await cluster.up(30_000);
  // Nothing passes, and no error says so: only the pulse finds out.
  proxy.mode = "silent";
  await waitFor("it to be noticed", () => !cluster.state.isUp, LIMIT);
  assertStringIncludes(cluster.state.why, "did not respond within");
  assertEquals(cluster.pods.size, 3);
  await kube.removePod(namespace, "goes");
  await kube.label(namespace, "changes", { app: "x" });
  await kube.pod(namespace, "comes", node);
  // Meanwhile it is started anew: it has forgotten the versions that we know (410).
  await kube.restart();
  proxy.mode = "open";
  await cluster.up(60_000);
  const names = [...cluster.pods.objects].map((pod) => `${pod.name} ${pod.labels.app ?? ""}`)
    .sort();
  assertEquals(names, ["changes x", "comes ", "stays "]);
});

Deno.test("an API server that is killed under its watches is waited for, and said", async () => {
  const { namespace, node } = await place();
  await using followed = follow(kube, { node });
  const { cluster } = followed;
  await cluster.up(30_000);
  await kube.kill();
  await waitFor(
    "it to be noticed",
    () => cluster.state.why.includes("connection refused"),
    LIMIT,
  );
  assertMatch(cluster.state.why, /^API server https:\S+ is unreachable: [^\n]+$/);
  await kube.start();
  await cluster.up(60_000);
  await kube.pod(namespace, "a", node);
  await waitFor("the pod", () => cluster.pods.find(namespace, "a"), LIMIT);
});

Deno.test("an API server that is frozen is noticed, and its changes are reported when it continues", async () => {
  const { namespace, node } = await place();
  await using followed = follow(kube, { node });
  const { cluster } = followed;
  await cluster.up(30_000);
  kube.freeze();
  try {
    await waitFor("it to be noticed", () => cluster.state.why.includes("did not respond"), LIMIT);
  } finally {
    kube.thaw();
  }
  await kube.pod(namespace, "a", node);
  await waitFor("the pod", () => cluster.pods.find(namespace, "a"), LIMIT);
});

Deno.test("a history that went back, as after a restored backup, is read anew", async () => {
  const { namespace, node } = await place();
  for (let n = 0; n < 20; n++) await kube.pod(namespace, `gone-${n}`, node);
  await using followed = follow(kube, { node });
  const { cluster } = followed;
  await cluster.up(30_000);
  assertEquals(cluster.pods.size, 20);
  await kube.kill();
  await kube.etcd.forget();
  await kube.start();
  await kube.pod("default", "new", node);
  await waitFor("the new history", () => {
    return [...cluster.pods.objects].map((pod) => pod.name).join() === "new";
  }, LIMIT);
});
