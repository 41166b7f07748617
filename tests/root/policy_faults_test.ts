// Policies that cannot be brought in force, or are not known: nothing is let through for them, and this
// is reported.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { askAgent } from "../../lib/agent/client.ts";
import type { HealthAnswer } from "../../lib/agent/api/agent_health.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Host, startHost } from "../lab/host.ts";
import { Talker } from "../lab/talk.ts";
import { waitFor } from "../lab/wait.ts";

function intentWith(rules: readonly unknown[], group = true): unknown {
  return {
    Tenants: [tenantWith({
      Groups: [
        { Name: "web", Network: "blue", Policies: ["p1"] },
        { Name: "app", Network: "blue" },
      ],
      Policies: [{ Name: "p1", Rules: rules }],
      Networks: [
        {
          Name: "blue",
          Endpoints: [
            { Container: "web", ...group ? { Group: "web" } : {} },
            { Container: "web2", ...group ? { Group: "web" } : {} },
            { Container: "app", Group: "app" },
            { Container: "other" },
          ],
        },
        { Name: "red", Endpoints: [{ Container: "far1" }, { Container: "far2" }] },
      ],
    })],
  };
}

const APP_ONLY = [
  { Id: "1", Direction: "in", Protocol: "tcp", Action: "deny" },
  {
    ...{ Id: "2", Priority: 10, Direction: "in", FromGroup: "app" },
    ...{ Protocol: "tcp", Port: 80, Action: "allow" },
  },
];

async function apply(host: Host, intent: unknown): Promise<void> {
  await Deno.writeTextFile(`${host.dir}/next.json`, JSON.stringify(intent));
  const { code, err } = await host.agent.call("apply", "-f", `${host.dir}/next.json`);
  assertEquals(code, 0, err);
}

async function problemOf({ agent }: Host): Promise<string | undefined> {
  const health = await askAgent<HealthAnswer>({
    ...{ socket: agent.socket, path: "/v1/health", method: "GET" as const },
  });
  return health.policies;
}

/** Lets table `table` of the bridge take `limit` flows and no more; undefined: as many as it likes. */
async function limitTable({ ovs }: Host, table: number, limit: number | undefined): Promise<void> {
  if (limit === undefined) {
    await ovs.vsctl("clear", "Bridge", "contivBridge", "flow_tables");
    return;
  }
  await ovs.vsctl(
    ...["--", "--id=@t", "create", "Flow_Table", `flow_limit=${limit}`, "overflow_policy=refuse"],
    ...["--", "set", "Bridge", "contivBridge", `flow_tables:${table}=@t`],
  );
}

/** Sets up web, which listens on TCP 80 at `ip`, app (`friend`) and other (`stranger`). */
async function startTalkers(host: Host, stack: AsyncDisposableStack) {
  const pods = await Promise.all(["web", "app", "other"].map((one) => host.pod(one)));
  for (const pod of pods) await host.agent.setup(pod);
  const [web, app, other] = pods;
  stack.use(await Talker.start(web!, { tcp: [80] }));
  const friend = stack.use(await Talker.start(app!, {}));
  const stranger = stack.use(await Talker.start(other!, {}));
  return { ip: await host.agent.addressOf(web!), friend, stranger };
}

const KINDS = [
  { name: "the rules' table is full", table: 22, limit: 1 },
  { name: "even the first table is full", table: 10, limit: 0 },
];

