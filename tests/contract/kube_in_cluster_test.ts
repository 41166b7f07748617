// A pod's own way to its API server: the service account's folder, whose token the kubelet renews.

import { assertEquals, assertMatch } from "@std/assert";
import { accessSource, IN_CLUSTER } from "../../lib/kube/access.ts";
import { ApiConnection } from "../../lib/kube/api_connection.ts";
import { rbacManifest } from "../../lib/kube/rbac.ts";
import { Fault } from "../../lib/util/errors.ts";
import { type Kube, startKube } from "../lab/kube.ts";
import { isGood, placeAccount, type PlacedAccount, podToken } from "../lab/kube_account.ts";
import { follow, unusedName } from "../lab/kube_cluster.ts";
import { waitFor } from "../lab/wait.ts";

const LIMIT = { limitMs: 60_000 };
const USER = "system:serviceaccount:rights:k8contivnet";
const FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

let kube: Kube;

Deno.test.beforeAll(async () => {
  kube = await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" }));
  await kube.ask("POST", "/api/v1/namespaces", { metadata: { name: "rights" } });
  await kube.kubectlWith({ stdin: rbacManifest("rights") }, "apply", "-f", "-");
});
Deno.test.afterAll(() => kube.stop());

/** Places the shipped account with a real token, bound to a new pod, and sets its environment here. */
async function inPod(pod: string): Promise<PlacedAccount & { readonly token: string }> {
  const token = await tokenOf(pod);
  const account = await placeAccount(kube, "rights", token);
  for (const [name, value] of Object.entries(account.env)) Deno.env.set(name, value);
  const end = async () => {
    for (const name of Object.keys(account.env)) Deno.env.delete(name);
    await account[Symbol.asyncDispose]();
  };
  return { ...account, token, [Symbol.asyncDispose]: end };
}

function tokenOf(pod: string): Promise<string> {
  return podToken(kube, { namespace: "rights", account: "k8contivnet", pod });
}

/** Returns the sentence with which a look for the way ends; empty where there is one. */
async function sentence(): Promise<string> {
  try {
    using connection = new ApiConnection(await accessSource(IN_CLUSTER)());
    await connection.requestJson({ path: "/api/v1/namespaces?limit=1" });
    return "";
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    assertMatch(error.message, /^[^\n]{1,199}$/);
    return error.message;
  }
}

Deno.test("a pod's service account with the shipped rights is enough, and its token may be renewed", async () => {
  const [first, second] = [unusedName("agent"), unusedName("agent")];
  await using account = await inPod(first);
  const before = (await kube.audited()).length;
  const access = await accessSource(IN_CLUSTER)();
  assertEquals([access.server, access.namespace], [kube.url, "rights"]);
  const node = unusedName("node");
  await using followed = follow(kube, { kubeconfig: IN_CLUSTER, node, watchSeconds: 2 });
  const { cluster, states } = followed;
  await cluster.up(30_000);
  await account.renew(await tokenOf(second));
  // The kubelet renews in time: our next look finds the new one before the old one ends.
  const since = (await kube.audited()).length;
  await waitFor("requests after the renewal", async () => {
    const asked = (await kube.audited()).slice(since);
    return asked.filter(({ user, verb }) => user === USER && verb === "list").length >= 2;
  }, LIMIT);
  await kube.removePod("rights", first);
  await waitFor("the old token's end", async () => !await isGood(kube, account.token), LIMIT);
  const name = unusedName("later");
  const uid = await kube.pod("rights", name, node);
  const pod = await waitFor("the pod", () => cluster.pods.find("rights", name, uid), LIMIT);
  await cluster.annotate(pod, "a.b/c", { before: null, after: "x" });
  assertEquals(await kube.annotationOf("rights", name, "a.b/c"), "x");
  assertEquals(states.filter(({ isUp }) => !isUp), []);
  const asked = (await kube.audited()).slice(before).filter(({ user }) => user === USER);
  assertEquals(asked.filter(({ code }) => code === 403), []);
});

Deno.test("a token that is renewed too late is reported, and all is known again when it is there", async () => {
  const pod = unusedName("agent");
  await using account = await inPod(pod);
  await using followed = follow(kube, { kubeconfig: IN_CLUSTER, watchSeconds: 2 });
  const { cluster } = followed;
  await cluster.up(30_000);
  await kube.removePod("rights", pod);
  await waitFor("the end", () => cluster.state.why.includes("rejects our credentials: 401"), LIMIT);
  await account.renew(await tokenOf(unusedName("agent")));
  await cluster.up(30_000);
});

Deno.test("a token that is half written leaves the one that is known in use", async () => {
  await using account = await inPod(unusedName("agent"));
  const node = unusedName("node");
  await using followed = follow(kube, { kubeconfig: IN_CLUSTER, node, watchSeconds: 2 });
  const { cluster, states } = followed;
  await cluster.up(30_000);
  await account.renew("");
  assertMatch(await sentence(), /service account's token \S+ is empty; /);
  const since = (await kube.audited()).length;
  await waitFor("requests with the old one", async () => {
    const asked = (await kube.audited()).slice(since);
    return asked.filter(({ user, verb }) => user === USER && verb === "watch").length >= 3;
  }, LIMIT);
  await account.renew(account.token);
  const name = unusedName("pod");
  await kube.pod("rights", name, node);
  await waitFor("the pod", () => cluster.pods.find("rights", name), LIMIT);
  assertEquals(states.filter(({ isUp }) => !isUp), []);
});

Deno.test("a pod without a service account says what is missing", async () => {
  assertMatch(await sentence(), /^not running in a Kubernetes pod: KUBERNETES_SERVICE_HOST and /);
  await using account = await inPod(unusedName("agent"));
  assertEquals(await sentence(), "");
  await account.renew("nobody's");
  assertMatch(await sentence(), /rejects our credentials: 401/);
  await Deno.remove(`${FOLDER}/token`);
  assertMatch(
    await sentence(),
    /^service account's token \S+ cannot be read: No such file[^;]*; mount the service account/,
  );
});
