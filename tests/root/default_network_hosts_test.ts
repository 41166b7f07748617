// Pods that no endpoint names, on many hosts that share an etcd: no address is given twice, whoever
// asks when; and nothing is guessed while etcd is away.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { startCluster } from "../lab/cluster.ts";
import { applyOn, assertAudit, blue, poolOf, tenantOf } from "../lab/default_network.ts";
import { tunnelAnswers } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

const VXLAN = {
  Hosts: [1, 2].map((n) => ({ Name: `host${n}`, VtepIp: `192.168.2.${n + 9}` })),
  ...tenantOf([blue()], { DefaultNetType: "vxlan", Vxlans: "10001-14000" }) as object,
};
const BEAT = ["--heartbeat", "1"];

Deno.test("two hosts that set twenty pods up at once assign different addresses, and these reach each other", async () => {
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent: VXLAN });
  const pods = await Promise.all(
    cluster.hosts.flatMap((host, at) =>
      Array.from({ length: 10 }, async (_, n) => ({ host, pod: await host.pod(`web-${at}-${n}`) }))
    ),
  );
  await Promise.all(pods.map(({ host, pod }) => host.agent.setup(pod)));
  const addresses = await Promise.all(pods.map(({ host, pod }) => host.agent.addressOf(pod)));
  assertEquals(new Set(addresses).size, 20);
  const [first, last] = [pods[0]!, pods[19]!];
  await tunnelAnswers(first.pod, addresses[19]!);
  assertEquals((await poolOf(first.host.agent)).used, 20);
  await assertAudit(first.host.agent);
  await Promise.all(pods.map(({ host, pod }) => host.agent.verb("teardown", pod)));
  await waitFor("the pool to be empty", async () => (await poolOf(last.host.agent)).used === 0);
  await assertAudit(last.host.agent);
});

Deno.test("two hosts race for a pool's last addresses: each is assigned once, the others get the error that it is full", async () => {
  const tight = tenantOf([blue({ AllocRange: "10.9.0.1-10.9.0.5" })]);
  await using cluster = await startCluster({ hosts: 2, intent: tight });
  const ended = await Promise.all(
    cluster.hosts.flatMap((host, at) =>
      Array.from({ length: 5 }, async (_, n) => {
        return await host.agent.verb("setup", await host.pod(`web-${at}-${n}`));
      })
    ),
  );
  assertEquals(ended.map(({ code }) => code).sort(), [0, 0, 0, 0, 0, 4, 4, 4, 4, 4]);
  for (const { err } of ended.filter(({ code }) => code === 4)) assertMatch(err, /is full: 5 of 5/);
  const { agent } = cluster.host(1);
  await waitFor("host 1 to know all", async () => (await poolOf(agent)).used === 5);
  await assertAudit(agent);
});

Deno.test("one pod that two hosts set up at once is on one of them in the end, with one address", async () => {
  await using cluster = await startCluster({ hosts: 2, intent: tenantOf([blue()]) });
  for (let round = 0; round < 5; round++) {
    const places = await Promise.all(
      cluster.hosts.map(async (host) => ({ host, pod: await host.pod(`web-${round}`) })),
    );
    const ended = await Promise.all(places.map(({ host, pod }) => host.agent.verb("setup", pod)));
    assert(ended.some(({ code }) => code === 0), ended.map(({ err }) => err).join());
    await waitFor("one host to yield", async () => {
      const all = await Promise.all(cluster.hosts.map(({ agent }) => agent.attachments()));
      return all.flat().filter(({ pod }) => pod.name === `web-${round}`).length === 1;
    });
  }
  await waitFor("all to be known", async () => (await poolOf(cluster.host(1).agent)).used === 5);
  await assertAudit(cluster.host(1).agent);
});

Deno.test("a network is never deleted in the moment when a pod arrives on another host", async () => {
  const intent = tenantOf([blue()]);
  await using cluster = await startCluster({ hosts: 2, intent });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  for (let round = 0; round < 6; round++) {
    const pod = await two.pod(`web-${round}`);
    const setup = two.agent.verb("setup", pod);
    const { code } = await applyOn(one.agent, tenantOf([]), "--prune");
    const ended = await setup;
    // Either the pod was there first and holds its network, or it was too late and has none.
    const [item] = await two.agent.attachments();
    assertEquals(
      [code, ended.code, item?.state],
      code === 4 ? [4, 0, "ready"] : [0, 0, "unmatched"],
    );
    assertEquals((await two.agent.verb("teardown", pod)).code, 0);
    await applyOn(one.agent, intent);
    await cluster.agree();
  }
  await assertAudit(one.agent);
});

Deno.test("while etcd is unreachable, no pod gets an address that was not its own; one that lives here is set up again", async () => {
  const held = tenantOf([blue({ HoldAddress: "1h" })]);
  await using cluster = await startCluster({ hosts: 1, intent: held, flags: BEAT });
  const [host, etcd] = [cluster.host(1), cluster.etcd!];
  const { agent } = host;
  const [one, gone] = [await host.pod("web-1"), await host.pod("web-2")];
  await agent.setup(one);
  await agent.setup(gone);
  const address = await agent.addressOf(one);
  assertEquals((await agent.verb("teardown", gone)).code, 0);
  // What is known then is less than the whole store.
  const isScoped = async () => /watching only the part of the store/.test(await agent.logText());
  await waitFor("the agent to know only what its host needs", isScoped, { limitMs: 60_000 });
  await etcd.kill();
  const short = { K8CONTIVNET_SETUP_SECONDS: "2", K8CONTIVNET_DOOR: "none" };
  for (const pod of [await host.pod("web-3"), gone]) {
    const { code, err } = await agent.callWith(short, "setup", "default", pod.name, pod.id);
    assertEquals(code, 5, err);
    assertMatch(err, /^k8contivnet: .*etcd/);
  }
  // Its infra container is replaced, as kubelets do it.
  const fresh = await host.pod("web-1");
  assertEquals(await agent.verb("setup", fresh), { code: 0, out: "", err: "" });
  assertEquals(await agent.addressOf(fresh), address);
  assertEquals((await agent.verb("teardown", fresh)).code, 0);
  await etcd.start(0);
  await waitFor(
    "the record in etcd",
    async () => (await agent.logText()).includes("replayed set-ups"),
  );
  await agent.setup(gone);
  assertEquals((await poolOf(agent)).held.map(({ pod }) => pod), ["default/web-1"]);
  await assertAudit(agent);
  const listed = await etcd.ctl("get", "--prefix", "--keys-only", "/lab/claims/ip/");
  assertEquals(listed.split("\n").filter(Boolean).length, 2);
});
