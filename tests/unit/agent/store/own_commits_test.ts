// An agent is not notified of what it writes itself, also where a watch reports it before the commit's answer comes.

import { assertEquals } from "@std/assert";
import { OwnCommits } from "../../../../lib/agent/store/own_commits.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import type { MemoryStore } from "../../../memory/memory_store.ts";
import { waitFor as until } from "../../../lab/wait.ts";
import { NETWORKS, sharedStore } from "./shared_store.ts";

const KEY = "endpoints/t/a/a1";
const written = (key: string) => ({ key, value: {}, revision: 7 });

Deno.test("changes of pods wait for the commits that may have made them, others do not wait", async () => {
  const commits = new OwnCommits();
  const answer = Promise.withResolvers<string>();
  const commit = commits.run([KEY, "tenants/t"], () => answer.promise);
  // Whoever follows the intent hears of all of it.
  const others = [[written("endpoints/t/a/a2")], [written("tenants/t")], []];
  assertEquals(others.map((some) => commits.ended(some)), [undefined, undefined, undefined]);
  let isOver = false;
  const ended = commits.ended([written("endpoints/t/a/a2"), written(KEY)])!;
  void ended.then(() => isOver = true);
  await Promise.resolve();
  assertEquals(isOver, false);
  answer.resolve("done");
  assertEquals([await commit, await ended], ["done", undefined]);
  assertEquals(commits.ended([written(KEY)]), undefined);
});

Deno.test("changes wait also for a commit that fails, and for an answer that is lost a second at most", async () => {
  const commits = new OwnCommits();
  const commit = commits.run([KEY], () => Promise.reject(new Error("no answer"))).catch(() => {});
  const ended = commits.ended([written(KEY)]);
  await Promise.all([commit, ended]);
  void commits.run([KEY], () => new Promise(() => {}));
  await commits.ended([written(KEY)]);
});

/** Lets the answer to each commit come after what watches report of it. */
function answerLate(store: MemoryStore): MemoryStore {
  const { commit } = store;
  store.commit = async function (...args) {
    const result = await commit.apply(this, args);
    await new Promise((done) => setTimeout(done, 20));
    return result;
  };
  return store;
}

Deno.test("a set-up and a teardown notify other hosts of the network, and not their own", async () => {
  const store = await sharedStore();
  const stop = new AbortController();
  const follow = async (label: string) => {
    const client = answerLate(store.another());
    const agent = await startMemoryAgent({ store: client, label, isScoped: true });
    const news = { count: 0 };
    const ended = agent.cache.follow(stop.signal, () => news.count++);
    return { agent, news, ended };
  };
  const [one, two] = [await follow("host1"), await follow("host2")];
  await two.agent.setUp(startPod(two.agent.host, "a2"));
  // A network that is read for the first time is news.
  const pods = ["a1", "a3"].map((name) => startPod(one.agent.host, name));
  await one.agent.setUp(pods[0]!);
  await until("both to be quiet", async () => {
    const before = [one.news.count, two.news.count];
    await new Promise((done) => setTimeout(done, 50));
    return `${before}` === `${[one.news.count, two.news.count]}`;
  });
  const before = [one.news.count, two.news.count];
  await one.agent.setUp(pods[1]!);
  await one.agent.agent.answerVerb("teardown", pods[1]!);
  await until("the other host to hear of it", () => two.news.count > before[1]!);
  await new Promise((done) => setTimeout(done, 100));
  assertEquals(one.news.count, before[0]);
  await two.agent.apply([{ ...NETWORKS[0], Endpoints: [{ Container: "a9" }] }]);
  await until("an intent to be news", () => one.news.count > before[0]!);
  stop.abort();
  await Promise.all([one.ended, two.ended]);
  one.agent[Symbol.dispose]();
  two.agent[Symbol.dispose]();
});

Deno.test("a reconciliation beside a set-up releases nothing of it, though parts of its commits are reported first", async () => {
  const store = await sharedStore();
  const client = answerLate(store.another());
  const { watch } = client;
  client.watch = async function* (prefix, revision, signal) {
    for await (const batch of watch.call(this, prefix, revision, signal)) {
      if (prefix.startsWith("endpoints/")) await new Promise((done) => setTimeout(done, 15));
      yield batch;
    }
  };
  using agent = await startMemoryAgent({ store: client, label: "host1", isScoped: true });
  const stop = new AbortController();
  const ended = agent.cache.follow(stop.signal, () => {});
  await agent.setUp(startPod(agent.host, "a1"));
  for (const name of ["a2", "a3"]) {
    let isSetUp = false;
    const setUp = agent.setUp(startPod(agent.host, name)).finally(() => isSetUp = true);
    while (!isSetUp) {
      await agent.agent.loops.reconcile.reconcileOnce();
      await new Promise((done) => setTimeout(done, 1));
    }
    await setUp;
  }
  assertEquals(agent.attachments().length, 3);
  stop.abort();
  await ended;
});
