// A view that is put together of parts: what one of them lists, drops or fails to list takes nothing from the others.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ScopedView } from "../../../../lib/agent/store/scoped_view.ts";
import { OwnCommits } from "../../../../lib/agent/store/own_commits.ts";
import { SingleReads } from "../../../../lib/agent/store/single_reads.ts";
import { indexKeys, indexOf } from "../../../../lib/intent/store_index.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { waitFor as until } from "../../../lab/wait.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const outage = new Fault("unavailable", "store unreachable");

/** Returns an endpoint of t/a at a revision. */
function endpoint(container: string, address = "10.1.0.9") {
  return { schema: 1, tenant: "t", network: "a", container, address, addressBy: "intent" };
}

/** Makes a loaded view of a store with endpoints a1 and a2 of network t/a. */
async function startView() {
  const store = new MemoryStore();
  store.database.put({
    [indexKeys.complete]: { schema: 1, version: 1 },
    ...{ "endpoints/t/a/a1": endpoint("a1"), "endpoints/t/a/a2": endpoint("a2") },
  });
  const needs = { held: new Set<string>(), hasKubePolicies: false, nowMs: 0 };
  const reads = new SingleReads();
  const onChange = (key: string) => reads.noteChange(key);
  const view = new ScopedView({
    ...{ store, call: (work) => work(), reads, commits: new OwnCommits(), onChange },
    onLate: () => {},
  }, {
    ...{ host: "host1", held: () => needs.held, noteApply: () => false },
    ...{ hasKubePolicies: () => needs.hasKubePolicies, now: () => needs.nowMs },
  });
  await view.load();
  return { store, view, needs };
}

const endpointsIn = ({ documents }: ScopedView) =>
  [...documents.keys()].filter((key) => key.startsWith("endpoints/")).sort();

/** Lets the next list of a prefix end with what `end` does, after its pages. */
function endNext(store: MemoryStore, prefix: string, end: () => Promise<void> | void) {
  const { list } = store;
  let isDue = true;
  store.list = async function (asked, onPage) {
    const listed = await list.call(this, asked, onPage);
    if (asked !== prefix || !isDue) return listed;
    isDue = false;
    await end();
    return listed;
  };
}

function fail(): void {
  throw outage;
}

Deno.test("a list of a tenant that fails after its first page takes no endpoint of a network that is followed", async () => {
  const { store, view, needs } = await startView();
  needs.held.add("t/a");
  await view.adjust();
  needs.hasKubePolicies = true;
  endNext(store, "endpoints/t/", fail);
  await assertRejects(() => view.adjust(), Fault);
  assertEquals(view.knows("t/a"), true);
  assertEquals(endpointsIn(view), ["endpoints/t/a/a1", "endpoints/t/a/a2"]);
});

Deno.test("what was read by its key stays once its network is followed", async () => {
  const { view, needs } = await startView();
  await view.learn("endpoints/t/a/a1");
  needs.held.add("t/a");
  await view.adjust();
  assertEquals(endpointsIn(view), ["endpoints/t/a/a1", "endpoints/t/a/a2"]);
});

Deno.test("an own write of what was read by its key stays while its network is being read", async () => {
  const { store, view, needs } = await startView();
  await view.learn("endpoints/t/a/a1");
  needs.held.add("t/a");
  const listed = Promise.withResolvers<void>();
  endNext(store, "members/t/a/", () => listed.promise);
  const adjusting = view.adjust();
  await until("the endpoints are read", () => endpointsIn(view).length === 2);
  const key = "endpoints/t/a/a1";
  view.merge({ key, value: endpoint("a1", "10.1.0.7"), revision: 99 });
  listed.resolve();
  await adjusting;
  assertEquals(view.documents.get(key)?.revision, 99);
});

Deno.test("a list that fails after its network was dropped and read anew takes nothing from it", async () => {
  const { store, view, needs } = await startView();
  const late = Promise.withResolvers<void>();
  needs.held.add("t/a");
  endNext(store, "endpoints/t/a/", () => late.promise);
  endNext(store, "members/t/a/", fail);
  await assertRejects(() => view.adjust(), Fault);
  needs.held.clear();
  needs.held.add("t/b");
  needs.nowMs += 60_000;
  await view.adjust();
  needs.held.add("t/a");
  await view.adjust();
  assert(view.knows("t/a"));
  late.reject(outage);
  await new Promise((done) => setTimeout(done));
  assert(view.knows("t/a"));
  assertEquals(endpointsIn(view), ["endpoints/t/a/a1", "endpoints/t/a/a2"]);
});

Deno.test("of many words, only those are looked up whose endpoints are not known yet", async () => {
  const { store, view, needs } = await startView();
  const words = ["a1", "a2", "b1", "web", "none", "a3"];
  const indexed = (key: string, value: object) => ({
    [key]: value,
    ...Object.fromEntries(indexOf(key, value)),
  });
  store.database.put({
    ...indexed("endpoints/t/a/a1", endpoint("a1")),
    ...indexed("endpoints/t/a/a2", endpoint("a2")),
    ...indexed("endpoints/t/b/b1", { ...endpoint("b1"), network: "b" }),
    ...indexed("endpoints/u/c/a2", { ...endpoint("a2"), tenant: "u", network: "c" }),
    // A set-up has made it: no index has it.
    ...indexed("endpoints/t/a/web", { ...endpoint("web"), dynamic: { pod: "web", rule: "only" } }),
  });
  needs.held.add("t/a");
  await view.adjust();
  const looked: string[] = [];
  const { list } = store;
  store.list = function (prefix, onPage) {
    looked.push(prefix);
    return list.call(this, prefix, onPage);
  };
  assertEquals(await view.networksNamed(words), [["t/a"], ["t/a", "u/c"], ["t/b"], [], [], []]);
  assertEquals(looked, ["a2", "b1"].map(indexKeys.named));
});
