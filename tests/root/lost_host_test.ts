// `gc --host`: what a host holds that never comes back is given up by any other host, whatever comes in
// between; and if it comes back after all, no two pods have one address.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { AttachmentItem } from "../../lib/agent/api/listed_items.ts";
import type { GcAnswer } from "../../lib/agent/api/repair_requests.ts";
import { INDEX_VERSION, indexWrites } from "../../lib/intent/store_index.ts";
import { openStore } from "../../lib/store/open_store.ts";
import type { Json, Store } from "../../lib/store/store.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import type { ClusterHost } from "../lab/cluster/host.ts";
import { assertAudit, blue, poolOf, tenantOf } from "../lab/default_network.ts";
import { FILE } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const BEAT = ["--heartbeat", "1"];
const LIMIT = { limitMs: 30_000 };

/** Four addresses for pods that no endpoint names, and endpoints of names. */
function intentOf(more: object = { AllocRange: "10.9.0.1-10.9.0.4" }): unknown {
  const named = [{ Container: "db-1" }, { Container: "db-2" }, {
    Container: "db-3",
    Host: "host3",
  }];
  return tenantOf([blue(more), { Name: "red", Endpoints: named }]);
}

async function gc({ agent }: ClusterHost, ...words: string[]) {
  return await agent.call("gc", "--host", "host3", ...words);
}

const linesOf = (out: string) => out.trim().split("\n").filter(Boolean).sort();

/** Makes a pod on each host and sets it up. */
async function place(host: ClusterHost, ...names: string[]): Promise<Pod[]> {
  const pods = await Promise.all(names.map((name) => host.pod(name)));
  for (const pod of pods) await host.agent.setup(pod);
  return pods;
}

async function ready(cluster: Cluster): Promise<AttachmentItem[]> {
  const all = await Promise.all(cluster.hosts.map(({ agent }) => agent.attachments()));
  return all.flat().filter(({ state }) => state === "ready");
}

async function portsOf({ ovs }: ClusterHost): Promise<string[]> {
  const rows = await ovs.vsctl("--columns=external_ids", "list", "Port");
  return rows.split("\n").filter((ids) => ids.includes("attachment="));
}

/** Throws where two pods have one address, or a switch has a port that no attachment says. */
async function assertNoDuplicates(cluster: Cluster): Promise<void> {
  const items = await ready(cluster);
  const addresses = items.flatMap(({ addresses }) => addresses).sort();
  assertEquals(addresses, [...new Set(addresses)].sort());
  for (const host of cluster.hosts) {
    const mine = items.filter((one) => one.host === host.label).length;
    assertEquals((await portsOf(host)).length, mine, `ports of ${host.label}`);
  }
  await assertAudit(cluster.host(1).agent);
}

async function hasLink(pod: Pod): Promise<boolean> {
  return (await pod.run("ip", "link", "show", "eth0")).code === 0;
}

