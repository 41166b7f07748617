// Datagrams in fragments, of which only the first one has ports, under rules with ports: what is allowed passes
// at any size, and its answers, too; of what is denied no fragment arrives.

import { assertEquals } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { startCluster } from "../lab/cluster.ts";
import { vtepOf } from "../lab/cluster/host.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { startHost } from "../lab/host.ts";
import type { Place } from "../lab/policy_world.ts";
import { Talker } from "../lab/talk.ts";

// An MTU of 1500 carries 1,472 bytes; 32 fragments, as many as Open vSwitch handles at once, 47,352.
const SIZES = [1_472, 1_473, 8_000, 47_353, 60_000];
const PORTS = { allowed: 80, denied: 81 };

const ONLY_UDP_80 = (direction: "in" | "out", group: string) => [
  { Id: "1", Direction: direction, Protocol: "udp", Action: "deny" },
  {
    ...{ Id: "2", Priority: 10, Direction: direction, Protocol: "udp", Port: PORTS.allowed },
    ...{ [direction === "in" ? "FromGroup" : "ToGroup"]: group, Action: "allow" },
  },
];

/** Both sides have rules: app may ask web at one port, and no other pod may be asked. */
function intentOf(encap: "vlan" | "vxlan", hosts: readonly unknown[] = []): unknown {
  return {
    Hosts: hosts,
    Tenants: [tenantWith({
      DefaultNetType: encap,
      Vxlans: "10001-10100",
      Groups: [
        { Name: "web", Network: "blue", Policies: ["in", "out"] },
        { Name: "app", Network: "blue", Policies: ["in", "out"] },
      ],
      Policies: [
        { Name: "in", Rules: ONLY_UDP_80("in", "app") },
        { Name: "out", Rules: ONLY_UDP_80("out", "web") },
      ],
      Networks: [{
        Name: "blue",
        Endpoints: [
          { Container: "web", Group: "web" },
          { Container: "app", Group: "app" },
          { Container: "other" },
        ],
      }],
    })],
  };
}

async function checkSizes(places: readonly Place[]): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const start = async (place: Place, name: string) => {
    const pod = await place.pod(name);
    await place.agent.setup(pod);
    const talker = stack.use(await Talker.start(pod, { udp: Object.values(PORTS) }));
    return { pod, talker, ip: await place.agent.addressOf(pod) };
  };
  const [here, there = here] = places;
  const web = await start(here!, "web");
  const app = await start(there!, "app");
  const other = await start(there!, "other");
  type Side = typeof web;
  const ask = (from: Side, to: Side, port: number, bytes: number, limitMs = 1_000) =>
    from.talker.asks("udp", to.ip, port, { bytes, tries: 1, limitMs });
  // Addresses are resolved by what is too small to be a fragment.
  for (const from of [app, other]) await ask(from, web, PORTS.denied, 5, 200);
  for (const bytes of SIZES) {
    await using sniffers = new AsyncDisposableStack();
    const listen = async (to: Side, from: Side) =>
      sniffers.use(await sniff(to.pod.id, "eth0", `src host ${from.ip} and ip proto 17`));
    const ears = await Promise.all([
      ...[listen(web, app), listen(web, other), listen(app, web), listen(other, app)],
    ]);
    const denied = [
      await ask(app, web, PORTS.denied, bytes, 300),
      await ask(other, web, PORTS.allowed, bytes, 300),
      await ask(web, app, PORTS.allowed, bytes, 300),
      await ask(app, other, PORTS.allowed, bytes, 300),
    ];
    assertEquals(denied, [false, false, false, false], `${bytes} bytes`);
    const arrived = ears.flatMap((one) => one.lines());
    assertEquals(arrived, [], `${bytes} bytes that are denied`);
    assertEquals(await ask(app, web, PORTS.allowed, bytes, 5_000), true, `${bytes} bytes`);
    // From a new port each time: the first datagram of a connection, and its answer.
    assertEquals(await ask(app, web, PORTS.allowed, bytes, 5_000), true, `${bytes} bytes again`);
  }
  const { code, text } = await app.pod.run("ping", "-c1", "-W5", "-s", "8000", web.ip);
  assertEquals(code, 0, text);
}

Deno.test("fragments under rules with ports: what is allowed passes at any size, of what is denied nothing", async () => {
  await using host = await startHost(intentOf("vlan"));
  await checkSizes([host]);
});

Deno.test("fragments under rules with ports: the same between two hosts with VLANs", async () => {
  const hosts = [1, 2].map((n) => ({ Name: `host${n}`, Intf: "eth2" }));
  const intent = intentOf("vlan", hosts);
  await using cluster = await startCluster({ hosts: 2, fabric: "vlan-switch", etcd: 0, intent });
  await checkSizes(cluster.hosts);
});

Deno.test("fragments under rules with ports: the same between two hosts over VXLAN", async () => {
  const hosts = [1, 2].map((n) => ({ Name: `host${n}`, VtepIp: vtepOf(n) }));
  const intent = intentOf("vxlan", hosts);
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", etcd: 0, intent });
  await checkSizes(cluster.hosts);
});
