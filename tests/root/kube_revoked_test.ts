// A token that is revoked: its service account is deleted, and the agent has not noticed yet. What is
// known stays true, what is asked is refused: a sentence, and no pod in a network that is not its own.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { KubeHealth } from "../../lib/agent/api/agent_health.ts";
import { rbacManifest } from "../../lib/kube/rbac.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Host, startHost } from "../lab/host.ts";
import { type Kube, startKube } from "../lab/kube.ts";
import { isGood } from "../lab/kube_account.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const NODE = "node-a";
const SYSTEM = "kube-system";
const LIMIT = { limitMs: 60_000 };

/** Pod `named` needs no label; all others get what they ask for, or the default network. */
const INTENT = {
  Tenants: [tenantWith({
    Networks: [
      { Name: "blue", Endpoints: [{ Container: "named" }] },
      { Name: "red" },
      { Name: "rest", Default: true },
    ],
  })],
};
const RED = { labels: { "io.contiv.network": "red" } };

function health({ agent }: Host): Promise<KubeHealth> {
  return agent.kubeHealth();
}

async function isUp(host: Host): Promise<boolean> {
  return (await health(host)).state === "up";
}

async function networkOf(host: Host, { id }: Pod): Promise<string> {
  const items = await host.agent.attachments();
  return items.find(({ sandbox, state }) => sandbox === id && state === "ready")?.network ?? "none";
}

async function setUp(host: Host, { namespace, name, id }: Pod) {
  const env = { K8CONTIVNET_SETUP_SECONDS: "1" };
  return await host.agent.callWith(env, "setup", namespace, name, id);
}

/** Makes the account anew, as its manifest does; returns a token of it. */
async function renewAccount(kube: Kube): Promise<string> {
  await kube.kubectlWith({ stdin: rbacManifest(SYSTEM) }, "apply", "-f", "-");
  return await kube.token(SYSTEM, "k8contivnet");
}

Deno.test("a pod whose labels are asked for with a revoked token is refused, and set up with the next token", async () => {
  await using kube = await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" }));
  let token = await renewAccount(kube);
  const kubeconfig = await kube.kubeconfig("agent", { token });
  await using host = await startHost(INTENT, "--kubeconfig", kubeconfig, "--node-name", NODE);
  await waitFor("the cluster to be known", () => isUp(host), LIMIT);
  await kube.pod("default", "before", NODE, RED);
  const before = await host.pod("before");
  await host.agent.setup(before);
  await kube.pod("default", "asks", NODE, RED);
  await kube.pod("default", "plain", NODE);
  const [asks, plain, named] = [
    await host.pod("asks"),
    await host.pod("plain"),
    await host.pod("named"),
  ];
  await waitFor("all to be known", async () => (await health(host)).pods === 3, LIMIT);

  // The agent's pulse notices within 16 to 20 s of its start; the API server itself believes a token
  // for 10 s. A machine that is too slow for what lies between gets another try.
  let refused: Awaited<ReturnType<typeof setUp>>[] = [];
  await waitFor("a refusal before the agent's pulse", async () => {
    token = await renewAccount(kube);
    await kube.kubeconfig("agent", { token });
    await host.agent.stop();
    await host.agent.start();
    await waitFor("the cluster to be known", () => isUp(host), LIMIT);
    await kube.kubectl("-n", SYSTEM, "delete", "serviceaccount", "k8contivnet");
    await waitFor("the token's end", async () => !await isGood(kube, token), LIMIT);
    refused = [await setUp(host, asks), await setUp(host, plain)];
    return await isUp(host);
  }, { limitMs: 120_000 });

  for (const { code, out, err } of refused) {
    assertEquals([code, out], [5, ""], err);
    assertMatch(
      err,
      /^k8contivnet: API server \S+ rejects our credentials: 401 "Unauthorized"; renew the token [^\n]+$/,
    );
  }
  for (const pod of [asks, plain]) {
    assertEquals(await networkOf(host, pod), "none");
    assert((await pod.run("ip", "link", "show", "eth0")).code !== 0);
  }
  const why = await host.agent.call("why", "default/asks");
  assertStringIncludes(why.out + why.err, "rejects our credentials");
  // Who needs no label, and who is connected, does not notice.
  assertEquals(await host.agent.verb("setup", named), { code: 0, out: "", err: "" });
  assertEquals(await networkOf(host, named), "blue");
  assertEquals(await networkOf(host, before), "red");

  // These are not set up again: they are connected once the next token is there.
  await waitFor("it to be noticed", async () => !await isUp(host), LIMIT);
  await kube.kubeconfig("agent", { token: await renewAccount(kube) });
  await waitFor("the cluster again", () => isUp(host), LIMIT);
  await waitFor("both pods", async () => {
    return await networkOf(host, asks) === "red" && await networkOf(host, plain) === "rest";
  }, LIMIT);
  assertEquals(await networkOf(host, before), "red");
});