Deno.test("a lost host's addresses are assigned again; when it comes back, its pods get free addresses", async () => {
  await using cluster = await startCluster({ hosts: 3, intent: intentOf(), flags: BEAT });
  const [one, two, three] = [cluster.host(1), cluster.host(2), cluster.host(3)];
  const [dead, alive, db1, , db3] = await place(three, "web-1", "web-2", "db-1", "db-2", "db-3");
  const dbAddress = await three.agent.addressOf(db1!);

  // While it lives it is refused.
  for (const words of [[], ["--dry-run"], ["--force"]]) {
    const { code, out, err } = await gc(one, ...words);
    assertEquals([code, out], [4, ""]);
    assertMatch(
      err,
      /host host3 is not removed: its agent is alive: .* at 20\S+Z by its clock; stop/,
    );
  }
  const own = await gc(three);
  assertEquals(own.code, 4);
  assertStringIncludes(own.err, "it is this host, and its agent is running");
  const unknown = await one.agent.call("gc", "--host", "host4");
  assertEquals(unknown.code, 3);
  assertMatch(unknown.err, /no host is named "host4": known: host1, host2, host3; list them with/);
  assertEquals((await one.agent.call("gc", "host3")).code, 2);
  assertEquals((await one.agent.call("gc", "--store", cluster.etcd!.url("/lab"))).code, 2);
  assertEquals((await ready(cluster)).length, 5);

  await three.agent.stop("SIGKILL");
  await dead![Symbol.asyncDispose]();
  const want = [
    "release t/blue/default~web-1 10.9.0.1, of pod default/web-1",
    "release t/blue/default~web-2 10.9.0.2, of pod default/web-2",
    `unbind t/red/db-1 ${dbAddress}, of pod default/db-1`,
    "unbind t/red/db-2 10.9.1.2, of pod default/db-2",
    "unbind t/red/db-3 10.9.1.3, of pod default/db-3; pinned to that host, use k8contivnet bind to move it",
  ];
  const dry = await gc(one, "--dry-run");
  assertEquals([dry.code, linesOf(dry.out)], [0, want.map((line) => `would ${line}`)]);
  assertEquals((await poolOf(one.agent)).used, 2);
  const done = await gc(one);
  const past = (line: string) => line.replace("release", "released").replace("unbind", "unbound");
  assertEquals([done.code, linesOf(done.out)], [0, want.map(past)]);
  assertMatch(done.err, /host host3, last seen at 20\S+Z: 5 endpoints removed from it/);
  assertEquals((await poolOf(one.agent)).used, 0);
  await assertAudit(one.agent);
  // Once more is nothing more, and by the store alone, too.
  for (const words of [[], ["--store", cluster.etcd!.url("/lab")]]) {
    const again: GcAnswer = JSON.parse((await gc(two, ...words, "-o", "json")).out);
    assertEquals([again.host, again.acts, again.left], ["host3", [], []]);
  }

  const [web3, web4] = await place(one, "web-3", "web-4");
  await place(two, "web-5", "web-6");
  assertEquals((await poolOf(one.agent)).used, 4);
  const [moved] = await place(one, "db-1");
  assertEquals(await one.agent.addressOf(moved!), dbAddress);
  const pinned = await one.agent.verb("setup", await one.pod("db-3"));
  assertEquals(pinned.code, 4);
  assertStringIncludes(pinned.err, "belongs on host3");

  await three.agent.start();
  // No pod has db-2 and db-3 by now; the pool is full for web-2, and db-1 is on host 1.
  await waitFor("host 3 to heal", async () => {
    const names = (await ready(cluster)).filter(({ host }) => host === "host3");
    return names.map(({ pod }) => pod.name).sort().join() === "db-2,db-3";
  }, LIMIT);
  assert(!await hasLink(alive!) && !await hasLink(db1!));
  await waitFor("db-3", () => db3!.pings("10.9.1.2"), LIMIT);
  await assertNoDuplicates(cluster);
  assertStringIncludes(await three.agent.logText(), "pod has lost its endpoint");

  // As soon as an address is free, the pod that still runs there has it.
  const free = await one.agent.addressOf(web3!);
  assertEquals((await one.agent.verb("teardown", web3!)).code, 0);
  await waitFor("web-2 to be connected", async () => {
    const item = (await three.agent.attachments()).find(({ sandbox }) => sandbox === alive!.id);
    return item?.state === "ready" && item.addresses[0] === `${free}/24`;
  }, LIMIT);
  assert(await hasLink(alive!));
  assertEquals((await one.agent.verb("teardown", web4!)).code, 0);
  await assertNoDuplicates(cluster);
  const alive3 = await gc(one);
  assertEquals(alive3.code, 4, "it counts as alive again");
});

for (const [name, more] of [["", {}], [" that are held", { HoldAddress: "1h" }]] as const) {
  Deno.test(`a host that comes back before others took its pods' addresses${name}: all have theirs again`, async () => {
    await using cluster = await startCluster({ hosts: 2, intent: intentOf(more), flags: BEAT });
    const [one, two] = [cluster.host(1), cluster.host(2)];
    const pods = await place(two, "web-1", "web-2", "db-1");
    const before = await Promise.all(pods.map((pod) => two.agent.addressOf(pod)));
    await two.agent.stop("SIGKILL");
    const url = cluster.etcd!.url("/lab");
    const { code, err } = await one.agent.call("gc", "--host", "host2", "--store", url);
    assertEquals(code, 0, err);
    const held = (await poolOf(one.agent)).held.map(({ pod }) => pod).sort();
    assertEquals(held, name === "" ? [] : ["default/web-1", "default/web-2"]);
    await two.agent.start();
    await waitFor("all to be connected", async () => {
      return (await two.agent.attachments()).filter(({ state }) => state === "ready").length === 3;
    }, LIMIT);
    assertEquals(await Promise.all(pods.map((pod) => two.agent.addressOf(pod))), before);
    assert(await pods[0]!.pings(before[1]!));
    assertEquals((await poolOf(one.agent)).held, []);
    await assertNoDuplicates(cluster);
  });
}

