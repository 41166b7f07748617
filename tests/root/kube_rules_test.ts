// What chooses a pod's network at a real API server: its own word, its namespace's, selectors, the
// default, in this order; and what is reported, and which pods are connected, where it cannot be known.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { WhyAnswer } from "../../lib/agent/api/diagnosis_requests.ts";
import { rbacManifest } from "../../lib/kube/rbac.ts";
import { applyOn } from "../lab/default_network.ts";
import { makeCertificates } from "../lab/etcd_files.ts";
import { type Host, startHost } from "../lab/host.ts";
import { type Kube, type PodParts, startKube } from "../lab/kube.ts";
import { isGood } from "../lab/kube_account.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const LIMIT = { limitMs: 60_000 };
const NODE = "node-a";

let kube: Kube;
let kubeconfig: string;

Deno.test.beforeAll(async () => {
  kube = await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" }));
  await kube.kubectlWith({ stdin: rbacManifest("kube-system") }, "apply", "-f", "-");
  kubeconfig = await kube.kubeconfig("agent", { token: await token() });
  for (
    const [name, metadata] of Object.entries({
      shop: { labels: { "io.contiv.network": "red" } },
      office: { annotations: { "io.contiv.network": "blue" } },
      lab: { labels: { team: "science" } },
      shared: {},
    })
  ) {
    await kube.ask("POST", "/api/v1/namespaces", { metadata: { name, ...metadata } });
  }
});
Deno.test.afterAll(() => kube.stop());

function token(seconds = 3600): Promise<string> {
  return kube.token("kube-system", "k8contivnet", { seconds });
}

const tenantOf = (n: number, Namespaces: string[], Networks: object[]) => ({
  ...{ Name: `t${n}`, DefaultNetType: "vlan", SubnetPool: `10.${n}.0.0/16`, AllocSubnetLen: 24 },
  ...{ Vlans: `${n}00-${n}50`, Namespaces, Networks },
});

const INTENT = {
  Tenants: [
    tenantOf(1, ["default", "shop", "office", "lab", "shared"], [
      { Name: "base", Default: true, Endpoints: [{ Container: "named" }] },
      { Name: "blue" },
      { Name: "red" },
      { Name: "picked", PodSelector: { matchLabels: { app: "web" } } },
      { Name: "science", NamespaceSelector: { matchLabels: { team: "science" } } },
    ]),
    tenantOf(2, ["shared"], [{ Name: "other", Default: true }]),
  ],
};

const asks = (network: string) => ({ "io.contiv.network": network });
const WEB = { app: "web" };

/** Namespace and parts of a pod, where it goes, and by which rule. */
const RULES: [namespace: string, parts: PodParts, network: string, rule: string][] = [
  ["default", {}, "base", "default network of tenant t1 for namespace default"],
  ["default", { labels: WEB }, "picked", "PodSelector of t1/picked"],
  ["lab", {}, "science", "NamespaceSelector of t1/science"],
  ["shop", {}, "red", "label io.contiv.network=red of namespace shop"],
  ["shop", { labels: WEB }, "red", "label io.contiv.network=red of namespace shop"],
  ["office", { labels: WEB }, "blue", "annotation io.contiv.network=blue of namespace office"],
  ["shop", { labels: asks("blue") }, "blue", "label io.contiv.network=blue of the pod"],
  ["shop", { annotations: asks("base") }, "base", "annotation io.contiv.network=base of the pod"],
  [
    "office",
    { labels: { ...WEB, ...asks("picked") } },
    "picked",
    "label io.contiv.network=picked of the pod",
  ],
];

async function startNode(config: string): Promise<Host> {
  const host = await startHost(INTENT, "--kubeconfig", config, "--node-name", NODE);
  await known(host);
  return host;
}

async function isUp(host: Host): Promise<boolean> {
  return (await host.agent.kubeHealth()).state === "up";
}

async function known(host: Host): Promise<void> {
  await waitFor("the cluster to be known", () => isUp(host), LIMIT);
}

async function whyOf(host: Host, { namespace, name }: Pick<Pod, "namespace" | "name">) {
  const { out } = await host.agent.call("why", `${namespace}/${name}`, "-o", "json");
  const { state, places, reason }: WhyAnswer = JSON.parse(out);
  return { state, reason, place: places.map((one) => `${one.network}: ${one.rule}`).join() };
}

async function networkOf(host: Host, { id }: Pod): Promise<string> {
  const items = await host.agent.attachments();
  return items.find(({ sandbox, state }) => sandbox === id && state === "ready")?.network ?? "none";
}

