// Intents that change how networks are connected while their pods run: what stays allowed loses no packet, what
// a word opens is open, what no word allows any more is closed, and nothing is left at the end.

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { KEEP_ASIDE } from "../lab/aside.ts";
import { type Host, startHost } from "../lab/host.ts";
import { pingOn, type Pings } from "../lab/pings.ts";
import type { Pod } from "../lab/pod.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const OUTSIDE = "198.51.100.9";
const GATEWAY = "10.9.1.254";

/** Fields by which a network changes. */
type Connection = {
  readonly GatewayType: "distributed" | "external";
  readonly Reach?: readonly string[];
};

/** Networks blue of two tenants with the same subnet: the second one is aliased. */
function intentOf(connection: Connection): unknown {
  const networks = [{
    ...{ Name: "blue", SubnetCIDR: "10.9.1.0/24", DefaultGw: GATEWAY, ...connection },
    Endpoints: [{ Container: "a1" }, { Container: "a2" }],
  }];
  return {
    Tenants: [
      tenantWith({ Networks: networks }),
      { ...tenantWith({ Networks: networks }), Name: "u", Vlans: "300-310", Namespaces: ["red"] },
    ],
  };
}

/** One host, which has a machine outside, and two pods of each tenant. */
interface Stage {
  readonly host: Host;
  readonly own: readonly [Pod, Pod];
  readonly aliased: readonly [Pod, Pod];
  change(connection: Connection): Promise<void>;
}

async function onStage(
  connection: Connection,
  work: (stage: Stage) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  await run("ip", ["netns", "add", "outside"]);
  stack.defer(async () => void await run("ip", ["netns", "del", "outside"]));
  await run("ip", ["link", "add", "ext", "type", "veth", "peer", "name", "in", "netns", "outside"]);
  stack.defer(async () => void await run("ip", ["link", "del", "ext"]));
  const lines = ["address add 198.51.100.1/24 dev ext", "link set ext up"];
  await run("ip", ["-batch", "-"], { stdin: `${lines.join("\n")}\n` });
  const far = [`address add ${OUTSIDE}/24 dev in`, "link set in up", "link set lo up"];
  await run("ip", ["-n", "outside", "-batch", "-"], { stdin: `${far.join("\n")}\n` });
  const host = stack.use(await startHost(intentOf(connection)));
  const podOf = async (name: string, namespace: string) => {
    const pod = await host.pod(name, namespace);
    await host.agent.setup(pod);
    return pod;
  };
  await work({
    host,
    own: [await podOf("a1", "default"), await podOf("a2", "default")],
    aliased: [await podOf("a1", "red"), await podOf("a2", "red")],
    change: async (next) => {
      await Deno.writeTextFile(`${host.dir}/next.json`, JSON.stringify(intentOf(next)));
      const { code, err } = await host.agent.call("apply", "-f", `${host.dir}/next.json`);
      assertEquals(code, 0, err);
    },
  });
}

const nothingMissed = async (pings: Pings) => {
  const { last } = pings;
  await waitFor("more answers", () => pings.last > last + 10);
  assertEquals(pings.missed(), []);
};

Deno.test("gateway, words and external gateway again: pods of a network lose no packet, and reach what is open", async () => {
  await onStage({ GatewayType: "external" }, async ({ own, aliased, change }) => {
    const pods = [own[0], aliased[0]];
    await using mine = pingOn(own[0], "10.9.1.2", 0.02);
    await using theirs = pingOn(aliased[0], "10.9.1.2", 0.02);
    const both = [mine, theirs];
    for (const pod of pods) assertEquals(await pod.pings(OUTSIDE), false);

    await change({ GatewayType: "distributed" });
    for (const pod of pods) await waitFor("the gateway", () => pod.pings(GATEWAY));
    for (const pod of pods) assertEquals(await pod.pings(OUTSIDE), false);
    for (const pings of both) await nothingMissed(pings);

    await change({ GatewayType: "distributed", Reach: ["outside"] });
    for (const pod of pods) await waitFor("outside", () => pod.pings(OUTSIDE));
    {
      await using out = pingOn(own[0], OUTSIDE, 0.02);
      await using theirOut = pingOn(aliased[0], OUTSIDE, 0.02);
      await change({ GatewayType: "distributed", Reach: ["host", "outside"] });
      await waitFor("the host", () => own[0].pings("198.51.100.1"));
      for (const pings of [...both, out, theirOut]) await nothingMissed(pings);
    }

    await change({ GatewayType: "distributed", Reach: ["host"] });
    for (const pod of pods) await waitFor("no outside", async () => !await pod.pings(OUTSIDE));
    assert(await own[0].pings("198.51.100.1"));

    await change({ GatewayType: "external" });
    await waitFor("the port to go", async () => {
      return !(await run("ip", ["-br", "link"])).includes("contivHost");
    });
    for (const pod of pods) assertEquals(await pod.pings("198.51.100.1"), false);
    for (const pings of both) await nothingMissed(pings);
    assertEquals(await run("nft", ["list", "tables"]), "");
  });
});

Deno.test("the gateway answers from the first packet on, and never with an address that is not its own", async () => {
  await onStage({ GatewayType: "distributed" }, async ({ own, aliased }) => {
    for (const pod of [...own, ...aliased]) {
      const { text } = await pod.run("ping", "-c3", "-i0.01", "-W1", GATEWAY);
      assertEquals(/(\d+) received/.exec(text)?.[1], "3", text);
      assert(text.includes(`from ${GATEWAY}: icmp_seq=1 ttl=64`), text);
      const { text: neighbours } = await pod.run("ip", "neighbour", "show", GATEWAY);
      assert(neighbours.includes("lladdr 02:02:64:41:00:01"), neighbours);
    }
  });
});

