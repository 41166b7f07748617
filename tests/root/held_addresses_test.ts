// HoldAddress: the address of a pod without an endpoint of its own waits for it, for a while.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { startCluster } from "../lab/cluster.ts";
import { applyOn, assertAudit, blue, poolOf, tenantOf } from "../lab/default_network.ts";
import { startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

const LONG = tenantOf([blue({ HoldAddress: "1h" })]);
const BEAT = ["--heartbeat", "1"];

Deno.test("a pod that comes back gets its address again, and no other pod gets it meanwhile", async () => {
  await using host = await startHost(LONG);
  const { agent } = host;
  const [first, peer] = [await host.pod("web-1"), await host.pod("web-2")];
  await agent.setup(first);
  await agent.setup(peer);
  const address = await agent.addressOf(first);
  const before = Date.now();
  assertEquals((await agent.verb("teardown", first)).code, 0);
  const other = await host.pod("web-1", "default-2");
  await agent.setup(await host.pod("web-3"));
  const { held, used } = await poolOf(agent);
  assertEquals([used, held.map((one) => [one.pod, one.address])], [3, [[
    "default/web-1",
    address,
  ]]]);
  const until = Date.parse(held[0]?.until ?? "");
  assert(Math.abs(until - before - 3_600_000) < 60_000, held[0]?.until);
  assertStringIncludes((await agent.call("ipam", "show")).out, `${address}      default/web-1`);
  assertStringIncludes(
    (await agent.call("why", "web-1")).out,
    `${address} is held for it until 20`,
  );
  await assertAudit(agent);
  // A pod of that name in another namespace is another pod.
  assertEquals((await agent.verb("setup", other)).code, 0);
  await agent.stop("SIGKILL");
  await agent.start();
  const again = await host.pod("web-1");
  await agent.setup(again);
  assertEquals(await agent.addressOf(again), address);
  assertEquals((await poolOf(agent)).held, []);
  assert(await peer.reaches(address));
  await assertAudit(agent);
});

Deno.test("a held address is free when its time is over, also where HoldAddress was made shorter", async () => {
  await using host = await startHost(tenantOf([blue({ HoldAddress: 1.5 })]));
  const { agent } = host;
  const pod = await host.pod("web-1");
  await agent.setup(pod);
  assertEquals((await agent.verb("teardown", pod)).code, 0);
  assertEquals((await poolOf(agent)).held.length, 1);
  await waitFor("the address to be free", async () => (await poolOf(agent)).used === 0);
  assertStringIncludes(await agent.logText(), "address released address=10.9.0.1");
  assertEquals((await applyOn(agent, LONG)).code, 0);
  await agent.setup(pod);
  assertEquals((await agent.verb("teardown", pod)).code, 0);
  assertEquals((await poolOf(agent)).held.length, 1);
  assertEquals((await applyOn(agent, tenantOf([blue()]))).code, 0);
  await waitFor("the address to be free", async () => (await poolOf(agent)).used === 0);
  await assertAudit(agent);
});

Deno.test("a full pool takes what was held longest, never what a pod has", async () => {
  await using host = await startHost(
    tenantOf([blue({ HoldAddress: "1h", AllocRange: "10.9.0.1-10.9.0.3" })]),
  );
  const { agent } = host;
  const pods = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => host.pod(`web-${n}`)));
  const [one, two, three, four, five, six] = pods as [typeof pods[0], ...typeof pods];
  for (const pod of [one, two!, three!]) await agent.setup(pod!);
  const addresses = await Promise.all([one, two!, three!].map((pod) => agent.addressOf(pod!)));
  // The second goes first, so it has been held longest.
  assertEquals((await agent.verb("teardown", two!)).code, 0);
  assertEquals((await agent.verb("teardown", one!)).code, 0);
  await agent.setup(four!);
  assertEquals(await agent.addressOf(four!), addresses[1]);
  assertStringIncludes(await agent.logText(), "pool full: a held address is reused");
  await agent.setup(one!);
  assertEquals(await agent.addressOf(one!), addresses[0]);
  const { code, err } = await agent.verb("setup", five!);
  assertEquals(code, 4);
  assertStringIncludes(err, "pool 10.9.0.0/24 of t/blue is full: 3 of 3 addresses in use; see");
  assertStringIncludes(
    (await agent.call("why", "web-6")).out,
    "would be refused: pool 10.9.0.0/24",
  );
  assertEquals((await agent.verb("teardown", three!)).code, 0);
  await agent.setup(six!);
  assertEquals(await agent.addressOf(six!), addresses[2]);
  await assertAudit(agent);
});

for (
  const { etcd, store } of [{ etcd: 0, store: "one file" }, { etcd: 1, store: "etcd" }] as const
) {
  Deno.test(`a pod gets its address again on another host, and any host ends what is over (${store})`, async () => {
    await using cluster = await startCluster({ hosts: 2, etcd, intent: LONG, flags: BEAT });
    const [one, two] = [cluster.host(1), cluster.host(2)];
    const pod = await one.pod("web-1");
    await one.agent.setup(await one.pod("web-0"));
    await one.agent.setup(pod);
    const address = await one.agent.addressOf(pod);
    assertEquals((await one.agent.verb("teardown", pod)).code, 0);
    const other = await two.pod("web-2");
    await two.agent.setup(other);
    assertNotEquals(await two.agent.addressOf(other), address);
    const moved = await two.pod("web-1");
    await two.agent.setup(moved);
    assertEquals(await two.agent.addressOf(moved), address);
    // The old infra container's late teardown touches nothing.
    assertEquals((await one.agent.verb("teardown", pod)).code, 0);
    await waitFor("host 2 to know all", async () => (await poolOf(two.agent)).used === 3);
    assertEquals((await two.agent.verb("teardown", moved)).code, 0);
    await two.agent.stop("SIGKILL");
    await waitFor("host 1 to know", async () => (await poolOf(one.agent)).held.length === 1);
    const short = tenantOf([blue({ HoldAddress: "1s" })]);
    assertEquals((await applyOn(one.agent, short)).code, 0);
    await waitFor("host 1 to end it", async () => (await poolOf(one.agent)).held.length === 0);
    assertEquals((await poolOf(one.agent)).used, 2);
    await assertAudit(one.agent);
  });
}
