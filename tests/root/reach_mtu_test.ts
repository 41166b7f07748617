// Packets that are too big for the way: whoever sends them learns it, inside and outside, also where addresses are
// translated. Nobody changes what TCP says of its segments.

import { assert, assertEquals } from "@std/assert";
import { makePod, type Pod } from "../lab/pod.ts";
import { OUTSIDE_ADDRESS } from "../lab/reach/outside.ts";
import { PORTS, ReachWorld } from "../lab/reach/reach_world.ts";
import { run } from "../lab/run.ts";
import { Talker } from "../lab/talk.ts";

/** Of the wire between hosts, of pods, and of a way behind the machine outside. */
const [WIRE_MTU, POD_MTU, FAR_MTU] = [1_350, 1_300, 1_250];
const FAR = "203.0.113.9";
/** Bigger than a pod may receive, smaller than what the world outside may send. */
const BIG = 1_400;
const MUCH = { bytes: 200_000, limitMs: 15_000 };

/** Returns the MTU that a way has after an error came back; undefined if it is the link's. */
async function learnt(from: Pod, address: string): Promise<string | undefined> {
  const { text } = await from.run("ip", "route", "get", address);
  return /mtu (\d+)/.exec(text)?.[1];
}

async function forget(pod: Pod): Promise<void> {
  assertEquals((await pod.run("ip", "route", "flush", "cache")).code, 0);
}

/** Makes a machine behind the one outside, which forwards less than its links carry. */
async function makeFar(outside: Pod): Promise<Pod> {
  const far = await makePod("far");
  const batch = (id: string, lines: readonly string[]) =>
    run("ip", ["-n", id, "-batch", "-"], { stdin: `${lines.join("\n")}\n` });
  await batch(outside.id, [
    `link add deep type veth peer name eth0 netns ${far.id}`,
    ...["link set deep up", "address add 203.0.113.1/24 dev deep"],
    `route add ${FAR}/32 dev deep mtu ${FAR_MTU}`,
  ]);
  await batch(far.id, [
    ...[`address add ${FAR}/24 dev eth0`, "link set eth0 up"],
    "route add default via 203.0.113.1",
  ]);
  await outside.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
  return far;
}

Deno.test("whoever sends what is too big for the way learns it, and all bytes arrive", async (t) => {
  await using world = await ReachWorld.start({ fabric: "vxlan", mtu: WIRE_MTU, isGuarded: false });
  await using far = await makeFar(world.outside);
  await using _farTalker = await Talker.start(far, PORTS);
  const [host, host1] = [world.hostOf("host1"), world.address("host1")];
  const { netns } = host;
  for (const name of ["a1", "b1", "a3", "b3"]) {
    const { [0]: pod, [1]: talker } = [world.pod(name), world.talker(name)];
    const own = world.address(name.endsWith("3") ? "host2" : "host1");
    await t.step(
      `an answer that is too big for ${name}: the machine outside learns it`,
      async () => {
        await forget(world.outside);
        assert(await talker.asks("udp", OUTSIDE_ADDRESS, 8080, { bytes: BIG, limitMs: 4_000 }));
        assertEquals(await learnt(world.outside, own), `${POD_MTU}`);
      },
    );
    await t.step(`a way of ${FAR_MTU} bytes behind a router: ${name} learns it`, async () => {
      assert(await talker.asks("tcp", FAR, 8080, MUCH));
      assertEquals(await learnt(pod, FAR), `${FAR_MTU}`);
      assert(await talker.asks("udp", FAR, 8080, { bytes: POD_MTU, limitMs: 4_000 }));
    });
  }
  // As hostPorts are opened; TCP has its node ports.
  const backends = { "30090": "10.1.1.1", "30091": "10.1.1.3" };
  for (const [port, to] of Object.entries(backends)) {
    const rule = ["-p", "udp", "--dport", port, "-j", "DNAT", "--to-destination", `${to}:8080`];
    const words = ["iptables-nft", "-t", "nat", "-I", "PREROUTING", ...rule];
    await run("ip", ["netns", "exec", netns, ...words]);
  }
  for (const [port, nodePort] of [[30_090, 30_080], [30_091, 30_081]] as const) {
    await t.step(
      `a datagram from outside to port ${port} that is too big for the pod`,
      async () => {
        await forget(world.outside);
        const { text } = await world.outside.run("ping", "-Mdo", "-c1", "-s1450", "-W5", host1);
        assert(/ 0% packet loss/.test(text), `the host itself takes it: ${text}`);
        const outside = world.talker("outside");
        assert(await outside.asks("udp", host1, port, { bytes: BIG, limitMs: 4_000 }));
        assertEquals(await learnt(world.outside, host1), `${POD_MTU}`);
      },
    );
    await t.step(`much from outside over TCP, there and back, to port ${nodePort}`, async () => {
      await forget(world.outside);
      assert(await world.talker("outside").asks("tcp", host1, nodePort, MUCH));
    });
  }
  await t.step("the host itself to pods, by their addresses and an alias", async () => {
    for (const to of ["10.1.1.1", "10.1.1.3", world.address("alias of b1")]) {
      for (const [protocol, options] of [["udp", { bytes: BIG }], ["tcp", MUCH]] as const) {
        assert(await world.talker("host1").asks(protocol, to, 8080, options), `${protocol} ${to}`);
      }
    }
  });
  await t.step("nothing changes the size of segments", async () => {
    const rules = await run("ip", ["netns", "exec", netns, "nft", "list", "ruleset"]);
    assert(!/maxseg/.test(rules), rules);
  });
});
