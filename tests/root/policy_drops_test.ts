// `--log-drops`: what policies drop is reported in the agent's log, by a real switch, of real traffic.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { askAgent } from "../../lib/agent/client.ts";
import { flushBitOf } from "../../lib/ovs/policy_tables/megaflow_flush.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { run } from "../lab/run.ts";
import { type Host, startHost } from "../lab/host.ts";
import { startCluster } from "../lab/cluster.ts";
import { vtepOf } from "../lab/cluster/host.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { Talker } from "../lab/talk.ts";
import { waitFor } from "../lab/wait.ts";

const APP_ONLY = [
  { Id: "1", Direction: "in", Protocol: "tcp", Action: "deny" },
  {
    ...{ Id: "2", Priority: 10, Direction: "in", FromGroup: "app" },
    ...{ Protocol: "tcp", Port: 80, Action: "allow" },
  },
];

function intentWith({ encap = "vlan", hosts = [], pinned = {} }: {
  readonly encap?: string;
  readonly hosts?: readonly unknown[];
  readonly pinned?: Readonly<Record<string, string>>;
} = {}): unknown {
  const endpoint = (name: string, group?: string) => ({
    Container: name,
    ...group ? { Group: group } : {},
    ...pinned[name] ? { Host: pinned[name] } : {},
  });
  return {
    Hosts: hosts,
    Tenants: [tenantWith({
      DefaultNetType: encap,
      AllocSubnetLen: 16,
      Vxlans: "10001-10100",
      Groups: [
        { Name: "web", Network: "blue", Policies: ["p1"] },
        { Name: "app", Network: "blue" },
      ],
      Policies: [{ Name: "p1", Rules: APP_ONLY }],
      Networks: [{
        Name: "blue",
        Endpoints: [endpoint("web", "web"), endpoint("app", "app"), endpoint("other")],
      }],
    })],
  };
}

/** All flows of the bridge with what they do, without counters. */
async function flowsOf({ ovs }: Pick<Host, "ovs">): Promise<string[]> {
  const text = await run("ovs-ofctl", [
    ...["-OOpenFlow14", "--no-stats", "--no-names", "dump-flows"],
    `unix:${ovs.rundir}/contivBridge.mgmt`,
  ]);
  return text.split("\n").map((line) => line.trim()).filter((line) => /^cookie/.test(line)).sort();
}

async function droppedLines({ agent }: Pick<Host, "agent">): Promise<string[]> {
  return (await agent.logText()).split("\n").filter((line) => line.includes(" dropped "));
}

async function dropsOf({ agent }: Host, name: string): Promise<number> {
  const { out } = await agent.call("get", "policies", "-o", "json");
  const items = JSON.parse(out) as { name: string; drops: number }[];
  return items.find((item) => item.name === name)?.drops ?? 0;
}

