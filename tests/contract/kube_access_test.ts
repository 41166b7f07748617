// The way into a real API server: tokens that end, certificates of others, rights that are missing;
// each in a sentence, and the cluster is known again when it has been repaired.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { accessSource, defaultAccessSource } from "../../lib/kube/access.ts";
import { ApiConnection, KubeRefusal } from "../../lib/kube/api_connection.ts";
import { Informer } from "../../lib/kube/informer.ts";
import { hostPodIn } from "../../lib/kube/objects.ts";
import { rbacManifest } from "../../lib/kube/rbac.ts";
import { Fault } from "../../lib/util/errors.ts";
import { makeCertificates, signClient } from "../lab/etcd_files.ts";
import { type Kube, startKube } from "../lab/kube.ts";
import { follow, unusedName } from "../lab/kube_cluster.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

let kube: Kube;

Deno.test.beforeAll(async () => {
  kube = await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" }));
  await kube.ask("POST", "/api/v1/namespaces", { metadata: { name: "rights" } });
  await kube.kubectlWith({ stdin: rbacManifest("rights") }, "apply", "-f", "-");
});
Deno.test.afterAll(() => kube.stop());

const LIMIT = { limitMs: 30_000 };

/** Asks for the pods of a node with a kubeconfig; returns the sentence that it ends with, if any. */
async function sentence(kubeconfig: string, node = "host1"): Promise<string> {
  try {
    using connection = new ApiConnection(await accessSource(kubeconfig)());
    await connection.requestJson({ path: `/api/v1/pods?fieldSelector=spec.nodeName%3D${node}` });
    return "";
  } catch (error) {
    assert(error instanceof Fault, String(error));
    assertMatch(error.message, /^[^\n]{1,199}$/);
    return error.message;
  }
}

Deno.test("a token that ends is reported, and the cluster is known again when its file is renewed", async () => {
  const file = `${kube.dir}/short.token`;
  await Deno.writeTextFile(file, await kube.token("rights", "k8contivnet", { seconds: 4 }));
  const kubeconfig = await kube.kubeconfig("short", { tokenFile: file });
  const node = unusedName("node");
  await using followed = follow(kube, { kubeconfig, node, watchSeconds: 3 });
  const { cluster } = followed;
  await cluster.up(30_000);
  await kube.pod("rights", "token", node);
  await waitFor("the pod", () => cluster.pods.size === 1, LIMIT);
  await waitFor(
    "the token's end",
    () => cluster.state.why.includes("rejects our credentials: 401"),
    LIMIT,
  );
  assertMatch(cluster.state.why, /; renew the token or certificate in the kubeconfig$/);
  assertEquals(cluster.pods.size, 1);
  await Deno.writeTextFile(file, await kube.token("rights", "k8contivnet"));
  await cluster.up(30_000);
});

Deno.test("a token that is renewed in time is never missed", async () => {
  const file = `${kube.dir}/renewed.token`;
  await Deno.writeTextFile(file, await kube.token("rights", "k8contivnet", { seconds: 6 }));
  const kubeconfig = await kube.kubeconfig("renewed", { tokenFile: file });
  await using followed = follow(kube, { kubeconfig, watchSeconds: 2 });
  const { cluster, states } = followed;
  await cluster.up(30_000);
  await Deno.writeTextFile(file, await kube.token("rights", "k8contivnet"));
  const since = performance.now();
  await waitFor("the old token's end", () => performance.now() - since > 17_000, LIMIT);
  assertEquals(states.filter(({ isUp }) => !isUp), []);
});

Deno.test("a kubeconfig that can no longer be parsed is reported, and read again when it is repaired", async () => {
  const good = await kube.kubeconfig("repaired", {
    token: await kube.token("rights", "k8contivnet"),
  });
  const text = await Deno.readTextFile(good);
  await Deno.writeTextFile(good, "clusters:\n\t- x");
  await using followed = follow(kube, { kubeconfig: good });
  const { cluster } = followed;
  await waitFor("the sentence", () => cluster.state.why.includes("tab characters"), LIMIT);
  await Deno.writeTextFile(good, text);
  await cluster.up(30_000);
});