Deno.test("two hosts give up a third at once, and it comes back in the middle: no address is given twice", async () => {
  await using cluster = await startCluster({ hosts: 3, intent: intentOf({}), flags: BEAT });
  const [one, two, three] = [cluster.host(1), cluster.host(2), cluster.host(3)];
  const names = Array.from({ length: 12 }, (_, n) => `web-${n}`);
  const pods = await place(three, ...names);
  await using store = await open(cluster);
  for (let round = 0; round < 3; round++) {
    await three.agent.stop("SIGKILL");
    const ended = Promise.all([gc(one, "-o", "name"), gc(two, "-o", "name")]);
    // Later each time: before the mark, right after it, when all is given up.
    if (round === 1) {
      await waitFor("the mark", async () => {
        const { value } = (await store.get("agents/host3"))!;
        return (value as { lost?: boolean }).lost === true;
      });
    } else if (round === 2) await ended;
    three.agent.spawn();
    // What is free at any moment is taken at once.
    const rivals = await place(round === 1 ? one : two, `rival-${round}`, `other-${round}`);
    const results = await ended;
    const given = results.flatMap(({ out }) => linesOf(out));
    assertEquals(given.length, new Set(given).size, "given up twice");
    for (const { code, err } of results) {
      assert(code === 0 || (code === 4 && /alive|has come back/.test(err)), err);
    }
    if (round === 2) assertEquals(given.length, 12);
    await waitFor("host 3 to heal", async () => {
      const { code, out } = await three.agent.call("get", "attachments", "-o", "json");
      if (code !== 0) return false;
      const items: AttachmentItem[] = JSON.parse(out);
      return items.filter(({ state }) => state === "ready").length === 12;
    }, LIMIT);
    await assertNoDuplicates(cluster);
    const address = await three.agent.addressOf(pods[0]!);
    assert(await pods[11]!.pings(address));
    for (const pod of rivals) await (round === 1 ? one : two).agent.verb("teardown", pod);
  }
});

Deno.test("gc without a host releases at once what is missing there, and no pod that is alive", async () => {
  await using cluster = await startCluster({ hosts: 1, intent: intentOf() });
  const host = cluster.host(1);
  const [web, db, alive] = await place(host, "web-1", "db-1", "web-2");
  assertEquals(await host.agent.call("gc", "--dry-run", "-o", "json"), {
    code: 0,
    out: `${JSON.stringify({ host: "host1", acts: [], left: [] }, null, 2)}\n`,
    err: "host host1: nothing to be removed",
  });
  const began = performance.now();
  for (const pod of [web!, db!]) await pod[Symbol.asyncDispose]();
  const said = await waitFor("both to be missed", async () => {
    const { out } = await host.agent.call("gc", "--dry-run");
    return linesOf(out).length === 2 && linesOf(out);
  }, LIMIT);
  assertMatch(
    said[0]!,
    /^would forget t\/red\/db-1 10.9.1.1, of pod default\/db-1, by itself in [1-6]\d s$/,
  );
  assertMatch(
    said[1]!,
    /^would release t\/blue\/default~web-1 10.9.0.1, of pod default\/web-1, by/,
  );
  assertEquals((await ready(cluster)).length, 3);
  const { code, out } = await host.agent.call("gc");
  assertEquals([code, linesOf(out)], [0, [
    "forgotten t/red/db-1 10.9.1.1, of pod default/db-1",
    "released t/blue/default~web-1 10.9.0.1, of pod default/web-1",
  ]]);
  assert(performance.now() - began < 55_000, "they had gone by themselves");
  assertEquals((await ready(cluster)).map(({ sandbox }) => sandbox), [alive!.id]);
  assertEquals((await host.agent.call("gc")).err, "host host1: nothing removed");
  await assertNoDuplicates(cluster);
});

const MANY = 600;