for (const driver of ["jsonrpc", "vsctl"]) {
  Deno.test(`${driver}: a dropped packet is logged once, with both pods and the rule, then how many more`, async () => {
    await using host = await startHost(intentWith(), "--log-drops", "--ovs-driver", driver);
    const pods = await Promise.all(["web", "app", "other"].map((name) => host.pod(name)));
    for (const pod of pods) await host.agent.setup(pod);
    const [web, app, other] = pods;
    const [ip, from] = [await host.agent.addressOf(web!), await host.agent.addressOf(other!)];
    await using _server = await Talker.start(web!, { tcp: [80], udp: [53] });
    await using friend = await Talker.start(app!, {});
    await using stranger = await Talker.start(other!, {});
    assert(await friend.asks("tcp", ip, 80));
    assert(await stranger.asks("udp", ip, 53));
    assertEquals(await droppedLines(host), [], "what passes is reported as dropped");
    assert(!await stranger.asks("tcp", ip, 80, { limitMs: 4_000 }));
    const words = `info  dropped tcp default/other ${from} -> default/web ${ip}:80 ` +
      "by contiv policy t/p1 (rule 1 of group web)";
    await waitFor("the line", async () => (await droppedLines(host)).length > 0);
    const [first] = await droppedLines(host);
    assert(first!.endsWith(words), first);
    for (const name of ["default/web", "default/other"]) {
      const { out } = await host.agent.call("events", name, "-l", "kind=drop", "-o", "json");
      const [event] = JSON.parse(out);
      assertEquals([event?.pod, event?.peer], ["default/web", "default/other"], out);
      assertEquals([event.network, event.address], ["t/blue", ip]);
    }
    // On a busy machine the client repeats its packet for longer than one interval.
    const isWholeCount = async () => {
      const [, ...more] = await droppedLines(host);
      const counted = more.map((line) => Number(/ (\d+) more in 10 s$/.exec(line)?.[1]));
      return more.length > 0 &&
        1 + counted.reduce((a, b) => a + b) === await dropsOf(host, "t/p1");
    };
    await waitFor("the lines to count all drops", isWholeCount, { limitMs: 15_000 });
    // Kubernetes' default deny: which pod it isolates, and by which policy.
    const policy = {
      namespace: "default",
      name: "closed",
      podSelector: {},
      policyTypes: ["Egress"],
    };
    const kubePods = [{
      ...{ namespace: "default", name: "other", uid: other!.id, labels: {} },
      ...{ addresses: [from], ports: [] },
    }];
    const body = {
      namespaces: [{ name: "default", labels: {} }],
      pods: kubePods,
      policies: [policy],
    };
    await askAgent({ socket: host.agent.socket, path: "/v1/kubernetes", body });
    assert(!await stranger.pod.pings(ip));
    await waitFor("the line", async () => {
      const now = await droppedLines(host);
      return now.some((line) =>
        line.endsWith(
          `dropped icmp default/other ${from} -> default/web ${ip} ` +
            "by kubernetes policy default/closed (isolated for egress)",
        )
      );
    });
  });
}

Deno.test("across hosts the host that drops logs the pod on the other one", async () => {
  const label = (n: number) => `host${n}`;
  const intent = intentWith({
    encap: "vxlan",
    hosts: [1, 2].map((n) => ({ Name: label(n), VtepIp: vtepOf(n) })),
    pinned: { web: label(2), app: label(1), other: label(1) },
  });
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", intent, flags: ["--log-drops"] },
  });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  const [web, other] = [await two.pod("web"), await one.pod("other")];
  await two.agent.setup(web);
  await one.agent.setup(other);
  const [ip, from] = [await two.agent.addressOf(web), await one.agent.addressOf(other)];
  await using _server = await Talker.start(web, { tcp: [80] });
  await using stranger = await Talker.start(other, {});
  assert(await other.reaches(ip), "the overlay does not work");
  assert(!await stranger.asks("tcp", ip, 80));
  await waitFor("the line", async () => (await droppedLines(two)).length > 0);
  assertStringIncludes(
    (await droppedLines(two))[0]!,
    `dropped tcp default/other ${from} -> default/web ${ip}:80 by contiv policy t/p1`,
  );
  assertEquals(await droppedLines(one), []);
});

/** Returns all flows but the one that each change exchanges, so that nothing of before stays cached. */
async function rulesOf(host: Host): Promise<string[]> {
  return (await flowsOf(host)).filter((line) => flushBitOf(line) === undefined);
}

Deno.test("the flag changes the lines that drop and nothing else, and a restart without it takes them back", async () => {
  await using host = await startHost(intentWith());
  await host.agent.setup(await host.pod("web"));
  const plain = await rulesOf(host);
  const meters = () => host.ovs.ofctl("dump-meters", "contivBridge", "-OOpenFlow14");
  assert(
    !plain.some((line) => /meter|controller/.test(line)),
    "flows report drops without --log-drops",
  );
  assert(!(await meters()).includes("meter="));
  await host.agent.stop();
  await host.agent.start("--log-drops");
  const telling = await rulesOf(host);
  const changed = telling.filter((line) => !plain.includes(line));
  assertEquals(changed.length, 1, changed.join("\n"));
  assertMatch(changed[0]!, /table=31, priority=10,reg5=\S+ actions=meter:\d+,controller\(\S+\)$/);
  assertEquals(telling.length, plain.length);
  assertStringIncludes(await meters(), "rate=100");
  await host.agent.stop();
  await host.agent.start();
  assertEquals(await rulesOf(host), plain);
  assert(!(await meters()).includes("meter="), "the meter was left");
});

