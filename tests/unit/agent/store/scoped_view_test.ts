// What an agent knows of a shared store that says that its indexes are complete: what its host needs, and no more.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { completeIndexes } from "../../../../lib/agent/store/index_keeper.ts";
import { auditClaims } from "../../../../lib/intent/audit.ts";
import { indexKeys } from "../../../../lib/intent/store_index.ts";
import type { Document } from "../../../../lib/intent/records.ts";
import { presencesOf } from "../../../../lib/agent/store/documents.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { waitFor as until } from "../../../lab/wait.ts";
import { addressesOf, NETWORKS, sharedStore, wholeOf } from "./shared_store.ts";

/** An agent that follows its store until it is disposed of. */
async function startFollowing(store: MemoryStore, label: string) {
  const agent = await startMemoryAgent({ store: store.another(), label, isScoped: true });
  const stop = new AbortController();
  const count = { news: 0 };
  const ended = agent.cache.follow(stop.signal, () => count.news++);
  return {
    ...{ agent, count },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await ended;
      agent[Symbol.dispose]();
    },
  };
}

const keysIn = ({ cache }: MemoryAgent, folder: string) =>
  [...cache.documents.keys()].filter((key) => key.startsWith(`${folder}/`)).sort();

/** Returns what is wrong in the store: records, claims, indexes. */
async function differences(store: MemoryStore) {
  return auditClaims((await StoreCache.load(store.another())).documents);
}

Deno.test("an agent knows the intent, and of no network its endpoints before a pod is there", async () => {
  await using host = await startFollowing(await sharedStore(), "host1");
  const { agent } = host;
  assertEquals(agent.cache.isWhole, false);
  assertEquals(keysIn(agent, "networks"), ["networks/t/a", "networks/t/b", "networks/t/c"]);
  assertEquals([keysIn(agent, "endpoints"), keysIn(agent, "claims/ip")], [[], []]);
  assertEquals(agent.cache.knows({ tenant: "t", network: "a" }), false);
});

Deno.test("a pod is set up in its network, which is known from then on, and another in the Default network", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { agent } = host;
  const named = await agent.setUp(startPod(agent.host, "a2"));
  assertEquals(addressesOf(named), ["10.1.0.2"]);
  assertEquals(keysIn(agent, "endpoints"), [1, 2, 3].map((n) => `endpoints/t/a/a${n}`));
  const dynamic = await agent.setUp(startPod(agent.host, "web"));
  assertEquals(addressesOf(dynamic), ["10.3.0.4"]);
  assertEquals(await differences(store), []);
});

Deno.test("hosts of one network know each other's attachments, with the revisions of their records", async () => {
  const store = await sharedStore();
  await using one = await startFollowing(store, "host1");
  await using two = await startFollowing(store, "host2");
  await one.agent.setUp(startPod(one.agent.host, "a1"));
  const pod = startPod(two.agent.host, "a2");
  await two.agent.setUp(pod);
  const key = `attachments/host2/${pod.sandbox}/eth0`;
  await until("the attachment is known", () => {
    const known = one.agent.cache.documents.get(key);
    const stored = store.database.documents.get(key);
    return known?.revision === stored?.revision;
  });
  assertEquals(one.agent.cache.documents.get(key)?.value, store.database.get(key));
  await two.agent.agent.answerVerb("teardown", pod);
  await until("it is gone", () => !one.agent.cache.documents.has(key));
  assertEquals(await differences(store), []);
});

Deno.test("no address is given twice by agents that know only what they need", async () => {
  const store = await sharedStore();
  await using one = await startFollowing(store, "host1");
  await using two = await startFollowing(store, "host2");
  const pods = Array.from({ length: 12 }, (_, n) => n);
  const answers = await Promise.all(
    pods.flatMap((n) =>
      [one, two].map(({ agent }) =>
        agent.setUp(startPod(agent.host, `${agent.host === one.agent.host ? "p" : "q"}${n}`))
      )
    ),
  );
  assertEquals(new Set(answers.flatMap(addressesOf)).size, 24);
  assertEquals(await differences(store), []);
});

Deno.test("an endpoint that is applied elsewhere for a pod that waits is attached", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { agent } = host;
  using other = await startMemoryAgent({ store: store.another(), label: "host2", isShared: true });
  const pod = startPod(agent.host, "late", "prod");
  await agent.setUp(pod);
  assertEquals(agent.attachments(), []);
  await agent.agent.loops.reconcile.reconcileOnce();
  const before = host.count.news;
  await other.apply([{
    ...NETWORKS[1],
    Endpoints: [{ Container: "late", Namespace: "prod" }],
  }], { Namespaces: ["default", "prod"] });
  await until("the apply is news", () => host.count.news > before);
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(agent.attachments().map(({ network }) => network), ["b"]);
});