Deno.test("a server whose certificate another authority has signed is not talked to", async () => {
  const dir = `${kube.dir}/other`;
  await Deno.mkdir(dir);
  const other = await makeCertificates(dir, {
    address: "127.0.0.1",
    user: "operator",
    serverUseOnly: false,
  });
  const user = { token: kube.adminToken };
  const node = unusedName("node");
  const asked = async () => (await kube.audited()).filter(({ uri }) => uri.includes(node)).length;
  assertMatch(
    await sentence(await kube.kubeconfig("other-ca", user, { ca: other.ca }), node),
    /is unreachable: its certificate is not signed by the certificate-authority of the kubeconfig; set the/,
  );
  assertEquals(await sentence(`${kube.dir}/admin.kubeconfig`, node), "");
  assertEquals(await asked(), 1);
  // Our certificate by an authority that the server does not know.
  const cert = { "client-certificate": other.clientCert, "client-key": other.clientKey };
  assertMatch(
    await sentence(await kube.kubeconfig("other-cert", cert)),
    /rejects our credentials: 401|rejects our certificate/,
  );
});

Deno.test("a client's certificate is enough, as file and as data", async () => {
  await kube.kubectl("create", "clusterrolebinding", "by-cert", ...[
    "--clusterrole=k8contivnet",
    "--user=operator",
  ]);
  const { clientCert, clientKey } = kube.files;
  const files = { "client-certificate": clientCert, "client-key": clientKey };
  assertEquals(await sentence(await kube.kubeconfig("cert", files)), "");
  const base64 = async (path: string) => (await Deno.readFile(path)).toBase64();
  const data = {
    "client-certificate-data": await base64(clientCert),
    "client-key-data": await base64(clientKey),
  };
  assertEquals(await sentence(await kube.kubeconfig("cert-data", data)), "");
});