Deno.test("a meter that is gone, a switch that was killed, an agent that is dead: packets are still dropped", async () => {
  await using host = await startHost(intentWith(), "--log-drops");
  const [web, other] = await Promise.all(["web", "other"].map((name) => host.pod(name)));
  for (const pod of [web!, other!]) await host.agent.setup(pod);
  const ip = await host.agent.addressOf(web!);
  await using _server = await Talker.start(web!, { tcp: [80, 81, 82, 83] });
  await using stranger = await Talker.start(other!, {});
  // An agent that stands still repairs nothing meanwhile.
  freezeProcess(host.agent.pid);
  await host.ovs.ofctl("del-meters", "contivBridge", "-OOpenFlow14");
  assert(!(await flowsOf(host)).some((line) => line.includes("meter")), "the meter is still there");
  assert(!await stranger.asks("tcp", ip, 80));
  Deno.kill(host.agent.pid, "SIGCONT");
  await host.ovs.killVswitchd();
  await host.ovs.startVswitchd();
  await waitFor(
    "the lines to be back",
    async () => (await flowsOf(host)).some((line) => line.includes("meter:")),
  );
  assert(!await stranger.asks("tcp", ip, 81));
  await waitFor("the switch's new life to be heard", async () => {
    await stranger.asks("tcp", ip, 82, { limitMs: 300 });
    return (await droppedLines(host)).some((line) => line.includes(`${ip}:82 by`));
  });
  await host.agent.stop("SIGKILL");
  assert(!await stranger.asks("tcp", ip, 83));
});

Deno.test("a flood from one pod costs a bounded log, a bounded memory, and no other pod its way", async () => {
  await using host = await startHost(intentWith(), "--log-drops");
  const [web, app, other] = await Promise.all(
    ["web", "app", "other"].map((name) => host.pod(name)),
  );
  for (const pod of [web!, app!, other!]) await host.agent.setup(pod);
  const ip = await host.agent.addressOf(web!);
  await using _server = await Talker.start(web!, { tcp: [80] });
  await using friend = await Talker.start(app!, {});
  const memory = async () =>
    Number(
      /VmRSS:\s+(\d+)/.exec(
        await Deno.readTextFile(`/proc/${host.agent.pid}/status`),
      )?.[1],
    ) / 1_024;
  const before = await memory();
  const flooder = new URL("../lab/flood.ts", import.meta.url).pathname;
  const flood = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", other!.id, Deno.execPath(), "run", "--no-config", "--no-check"],
      ...["--cached-only", "--allow-net", flooder, ip, "4"],
    ],
    stdout: "piped",
  }).spawn();
  let asked = 0;
  for (; asked < 4; asked++) {
    assert(await friend.asks("tcp", ip, 80, { limitMs: 5_000 }), "the flood stops others");
  }
  const { stdout } = await flood.output();
  const sent = Number(new TextDecoder().decode(stdout));
  const drops = await dropsOf(host, "t/p1");
  assert(sent > 1_000 && drops > 1_000, `no flood: ${sent} connections, ${drops} drops`);
  await waitFor(
    "the interval's end",
    async () => (await droppedLines(host)).some((line) => line.includes("more kinds than")),
    { limitMs: 15_000 },
  );
  const lines = await droppedLines(host);
  assert(lines.length <= 220, `${lines.length} lines of ${drops} drops`);
  assertMatch(lines.at(-1)!, /at least \d+ more in 10 s; get policies counts all$/);
  const grown = await memory() - before;
  console.log(
    `${sent} connections, ${drops} drops, ${lines.length} lines, ${grown.toFixed(1)} MB more`,
  );
  assert(grown < 30, `${grown} MB more`);
});
