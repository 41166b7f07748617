// The API server's watches cut for as long as an hour would be: all backoffs at their longest, the
// token ended, the API server another one that has forgotten what we know, and the cluster changed all
// over. Nothing that is forbidden passes at any moment, nothing that is allowed is lost, set-ups go on;
// and soon after the way is back, all is in force as a fresh list says.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { KubeHealth } from "../../lib/agent/api/agent_health.ts";
import { type Host, startHost } from "../lab/host.ts";
import { agentToken, isGood, startKubeWithRbac } from "../lab/kube_account.ts";
import { Crowd } from "../lab/kube_crowd.ts";
import { listed } from "../lab/kube_lists.ts";
import { changeObjects, makeObjects, memberOf, policyPath, truthOf } from "../lab/kube_world.ts";
import { pingOn, type Pings } from "../lab/pings.ts";
import { PolicyWorld, worldIntent } from "../lab/policy_world.ts";
import { type Proxy, startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";
import { patient } from "../lab/limits.ts";

const NODE = "node-a";
const LIMIT = { limitMs: 60_000 };
// The longest backoff is 5 to 10 s, the one before it 3.2 to 6.4 s.
const LONG_MS = 5_000;
// One longest backoff of 10 s, lists of all, and the rules.
const BACK_MS = 30_000;

function health({ agent }: Host): Promise<KubeHealth> {
  return agent.kubeHealth();
}

/** Waits until two connections in turn, after the first `since`, came as far apart as longest backoffs. */
async function backoffIsLongest({ arrivals }: Proxy, since: number): Promise<void> {
  await waitFor("the longest backoff", () => {
    const gaps = arrivals.slice(since).map((at, n, all) => n === 0 ? 0 : at - all[n - 1]!)
      // One session asks for several things at once.
      .filter((gap) => gap > 100);
    return gaps.some((gap, n) => n > 0 && gap >= LONG_MS && gaps[n - 1]! >= LONG_MS);
  }, { limitMs: 180_000, everyMs: 100 });
}

async function goesOn(pings: Pings, why: string): Promise<void> {
  const before = pings.answered;
  await waitFor(why, () => pings.answered > before + 2, LIMIT);
}

Deno.test("watches that are cut for an hour let nothing through and cut nothing off; then all is right again", async () => {
  await using kube = await startKubeWithRbac();
  await makeObjects(kube, NODE);
  const crowd = await Crowd.start(kube, [NODE, "node-b", "node-c"]);
  using proxy = startProxy(kube.endpoint);
  const tokenFile = `${kube.dir}/agent.token`;
  await Deno.writeTextFile(tokenFile, await agentToken(kube));
  const server = `https://${proxy.endpoint}`;
  const kubeconfig = await kube.kubeconfig("agent", { tokenFile }, { server });
  const flags = ["--kubeconfig", kubeconfig, "--node-name", NODE];
  await using host = await startHost(withLate(worldIntent()), ...flags);
  const isKnown = async () => (await health(host)).state === "up";
  await waitFor("the cluster", isKnown, LIMIT);
  await using world = await PolicyWorld.start([host], () => undefined);
  assertEquals(await world.differences(await truthOf(kube, world)), [], "before");

  const ping = (from: string, to: string) => {
    return pingOn(memberOf(world, from).talker.pod, memberOf(world, to).endpoint.ip);
  };
  await using never = ping("x/c", "x/a");
  await using always = ping("x/b", "x/a");
  await using closes = ping("z/a", "y/b");
  await using opensByLabel = ping("z/b", "x/a");
  await using opensByPolicy = ping("x/c", "y/a");
  const forbidden = () => [never, opensByLabel, opensByPolicy].map(({ answered }) => answered);
  const allowed = () => [always, closes].flatMap((pings) => pings.missed());
  await goesOn(always, "pings that are allowed");
  await goesOn(closes, "pings that are allowed for now");

  proxy.mode = "closed";
  const cutAt = proxy.arrivals.length;
  // No pod can have used it before it had ended.
  const ended = await agentToken(kube, { seconds: 1 });
  await Deno.writeTextFile(tokenFile, ended);
  await changeObjects(kube);
  await crowd.hour();
  await kube.pod("x", "x-late", NODE, { labels: { pod: "late" } });
  const late = await host.pod("x-late", "x");
  await host.agent.setup(late);
  assert(await late.reaches(memberOf(world, "x/b").endpoint.ip));
  await kube.etcd.compact();
  await kube.restart();
  await backoffIsLongest(proxy, cutAt);
  await waitFor("the token's end", async () => !await isGood(kube, ended), LIMIT);
  assertEquals((await host.agent.call("kube", "status")).code, 5);
  assertEquals(forbidden(), [0, 0, 0]);
  assertEquals(allowed(), []);

  proxy.mode = "open";
  await waitFor("the token's end to be said", async () => {
    return /rejects our credentials: 401/.test((await health(host)).why);
  }, LIMIT);
  assertEquals(forbidden(), [0, 0, 0]);
  await goesOn(always, "pings that are allowed");
  await goesOn(closes, "pings that are allowed until all is known");
  assertEquals(allowed(), []);

  await Deno.writeTextFile(tokenFile, await agentToken(kube));
  const began = performance.now();
  await waitFor("the cluster again", isKnown, LIMIT);
  await waitFor("ways to open", () => opensByLabel.answered * opensByPolicy.answered > 0, LIMIT);
  const took = performance.now() - began;
  console.log(`all in force again ${(took / 1_000).toFixed(1)} s after the token was renewed`);
  assert(took < patient(BACK_MS), `it took ${took} ms`);
  assertEquals(await world.differences(await truthOf(kube, world)), [], "after");
  const nodes = (await listed(kube, "pods")).map(({ spec }) => spec.nodeName);
  const { pods, peers, namespaces, policies } = await health(host);
  assertEquals([pods, peers, namespaces, policies], [
    nodes.filter((one) => one === NODE).length,
    nodes.length,
    (await listed(kube, "namespaces")).length,
    (await listed(kube, "policies")).length,
  ]);
  assertEquals(never.answered, 0);
  assertEquals(always.missed(), []);
  assertMatch(await host.agent.logText(), /API server unreachable, cached objects stay in use/);
  // The ear was there all the time; and what is closed by now stays so.
  await kube.ask("DELETE", policyPath("x/shut"));
  await waitFor("the first answer", () => never.answered > 0, LIMIT);
  const silent = closes.answered;
  await goesOn(never, "pings without a policy");
  assertEquals(closes.answered, silent);
  assertStringIncludes(await host.agent.logText(), "API server reachable");
});

/** Adds a place for a pod that comes late. */
function withLate(intent: unknown): unknown {
  const text = JSON.stringify(intent);
  return JSON.parse(
    text.replace('"Endpoints":[', '"Endpoints":[{"Container":"x-late","Namespace":"x"},'),
  );
}
