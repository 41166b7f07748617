// Pods that ask a real API server's labels for what they may not have, or that does not exist: a sentence
// each, and no pod in a network that is not its own.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FILE, type Host, startHost } from "../lab/host.ts";
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

/** Tenant one serves namespace default, two serves another; one's network "few" serves no pod there. */
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

async function startNode(config = kubeconfig, intent: unknown = INTENT): Promise<Host> {
  const host = await startHost(intent, "--kubeconfig", config, "--node-name", NODE);
  const isUp = async () => (await host.agent.kubeHealth()).state === "up";
  await waitFor("the cluster to be known", isUp, LIMIT);
  return host;
}

const asks = (network: string, tenant?: string) => ({
  "io.contiv.network": network,
  ...tenant === undefined ? {} : { "io.contiv.tenant": tenant },
});

/** What a pod has, the exit code of its set-up, and what its message says. */
const REFUSED: [what: string, parts: PodParts, code: number, words: string][] = [
  ["a network that does not exist", { labels: asks("violet", "one") }, 3, "violet"],
  ["a tenant that does not exist", { labels: asks("blue", "nobody") }, 3, "nobody"],
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
  ["an invalid name", { annotations: asks("../../two/green") }, 3, "../../two/green"],
  [
    "what two selectors take",
    { labels: { app: "web", tier: "front" } },
    4,
    "matches more than one network",
  ],
];

async function linksIn(pod: Pod): Promise<string[]> {
  const { text } = await pod.run("ip", "-br", "link");
  return text.trim().split("\n").map((line) => line.split(/[\s@]/)[0]!);
}

Deno.test("a network that a pod may not use, or that does not exist, is refused in a sentence; the pod is in no network", async (t) => {
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
  assert(await web.reaches(address));
  // The pods' objects go, then a kubelet tears down.
  await kube.removePod("shop", "web");
  await kube.removePod("shop", "db");
  assert(await web.reaches(address));
  assertEquals(await addressOf(db), address);
  for (const pod of [web, db]) assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  assertEquals(await host.agent.attachments(), []);
});

/** Returns how often the agent asked for each pod by its name, since `from` requests. */
async function askedFor(names: readonly string[], from: number): Promise<number[]> {
  const asked = (await kube.audited()).slice(from).filter(({ verb, what, user }) =>
    verb === "list" && what === "pods" && user.endsWith(":k8contivnet")
  );
  const isFor = (uri: string, name: string) =>
    new URL(uri, kube.url).searchParams.get("fieldSelector") === `metadata.name=${name}`;
  return names.map((name) => asked.filter(({ uri }) => isFor(uri, name)).length);
}

Deno.test("a pod without a network is asked for once by its set-up, and once more when its labels have changed", async () => {
  await using host = await startNode();
  const names = Array.from({ length: 8 }, (_, n) => `bare${n}`);
  const from = (await kube.audited()).length;
  const pods: Pod[] = [];
  for (const name of names) {
    await kube.pod("default", name, NODE);
    const pod = await host.pod(name);
    assertEquals((await host.agent.verb("setup", pod)).code, 0);
    pods.push(pod);
  }
  assertEquals(await askedFor(names, from), names.map(() => 1));
  // Each of these is a look at all of them; a label that chooses nothing is one, too.
  const isReady = async (pod: Pod) =>
    (await host.agent.attachments()).some(({ sandbox, state }) =>
      sandbox === pod.id && state === "ready"
    );
  for (const [n, name] of names.slice(0, 6).entries()) {
    await kube.label("default", names[7]!, { turn: String(n) });
    await kube.label("default", name, asks("blue"));
    await waitFor(`${name} to be connected`, () => isReady(pods[n]!), LIMIT);
  }
  assertEquals(await askedFor(names, from), [2, 2, 2, 2, 2, 2, 1, 1]);
  // What is refused was asked for nothing, either.
  await kube.label("default", names[6]!, asks("few"));
  await kube.label("default", names[7]!, asks("blue"));
  await waitFor("the last one", () => isReady(pods[7]!), LIMIT);
  assertEquals(await askedFor(names, from), [2, 2, 2, 2, 2, 2, 1, 2]);
  assertEquals(await isReady(pods[6]!), false);
  for (const pod of pods) await host.agent.verb("teardown", pod);
  for (const name of names) await kube.removePod("default", name);
});