async function open(cluster: Cluster): Promise<Store & AsyncDisposable> {
  const store = await openStore(cluster.etcd!.url("/lab"));
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** Writes what a host with `MANY` pods leaves behind that no test has to set up. */
async function writeHost(store: Store, host: string): Promise<void> {
  const everyMs = 200;
  // An agent of now, which writes the indexes: of an older one, they are completed when it is silent, which is at once.
  const sign = {
    ...{ schema: 1, host, instance: "0123456789abcdef", version: "1", beat: 7, everyMs },
    indexes: INDEX_VERSION,
  };
  await store.commit([], [{ key: `agents/${host}`, value: sign }]);
  for (let n = 0; n < MANY; n += 12) {
    const writes = Array.from({ length: 12 }, (_, at) => recordsOf(host, n + at)).flat();
    assert((await store.commit([], [...writes, ...indexWrites(new Map(), writes)])).done);
  }
}

function recordsOf(host: string, n: number): { key: string; value: Json }[] {
  const [pod, address] = [`many-${n}`, `10.9.${4 + (n >> 8)}.${n & 255}`];
  const where = { schema: 1, tenant: "t", network: "wide" };
  const key = `endpoints/t/wide/default~${pod}`;
  const sandbox = n.toString(16).padStart(64, "0");
  return [
    { key: `claims/ip/t/wide/${address}`, value: { schema: 1, owner: key } },
    {
      key,
      value: {
        ...{ ...where, container: `default~${pod}`, namespace: "default", address },
        ...{ addressBy: "pool", bound: { host, generation: 1 }, dynamic: { pod, rule: "a rule" } },
      },
    },
    {
      key: `attachments/${host}/${sandbox}/eth0`,
      value: {
        ...{ ...where, id: sandbox.slice(-11), host, endpoint: `default~${pod}`, sandbox },
        ...{ pod: { namespace: "default", name: pod }, netns: `/run/netns/${sandbox}` },
        ...{ netnsInode: 1, interface: "eth0", addresses: [`${address}/20`] },
        ...{ mac: "02:02:00:00:00:01", mtu: 1500, generation: 1, state: "ready" },
      },
    },
  ];
}

const leftOf = async (store: Store, host: string) =>
  (await store.list(`attachments/${host}/`)).entries.length;

Deno.test("a gc that is killed at any moment is finished by the next, and records agree with claims in between", async () => {
  const wide = tenantOf([{ Name: "wide", SubnetCIDR: "10.9.0.0/20" }]);
  await using cluster = await startCluster({ hosts: 1, intent: wide, flags: BEAT });
  const { agent } = cluster.host(1);
  await using store = await open(cluster);
  const moments: number[] = [];
  for (const [at, wanted] of [MANY, MANY - 1, MANY - 150, MANY - 400, 1].entries()) {
    const host = `gone${at}`;
    await writeHost(store, host);
    const url = cluster.etcd!.url("/lab");
    const args = ["gc", "--host", host, "-o", "name", "--store", url];
    const child = new Deno.Command(FILE, { args, stdout: "null", stderr: "null" }).spawn();
    const stopping = new AbortController();
    // At its first write for the first one: that is the mark.
    const { revision } = await store.list("none/");
    let left = MANY;
    for await (const batch of store.watch("", revision, stopping.signal)) {
      const changes = batch.kind === "changes" ? batch.changes : [];
      left -= changes.filter(({ key }) => key.startsWith(`attachments/${host}/`)).length;
      const isMarked = changes.some(({ key }) => key === `agents/${host}`);
      if (left <= wanted && (isMarked || left < MANY)) break;
    }
    stopping.abort();
    child.kill("SIGKILL");
    await child.status;
    moments.push(await leftOf(store, host));
    await assertAudit(agent);
    const { code, out, err } = await agent.call("gc", "--host", host, "-o", "name");
    assertEquals([code, linesOf(out).length], [0, moments.at(-1)], err);
    assertEquals(await leftOf(store, host), 0);
    assertEquals((await agent.call("gc", "--host", host)).code, 0);
    assertEquals((await poolOf(agent, "t/wide")).used, 0);
    await assertAudit(agent);
  }
  console.log(`killed with ${moments.join(", ")} of ${MANY} left`);
  assert(moments.some((left) => left > 0 && left < MANY), "none was killed in the middle");
});

Deno.test("a host that has never written a heartbeat is removed only with --force", async () => {
  await using cluster = await startCluster({ hosts: 2, etcd: 0, intent: intentOf() });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  await place(two, "web-1");
  await two.agent.stop("SIGKILL");
  const store = `sqlite:${cluster.dir}/store.db`;
  for (const words of [[], ["--store", store]]) {
    const refused = await one.agent.call("gc", "--host", "host2", ...words);
    assertEquals(refused.code, 4);
    assertMatch(refused.err, /has never written a heartbeat to this store.*add --force/s);
  }
  const given = await one.agent.call("gc", "--host", "host2", "--force", "--store", store);
  assertEquals(given.code, 0, given.err);
  await waitFor("host 1 to know", async () => (await poolOf(one.agent)).used === 0);
  await assertAudit(one.agent);
});
