// What this agent writes itself is no news to it, also where a watch reports it before the commit's answer comes.

import { assertEquals } from "@std/assert";
import { OwnCommits } from "../../../../lib/agent/store/own_commits.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import type { MemoryStore } from "../../../memory/memory_store.ts";
import { waitFor as until } from "../../../lab/wait.ts";
import { NETWORKS, sharedStore } from "./shared_store.ts";

const KEY = "endpoints/t/a/a1";
const written = (revision: number, key = KEY) => ({ key, value: {}, revision });

Deno.test("a change is own when a commit that writes its key and is on its way ends with its revision", async () => {
  const commits = new OwnCommits();
  const answer = Promise.withResolvers<{ done: true; revision: number }>();
  const commit = commits.run([KEY, "tenants/t"], () => answer.promise);
  const changes = [[written(7)], [written(8)], [written(7), written(7, "endpoints/t/a/a2")], []];
  assertEquals(changes.map((some) => commits.mayBeOwn(some)), [true, true, false, true]);
  // Whoever follows the intent hears of all of it.
  assertEquals(commits.mayBeOwn([written(7, "tenants/t")]), false);
  const owned = changes.map((some) => commits.areOwn(some));
  answer.resolve({ done: true, revision: 7 });
  await commit;
  assertEquals(await Promise.all(owned), [true, false, false, true]);
  assertEquals(commits.mayBeOwn([written(7)]), false);
});

Deno.test("a commit that conflicts or fails has made no change", async () => {
  const commits = new OwnCommits();
  for (
    const answer of [
      () => Promise.resolve({ done: false as const, conflict: KEY }),
      () => Promise.reject(new Error("no answer")),
    ]
  ) {
    const commit = commits.run([KEY], answer).catch(() => {});
    const own = commits.areOwn([written(7)]);
    await commit;
    assertEquals([await own, commits.mayBeOwn([written(7)])], [false, false]);
  }
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

Deno.test("a set-up and a teardown are no news to their host, and are to another host of the network", async () => {
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