Deno.test("a pod that waits for room in a full pool is not asked for at each reconciliation, and gets what becomes free", async () => {
  const tight = { Name: "blue", AllocRange: "10.1.0.1-10.1.0.2" };
  await using host = await startNode(kubeconfig, {
    Tenants: [tenant("one", 1, ["default"], [tight, { Name: "red" }])],
  });
  const names = ["first", "second", "waits"];
  for (const name of names) await kube.pod("default", name, NODE, { labels: asks("blue") });
  const [first, second, waits] = await Promise.all(names.map((name) => host.pod(name)));
  await host.agent.setup(first!);
  await host.agent.setup(second!);
  await kube.label("default", "waits", { "io.contiv.network": null });
  assertEquals((await host.agent.verb("setup", waits!)).code, 0);
  const from = (await kube.audited()).length;
  await kube.label("default", "waits", asks("blue"));
  await waitFor("it to be refused", async () => {
    return (await host.agent.logText()).includes("is full: 2 of 2 addresses in use");
  }, LIMIT);
  const began = performance.now();
  for (let n = 0; n < 5; n++) {
    const name = `other${n}`;
    await kube.pod("default", name, NODE, {});
    const pod = await host.pod(name);
    assertEquals((await host.agent.verb("setup", pod)).code, 0);
    await kube.label("default", name, asks("red"));
    await waitFor("a look", async () => {
      const items = await host.agent.attachments();
      return items.some(({ sandbox, state }) => sandbox === pod.id && state === "ready");
    }, LIMIT);
    await host.agent.verb("teardown", pod);
    await kube.removePod("default", name);
  }
  const passed = (performance.now() - began) / 1_000;
  const [asked = 0] = await askedFor(["waits"], from);
  // A try at 0, 1, 3, 7, 15 … s after the first.
  assert(asked <= 2 + Math.log2(passed + 1), `asked for ${asked} times in ${passed} s`);
  assertEquals((await host.agent.verb("teardown", first!)).code, 0);
  await kube.label("default", "second", { any: "news" });
  await waitFor("it to have the place", async () => {
    const items = await host.agent.attachments();
    return items.some(({ sandbox, state }) => sandbox === waits!.id && state === "ready");
  }, LIMIT);
  for (const name of names) await kube.removePod("default", name);
});

Deno.test("the README's commands make a kubeconfig that agents read, and ask the agent and the API server", async () => {
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
  const made = await new Deno.Command("sh", {
    args: ["-ec", script],
    env: { PATH: `${kube.bin}:${Deno.env.get("PATH")}` },
  }).output();
  assertEquals(made.success ? "" : new TextDecoder().decode(made.stderr), "");
  await using host = await startNode(own);
  const commands = /```\n(k8contivnet kube rbac[^`]*)```/.exec(readme)?.[1]?.trimEnd().split("\n");
  assert(commands && commands.length > 3, "README has no such block");
  for (const name of ["k8contivnet", "kubectl-contiv"]) {
    await Deno.symlink(FILE, `${host.dir}/${name}`);
  }
  for (const line of commands.filter((line) => !line.includes(" netplugin "))) {
    const { success, stderr } = await new Deno.Command("sh", {
      args: ["-ec", line],
      env: {
        PATH: `${host.dir}:${kube.bin}:${Deno.env.get("PATH")}`,
        KUBECONFIG: `${kube.dir}/admin.kubeconfig`,
        K8CONTIVNET_SOCKET: host.agent.socket,
      },
    }).output();
    assertEquals(success ? "" : `${line}: ${new TextDecoder().decode(stderr)}`, "");
  }
});
