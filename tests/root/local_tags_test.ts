// Hosts tag VXLAN networks by VLANs that no tenant has. Where only one is left, a network gets it when
// the one that has it is gone; and until then nobody else suffers.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Host, startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

function intentWith(...networks: string[]): unknown {
  return {
    Tenants: [{
      Name: "t",
      DefaultNetType: "vxlan",
      SubnetPool: "10.9.0.0/16",
      AllocSubnetLen: 24,
      ...{ Vlans: "1-4093", Vxlans: "10001-10100" },
      Networks: networks.map((Name) => ({
        Name,
        Endpoints: [{ Container: `one-${Name}` }, { Container: `two-${Name}` }],
      })),
    }],
  };
}

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

/** Gives the sandboxes that have an attachment; throws where one is planned and not there. */
async function ready({ agent }: Host): Promise<string[]> {
  const items = (await agent.attachments()).filter(({ network }) => network !== "");
  for (const { state } of items) assertEquals(state, "ready");
  return items.map(({ sandbox }) => sandbox);
}

Deno.test("a set-up that finds no local VLAN leaves nothing and holds nobody up, and succeeds when one is free", async () => {
  await using host = await startHost(intentWith("blue", "green"));
  const [one, two] = [await host.pod("one-blue"), await host.pod("two-blue")];
  const late = await host.pod("one-green");
  await host.agent.setup(one);
  const refused = await host.agent.verb("setup", late);
  assertEquals(refused.code, 4);
  assertMatch(refused.err, /no local VLAN left for t\/green: /);
  assertEquals(await ready(host), [one.id]);
  await host.agent.setup(two);
  assert(await one.pings(await host.agent.addressOf(two)));
  await cut(host, "blue");
  await waitFor("the VLAN to be free", async () => {
    const { code, err } = await host.agent.verb("setup", late);
    if (code !== 0) assertMatch(err, /no local VLAN left for t\/green: /);
    return code === 0;
  }, { limitMs: 60_000 });
  assertEquals(await ready(host), [late.id]);
});
