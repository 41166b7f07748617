// A watch that is cut for as long as it takes for everything to be another by then, and for the API
// server to forget what we know: nothing is reported meanwhile, and afterwards what is known is what a
// fresh list says. No clock runs quicker; the hour is in what happens.

import { assert, assertEquals } from "@std/assert";
import type { ClusterCache } from "../../lib/kube/cluster_cache.ts";
import type { KubeChange } from "../../lib/kube/informers.ts";
import { type Kube, startKube } from "../lab/kube.ts";
import { follow } from "../lab/kube_cluster.ts";
import { Crowd } from "../lab/kube_crowd.ts";
import { type Listed, listed, LISTS } from "../lab/kube_lists.ts";
import { type ProxyMode, startProxy } from "../lab/proxy.ts";
import { waitFor } from "../lab/wait.ts";

const LIMIT = { limitMs: 60_000 };
const NODE = "node-1";

/** What a fresh list says, in the words of `known`. */
async function fresh(kube: Kube): Promise<Record<string, string[]>> {
  const [pods, namespaces, policies] = [
    await listed(kube, "pods"),
    await listed(kube, "namespaces"),
    await listed(kube, "policies"),
  ];
  const here = pods.filter(({ spec }) => spec.nodeName === NODE);
  const wordsOf = (one: Listed, ...more: unknown[]) => {
    const { uid, namespace = "", name, labels = {} } = one.metadata;
    return words({ uid, namespace, name }, labels, ...more);
  };
  return {
    pods: here.map((one) => wordsOf(one)).sort(),
    peers: pods.map((one) => wordsOf(one, one.spec.nodeName)).sort(),
    namespaces: namespaces.map((one) => wordsOf(one, one.metadata.deletionTimestamp !== undefined))
      .sort(),
    policies: policies.map(({ metadata: { uid, namespace, name }, spec }) =>
      words({ uid, namespace, name }, spec)
    ).sort(),
  };
}

/** What the cluster knows, a line an object. */
function known({ pods, peers, namespaces, policies }: ClusterCache): Record<string, string[]> {
  return {
    pods: [...pods.objects].map((one) => words(one, one.labels)).sort(),
    peers: [...peers.objects].map((one) => words(one, one.labels, one.node)).sort(),
    namespaces: [...namespaces.objects].map((one) => words(one, one.labels, one.isEnding)).sort(),
    policies: [...policies.objects].map((one) => words(one, one.spec)).sort(),
  };
}

interface Identity {
  readonly uid: string;
  readonly namespace?: string | undefined;
  readonly name: string;
}

function words({ uid, namespace, name }: Identity, ...more: unknown[]): string {
  return JSON.stringify([namespace, name, uid, ...more]);
}

/** Returns what is known from the changes alone, by kind and UID. */
function retold(changes: readonly KubeChange[]): Map<string, unknown> {
  const objects = new Map<string, unknown>();
  for (const { kind, before, after } of changes) {
    const key = `${kind} ${(after ?? before)?.uid}`;
    assertEquals(objects.get(key), before, "a change of what was not so");
    if (after) objects.set(key, after);
    else objects.delete(key);
  }
  return objects;
}

/** Reports whether a watch from `version` on is refused as too old. */
async function isForgotten(kube: Kube, path: string, version: string): Promise<boolean> {
  const query = `watch=1&resourceVersion=${version}&timeoutSeconds=1`;
  return (await kube.kubectl("get", "--raw", `${path}?${query}`)).includes('"code":410');
}

interface Way {
  readonly cut: ProxyMode;
  readonly forgets: string;
  readonly flags: readonly string[];
  /** Makes the API server forget what it had. */
  readonly forget: (kube: Kube) => Promise<void>;
}

const WAYS: readonly Way[] = [
  {
    cut: "closed",
    forgets: "has its history compacted",
    // Else it knows the last of each kind by itself, however old.
    flags: ["--watch-cache=false"],
    forget: (kube) => kube.etcd.compact(),
  },
  {
    cut: "silent",
    forgets: "is another one by then",
    flags: [],
    forget: async (kube) => {
      await kube.etcd.compact();
      await kube.restart();
    },
  },
];

for (const { cut, forgets, flags, forget } of WAYS) {
  Deno.test(`a way that is ${cut} for an hour, and an API server that ${forgets}: what is known stays, then is what a fresh list says`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "k8contivnet-kube-" });
    await using kube = await startKube(dir, { flags });
    const crowd = await Crowd.start(kube, [NODE, "node-2", "node-3"]);
    using proxy = startProxy(kube.endpoint);
    const kubeconfig = await kube.kubeconfig("by-proxy", { token: kube.adminToken }, {
      server: `https://${proxy.endpoint}`,
    });
    await using followed = follow(kube, { node: NODE, kubeconfig });
    const { cluster } = followed;
    await cluster.up(60_000);
    const before = await fresh(kube);
    await waitFor("all to be reported", () => isSame(known(cluster), before), LIMIT);
    const reported = followed.changes.length;

    proxy.mode = cut;
    await waitFor("the cut to be noticed", () => !cluster.state.isUp, LIMIT);
    const { peers: pods, namespaces, policies } = cluster;
    await crowd.hour();
    await forget(kube);
    for (const [kind, { version = "" }] of Object.entries({ pods, namespaces, policies })) {
      assert(await isForgotten(kube, Reflect.get(LISTS, kind), version), `${kind} ${version}`);
    }
    assertEquals(known(cluster), before);
    assertEquals([followed.changes.length, cluster.state.isUp], [reported, false]);

    proxy.mode = "open";
    const after = await fresh(kube);
    for (const kind of Object.keys(after)) assert(!isSame(after[kind], before[kind]), kind);
    await cluster.up(90_000);
    await waitFor("what is known to be right", () => isSame(known(cluster), after), LIMIT)
      .catch(() => assertEquals(known(cluster), after));
    assertEquals(retold(followed.changes).size, Object.values(after).flat().length);
    // Not only once: it is followed again.
    await kube.pod("default", "later", NODE);
    const later = await fresh(kube);
    await waitFor("a later pod", () => isSame(known(cluster), later), LIMIT);
  });
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
