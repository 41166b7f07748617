// Hosts tag VXLAN networks by VLANs that no tenant has. Where only one is left, a network gets it when
// the one that has it is gone; and until then no other network suffers.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Host, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

function tenantOf(networks: readonly string[]) {
  return tenantWith({
    DefaultNetType: "vxlan",
    ...{ Vlans: "1-4093", Vxlans: "10001-10100" },
    Networks: networks.map((Name) => ({
      Name,
      Endpoints: [{ Container: `one-${Name}` }, { Container: `two-${Name}` }],
    })),
  });
}

const intentWith = (...networks: string[]) => ({ Tenants: [tenantOf(networks)] });

async function cut(host: Host, network: string): Promise<void> {
  const endpoints = [{ Container: `one-${network}` }, { Container: `two-${network}` }];
  for (const one of [{ Name: network, Endpoints: endpoints }, { Name: network }]) {
    const document = { Tenants: [{ Name: "t", Networks: [one] }] };
    await Deno.writeTextFile(`${host.dir}/gone.json`, JSON.stringify(document));
    const { code, err } = await host.agent.call("netdcli", "-del-cfg", `${host.dir}/gone.json`);
    assertEquals(code, 0, err);
    // A network goes when its last pod has.
    await waitFor("the network's pods to be disconnected", async () => {
      return !(await host.agent.attachments()).some((item) => item.network === network);
    });
  }
}

/** Returns the sandboxes that have an attachment; throws where one is planned and not there. */
async function ready({ agent }: Host): Promise<string[]> {
  const items = (await agent.attachments()).filter(({ network }) => network !== "");
  for (const { state } of items) assertEquals(state, "ready");
  return items.map(({ sandbox }) => sandbox);
}

Deno.test("a set-up that finds no local VLAN leaves nothing and delays no other pod, and succeeds when one is free", async () => {
  await using host = await startHost(intentWith("blue", "green"));
  const [one, two] = [await host.pod("one-blue"), await host.pod("two-blue")];
  const late = await host.pod("one-green");
  await host.agent.setup(one);
  const refused = await host.agent.verb("setup", late);
  assertEquals(refused.code, 4);
  assertMatch(refused.err, /no local VLAN left for t\/green: /);
  assertEquals(await ready(host), [one.id]);
  await host.agent.setup(two);
  assert(await one.reaches(await host.agent.addressOf(two)));
  await cut(host, "blue");
  await waitFor("the VLAN to be free", async () => {
    const { code, err } = await host.agent.verb("setup", late);
    if (code !== 0) assertMatch(err, /no local VLAN left for t\/green: /);
    return code === 0;
  }, { limitMs: 60_000 });
  assertEquals(await ready(host), [late.id]);
});

Deno.test("a network keeps its last local VLAN until a network claims it, and then only it is cut off", async () => {
  const networks = ["blue", "green"];
  await using host = await startHost({ Tenants: [{ ...tenantOf(networks), Vlans: "1-4092" }] });
  const pods = await Promise.all(
    ["one-blue", "two-blue", "one-green", "two-green", "one-red", "two-red"]
      .map((name) => host.pod(name)),
  );
  const [oneBlue, twoBlue, oneGreen, twoGreen, oneRed, twoRed] = pods as [
    Pod,
    Pod,
    Pod,
    Pod,
    Pod,
    Pod,
  ];
  for (const pod of [oneBlue, twoBlue, oneGreen, twoGreen]) await host.agent.setup(pod);
  const [blueIp, greenIp] = [
    await host.agent.addressOf(twoBlue),
    await host.agent.addressOf(twoGreen),
  ];
  const red = {
    ...{ Name: "red", PktTagType: "vlan", PktTag: 4093 },
    Endpoints: [{ Container: "one-red" }, { Container: "two-red" }],
  };
  const apply = async (...more: unknown[]) => {
    const tenant = tenantOf(networks);
    const document = { Tenants: [{ ...tenant, Networks: [...tenant.Networks, ...more] }] };
    await Deno.writeTextFile(`${host.dir}/intent.json`, JSON.stringify(document));
    const { code, err } = await host.agent.call("apply", "-f", `${host.dir}/intent.json`);
    assertEquals(code, 0, err);
  };
  const states = async (wanted: string) =>
    (await host.agent.attachments())
      .filter(({ network }) => network === "green").every(({ state }) => state === wanted);
  // Both VLANs that hosts have are taken, and one of them is a tenant's from now on.
  await apply();
  assert(await oneBlue.reaches(blueIp) && await oneGreen.pings(greenIp), "what was there goes on");
  await apply(red);
  for (const pod of [oneRed, twoRed]) await host.agent.setup(pod);
  assert(await oneRed.reaches(await host.agent.addressOf(twoRed)));
  await waitFor("green's pods to be said to have no VLAN", () => states("failed"));
  assert(!await oneGreen.pings(greenIp), "green is cut off");
  assert(await oneBlue.reaches(blueIp), "blue is not concerned");
  assertMatch(await host.agent.logText(), /attach failed: no local VLAN left for t\/green/);
  for (const pod of [oneRed, twoRed]) await host.agent.verb("teardown", pod);
  await cut(host, "red");
  await waitFor("green's pods to be back", () => states("ready"), { limitMs: 30_000 });
  assert(await oneGreen.reaches(greenIp));
});