Deno.test("a pod's word counts before its namespace's, that before selectors, these before the default, and why says so", async () => {
  await using host = await startNode(kubeconfig);
  for (const [n, [namespace, parts, network, rule]] of RULES.entries()) {
    const name = `rule${n}`;
    await kube.pod(namespace, name, NODE, parts);
    const want = { reason: "", place: `${network}: ${rule}` };
    assertEquals(await whyOf(host, { namespace, name }), { state: "expected", ...want });
    const pod = await host.pod(name, namespace);
    await host.agent.setup(pod);
    assertEquals(await networkOf(host, pod), network);
    assertEquals(await whyOf(host, pod), { state: "attached", ...want });
  }
  for (const [n, [namespace]] of RULES.entries()) await kube.removePod(namespace, `rule${n}`);
});

Deno.test("two defaults and an invalid selector are refused in a sentence, and nothing changes", async () => {
  await using host = await startNode(kubeconfig);
  await kube.pod("shared", "torn", NODE);
  const torn = await host.pod("torn", "shared");
  const ended = await host.agent.verb("setup", torn);
  assertEquals([ended.code, ended.out], [4, ""]);
  assertMatch(
    ended.err,
    /^k8contivnet: pod shared\/torn matches more than one network: the default networks t1\/base and t2\/other match it; [^\n]+$/,
  );
  assertEquals(await networkOf(host, torn), "none");
  assertStringIncludes((await whyOf(host, torn)).reason, "more than one network");
  const one = await host.pod("rest");
  await kube.pod("default", "rest", NODE);
  await host.agent.setup(one);
  const before = await host.agent.call("get", "networks", "-o", "json");
  for (
    const [selector, words] of [
      [
        { matchLabels: { app: "a b" } },
        /PodSelector.matchLabels.app: "a b" is not a valid label value/,
      ],
      [
        { matchExpressions: [{ key: "app", operator: "Like", values: ["a"] }] },
        /PodSelector.matchExpressions\[0\].operator "Like" is refused/,
      ],
    ] as const
  ) {
    const [tenant, other] = structuredClone(INTENT.Tenants);
    Object.assign(tenant!.Networks[3]!, { PodSelector: selector });
    const { code, err } = await applyOn(host.agent, { Tenants: [tenant, other] });
    assertEquals(code, 2, err);
    assertMatch(err, words);
    assertMatch(err, /^[^\n]{1,300}$/);
  }
  assertEquals(await host.agent.call("get", "networks", "-o", "json"), before);
  assertEquals(await networkOf(host, one), "base");
  await kube.removePod("shared", "torn");
  await kube.removePod("default", "rest");
});

/**
 * A host whose kubeconfig is of no use, as `words` say, or not any more once `isSpoilt` is true: who
 * needs no label is set up, who needs some is refused with these words, and connected once the file
 * is repaired.
 */
async function tryWithout(
  name: string,
  config: string,
  { words, isSpoilt }: { readonly words: RegExp; readonly isSpoilt?: () => Promise<boolean> },
): Promise<void> {
  await using host = await startHost(INTENT, "--kubeconfig", config, "--node-name", NODE);
  await kube.pod("default", name, NODE, { labels: asks("red") });
  const [asking, named] = [await host.pod(name), await host.pod("named")];
  if (isSpoilt) {
    await known(host);
    await waitFor("it to be of no use", isSpoilt, LIMIT);
  }
  const env = { K8CONTIVNET_SETUP_SECONDS: "1" };
  const refused = await host.agent.callWith(env, "setup", "default", name, asking.id);
  assert([5, 6].includes(refused.code), `${refused.code} ${refused.err}`);
  assertMatch(refused.err, /^k8contivnet: [^\n]{1,300}$/);
  assertMatch(refused.err, words);
  assertEquals(await networkOf(host, asking), "none");
  assertEquals(await host.agent.verb("setup", named), { code: 0, out: "", err: "" });
  const said = await waitFor("it to be said", async () => {
    const ended = await host.agent.call("kube", "status");
    return ended.code === 5 && ended.err;
  }, LIMIT);
  assertMatch(said, words);
  await kube.kubeconfig(name, { token: await token() });
  await waitFor("it to be connected", async () => await networkOf(host, asking) === "red", LIMIT);
  assertEquals(await networkOf(host, named), "base");
  await kube.removePod("default", name);
}

Deno.test("an agent whose API server shows another authority's certificate says so, sends nothing, and takes the repaired file", async () => {
  const dir = `${kube.dir}/other`;
  await Deno.mkdir(dir);
  const parts = { address: "127.0.0.1", user: "operator", serverUseOnly: false };
  const { ca } = await makeCertificates(dir, parts);
  const config = await kube.kubeconfig("stranger", { token: await token() }, { ca });
  await tryWithout("stranger", config, {
    words: /its certificate is not signed by the certificate-authority/,
  });
});

Deno.test("an agent whose token has ended says so, and takes the next one", async () => {
  const ending = await token(5);
  const config = await kube.kubeconfig("ending", { token: ending });
  const isSpoilt = async () => !await isGood(kube, ending);
  await tryWithout("ending", config, {
    words: /rejects our credentials: 401 "Unauthorized"/,
    isSpoilt,
  });
});