Deno.test("an apply elsewhere that names none of the pods here wakes nobody", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { agent } = host;
  using other = await startMemoryAgent({ store: store.another(), label: "host2", isShared: true });
  await agent.setUp(startPod(agent.host, "a1"));
  await agent.agent.loops.reconcile.reconcileOnce();
  const settled = () => new Promise((done) => setTimeout(done, 50));
  await other.apply([{ ...NETWORKS[1], Endpoints: [{ Container: "b8" }] }]);
  await settled();
  // The first apply has added a host; from then on nobody is woken.
  const before = host.count.news;
  await other.apply([{ ...NETWORKS[1], Endpoints: [{ Container: "b9" }] }]);
  await settled();
  assertEquals(host.count.news, before);
});

Deno.test("of other hosts' presences, what changes is known, and a heartbeat wakes nobody", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { cache } = host.agent;
  const other = await wholeOf(store);
  const beat = (n: number, mtu: number) => {
    const presence = { schema: 1, host: "host9", instance: "i", version: "1", beat: n, mtu };
    return other.tryCommit([], [{ key: "agents/host9", value: presence }]);
  };
  const mtu = () => presencesOf(cache.documents).find((one) => one.host === "host9")?.mtu;
  await beat(1, 1_500);
  await until("the presence is known", () => mtu() === 1_500);
  const before = host.count.news;
  await beat(2, 1_500);
  await new Promise((done) => setTimeout(done, 50));
  assertEquals(host.count.news, before);
  await beat(3, 9_000);
  await until("its MTU is known", () => mtu() === 9_000);
});

Deno.test("of networks whose pods policies name as the other side, the endpoints are known", async () => {
  const store = await sharedStore({
    Policies: [{
      Name: "p",
      Rules: [{ Id: "1", Direction: "in", FromGroup: "h", Action: "deny" }],
    }],
    Groups: [{ Name: "g", Network: "a", Policies: ["p"] }, { Name: "h", Network: "b" }],
  });
  await using host = await startFollowing(store, "host1");
  await host.agent.setUp(startPod(host.agent.host, "a1"));
  const networks = keysIn(host.agent, "endpoints").map((key) => key.split("/")[2]);
  assertEquals([...new Set(networks)], ["a", "b"]);
  assertEquals(keysIn(host.agent, "claims/ip").length, 3);
  await using other = await startFollowing(store, "host2");
  await other.agent.setUp(startPod(other.agent.host, "b1"));
  assertEquals(keysIn(other.agent, "endpoints").length, 3);
});

Deno.test("with a policy of Kubernetes, which may select any pod, the endpoints of all networks of a tenant are known", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { agent } = host;
  await agent.setUp(startPod(agent.host, "a1"));
  const policy = { namespace: "default", name: "p", podSelector: {} };
  agent.agent.policies.setKube({ namespaces: [], pods: [], policies: [policy] });
  await agent.agent.policies.ensure();
  assertEquals(keysIn(agent, "endpoints").length, 9);
});

Deno.test("what changes between list and watch is not missed, and what is compacted is read again", async () => {
  const store = await sharedStore();
  const client = store.another();
  const { list } = client;
  client.list = async function (prefix, onPage) {
    const listed = await list.call(this, prefix, onPage);
    if (prefix === "endpoints/t/a/") {
      this.database.put({ "endpoints/t/a/a1": undefined, "endpoints/t/a/new": endpoint("new") });
      this.database.compact();
    }
    return listed;
  };
  const agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  const stop = new AbortController();
  const ended = agent.cache.follow(stop.signal, () => {});
  using _ = await agent.cache.need({ networks: [{ tenant: "t", name: "a" }] });
  await until("the changes are known", () =>
    keysIn(agent, "endpoints").join() ===
      ["a2", "a3", "new"].map((name) => `endpoints/t/a/${name}`).join());
  stop.abort();
  await ended;
  agent[Symbol.dispose]();
});

Deno.test("an endpoint that a pod needs is known before the watch of its network reports it", async () => {
  const store = await sharedStore();
  // It does not follow its store: that is a watch that is late.
  using agent = await startMemoryAgent({ store: store.another(), label: "host1", isScoped: true });
  using _ = await agent.cache.need({ networks: [{ tenant: "t", name: "a" }] });
  using other = await startMemoryAgent({ store: store.another(), label: "host2", isShared: true });
  await other.apply([{ ...NETWORKS[0]!, Endpoints: [{ Container: "new" }] }]);
  assertEquals(keysIn(agent, "endpoints").includes("endpoints/t/a/new"), false);
  assertEquals(addressesOf(await agent.setUp(startPod(agent.host, "new"))), ["10.1.0.4"]);
});

function endpoint(container: string) {
  return {
    ...{ schema: 1, tenant: "t", network: "a", container },
    ...{ address: "10.1.0.9", addressBy: "intent" },
  };
}

Deno.test("a network that comes and goes beside writers is always known as it is", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { cache } = host.agent;
  const stop = new AbortController();
  const writing = (async () => {
    for (let n = 0; !stop.signal.aborted; n++) {
      const key = `endpoints/t/a/w${n % 7}`;
      await store.commit([], [{ key, value: n % 3 ? endpoint(`w${n % 7}`) : undefined }]);
    }
  })();
  for (let n = 0; n < 100; n++) {
    const held = await cache.need({ networks: [{ tenant: "t", name: "a" }] });
    assert(cache.knows({ tenant: "t", network: "a" }));
    held[Symbol.dispose]();
  }
  stop.abort();
  await writing;
  using _ = await cache.need({ networks: [{ tenant: "t", name: "a" }] });
  const stored = () => store.database.keysBelow("endpoints/t/a/");
  await until("all is known", () => keysIn(host.agent, "endpoints").join() === stored().join());
});

