// A host that is a node of a real cluster: addresses beside pods, with the rights that we ship and no
// more, and nothing that waits for the API server.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { HealthAnswer, KubeHealth } from "../../lib/agent/api/agent_health.ts";
import { askAgent } from "../../lib/agent/client.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Ended } from "../lab/agent.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import type { Kube } from "../lab/kube.ts";
import { agentKubeconfig, startKubeWithRbac } from "../lab/kube_account.ts";
import { startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";
import { hangSignal, patient } from "../lab/limits.ts";

const STATUS = "k8s.v1.cni.cncf.io/network-status";
const LIMIT = { limitMs: 30_000 };
const NODE = "node-a";

let kube: Kube;
let kubeconfig: string;

Deno.test.beforeAll(async () => {
  kube = await startKubeWithRbac();
  kubeconfig = await agentKubeconfig(kube);
});
Deno.test.afterAll(() => kube.stop());

/** Starts a host whose agent knows the cluster. */
async function startNode(config = kubeconfig): Promise<Host> {
  const host = await startHost(intentOf(3), "--kubeconfig", config, "--node-name", NODE);
  await waitFor("the cluster to be known", async () => (await health(host)).state === "up", LIMIT);
  return host;
}

function health({ agent }: Host): Promise<KubeHealth> {
  return agent.kubeHealth();
}

/** Makes a pod at the API server and its sandbox here, as a kubelet has them before set-up. */
async function startPod(host: Host, name: string) {
  await kube.pod("default", name, NODE);
  return await host.pod(name);
}

async function removePods(...names: string[]): Promise<void> {
  for (const name of names) await kube.removePod("default", name).catch(() => {});
}

async function statusOf(name: string): Promise<string> {
  return await kube.annotationOf("default", name, STATUS) ?? "none";
}

Deno.test("a pod's network status follows its attachments", async () => {
  await using host = await startNode();
  const pod = await startPod(host, "pod0");
  await host.agent.setup(pod);
  const written = await waitFor("the annotation", async () => {
    const text = await statusOf("pod0");
    return text !== "none" && text;
  }, LIMIT);
  assertEquals(JSON.parse(written), [{
    name: "k8contivnet/t/blue",
    interface: "eth0",
    ips: ["10.9.0.1"],
    mac: "02:02:0a:09:00:01",
    default: true,
    dns: {},
  }]);
  // Another program removes it, and a second one adds to it.
  await kube.kubectl("annotate", "pod", "pod0", `${STATUS}-`);
  await waitFor("it to be back", async () => await statusOf("pod0") === written, LIMIT);
  const both = JSON.stringify([{ name: "other", ips: ["1.2.3.4"] }, ...JSON.parse(written)]);
  await kube.kubectl("annotate", "--overwrite", "pod", "pod0", `${STATUS}=${both}`);
  await host.agent.verb("teardown", pod);
  const other = JSON.stringify([{ name: "other", ips: ["1.2.3.4"] }]);
  await waitFor("ours to go", async () => await statusOf("pod0") === other, LIMIT);
  await removePods("pod0");
});

Deno.test("a pod that was created again under its name does not get its predecessor's network", async () => {
  await using host = await startNode();
  const pod = await startPod(host, "pod0");
  await host.agent.setup(pod);
  await waitFor("the annotation", async () => await statusOf("pod0") !== "none", LIMIT);
  // Deleted by force: the kubelet has not torn down yet.
  await removePods("pod0");
  await kube.pod("default", "pod0", NODE);
  await waitFor("the agent to see it", async () => (await health(host)).pods === 1, LIMIT);
  await kube.pod("default", "pod1", NODE);
  await host.agent.setup(await host.pod("pod1"));
  await waitFor("a later annotation", async () => await statusOf("pod1") !== "none", LIMIT);
  assertEquals(await statusOf("pod0"), "none");
  const fresh = await host.pod("pod0");
  await host.agent.setup(fresh);
  await waitFor("the new pod's", async () => await statusOf("pod0") !== "none", LIMIT);
  await removePods("pod0", "pod1");
});

/** Two networks that name no pod. */
const BY_LABEL = {
  Tenants: [tenantWith({
    Networks: [{ Name: "blue" }, { Name: "red" }],
  })],
};

Deno.test("a pod's label chooses its network, and none is guessed while it cannot be known", async () => {
  using proxy = startProxy(kube.endpoint);
  const config = await agentKubeconfig(kube, { name: "labels", endpoint: proxy.endpoint });
  await using host = await startHost(BY_LABEL, "--kubeconfig", config, "--node-name", NODE);
  await waitFor("the cluster", async () => (await health(host)).state === "up", LIMIT);
  const labels = { "io.contiv.tenant": "t", "io.contiv.network": "red" };
  await kube.pod("default", "chosen", NODE, { labels });
  // At once: the watch may not have reported it yet.
  await host.agent.setup(await host.pod("chosen"));
  const network = async () => {
    const items = await host.agent.attachments();
    return items.map((item) => item.network).filter((name) => name !== "").join();
  };
  assertEquals(await network(), "red");
  await waitFor("the annotation", async () => (await statusOf("chosen")).includes("t/red"), LIMIT);
  // A label that changes under a running pod does not move it.
  await kube.label("default", "chosen", { "io.contiv.network": "blue" });
  await kube.pod("default", "later", NODE, { labels });
  await waitFor("both to be known", async () => (await health(host)).pods === 2, LIMIT);
  assertEquals(await network(), "red");
  const why = await host.agent.call("why", "default/chosen");
  assertStringIncludes(why.out, "it would be in t/blue now");
  // A label that comes later is as good: the pod is not set up again.
  await kube.pod("default", "plain", NODE);
  await host.agent.setup(await host.pod("plain"));
  assertEquals(await network(), "red");
  await kube.label("default", "plain", labels);
  await waitFor("the plain one", async () => await network() === "red,red", LIMIT);
  proxy.mode = "silent";
  await kube.pod("default", "unknown", NODE, { labels });
  const unknown = await host.pod("unknown");
  const refused = await host.agent.callWith(
    { K8CONTIVNET_SETUP_SECONDS: "2" },
    ...["setup", unknown.namespace, unknown.name, unknown.id],
  );
  assert([5, 6].includes(refused.code), refused.err);
  assertMatch(refused.err, /^k8contivnet: [^\n]{1,199}$/);
  assertEquals((await host.agent.attachments()).filter(({ state }) => state === "ready").length, 2);
  proxy.mode = "open";
  await waitFor("the cluster again", async () => (await health(host)).state === "up", {
    limitMs: 60_000,
  });
  await host.agent.setup(unknown);
  assertEquals(await network(), "red,red,red");
  await removePods("chosen", "later", "plain", "unknown");
});

Deno.test("while the API server is unreachable pods are set up and stay connected, and it is updated later", async () => {
  using proxy = startProxy(kube.endpoint);
  const config = await agentKubeconfig(kube, { name: "cut", endpoint: proxy.endpoint });
  await using host = await startNode(config);
  const one = await startPod(host, "pod0");
  await host.agent.setup(one);
  await waitFor("the annotation", async () => await statusOf("pod0") !== "none", LIMIT);
  const two = await startPod(host, "pod1");
  proxy.mode = "silent";
  const began = performance.now();
  await host.agent.setup(two);
  assert(performance.now() - began < patient(5_000), "set-up has waited for the API server");
  assert(await two.reaches("10.9.0.1"));
  const away = await waitFor("it to be noticed", async () => {
    const ended = await host.agent.call("kube", "status");
    return ended.code === 5 && ended;
  }, { limitMs: 60_000 });
  assertMatch(
    away.err,
    /^k8contivnet: API server unreachable, cached objects stay in use: API server [^\n]+$/,
  );
  await host.agent.verb("teardown", one);
  assert(await two.reaches("10.9.0.2"));
  // An agent that starts without it serves, too.
  await host.agent.stop();
  await host.agent.start();
  const three = await startPod(host, "pod2");
  await host.agent.setup(three);
  assert(await three.reaches("10.9.0.2"));
  await kube.restart();
  proxy.mode = "open";
  await waitFor("all to be written", async () => {
    const written = await Promise.all(["pod0", "pod1", "pod2"].map(statusOf));
    return written[0] === "none" && written[1] !== "none" && written[2] !== "none";
  }, { limitMs: 60_000 });
  assertStringIncludes(
    await host.agent.logText(),
    "API server unreachable, cached objects stay in use",
  );
  await removePods("pod0", "pod1", "pod2");
});

Deno.test("the agent asks for nothing but what its manifest grants, and needs no more", async () => {
  await using host = await startNode();
  const pod = await startPod(host, "pod0");
  await host.agent.setup(pod);
  await waitFor("the annotation", async () => await statusOf("pod0") !== "none", LIMIT);
  await host.agent.verb("teardown", pod);
  await waitFor("its end", async () => await statusOf("pod0") === "none", LIMIT);
  await removePods("pod0");
  const asked = (await kube.audited())
    .filter(({ user }) => user === "system:serviceaccount:kube-system:k8contivnet");
  const granted = [
    ...["pods", "namespaces", "networkpolicies"].flatMap((
      what,
    ) => [`list ${what}`, `watch ${what}`]),
    "patch pods/status",
  ];
  assertEquals(
    [...new Set(asked.map(({ verb, what }) => `${verb} ${what}`))].sort(),
    granted.sort(),
  );
  assertEquals(asked.filter(({ code }) => code === 403), []);
});

Deno.test("get pods, and kubectl contiv pods, show addresses beside pods", async () => {
  await using host = await startNode();
  const pod = await startPod(host, "pod0");
  await kube.pod("default", "stranger", NODE);
  await host.agent.setup(pod);
  await waitFor("the annotation", async () => await statusOf("pod0") !== "none", LIMIT);
  await waitFor("the stranger", async () => (await health(host)).pods === 2, LIMIT);
  const want = [
    "NAMESPACE  NAME      NETWORK  IP        NODE",
    "default    pod0      t/blue   10.9.0.1  node-a",
    "default    stranger  -        -         node-a",
    "",
  ].join("\n");
  assertEquals(await host.agent.call("get", "pods"), { code: 0, out: want, err: "" });
  await Deno.mkdir(`${host.dir}/bin`);
  await Deno.symlink(FILE, `${host.dir}/bin/kubectl-contiv`);
  const kubectl = (...words: string[]) => plugin(`${host.dir}/bin`, words);
  assertEquals(await kubectl("pods"), { code: 0, out: want, err: "" });
  assertEquals((await kubectl("pods", "-A", "-o", "name")).out, "default/pod0\ndefault/stranger\n");
  const [item] = JSON.parse((await kubectl("pods", "pod0", "-o", "json")).out);
  assertEquals(item, {
    namespace: "default",
    name: "pod0",
    networks: ["t/blue"],
    ips: ["10.9.0.1"],
    node: NODE,
  });
  const none = await kubectl("pods", "-n", "kube-system");
  assertEquals([none.code, none.out, none.err], [0, "", "no pods in namespace kube-system"]);
  const unknown = await kubectl("pods", "nobody");
  assertEquals(unknown.code, 3);
  assertMatch(unknown.err, /^k8contivnet: pod "nobody" in namespace default not found; /);
  await removePods("pod0", "stranger");
});

/** Calls the real kubectl, which finds its plugin on the PATH. */
async function plugin(bin: string, words: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(`${kube.bin}/kubectl`, {
    args: ["contiv", ...words],
    env: {
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      KUBECONFIG: `${kube.dir}/admin.kubeconfig`,
      HOME: kube.dir,
    },
    signal: hangSignal(60_000),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr).trim().split("\n")[0] ?? "" };
}

Deno.test("a kubeconfig that is of no use stops the agent's start with one sentence", async () => {
  await using host = await startHost(intentOf(1));
  const bad = `${host.dir}/bad.kubeconfig`;
  await Deno.writeTextFile(bad, "clusters:\n\t- x");
  const start = (...flags: string[]) =>
    host.agent.call("netplugin", "--state-dir", `${host.dir}/other`, ...flags);
  for (
    const [flags, code, words] of [
      [
        ["--kubeconfig", bad],
        2,
        /refused: "tab characters must not be used in indentation \(2:1\)"/,
      ],
      [["--kubeconfig", "/nowhere"], 3, /kubeconfig \/nowhere cannot be read: No such file/],
      [["--kubeconfig", "in-cluster"], 2, /not running in a Kubernetes pod/],
      [["--node-name", "x"], 2, /--node-name needs --kubeconfig/],
      [
        ["--kubeconfig", kubeconfig, "--node-name", "a/b"],
        2,
        /node name "a\/b" is not a valid name/,
      ],
    ] as const
  ) {
    const ended = await start(...flags);
    assertEquals([ended.code, ended.out], [code, ""]);
    assertMatch(ended.err, words);
    assertMatch(ended.err, /^k8contivnet netplugin: [^\n]{1,180}$/);
  }
});

Deno.test("an agent without a cluster says so", async () => {
  await using host = await startHost(intentOf(1));
  const { code, err } = await host.agent.call("kube", "status");
  assertEquals(code, 5);
  assertMatch(err, /the agent has no cluster; start it with --kubeconfig FILE/);
  const question = { socket: host.agent.socket, method: "GET", path: "/v1/health" } as const;
  assertEquals((await askAgent<HealthAnswer>(question)).kube, undefined);
});
