// An API server that is slow, and one that takes connections and never answers: pods stay connected,
// set-ups that need no label do not notice, those that need some get the right network or none.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { KubeHealth } from "../../lib/agent/api/agent_health.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import type { Ended } from "../lab/agent.ts";
import { type Host, startHost } from "../lab/host.ts";
import type { Kube } from "../lab/kube.ts";
import {
  agentKubeconfig,
  isGood,
  placeAccount,
  podToken,
  startKubeWithRbac,
} from "../lab/kube_account.ts";
import type { Pod } from "../lab/pod.ts";
import { startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";
import { FACTOR } from "../lab/limits.ts";

const NODE = "node-a";
const DELAY_MS = 2_500;
const LIMIT = { limitMs: 60_000 };
const STATUS = "k8s.v1.cni.cncf.io/network-status";

let kube: Kube;

Deno.test.beforeAll(async () => {
  kube = await startKubeWithRbac();
});
Deno.test.afterAll(() => kube.stop());

/** Pods pod0 to pod9 are named; all others need labels. */
const INTENT = {
  Tenants: [tenantWith({
    Networks: [
      {
        Name: "named",
        Endpoints: Array.from({ length: 10 }, (_, n) => ({ Container: `pod${n}` })),
      },
      { Name: "blue" },
      { Name: "red" },
    ],
  })],
};

function labels(network: string): Record<string, string> {
  return { "io.contiv.tenant": "t", "io.contiv.network": network };
}

function health({ agent }: Host): Promise<KubeHealth> {
  return agent.kubeHealth();
}

/** Starts a host's agent once more, with these ways to the cluster. */
async function restart(host: Host, ...flags: string[]): Promise<void> {
  await host.agent.stop();
  await host.agent.start(...flags, "--node-name", NODE);
}

/** Waits for what the host knows of the cluster to be right. */
async function known(host: Host): Promise<void> {
  await waitFor("the cluster", async () => (await health(host)).state === "up", LIMIT);
}

/** Returns the median milliseconds of seven set-ups that need no label. */
async function setupMs(host: Host, pod: Pod): Promise<number> {
  const all: number[] = [];
  for (let n = 0; n < 7; n++) {
    const began = performance.now();
    await host.agent.setup(pod);
    all.push(performance.now() - began);
    assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  }
  return all.sort((a, b) => a - b)[3] ?? Infinity;
}

async function networkOf(host: Host, pod: Pod): Promise<string> {
  const items = await host.agent.attachments();
  return items.find(({ sandbox }) => sandbox === pod.id)?.network || "none";
}

async function setUp(host: Host, pod: Pod, seconds = "20"): Promise<Ended> {
  const words = ["setup", pod.namespace, pod.name, pod.id];
  return await host.agent.callWith({ K8CONTIVNET_SETUP_SECONDS: seconds }, ...words);
}

Deno.test("a slow API server, and one that never answers, delay no pod that needs no label", async () => {
  await using host = await startHost(INTENT);
  const [one, two, tried] = [
    await host.pod("pod0"),
    await host.pod("pod1"),
    await host.pod("pod2"),
  ];
  await host.agent.setup(one);
  await host.agent.setup(two);
  const address = await host.agent.addressOf(two);
  const control = await setupMs(host, tried);
  /** What asks the API server takes at least a delay more than what does not. */
  const isQuick = async (when: string) => {
    const took = await setupMs(host, tried);
    assert(
      took < control * FACTOR + DELAY_MS / 2,
      `${took} ms ${when}, ${control} ms without a cluster`,
    );
    assert(await one.reaches(address), `a connected pod is cut off ${when}`);
  };

  using proxy = startProxy(kube.endpoint);
  const config = await agentKubeconfig(kube, { name: "slow", endpoint: proxy.endpoint });
  proxy.delayMs = DELAY_MS;
  await restart(host, "--kubeconfig", config);
  await isQuick("while it is not known yet");
  await known(host);
  await isQuick("with a slow API server");

  // It is asked at least once for this one.
  await kube.pod("default", "chosen", NODE, { labels: labels("red") });
  const chosen = await host.pod("chosen");
  const began = performance.now();
  assertEquals(await setUp(host, chosen), { code: 0, out: "", err: "" });
  assert(performance.now() - began > DELAY_MS, "the answer was not slow");
  assertEquals(await networkOf(host, chosen), "red");

  // Made again under its name with other labels, and the watch has not reported it yet.
  await waitFor("the pod to be known", async () => (await health(host)).pods === 1, LIMIT);
  await host.agent.verb("teardown", chosen);
  await kube.removePod("default", "chosen");
  await kube.pod("default", "chosen", NODE, { labels: labels("blue") });
  const again = await host.pod("chosen");
  assertEquals(await setUp(host, again), { code: 0, out: "", err: "" });
  assertEquals(await networkOf(host, again), "blue");
  assertEquals((await health(host)).state, "up");

  proxy.mode = "silent";
  await isQuick("with one that has stopped to answer");
  await kube.pod("default", "unknown", NODE, { labels: labels("red") });
  const unknown = await host.pod("unknown");
  const refused = await setUp(host, unknown, "2");
  assert([5, 6].includes(refused.code), `${refused.code} ${refused.err}`);
  assertMatch(refused.err, /^k8contivnet: [^\n]{1,199}$/);
  assertEquals(await networkOf(host, unknown), "none");
  await waitFor("it to be noticed", async () => (await health(host)).state === "down", LIMIT);
  await isQuick("with one that is known not to answer");
  await restart(host, "--kubeconfig", config);
  await isQuick("with one that has never answered");
  assertEquals((await health(host)).pods, 0);
  await host.agent.verb("teardown", again);
  await kube.removePod("default", "chosen");
  await kube.pod("default", "late", NODE, { labels: labels("blue") });

  [proxy.delayMs, proxy.mode] = [0, "open"];
  await known(host);
  const { out } = await host.agent.call("get", "pods", "-o", "name");
  // pod0 and pod1 are known by what they have here.
  assertEquals(out, "default/late\ndefault/pod0\ndefault/pod1\ndefault/unknown\n");
  assertEquals((await health(host)).pods, 2);
  const late = await host.pod("late");
  assertEquals((await setUp(host, late)).code, 0);
  assertEquals((await setUp(host, unknown)).code, 0);
  const networks = [await networkOf(host, late), await networkOf(host, unknown)];
  assertEquals(networks, ["blue", "red"]);
  assert(await one.reaches(address));
  for (const name of ["late", "unknown"]) await kube.removePod("default", name);
});

Deno.test("an agent that runs in a pod of the cluster continues when its account's token is renewed", async () => {
  const ours = { namespace: "kube-system", account: "k8contivnet" };
  const first = await podToken(kube, { ...ours, pod: "agent-1" });
  await using account = await placeAccount(kube, "kube-system", first);
  await using host = await startHost(INTENT);
  Object.assign(host.agent.agentEnv, account.env);
  await restart(host, "--kubeconfig", "in-cluster");
  await known(host);
  await account.renew(await podToken(kube, { ...ours, pod: "agent-2" }));
  await kube.removePod("kube-system", "agent-1");
  await kube.pod("default", "account", NODE, { labels: labels("red") });
  // The old one has ended, and what would have been asked with it is asked with the new one.
  await waitFor("the old token's end", async () => !await isGood(kube, first), LIMIT);
  const pod = await host.pod("account");
  await waitFor("the set-up", async () => (await setUp(host, pod)).code === 0, LIMIT);
  assertEquals(await networkOf(host, pod), "red");
  await waitFor("the annotation", async () => {
    return (await kube.annotationOf("default", "account", STATUS))?.includes("t/red");
  }, LIMIT);
  await kube.removePod("default", "account");
});
