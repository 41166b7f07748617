// The lab's etcd: what tests of the store build on.

import { assertEquals, assertRejects } from "@std/assert";
import { run } from "../lab/run.ts";
import { startEtcd } from "../lab/etcd.ts";

Deno.test("a plain etcd keeps its keys across a kill, and leaves no folder", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
  {
    await using etcd = await startEtcd(dir);
    await etcd.ctl("put", "/a/1", "one");
    await etcd.restart();
    assertEquals([...await etcd.read("/a/")], [["/a/1", "one"]]);
    await etcd.compact();
  }
  await assertRejects(() => Deno.lstat(dir), Deno.errors.NotFound);
});

Deno.test("three members with TLS and a password serve while one is down", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
  await using etcd = await startEtcd(dir, { members: 3, tls: "mutual", password: "first words" });
  await etcd.kill(1);
  await etcd.isHealthy();
  await etcd.ctl("put", "/a/1", "one");
  await etcd.start(1);
  await etcd.isHealthy();
  assertEquals([...await etcd.read("/a/")], [["/a/1", "one"]]);
});

Deno.test("an etcd in a namespace serves there and nowhere else", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
  await run("ip", ["netns", "add", "lab-etcd"]);
  try {
    await run("ip", ["-n", "lab-etcd", "link", "set", "lo", "up"]);
    await using etcd = await startEtcd(dir, { netns: "lab-etcd", port: 2379 });
    await etcd.ctl("put", "/a/1", "one");
    await assertRejects(() => Deno.connect({ port: 2379 }), Deno.errors.ConnectionRefused);
  } finally {
    await run("ip", ["netns", "del", "lab-etcd"]);
  }
});