Deno.test("an agent knows all while the indexes are incomplete, and what it needs once they are complete", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { agent } = host;
  await agent.setUp(startPod(agent.host, "a1"));
  await store.commit([], [{ key: indexKeys.complete, value: undefined }]);
  await until("all is known", () => agent.cache.isWhole);
  assertEquals(keysIn(agent, "endpoints").length, 9);
  await agent.setUp(startPod(agent.host, "b1"));
  assertEquals(await completeIndexes(await wholeOf(store)), 0);
  await until("only what is needed is known", () => !agent.cache.isWhole);
  assertEquals(keysIn(agent, "endpoints").length, 6);
  assertEquals(agent.attachments().length, 2);
});

Deno.test("what is being planned on the whole store keeps it whole", async () => {
  const store = await sharedStore();
  await store.commit([], [{ key: indexKeys.complete, value: undefined }]);
  await using host = await startFollowing(store, "host1");
  const { cache } = host.agent;
  const planned = Promise.withResolvers<void>();
  const work = cache.withWhole((whole) => planned.promise.then(() => whole.documents.size));
  await completeIndexes(await wholeOf(store));
  await new Promise((done) => setTimeout(done, 50));
  assertEquals(cache.isWhole, true);
  planned.resolve();
  assertEquals(await work > 20, true);
  await until("only what is needed is known", () => !cache.isWhole);
});

Deno.test("plans and lists are made from the whole store, and what they write is known at once", async () => {
  const store = await sharedStore();
  await using host = await startFollowing(store, "host1");
  const { agent } = host;
  await agent.setUp(startPod(agent.host, "a1"));
  const listed = await agent.agent.server.listItems("endpoints");
  assertEquals(listed.length, 9);
  await agent.apply([{ ...NETWORKS[0], Endpoints: [{ Container: "a4" }] }]);
  assertEquals(keysIn(agent, "endpoints").includes("endpoints/t/a/a4"), true);
  assertEquals(await agent.agent.server.listItems("differences"), []);
});

Deno.test("while the store is unreachable, what is known is served, and kept when it is there again", async () => {
  const store = await sharedStore();
  const client = store.another();
  const agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  await agent.setUp(startPod(agent.host, "a1"));
  const { known } = agent.cache;
  const saved = { ...known, documents: new Map<string, Document>(known.documents) };
  client.isUnreachable = true;
  const pod = startPod(agent.host, "a1");
  await agent.setUp(pod);
  assertEquals(agent.cache.pendingCount, 1);
  client.isUnreachable = false;
  assertEquals(await agent.cache.replayPending(), []);
  assertEquals(await differences(store), []);
  // An agent that starts meanwhile has the records of before.
  client.isUnreachable = true;
  const options = { isShared: true, scope: "host1" };
  const later = await StoreCache.open(client, () => saved, options);
  assertEquals([later.documents.size, later.unreachable?.code], [
    saved.documents.size,
    "unavailable",
  ]);
  assertEquals([
    later.isWhole,
    ...["a", "b"].map((network) => later.knows({ tenant: "t", network })),
  ], [
    ...[false, true, false],
  ]);
  // What this host needed is not taken for the whole store.
  await assertRejects(() => later.withWhole(() => Promise.resolve()), Fault, "unreachable");
  client.isUnreachable = false;
  const stop = new AbortController();
  const ended = later.follow(stop.signal, () => {});
  await until("the store is read", () => later.unreachable === undefined);
  assertEquals([later.isWhole, later.knows({ tenant: "t", network: "a" })], [false, true]);
  stop.abort();
  await ended;
  agent[Symbol.dispose]();
});

Deno.test("a store that loses its content is not taken for an intent without networks: what is known stays until all is gone", async () => {
  const store = await sharedStore();
  const client = store.another();
  const { watch } = client;
  const late = Promise.withResolvers<void>();
  // The watch of the host's own attachments is late.
  client.watch = async function* (prefix, revision, signal) {
    for await (const batch of watch.call(this, prefix, revision, signal)) {
      if (prefix.startsWith("attachments/")) await late.promise;
      yield batch;
    }
  };
  const agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  const pod = startPod(agent.host, "a1");
  await agent.setUp(pod);
  const stop = new AbortController();
  const seen = new Set<string>();
  const ended = agent.cache.follow(stop.signal, () => {
    seen.add(`${agent.cache.documents.has("endpoints/t/a/a1")} ${agent.attachments().length}`);
  });
  const all = store.database.keysBelow("");
  store.database.put(Object.fromEntries(all.map((key) => [key, undefined])));
  await until("all is gone", () => agent.cache.isWhole);
  late.resolve();
  assertEquals(["false 1", "true 0"].filter((mixture) => seen.has(mixture)), []);
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(agent.host.switch.rows.size, 1);
  stop.abort();
  await ended;
  agent[Symbol.dispose]();
});
