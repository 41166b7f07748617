// Policies that change, and parts that restart, under live connections.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { patient } from "../lab/limits.ts";
import { run } from "../lab/run.ts";
import { type Host, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { Talker } from "../lab/talk.ts";
import { waitFor } from "../lab/wait.ts";

const OPEN = [{ Id: "1", Direction: "in", FromGroup: "app", Action: "allow" }];
const CLOSED = [{ Id: "1", Direction: "in", Action: "deny" }];
const APP_ONLY = [
  { Id: "1", Direction: "in", Action: "deny" },
  { Id: "2", Priority: 10, Direction: "in", FromGroup: "app", Action: "allow" },
];
const OTHER_ONLY = [
  { Id: "1", Direction: "in", Action: "deny" },
  { Id: "2", Priority: 10, Direction: "in", FromGroup: "other", Action: "allow" },
];

function intentWith(rules: readonly unknown[]): unknown {
  return {
    Tenants: [tenantWith({
      Groups: [
        { Name: "web", Network: "blue", Policies: ["p1"] },
        ...["app", "other"].map((Name) => ({ Name, Network: "blue" })),
      ],
      Policies: [{ Name: "p1", Rules: rules }],
      Networks: [{
        Name: "blue",
        Endpoints: ["web", "app", "other"].map((name) => ({ Container: name, Group: name })),
      }],
    })],
  };
}

async function apply(host: Host, rules: readonly unknown[]): Promise<void> {
  const file = `${host.dir}/next.json`;
  await Deno.writeTextFile(file, JSON.stringify(intentWith(rules)));
  const { code, err } = await host.agent.call("apply", "-f", file);
  assertEquals(code, 0, err);
}

async function threePods(host: Host): Promise<{ web: Pod; app: Pod; other: Pod; ip: string }> {
  const [web, app, other] = await Promise.all(
    ["web", "app", "other"].map((name) => host.pod(name)),
  );
  for (const pod of [web!, app!, other!]) await host.agent.setup(pod);
  return { web: web!, app: app!, other: other!, ip: await host.agent.addressOf(web!) };
}

/** A connection that says a word every 20 ms and counts the echoes. */
interface Chat extends AsyncDisposable {
  /** Reports whether an echo comes within `limitMs` from now. */
  isAlive(limitMs?: number): Promise<boolean>;
}

async function startChat(
  pod: Pod,
  protocol: "tcp" | "udp",
  ip: string,
  port: number,
): Promise<Chat> {
  const script = new URL("../lab/chat.ts", import.meta.url).pathname;
  const child = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", pod.id, Deno.execPath(), "run", "--no-config", "--no-check"],
      ...["--cached-only", "--unstable-net", "--allow-net", script, protocol, ip, String(port)],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let heard = 0;
  const reading = (async () => {
    for await (const chunk of child.stdout) heard += chunk.length;
  })();
  await waitFor("the first echo", () => heard > 0);
  return {
    isAlive: async (limitMs = patient(5_000)) => {
      const before = heard;
      const end = performance.now() + limitMs;
      while (performance.now() < end) {
        if (heard > before) return true;
        await new Promise((done) => setTimeout(done, 20));
      }
      return false;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
      await reading;
    },
  };
}

const isCut = (chat: Chat) => waitFor("it to be cut", async () => !await chat.isAlive(700));

for (const protocol of ["tcp", "udp"] as const) {
  Deno.test(`a change of rules cuts the ${protocol} connection that is no longer allowed, and no other`, async () => {
    await using host = await startHost(intentWith(OPEN));
    const { web, app, other, ip } = await threePods(host);
    await using _server = await Talker.start(web, { tcp: [7000], udp: [7000] });
    await using ours = await startChat(app, protocol, ip, 7000);
    await using theirs = await startChat(other, protocol, ip, 7000);
    await apply(host, APP_ONLY);
    await isCut(theirs);
    assert(await ours.isAlive(), "the allowed one from before the policy was cut");
    await using late = await startChat(app, protocol, ip, 7000);
    await apply(host, OTHER_ONLY);
    await isCut(ours);
    await isCut(late);
    await using fresh = await startChat(other, protocol, ip, 7000);
    await apply(host, [...OTHER_ONLY, {
      Id: "3",
      Priority: 20,
      Direction: "in",
      Action: "deny",
      Protocol: "icmp",
    }]);
    assert(await fresh.isAlive(), "a change of another rule cut it");
    await apply(host, CLOSED);
    await isCut(fresh);
    await apply(host, OPEN);
    assert(await fresh.isAlive(), "without a policy it goes on");
  });
}

Deno.test("no policy, no trace of any: the flows are those of before", async () => {
  // Warm ports have flows in a table of their own.
  await using host = await startHost(intentWith(OPEN), "--ports", "plain");
  await threePods(host);
  const flows = async () =>
    (await run("ovs-ofctl", [
      ...["-OOpenFlow14", "--no-stats", "dump-flows"],
      `unix:${host.ovs.rundir}/contivBridge.mgmt`,
    ])).split("\n").sort().join("\n");
  const before = await flows();
  await apply(host, CLOSED);
  assertMatch(await flows(), /table=31/);
  const bare = JSON.stringify(intentWith([])).replace('"Policies":["p1"]', '"Policies":[]');
  await Deno.writeTextFile(`${host.dir}/bare.json`, bare);
  assertEquals((await host.agent.call("apply", "-f", `${host.dir}/bare.json`)).code, 0);
  await waitFor("no line of a policy", async () => !(await flows()).includes("table="));
  assertEquals(
    (await flows()).split("\n").filter((line) => line.includes("reg0")),
    [],
  );
  assertEquals(before.includes("ct("), false);
});

const restarts: { name: string; restart: (host: Host) => Promise<void> }[] = [
  {
    name: "the agent, stopped",
    restart: async ({ agent }) => {
      await agent.stop();
      await agent.start();
    },
  },
  {
    name: "the agent, killed",
    restart: async ({ agent }) => {
      await agent.stop("SIGKILL");
      await agent.start();
    },
  },
  {
    name: "ovs-vswitchd, stopped",
    restart: async ({ ovs }) => {
      await ovs.stopVswitchd();
      await ovs.startVswitchd();
    },
  },
  {
    name: "ovs-vswitchd, killed",
    restart: async ({ ovs }) => {
      await ovs.killVswitchd();
      await ovs.startVswitchd();
    },
  },
  {
    name: "both, killed",
    restart: async ({ agent, ovs }) => {
      await agent.stop("SIGKILL");
      await ovs.killVswitchd();
      await ovs.startVswitchd();
      await agent.start();
    },
  },
];

for (const { name, restart } of restarts) {
  Deno.test(`no forbidden packet passes while ${name} and started again, and allowed ones go on`, async () => {
    await using host = await startHost(intentWith(APP_ONLY));
    const { web, app, other, ip } = await threePods(host);
    await using _server = await Talker.start(web, { tcp: [7000], udp: [7000, 7001] });
    await using allowed = await startChat(app, "udp", ip, 7000);
    await using stream = await startChat(app, "tcp", ip, 7000);
    await using sniffer = await sniff(web.id, "eth0", "udp dst port 7001");
    // 200 datagrams a second to a port that nothing else uses, all the time.
    const flood = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", other.id, Deno.execPath(), "run", "--no-config", "--no-check"],
        ...["--cached-only", "--unstable-net", "--allow-net"],
        new URL("../lab/chat.ts", import.meta.url).pathname,
        ...["udp", ip, "7001", "5"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    await using stack = new AsyncDisposableStack();
    stack.defer(async () => {
      flood.kill("SIGKILL");
      await flood.status;
    });
    for (let times = 0; times < 3; times++) {
      await restart(host);
      assert(await allowed.isAlive(), "the allowed one does not come back");
      assert(await stream.isAlive(), "the allowed stream does not come back");
    }
    assertEquals(sniffer.lines(), []);
    const drops = async () => {
      const { out } = await host.agent.call("get", "policy", "t/p1", "-o", "json");
      return JSON.parse(out)[0].drops as number;
    };
    // ovs-vswitchd adds up what its datapath has counted about once a second.
    await waitFor("drops to be counted", async () => await drops() > 0);
    // The same packets are heard as soon as they may pass: the ear was there.
    await apply(host, OPEN);
    await sniffer.hears(".7001");
  });
}