Deno.test("a network that becomes distributed, and its restarted agent, keep each pod's alias", async () => {
  await onStage({ GatewayType: "external" }, async ({ host, aliased, change }) => {
    const aliasesOf = async () =>
      (await host.agent.attachments()).filter(({ tenant }) => tenant === "u")
        .map(({ alias }) => alias).sort();
    assertEquals(await aliasesOf(), [undefined, undefined]);
    await change({ GatewayType: "distributed", Reach: ["outside"] });
    await waitFor("outside", () => aliased[0].pings(OUTSIDE));
    const aliases = await aliasesOf();
    assertEquals(new Set(aliases).size, 2);
    for (const alias of aliases) assertMatch(alias ?? "", /^100\.64\./);
    await using out = pingOn(aliased[1], OUTSIDE, 0.02);
    await host.agent.stop("SIGKILL");
    await host.agent.start();
    assertEquals(await aliasesOf(), aliases);
    await nothingMissed(out);
  });
});

/** Sends to whoever has sent to it, as long as it runs: one datagram each 50 ms, from UDP port 7000. */
const INSISTENT = `
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 7000 });
console.log("listening");
const [, asker] = await socket.receive();
setInterval(() => socket.send(new Uint8Array(1), asker), 50);
`;

/** Returns how many UDP datagrams a pod got for ports at which nobody listens (RFC 2013, udpNoPorts). */
async function strayDatagrams(pod: Pod): Promise<number> {
  const { text } = await pod.run("cat", "/proc/net/snmp");
  return Number(/^Udp: \d+ (\d+)/m.exec(text)?.[1]);
}

Deno.test("what a machine outside still sends to a pod that is gone reaches no other pod", async () => {
  const connection = { GatewayType: "distributed", Reach: ["outside"] } as const;
  await onStage(connection, async ({ host, aliased: [first, second] }) => {
    const aliasOf = async (name: string) =>
      (await host.agent.attachments()).find(({ tenant, pod }) =>
        tenant === "u" && pod.name === name
      )
        ?.alias;
    const alias = await aliasOf("a1");
    await host.agent.verb("teardown", second);
    const machine = new Deno.Command("ip", {
      args: ["netns", "exec", "outside", Deno.execPath(), "eval", "--unstable-net", INSISTENT],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    try {
      const reader = machine.stdout.getReader();
      await reader.read(); // it listens
      reader.releaseLock();
      await first.run("bash", "-c", `echo >/dev/udp/${OUTSIDE}/7000`);
      await waitFor("the machine's datagrams", async () => await strayDatagrams(first) > 3);
      await host.agent.verb("teardown", first);
      await host.agent.setup(second);
      assertNotEquals(await aliasOf("a2"), alias);
      assert(await second.reaches(OUTSIDE)); // so that its way in works, too
      await new Promise((done) => setTimeout(done, 500));
      assertEquals(await strayDatagrams(second), 0);
      await host.agent.setup(first);
      assertEquals(await aliasOf("a1"), alias);
    } finally {
      machine.kill("SIGKILL");
      await machine.stdout.cancel();
      await machine.status;
    }
  });
});

const INSTALL_SH = new URL("../../install.sh", import.meta.url).pathname;

/** Folders of the machine that are empty for the test. */
const PLACES = ["/usr/local", "/usr/libexec", "/etc/systemd", "/etc/cni", "/opt", "/var/cache"];

/** Uninstalls, as on a machine that has nothing installed there. */
async function uninstall({ ovs }: Host): Promise<string> {
  const script = `${KEEP_ASIDE}
  for place in ${PLACES.join(" ")}; do
    [ ! -d "$place" ] || mount -t tmpfs tmpfs "$place"
  done
  exec "$0" install --uninstall`;
  const words = ["--mount", "sh", "-ec", script, INSTALL_SH];
  const { success, stdout, stderr } = await new Deno.Command("unshare", {
    args: words,
    env: { OVS_RUNDIR: ovs.rundir },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stderr));
  return decoder.decode(stdout);
}

/** Returns what the host's stack has; Open vSwitch's own links are left out. */
async function stackOf(): Promise<readonly string[]> {
  const shows = ["link", "address", "route show table all", "neighbour", "rule"].map((words) =>
    run("ip", ["-o", ...words.split(" ")])
  );
  const texts = await Promise.all([...shows, run("nft", ["list", "ruleset"])]);
  const lines = texts.flatMap((text) => text.split("\n"));
  const isOpenVswitchs = /contivBridge|ovs-netdev|^local 198|^broadcast 198|\bext\b/;
  return lines.filter((line) => line !== "" && !isOpenVswitchs.test(line)).sort();
}

Deno.test("what is uninstalled leaves the host's stack as it was before", async () => {
  // Of other tests here.
  await run("nft", ["flush", "ruleset"]);
  await run("ip", ["link", "del", "contivHost"]).catch(() => {});
  const before = await stackOf();
  await onStage(
    { GatewayType: "distributed", Reach: ["outside"] },
    async ({ host, own, aliased }) => {
      for (const pod of [own[0], aliased[0]]) assert(await pod.reaches(OUTSIDE));
      for (const pod of [...own, ...aliased]) {
        assertEquals((await host.agent.verb("teardown", pod)).code, 0);
      }
      await waitFor(
        "links of pods to go",
        async () => !/\bcv/.test(await run("ip", ["-br", "link"])),
      );
      await host.agent.stop();
      const there = await stackOf();
      for (const one of ["contivHost", "table ip k8contivnet", "100.64.0.0/16", "169.254.1.1"]) {
        assert(
          there.some((line) => line.includes(one)),
          one,
        );
      }
      await uninstall(host);
      assertEquals(await stackOf(), before);
      await uninstall(host);
    },
  );
});
