// `store copy` of the built file: from SQLite to etcd and back, with pods that run and notice nothing.

import { assertEquals, assertMatch } from "@std/assert";
import { startEtcd } from "../lab/etcd.ts";
import { intentOf, startHost } from "../lab/host.ts";
import { pingOn } from "../lab/pings.ts";
import { waitFor } from "../lab/wait.ts";

Deno.test("a store moves from SQLite to etcd and back; pods stay connected, history and addresses stay", async () => {
  await using etcd = await startEtcd(await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" }));
  await using host = await startHost(intentOf(3));
  const { agent, dir } = host;
  const pods = await Promise.all(["pod0", "pod1", "pod2"].map((name) => host.pod(name)));
  for (const pod of pods.slice(0, 2)) await agent.setup(pod);
  const address = await agent.addressOf(pods[1]!);
  await using pings = pingOn(pods[0]!, address, 0.05);
  await waitFor("the first pings", () => pings.answered > 3);
  const sqlite = `sqlite:${agent.stateDir}/store.db`;
  const url = etcd.url("/moved");
  const copy = (...words: string[]) => agent.call("store", "copy", ...words);

  const used = await copy(sqlite, url);
  assertEquals(used.code, 4);
  assertMatch(used.err, /the agent of this host uses sqlite:\S+: .*; stop it \(its pods keep/);
  const state = async () => ({
    attachments: await agent.attachments(),
    history: (await agent.call("history", "-p", "-o", "json")).out,
    networks: await agent.ask("networks"),
  });
  const before = await state();
  await agent.stop();
  const dry = await copy(sqlite, url, "--dry-run");
  assertMatch(dry.out, /^would copy: (\d+) of \1 documents\n$/);
  const done = await copy(sqlite, url);
  assertEquals([done.code, done.err], [0, ""]);
  assertMatch(done.out, /^copied: (\d+) of \1 documents\n$/);
  assertEquals((await copy(sqlite, url)).code, 4);
  await agent.start("--store", url);
  assertEquals(await state(), before);
  await agent.setup(pods[2]!);

  const back = `sqlite:${dir}/back.db`;
  await agent.stop();
  const json = await copy(url, back, "-o", "json");
  assertEquals(JSON.parse(json.out).deleted, 0, json.err);
  await agent.start("--store", back);
  assertEquals((await agent.attachments()).map((one) => one.state), ["ready", "ready", "ready"]);
  assertEquals(await agent.addressOf(pods[1]!), address);
  await waitFor("pings after all this", () => pings.last > 40);
  assertEquals(pings.missed(), []);
});

Deno.test("store copy says what is wrong", async () => {
  await using host = await startHost(intentOf(1));
  const { agent, dir } = host;
  const cases: readonly [words: readonly string[], code: number, message: RegExp][] = [
    [["copy", "sqlite:/none/x.db", `sqlite:${dir}/y.db`], 3, /store sqlite:\/none/],
    [["copy", `sqlite:${dir}/y.db`, `sqlite:${dir}/y.db`], 2, /both stores are the same/],
    [["copy", "etcd://127.0.0.1:1", `sqlite:${dir}/y.db`], 5, /etcd/],
    [["copy", "mysql://u:hunter2@x", `sqlite:${dir}/y.db`], 2, /not of a known kind/],
    [["move", "a", "b"], 2, /it takes copy and two stores, or backup/],
    [["copy", "a"], 2, /it takes copy and two stores, or backup/],
  ];
  for (const [words, code, message] of cases) {
    const { code: got, err } = await agent.call("store", ...words);
    assertMatch(err, message);
    assertEquals(got, code, err);
  }
});
