// The API server is away for an hour: what was known of policies stays, to the object, and nothing is
// handed over in its place.

import { assert, assertEquals } from "@std/assert";
import { PolicyFeed } from "../../lib/agent/kube/policy_feed.ts";
import type { KubeInput } from "../../lib/agent/policy/keeper.ts";
import { createLog } from "../../lib/util/log.ts";
import { hurry } from "../lab/hurry.ts";
import { startKube } from "../lab/kube.ts";
import { follow } from "../lab/kube_cluster.ts";
import { waitFor } from "../lab/wait.ts";

const LIMIT = { limitMs: 30_000 };
const PATH = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";

Deno.test("watches that are cut for an hour change no policy, and what has changed meanwhile comes after", async () => {
  await using kube = await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" }));
  const policy = (name: string) => ({ metadata: { name }, spec: { podSelector: {} } });
  await kube.ask("POST", PATH, policy("shut"));
  await kube.pod("default", "a", "elsewhere", { labels: { app: "x" } });
  await using followed = follow(kube, { node: "node" });
  const { cluster } = followed;
  const taken: KubeInput[] = [];
  const stateDir = await Deno.makeTempDir({ prefix: "k8contivnet-hour-" });
  using feed = new PolicyFeed({
    ...{ cluster, stateDir, log: createLog({ write: () => {} }) },
    take: (kube) => taken.push(kube),
  });
  await cluster.up(30_000);
  feed.note();
  const namesOf = (input: KubeInput | undefined) =>
    typeof input === "object" ? input.policies.map(({ name }) => name).sort() : input;
  await waitFor("the policy", () => namesOf(taken.at(-1))?.includes("shut"), LIMIT);
  const known = { taken: taken.length, pods: [...cluster.peers.objects].length };
  assertEquals(known.pods, 1);

  await kube.kill();
  await waitFor("it to be noticed", () => !cluster.state.isUp, LIMIT);
  const before = performance.now();
  const noting = setInterval(() => feed.note(), 10);
  try {
    await hurry(1);
  } finally {
    clearInterval(noting);
  }
  assert(performance.now() > before);
  assertEquals(cluster.state.isUp, false);
  assertEquals([...cluster.policies.objects].map(({ name }) => name), ["shut"]);
  assertEquals({ taken: taken.length, pods: [...cluster.peers.objects].length }, known);

  await kube.start();
  await kube.ask("POST", PATH, policy("more"));
  await cluster.up(60_000);
  feed.note();
  await waitFor("what is new", () => namesOf(taken.at(-1))?.includes("more"), LIMIT);
  assertEquals(namesOf(taken.at(-1)), ["more", "shut"]);
  await Deno.remove(stateDir, { recursive: true });
});
