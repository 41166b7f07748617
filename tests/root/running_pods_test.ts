// What an intent or another pod does never cuts a running pod off, moves it, or costs it a packet.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Host, startHost } from "../lab/host.ts";
import { pingOn } from "../lab/pings.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

/** Sends pings between two pods while `work` is done; returns those that were never answered. */
async function lostDuring(
  from: Pod,
  address: string,
  work: () => Promise<void>,
): Promise<number[]> {
  await using pings = pingOn(from, address, 0.02);
  const more = (count: number, since = pings.last) =>
    waitFor(`${count} more answers of ${address}`, () => pings.last >= since + count);
  await more(10);
  await work();
  await more(50);
  return pings.missed();
}

async function applyTo({ dir, agent }: Host, intent: object): Promise<string> {
  await Deno.writeTextFile(`${dir}/next.json`, JSON.stringify(intent));
  const { code, out, err } = await agent.call("apply", "-f", `${dir}/next.json`);
  assertEquals(code, 0, err);
  return out + err;
}

Deno.test("an endpoint without a Namespace stays with the running pod that has it: a namesake of another namespace is refused", async () => {
  const network = { Name: "n", Endpoints: [{ Container: "db-0" }, { Container: "peer" }] };
  await using host = await startHost({
    Tenants: [tenantWith({ Namespaces: ["prod", "staging"], Networks: [network] })],
  });
  const [db, peer] = [await host.pod("db-0", "prod"), await host.pod("peer", "prod")];
  for (const pod of [db, peer]) assertEquals((await host.agent.verb("setup", pod)).code, 0);
  const namesake = await host.pod("db-0", "staging");
  const lost = await lostDuring(peer, "10.9.0.1", async () => {
    const refused = await host.agent.verb("setup", namesake);
    assertEquals(refused.code, 4, refused.err);
    assertStringIncludes(refused.err, "belongs to pod prod/db-0, which runs on host1");
  });
  assertEquals(lost, []);
  assertStringIncludes((await host.agent.verb("status", db)).out, "10.9.0.1");
  assertEquals((await host.agent.verb("teardown", db)).code, 0);
  // A reconciliation may have attached it already, as its endpoint is free.
  assertEquals((await host.agent.verb("setup", namesake)).code, 0);
  assertStringIncludes((await host.agent.verb("status", namesake)).out, "10.9.0.1");
});

Deno.test("an endpoint of another tenant that is written later leaves a running pod's eth0 as it is, and becomes net1", async () => {
  const first = tenantWith({
    Name: "tz",
    Networks: [{ Name: "n1", Endpoints: [{ Container: "p1" }, { Container: "peer" }] }],
  });
  await using host = await startHost({ Tenants: [first] });
  const [p1, peer] = [await host.pod("p1"), await host.pod("peer")];
  for (const pod of [p1, peer]) assertEquals((await host.agent.verb("setup", pod)).code, 0);
  const eth0 = async () => (await p1.run("ip", "-br", "address", "show", "eth0")).text;
  const before = await eth0();
  const lost = await lostDuring(peer, "10.9.0.1", async () => {
    await applyTo(host, {
      Tenants: [
        tenantWith({
          ...{ Name: "ta", SubnetPool: "10.8.0.0/16", Vlans: "300-400" },
          Networks: [{ Name: "n2", Endpoints: [{ Container: "p1" }] }],
        }),
      ],
    });
    await waitFor(
      "the second interface",
      async () => (await p1.run("ip", "-br", "address", "show", "net1")).text.includes("10.8.0.1"),
    );
  });
  assertEquals(lost, []);
  assertEquals(await eth0(), before);
  assert(before.includes("10.9.0.1"));
  assertStringIncludes((await host.agent.verb("status", p1)).out, "10.9.0.1");
});

Deno.test("running pods follow their network's Mtu: big packets pass between old and new pods, and none is lost", async () => {
  const network = (Mtu: number) =>
    tenantWith({
      Networks: [{
        ...{ Name: "n", Mtu, DefaultGw: "10.9.0.254" },
        Endpoints: ["old", "peer", "new"].map((Container) => ({ Container })),
      }],
    });
  await using host = await startHost({ Tenants: [network(9_000)] });
  const [old, peer] = [await host.pod("old"), await host.pod("peer")];
  for (const pod of [old, peer]) assertEquals((await host.agent.verb("setup", pod)).code, 0);
  const mtuIn = async (pod: Pod) =>
    / mtu (\d+)/.exec((await pod.run("ip", "link", "show", "eth0")).text)?.[1];
  assertEquals(await mtuIn(old), "9000");
  const lost = await lostDuring(peer, "10.9.0.1", async () => {
    const said = await applyTo(host, { Tenants: [network(1_500)] });
    assertStringIncludes(said, "running pods follow: default/old on host1, default/peer on host1");
    await waitFor(
      "the pods' MTU",
      async () => await mtuIn(old) === "1500" && await mtuIn(peer) === "1500",
    );
  });
  assertEquals(lost, []);
  assertStringIncludes(await host.agent.logText(), "pod follows its network pod=default/old");
  const fresh = await host.pod("new");
  assertEquals((await host.agent.verb("setup", fresh)).code, 0);
  for (const [from, to] of [[old, "10.9.0.3"], [fresh, "10.9.0.1"]] as const) {
    const big = await from.run("ping", "-c1", "-W30", "-q", "-M", "do", "-s", "1472", to);
    assertEquals(big.code, 0, big.text);
  }
  assertStringIncludes((await old.run("ip", "route")).text, "default via 10.9.0.254");
});