for (const { name, table, limit } of KINDS) {
  Deno.test(`${name}: the endpoints that the rules concern are isolated, this is reported, and later the rules are in force`, async () => {
    await using host = await startHost(intentWith([]));
    await using stack = new AsyncDisposableStack();
    const { ip, friend, stranger } = await startTalkers(host, stack);
    assert(await stranger.asks("tcp", ip, 80));
    await limitTable(host, table, limit);
    await apply(host, intentWith(APP_ONLY));
    assertMatch(await problemOf(host) ?? "", /OFPFMFC_TABLE_FULL/);
    const { out } = await host.agent.call("status");
    assertMatch(out, /^policies +not installed: .*OFPFMFC_TABLE_FULL/m);
    assertStringIncludes(await host.agent.logText(), "policies are not enforced as they should be");
    await waitFor("no pod to reach it", async () => !await stranger.asks("tcp", ip, 80));
    const next = await host.pod("web2");
    const { code } = await host.agent.callWith(
      { K8CONTIVNET_SETUP_SECONDS: "1" },
      "setup",
      "default",
      "web2",
      next.id,
    );
    assertEquals(code, 1, "a pod was started without its rules");
    const [far1, far2] = await Promise.all(["far1", "far2"].map((one) => host.pod(one)));
    await host.agent.setup(far1!);
    await host.agent.setup(far2!);
    assert(await far1!.reaches(await host.agent.addressOf(far2!)), "another network suffers");
    await limitTable(host, table, undefined);
    await waitFor("the rules to be in force", async () => await problemOf(host) === undefined);
    assert(await friend.asks("tcp", ip, 80, { limitMs: 5_000 }));
    assert(!await stranger.asks("tcp", ip, 80));
    await host.agent.setup(next);
    assertStringIncludes(await host.agent.logText(), "policies are enforced again");
  });
}

Deno.test("a policy that cannot be read changes nothing, and no pod starts with it", async () => {
  await using host = await startHost(intentWith(APP_ONLY));
  const pods = await Promise.all(["web", "other"].map((one) => host.pod(one)));
  for (const pod of pods) await host.agent.setup(pod);
  const [web, other] = pods;
  const ip = await host.agent.addressOf(web!);
  await using _server = await Talker.start(web!, { tcp: [80] });
  await using stranger = await Talker.start(other!, {});
  const send = (policy: unknown) =>
    askAgent({
      socket: host.agent.socket,
      path: "/v1/kubernetes",
      body: { policies: [policy] },
    }).then(() => {}, () => {});
  const policy = { namespace: "default", name: "p", podSelector: {} };
  for (let times = 0; times < 2; times++) {
    await send({ ...policy, ingress: 7 });
    assert(await problemOf(host) !== undefined, "no problem was reported");
    assert(!await stranger.asks("tcp", ip, 80));
    const next = await host.pod("web2");
    const words = ["setup", "default", "web2", next.id];
    const { code } = await host.agent.callWith({ K8CONTIVNET_SETUP_SECONDS: "1" }, ...words);
    assertEquals(code, 1);
  }
  await send({ ...policy, ingress: [{ from: [{ ipBlock: { cidr: "fd00::/8" } }] }] });
  assertEquals(await problemOf(host), undefined);
  assertStringIncludes(await host.agent.logText(), "fd00::/8 is IPv6, and matches nothing");
  assert(!await stranger.asks("tcp", ip, 80));
});

Deno.test("while Kubernetes' policies are not known, what is in force stays, and no pod starts without", async () => {
  await using host = await startHost(intentWith(APP_ONLY));
  await using stack = new AsyncDisposableStack();
  const { ip, friend, stranger } = await startTalkers(host, stack);
  const send = (body: unknown) =>
    askAgent({ socket: host.agent.socket, path: "/v1/kubernetes", body }).then(() => {}, () => {});
  await send({ state: "pending" });
  assertMatch(await problemOf(host) ?? "", /not known yet/);
  assert(await friend.asks("tcp", ip, 80, { limitMs: 5_000 }));
  assert(!await stranger.asks("tcp", ip, 80));
  const next = await host.pod("web2");
  const late = await host.agent.callWith(
    { K8CONTIVNET_SETUP_SECONDS: "1" },
    "setup",
    "default",
    "web2",
    next.id,
  );
  assertEquals(late.code, 5, late.err);
  // A switch that has lost its flows meanwhile has nothing to go on with: all stays closed.
  await host.ovs.killVswitchd();
  await host.ovs.startVswitchd();
  assert(!await stranger.asks("tcp", ip, 80, { limitMs: 3_000 }));
  await send({ state: "none" });
  await waitFor("the rules to be in force", async () => await problemOf(host) === undefined);
  assert(await friend.asks("tcp", ip, 80, { limitMs: 8_000 }));
  assert(!await stranger.asks("tcp", ip, 80));
  await host.agent.setup(next);
});
