// Running pods follow MTU and default gateway of their network, in place.

import { assert, assertEquals } from "@std/assert";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

const NETWORK = { Name: "n", Endpoints: [{ Container: "web" }] };

async function startAttached(network: object) {
  const agent = await startMemoryAgent();
  await agent.apply([{ ...NETWORK, ...network }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  return { agent, pod };
}

async function seen({ host }: MemoryAgent, sandbox: string) {
  const { netns } = (await host.runtimes.findSandbox(sandbox))!;
  const { links, defaultRoute } = host.kernel.namespaceAt(netns)!;
  const [hostEnd] = [...host.kernel.host.links.values()];
  const [row] = [...host.switch.rows.values()];
  return {
    pod: links.get("eth0")?.mtu,
    host: hostEnd?.mtu,
    row: row?.externalIds.mtu,
    gateway: defaultRoute?.gateway,
  };
}

/** What a network changes to, and what its running pod has then. */
const CHANGES = [
  {
    what: "a smaller Mtu",
    before: { Mtu: 9_000, DefaultGw: "10.9.0.254" },
    after: { Mtu: 1_500, DefaultGw: "10.9.0.254" },
    has: { pod: 1_500, host: 1_500, row: "1500", gateway: "10.9.0.254" },
    line: 'pod follows its network pod=default/web network=t/n mtu="9000 -> 1500"',
  },
  {
    what: "another gateway",
    before: { DefaultGw: "10.9.0.254" },
    after: { DefaultGw: "10.9.0.253" },
    has: { pod: 1_500, host: 1_500, row: "1500", gateway: "10.9.0.253" },
    line: 'gateway="10.9.0.254 -> 10.9.0.253"',
  },
  {
    what: "a first gateway",
    before: {},
    after: { DefaultGw: "10.9.0.254" },
    has: { pod: 1_500, host: 1_500, row: "1500", gateway: "10.9.0.254" },
    line: 'gateway="none -> 10.9.0.254"',
  },
];

for (const { what, before, after, has, line } of CHANGES) {
  Deno.test(`a running pod follows ${what} of its network, and its port stays the same one`, async () => {
    const { agent, pod } = await startAttached(before);
    using _ = agent;
    const [port] = [...agent.host.switch.rows.values()].map(({ ofport }) => ofport);
    agent.host.switch.calls.length = 0;
    const { operations } = await agent.apply([{ ...NETWORK, ...after }]);
    const lines = operations.flatMap((one) => one.lines);
    assert(lines.includes("running pods follow: default/web on host1"), lines.join("\n"));
    assertEquals(await agent.agent.loops.reconcile.reconcileOnce(), 0);
    assertEquals(await seen(agent, pod.sandbox), has);
    const writes = agent.host.switch.calls.filter((call) => /^(add|remove|set)/.test(call));
    assertEquals(writes.map((call) => call.split(" ")[0]), ["setExternalIds"]);
    assertEquals([...agent.host.switch.rows.values()].map(({ ofport }) => ofport), [port]);
    assert(agent.logged.some((one) => one.includes(line)), agent.logged.join("\n"));
    // And that is all: nothing is left to follow.
    agent.host.switch.calls.length = 0;
    await agent.agent.loops.reconcile.reconcileOnce();
    assertEquals(agent.host.switch.calls.filter((call) => /^(add|remove|set)/.test(call)), []);
  });
}

Deno.test("another Mac is a running pod's only with its next sandbox, which the plan says", async () => {
  const { agent, pod } = await startAttached({});
  using _ = agent;
  const endpoint = { Container: "web", Mac: "02:aa:00:00:00:01" };
  const { operations } = await agent.apply([{ ...NETWORK, Endpoints: [endpoint] }]);
  const lines = operations.flatMap((one) => one.lines);
  assert(lines.includes("takes effect at the next set-up of default/web on host1"), lines.join());
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals((await agent.setUp(pod)).attachments[0]?.mac, "02:02:0a:09:00:01");
  assertEquals((await agent.setUp(startPod(agent.host, "web"))).attachments[0]?.mac, endpoint.Mac);
});

Deno.test("while this host's tunnel link is not there, pods of a VXLAN network keep their MTU", async () => {
  using agent = await startMemoryAgent();
  const tunnel = { DefaultNetType: "vxlan", Vxlans: "10000-10100" };
  const apply = () =>
    agent.intents.apply({
      mode: "add",
      text: JSON.stringify({
        Hosts: [{ Name: "host1", VtepIp: "192.168.2.10" }],
        Tenants: [{
          ...{ Name: "t", SubnetPool: "10.9.0.0/16", AllocSubnetLen: 24 },
          ...{ ...tunnel, Networks: [NETWORK] },
        }],
      }),
    });
  const nic = agent.host.kernel.addLink(agent.host.kernel.host, {
    ...{ name: "eth9", mtu: 9_000, isUp: true, addresses: ["192.168.2.10/24"] },
  });
  await apply();
  await agent.agent.loops.reconcile.reconcileOnce();
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  assertEquals(agent.attachments()[0]?.mtu, 8_950);
  nic.addresses.length = 0;
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(agent.attachments()[0]?.mtu, 8_950);
  nic.addresses.push("192.168.2.10/24");
  nic.mtu = 1_500;
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(agent.attachments()[0]?.mtu, 1_450);
});