Deno.test("a kubeconfig that impersonates has the rights of that user, as with kubectl, and no more", async () => {
  const user = {
    token: kube.adminToken,
    as: "jané",
    "as-groups": ["dev", "ops, and more"],
    "as-user-extra": { "acme.com/project": ["x", "y"] },
  };
  const [node, theirs] = [unusedName("node"), unusedName("node")];
  const kubeconfig = await kube.kubeconfig("impersonating", user);
  assertMatch(await sentence(kubeconfig, node), /denies us permission: 403 .*User \\?"jané/);
  await run(`${kube.bin}/kubectl`, [
    ...[`--kubeconfig=${kubeconfig}`, `--cache-dir=${kube.dir}/kubectl-jane`, "get", "pods", "-A"],
    `--field-selector=spec.nodeName=${theirs}`,
  ]).catch(() => {});
  const seen = async (node: string) =>
    (await kube.audited()).find(({ uri }) => uri.includes(node))?.impersonated;
  await waitFor("both requests", async () => await seen(node) && await seen(theirs), LIMIT);
  assertEquals(await seen(node), {
    username: "jané",
    groups: ["dev", "ops, and more", "system:authenticated"],
    extra: { "acme.com/project": ["x", "y"] },
  });
  assertEquals(await seen(node), await seen(theirs));
  await kube.kubectl("create", "clusterrolebinding", "devs", ...[
    "--clusterrole=k8contivnet",
    "--group=ops, and more",
  ]);
  await waitFor("jané's rights", async () => await sentence(kubeconfig) === "", LIMIT);
  const token = await kube.token("rights", "k8contivnet");
  assertMatch(
    await sentence(await kube.kubeconfig("no-impersonation", { token, as: "jane" })),
    /cannot impersonate|or remove "as"$/,
  );
});

Deno.test("KUBECONFIG with several files is merged as kubectl merges it, without those that are missing", async () => {
  const dir = `${kube.dir}/several`;
  await Deno.mkdir(`${dir}/keys`, { recursive: true });
  const token = kube.adminToken;
  await Deno.copyFile(kube.files.ca, `${dir}/keys/ca.pem`);
  await Deno.writeTextFile(`${dir}/keys/token`, token);
  const write = (name: string, config: object) =>
    Deno.writeTextFile(`${dir}/${name}`, JSON.stringify({ kind: "Config", ...config }));
  await write("contexts", {
    contexts: [{ name: "here", context: { cluster: "lab", user: "me", namespace: "rights" } }],
  });
  await write("keys/clusters", {
    clusters: [{ name: "lab", cluster: { server: kube.url, "certificate-authority": "ca.pem" } }],
    users: [{ name: "me", user: { tokenFile: "token" } }],
  });
  await write("late", {
    "current-context": "here",
    contexts: [{ name: "here", context: { cluster: "wrong", user: "nobody" } }],
    clusters: [{ name: "lab", cluster: { server: "https://127.0.0.1:1" } }],
    users: [{ name: "me", user: { token: "wrong" } }],
  });
  await Deno.writeTextFile(`${dir}/empty`, "");
  const names = ["missing", "contexts", "empty", "keys/clusters", "late"];
  const paths = names.map((name) => `${dir}/${name}`);
  const before = Deno.env.get("KUBECONFIG");
  try {
    Deno.env.set("KUBECONFIG", `:${paths.join(":")}:`);
    const access = await defaultAccessSource()();
    assertEquals([access.server, access.namespace, access.token], [kube.url, "rights", token]);
    using connection = new ApiConnection(access);
    await connection.requestJson({ path: "/api/v1/namespaces" });
    const kubectl = await run(`${kube.bin}/kubectl`, [
      ...["config", "view", "--minify", "--raw", "--flatten", "-o"],
      "jsonpath={.clusters[0].cluster.server} {.contexts[0].context.namespace} {.clusters[0].cluster.certificate-authority-data}",
    ]);
    assertEquals(
      kubectl.trim(),
      `${kube.url} rights ${new TextEncoder().encode(access.ca).toBase64()}`,
    );
    Deno.env.set("KUBECONFIG", `${dir}/missing:${dir}/none`);
    await assertRejects(() => defaultAccessSource()(), Fault, "no kubeconfig found");
    Deno.env.set("KUBECONFIG", `${dir}/missing`);
    await assertRejects(() => defaultAccessSource()(), Fault, `${dir}/missing cannot be read`);
  } finally {
    if (before === undefined) Deno.env.delete("KUBECONFIG");
    else Deno.env.set("KUBECONFIG", before);
  }
});

Deno.test("other ways that lead nowhere are each said in a sentence", async () => {
  const token = { token: kube.adminToken };
  const nowhere = await kube.kubeconfig("nowhere", token, { server: "https://127.0.0.1:4444" });
  assertMatch(await sentence(nowhere), /is unreachable: connection refused; check whether/);
  const name = kube.url.replace("127.0.0.1", "localhost");
  const misnamed = await kube.kubeconfig("misnamed", token, { server: name });
  assertMatch(await sentence(misnamed), /its certificate is for another name|connection refused/);
  const noFile = await kube.kubeconfig("no-ca", token, { ca: "/nowhere/ca.pem" });
  assertMatch(await sentence(noFile), /its ca \/nowhere\/ca.pem cannot be read: No such file/);
  const noKey = await kube.kubeconfig("no-key", {
    "client-certificate": kube.files.ca,
    "client-key": kube.files.ca,
  });
  assertMatch(await sentence(noKey), /cannot connect to \S+|is unreachable/);
  const stranger = await kube.kubeconfig("stranger", { token: "nobody's" });
  assertMatch(await sentence(stranger), /rejects our credentials: 401/);
});

Deno.test("a missing right is reported, all else works, and a new right is used", async () => {
  await kube.kubectl("create", "serviceaccount", "some", "-n", "rights");
  await kube.kubectl("create", "clusterrole", "some", ...[
    "--verb=list,watch",
    "--resource=pods,namespaces",
  ]);
  await kube.kubectl("create", "clusterrolebinding", "some", ...[
    "--clusterrole=some",
    "--serviceaccount=rights:some",
  ]);
  const node = unusedName("node");
  const kubeconfig = await kube.kubeconfig("some", { token: await kube.token("rights", "some") });
  await using followed = follow(kube, { kubeconfig, node });
  const { cluster } = followed;
  await waitFor("the sentence", () => cluster.state.why !== "", LIMIT);
  assertMatch(
    cluster.state.why,
    /^network policies may not be listed: API server \S+ denies us permission/,
  );
  assertMatch(cluster.state.why, /; apply the output of "k8contivnet kube rbac"$/);
  const uid = await kube.pod("rights", "some", node);
  const pod = await waitFor("the pod", () => cluster.pods.find("rights", "some", uid), LIMIT);
  const refused = await assertRejects(
    () => cluster.annotate(pod, "a.b/c", { before: null, after: "x" }),
    KubeRefusal,
  );
  assertEquals(refused.refusal, "forbidden");
  await kube.kubectl("create", "clusterrolebinding", "more", ...[
    "--clusterrole=k8contivnet",
    "--serviceaccount=rights:some",
  ]);
  await cluster.up(30_000);
  await cluster.annotate(pod, "a.b/c", { before: null, after: "x" });
  assertEquals(await kube.annotationOf("rights", "some", "a.b/c"), "x");
});

Deno.test("an annotation is written only over the known value, in the pod of that UID", async () => {
  const node = unusedName("node");
  const token = await kube.token("rights", "k8contivnet");
  await using followed = follow(kube, {
    kubeconfig: await kube.kubeconfig("agent", { token }),
    node,
  });
  const { cluster } = followed;
  await cluster.up(30_000);
  const uid = await kube.pod("rights", "mine", node);
  const pod = { namespace: "rights", name: "mine", uid };
  const is = () => kube.annotationOf("rights", "mine", "a.b/c");
  const refused = async (change: { before: string | null; after: string | null }, of = pod) => {
    const error = await assertRejects(() => cluster.annotate(of, "a.b/c", change), KubeRefusal);
    return error.refusal;
  };
  // The first annotation at all needs its place made.
  await cluster.annotate(pod, "a.b/c", { before: null, after: "1" });
  assertEquals(await is(), "1");
  assertEquals(await refused({ before: null, after: "2" }), "conflict");
  assertEquals(await refused({ before: "0", after: "2" }), "conflict");
  assertEquals(await refused({ before: "1", after: "2" }, { ...pod, uid: "other" }), "conflict");
  assertEquals(await is(), "1");
  await cluster.annotate(pod, "a.b/c", { before: "1", after: "2" });
  assertEquals(await is(), "2");
  await cluster.annotate(pod, "a.b/c", { before: "2", after: null });
  assertEquals(await is(), undefined);
  const gone = { namespace: "rights", name: "nobody", uid };
  assertEquals(await refused({ before: null, after: "1" }, gone), "missing");
});

Deno.test("a list whose version is forgotten between two pages begins anew", async () => {
  const node = unusedName("node");
  for (let n = 0; n < 12; n++) await kube.pod("rights", `page-${n}`, node);
  const changes: string[] = [];
  const pods = new Informer({
    title: "pods",
    path: "/api/v1/pods",
    query: { fieldSelector: `spec.nodeName=${node}` },
    keep: hostPodIn,
    pageSize: 5,
    onChange: (_, after) => void changes.push(after?.name ?? "gone"),
  });
  using connection = new Forgetful(await accessSource(`${kube.dir}/admin.kubeconfig`)());
  connection.beforeNextPage = async () => {
    await kube.pod("rights", "page-12", node);
    await kube.etcd.compact();
  };
  const stopping = new AbortController();
  const following = pods.run(connection, stopping.signal, () => {});
  await waitFor("all pods", () => pods.isLive && pods.size === 13, LIMIT);
  stopping.abort();
  await following;
  assertEquals(changes.length, 13);
  const lists = (await kube.audited()).filter(({ verb, uri }) =>
    verb === "list" && uri.includes(node)
  );
  assert(lists.some(({ code }) => code === 410), "nothing was forgotten while it was listed");
});

/** A connection on which something happens before the second page of a list is asked for. */
class Forgetful extends ApiConnection {
  beforeNextPage: (() => Promise<void>) | undefined;

  override async requestJson(...args: Parameters<ApiConnection["requestJson"]>): Promise<unknown> {
    if (args[0].path.includes("continue=")) {
      await this.beforeNextPage?.();
      this.beforeNextPage = undefined;
    }
    return await super.requestJson(...args);
  }
}

Deno.test("a certificate that is renewed is taken up without a break", async () => {
  // Both in one file, as kubelets keep theirs.
  const file = `${kube.dir}/current.pem`;
  const place = async (...paths: readonly string[]) => {
    const parts = await Promise.all(paths.map((path) => Deno.readTextFile(path)));
    await Deno.writeTextFile(`${file}.new`, parts.join(""));
    await Deno.rename(`${file}.new`, file);
  };
  await place(kube.files.clientCert, kube.files.clientKey);
  await kube.kubectl("create", "clusterrolebinding", "renewed", ...[
    "--clusterrole=k8contivnet",
    "--user=newcomer",
    "--user=operator",
  ]);
  const kubeconfig = await kube.kubeconfig("renewed-cert", {
    "client-certificate": file,
    "client-key": file,
  });
  const node = unusedName("node");
  await using followed = follow(kube, { kubeconfig, node });
  const { cluster, states } = followed;
  await cluster.up(30_000);
  const fresh = await signClient(kube.dir, "newcomer");
  await place(fresh.cert, fresh.key);
  await waitFor("the new one", async () => {
    return (await kube.audited()).some(({ user, verb }) => user === "newcomer" && verb === "watch");
  }, LIMIT);
  await kube.pod("rights", unusedName("renewed"), node);
  await waitFor("the pod", () => cluster.pods.size === 1, LIMIT);
  assertEquals(states.filter(({ isUp }) => !isUp), []);
});
