// Set-ups of an agent that knows a part of its store while the store does not answer: it never guesses.

import { assertEquals, assertRejects } from "@std/assert";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import type { Known } from "../../../../lib/agent/store/store_view.ts";
import { indexKeys } from "../../../../lib/intent/store_index.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import type { MemoryStore } from "../../../memory/memory_store.ts";
import { CniRuntime } from "../cni/cni_runtime.ts";
import { addressesOf, sharedStore, wholeOf } from "./shared_store.ts";

const outage = new Fault("unavailable", "store unreachable");

/** Lets each list of `prefix` fail until `prefix` is taken out of the result; counts the calls. */
function failLists(client: MemoryStore, ...prefixes: string[]) {
  const { list } = client;
  const [failing, count] = [new Set(prefixes), { calls: 0 }];
  client.list = async function (prefix, onPage) {
    if (!failing.has(prefix)) return await list.call(this, prefix, onPage);
    count.calls++;
    throw outage;
  };
  return { failing, count };
}

for (const isIntentKnown of [false, true]) {
  Deno.test(`a pod waits while the store does not say which endpoints name it, ${isIntentKnown ? "though" : "or whether"} the intent is known`, async () => {
    const client = (await sharedStore()).another();
    using agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
    // The Default network is known from now on.
    await agent.setUp(startPod(agent.host, "web"));
    const pod = startPod(agent.host, "b1");
    const { failing } = failLists(client, indexKeys.named("b1"));
    if (!isIntentKnown) client.failNext("get", "unreachable");
    const fault = await assertRejects(() => agent.setUp(pod), Fault);
    assertEquals([fault.code, agent.attachments().length], ["unavailable", 1]);
    failing.clear();
    assertEquals(addressesOf(await agent.setUp(pod)), ["10.2.0.1"]);
  });
}

Deno.test("an ADD waits while the store does not say which endpoints name the pod", async () => {
  const client = (await sharedStore()).another();
  using agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  const runtime = new CniRuntime(agent);
  assertEquals((await runtime.call("ADD", { pod: "default/web" })).exit, 0);
  const { failing } = failLists(client, indexKeys.named("b1"));
  const add = () => runtime.call("ADD", { container: "c2", pod: "default/b1", isRetry: true });
  const { json } = await add();
  assertEquals([json.code, agent.attachments().length], [11, 1]);
  failing.clear();
  assertEquals([(await add()).exit, agent.attachments().at(-1)?.network], [0, "b"]);
});

Deno.test("a pod whose sandbox is replaced while the store is unreachable keeps its dynamic endpoint", async () => {
  const client = (await sharedStore()).another();
  using agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  const runtime = new CniRuntime(agent);
  assertEquals((await runtime.call("ADD", { pod: "default/cni" })).exit, 0);
  const former = startPod(agent.host, "web");
  const addresses = addressesOf(await agent.setUp(former));
  client.isUnreachable = true;
  assertEquals(addressesOf(await agent.setUp(startPod(agent.host, "web"))), addresses);
  const again = await runtime.call("ADD", { container: "c2", pod: "default/cni", isRetry: true });
  assertEquals(again.exit, 0, JSON.stringify(again.json));
  const second = { container: "c2", pod: "default/cni", ifname: "net1", isRetry: true };
  assertEquals((await runtime.call("ADD", second)).json.code, 11);
  const fault = await assertRejects(() => agent.setUp(startPod(agent.host, "other")), Fault);
  assertEquals(fault.code, "unavailable");
});

Deno.test("a pod waits for its network while the store does not answer, and is not refused", async () => {
  const client = (await sharedStore()).another();
  using agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  const pod = startPod(agent.host, "web");
  const { failing, count } = failLists(client, "endpoints/t/c/");
  assertEquals(await assertRejects(() => agent.setUp(pod), Fault), outage);
  assertEquals(count.calls, 1);
  failing.clear();
  assertEquals(addressesOf(await agent.setUp(pod)), ["10.3.0.4"]);
});

Deno.test("while the store is unreachable, nothing known by one of its words is asked for", async () => {
  const client = (await sharedStore()).another();
  const { cache } = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  using _ = await cache.need({ networks: [{ tenant: "t", name: "a" }] });
  const { count } = failLists(client, ...["a1", "other"].map(indexKeys.named));
  const ask = async () => {
    using held = await cache.need({ words: ["a1", "other"] });
    return held.fault?.code;
  };
  assertEquals([await ask(), count.calls], ["unavailable", 2]);
  assertEquals([await ask(), count.calls], [undefined, 2]);
});

Deno.test("an agent that starts while the store is unreachable takes no pod for unnamed if it has known a part", async () => {
  const store = await sharedStore();
  const client = store.another();
  using part = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  client.isUnreachable = true;
  const open = (known: Known) =>
    StoreCache.open(client, () => known, { isShared: true, scope: "host1" });
  const later = await open(part.cache.known);
  const fault = await assertRejects(() => later.lookUp(["b1"]), Fault);
  assertEquals(fault.code, "unavailable");
  await (await open((await wholeOf(store)).known)).lookUp(["b1"]);
});
