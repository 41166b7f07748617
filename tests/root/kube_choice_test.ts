// Pods that ask a real API server's labels for what they may not have, or that does not exist: a sentence
// each, and nobody in a network that is not theirs.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Host, startHost } from "../lab/host.ts";
import type { Kube, PodParts } from "../lab/kube.ts";
import { agentKubeconfig, startKubeWithRbac } from "../lab/kube_account.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const LIMIT = { limitMs: 30_000 };
const NODE = "node-a";

let kube: Kube;
let kubeconfig: string;

Deno.test.beforeAll(async () => {
  kube = await startKubeWithRbac();
  kubeconfig = await agentKubeconfig(kube);
});
Deno.test.afterAll(() => kube.stop());

function tenant(name: string, n: number, namespaces: string[], networks: unknown[]) {
  return {
    ...{ Name: name, DefaultNetType: "vlan", SubnetPool: `10.${n}.0.0/16`, AllocSubnetLen: 24 },
    ...{ Vlans: `${n}00-${n}50`, Namespaces: namespaces, Networks: networks },
  };
}

/** Tenant one serves namespace default, two serves another; one's network "few" serves nobody there. */
const INTENT = {
  Tenants: [
    tenant("one", 1, ["default", "shop"], [
      { Name: "blue" },
      { Name: "few", Namespaces: ["shop"] },
      { Name: "picked", PodSelector: { matchLabels: { app: "web" } } },
      { Name: "again", PodSelector: { matchLabels: { tier: "front" } } },
    ]),
    tenant("two", 2, ["other"], [{ Name: "green" }]),
  ],
};

async function startNode(config = kubeconfig): Promise<Host> {
  const host = await startHost(INTENT, "--kubeconfig", config, "--node-name", NODE);
  await waitFor("the cluster to be known", async () => {
    const { out } = await host.agent.call("kube", "status", "-o", "json");
    return JSON.parse(out).state === "up";
  }, LIMIT);
  return host;
}

const asks = (network: string, tenant?: string) => ({
  "io.contiv.network": network,
  ...tenant === undefined ? {} : { "io.contiv.tenant": tenant },
});

/** What a pod has, the exit code of its set-up, and what is said of it. */
const REFUSED: [what: string, parts: PodParts, code: number, words: string][] = [
  ["a network that nobody has", { labels: asks("violet", "one") }, 3, "violet"],
  ["a tenant that nobody has", { labels: asks("blue", "nobody") }, 3, "nobody"],
  [
    "a tenant that its namespace may not use",
    { labels: asks("green", "two") },
    4,
    "may not use tenant two",
  ],
  ["a network that is closed to its namespace", { labels: asks("few") }, 4, "may not use network"],
  [
    "one network by label, another by annotation",
    {
      labels: asks("blue"),
      annotations: asks("picked"),
    },
    4,
    "blue as label, picked as annotation",
  ],
  ["a name that is none", { annotations: asks("../../two/green") }, 3, "../../two/green"],
  [
    "what two selectors take",
    { labels: { app: "web", tier: "front" } },
    4,
    "is for more than one network",
  ],
];

async function linksIn(pod: Pod): Promise<string[]> {
  const { text } = await pod.run("ip", "-br", "link");
  return text.trim().split("\n").map((line) => line.split(/[\s@]/)[0]!);
}

Deno.test("what a pod may not have, or nobody has, is refused in a sentence; it is in no network", async (t) => {
  await using host = await startNode();
  for (const [n, [what, parts, code, words]] of REFUSED.entries()) {
    await t.step(what, async () => {
      const name = `refused${n}`;
      await kube.pod("default", name, NODE, parts);
      const pod = await host.pod(name);
      const ended = await host.agent.verb("setup", pod);
      assertEquals(ended.code, code, ended.err);
      assertStringIncludes(ended.err, words);
      assert(ended.err.trim().split("\n").length === 1 && ended.err.length < 300, ended.err);
      assertEquals(await linksIn(pod), ["lo"]);
      const why = await host.agent.call("why", `default/${name}`);
      assertStringIncludes(why.out + why.err, words);
      assertStringIncludes(await host.agent.logText(), words);
      await host.agent.verb("teardown", pod);
      await kube.removePod("default", name);
    });
  }
  const ready = (await host.agent.attachments()).filter(({ state }) => state === "ready");
  assertEquals(ready, []);
});

Deno.test("a namespace that is deleted under its pods leaves them connected until they are torn down", async () => {
  await using host = await startNode();
  await kube.kubectl("create", "namespace", "shop");
  for (const name of ["web", "db"]) {
    await kube.pod("shop", name, NODE, { labels: asks("few", "one") });
  }
  const web = await host.pod("web", "shop");
  const db = await host.pod("db", "shop");
  await host.agent.setup(web);
  await host.agent.setup(db);
  const addressOf = async (pod: Pod) =>
    (await host.agent.attachments()).find(({ sandbox }) => sandbox === pod.id)?.addresses[0]
      ?.split("/")[0];
  const address = await addressOf(db);
  assert(address);
  await kube.kubectl("delete", "namespace", "shop", "--wait=false");
  assert(await web.pings(address));
  // The pods' objects go, then a kubelet tears down.
  await kube.removePod("shop", "web");
  await kube.removePod("shop", "db");
  assert(await web.pings(address));
  assertEquals(await addressOf(db), address);
  for (const pod of [web, db]) assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  assertEquals(await host.agent.attachments(), []);
});

Deno.test("the README's commands make a kubeconfig that agents read", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const block = /```\n(export KUBECONFIG=[^`]*)```/.exec(readme)?.[1];
  assert(block, "README has no such block");
  const own = `${kube.dir}/own.kubeconfig`;
  // kubectl 1.20 cannot create a token; the API server can.
  const { status } = await kube.ask(
    "POST",
    "/api/v1/namespaces/kube-system/serviceaccounts/k8contivnet/token",
    { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} },
  );
  const { token } = status as { token: string };
  const script = block
    .replace("/etc/k8contivnet/kubeconfig", own)
    .replace(/token=.*/, `token=${token}`)
    .replace("https://API-SERVER:6443", kube.url)
    .replace("ca.crt", kube.files.ca);
  const made = await new Deno.Command("sh", { args: ["-ec", script] }).output();
  assert(made.success, new TextDecoder().decode(made.stderr));
  await using host = await startNode(own);
  assertEquals((await host.agent.call("kube", "status")).code, 0);
});
