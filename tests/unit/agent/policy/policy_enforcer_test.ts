// What stays closed, and what does not, when the switch does not answer.

import { assertEquals, assertRejects } from "@std/assert";
import { LogDedup } from "../../../../lib/util/log_dedup.ts";
import { PolicyEnforcer } from "../../../../lib/agent/policy/policy_enforcer.ts";
import { REPORT_AND_DROP } from "../../../../lib/ovs/policy_tables/drop_watch.ts";
import { PolicyVlans } from "../../../../lib/agent/policy/policy_vlans.ts";
import type { PolicyDeps } from "../../../../lib/agent/policy/policy_deps.ts";
import { keys } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryPolicyTables } from "../../../memory/memory_policy_tables.ts";

const document = (value: unknown) => ({ value, revision: 1 });

/** What the enforcer of a host does with it is recorded. */
type Host = Omit<PolicyDeps, "tables" | "vlans" | "logsDrops">;

/** Returns an enforcer of `host` on these tables. */
function enforcerOf(
  host: Host,
  tables: MemoryPolicyTables,
  vlans: PolicyVlans = new PolicyVlans(),
  { logsDrops = false } = {},
): PolicyEnforcer {
  return new PolicyEnforcer({ ...host, tables, vlans, logsDrops });
}

/** A host with one pod in network t/n, whose group has policy p where `isGuarded`. */
function hostWith({ isGuarded }: { readonly isGuarded: boolean }) {
  const said: string[] = [];
  let refreshes = 0;
  const pod = { namespace: "default", name: "web" };
  const documents = new Map([
    [
      keys.tenant("t"),
      document({
        ...{ schema: 1, name: "t", defaultNetType: "vlan" },
        ...{ subnetPool: "10.0.0.0/8", allocSubnetLen: 24 },
        groups: [{ Name: "g", Network: "n", Policies: isGuarded ? ["p"] : [] }],
        policies: [{ Name: "p", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] }],
      }),
    ],
    [
      keys.network("t", "n"),
      document({
        ...{ schema: 1, tenant: "t", name: "n", encap: "vlan", tag: 100, subnet: "10.1.0.0/24" },
      }),
    ],
    [
      keys.endpoint("t", "n", "web"),
      document({
        ...{
          schema: 1,
          tenant: "t",
          network: "n",
          container: "web",
          group: "g",
          address: "10.1.0.1",
        },
        bound: { host: "h", generation: 1 },
      }),
    ],
    [
      keys.attachment("h", "s", "eth0"),
      document({
        ...{ schema: 1, id: "00000000000", sandbox: "s", netns: "/run/netns/s", netnsInode: 1 },
        ...{ host: "h", tenant: "t", network: "n", endpoint: "web", pod, generation: 1 },
        ...{ interface: "eth0", mtu: 1500, state: "ready" },
        ...{ addresses: ["10.1.0.1/24"], mac: "02:02:0a:01:00:01" },
      }),
    ],
  ]);
  const note = (words: string) => void said.push(words);
  const host: Host = {
    host: "h",
    store: {
      documents: documents as unknown as Host["store"]["documents"],
      unreachable: undefined,
      settle: () => Promise.resolve(),
      hasKubePolicies: false,
    },
    tags: { tagOf: () => 100 },
    switch: { refreshAntispoofFlows: () => Promise.resolve(void refreshes++) },
    fabric: { ensure: () => Promise.resolve() },
    logDedup: new LogDedup(),
    log: { error: note, info: note, warn: note },
  };
  return { host, said, refreshes: () => refreshes };
}

Deno.test("a host without policies leaves its anti-spoofing flows as they are, whether or not the switch answers", async () => {
  const { host, refreshes } = hostWith({ isGuarded: false });
  const [tables, vlans] = [new MemoryPolicyTables(), new PolicyVlans()];
  const enforcer = enforcerOf(host, tables, vlans);
  tables.isUnreachable = true;
  await assertRejects(() => enforcer.ensure(), Fault, "no answer");
  assertEquals(vlans.has(100), false);
  await enforcer.ensureFor(() => [100]);
  tables.isUnreachable = false;
  await enforcer.ensure();
  assertEquals([vlans.has(100), refreshes(), tables.flows.size], [false, 0, 0]);
});

Deno.test("a host with policies is closed until the switch has answered once", async () => {
  const { host, said, refreshes } = hostWith({ isGuarded: true });
  const [tables, vlans] = [new MemoryPolicyTables(), new PolicyVlans()];
  const enforcer = enforcerOf(host, tables, vlans);
  tables.isUnreachable = true;
  await assertRejects(() => enforcer.ensure(), Fault, "no answer");
  assertEquals([vlans.has(100), vlans.has(101)], [true, true]);
  await assertRejects(() => enforcer.ensureFor(() => [101]), Fault);
  tables.isUnreachable = false;
  await enforcer.ensure();
  assertEquals([vlans.has(100), vlans.has(101), refreshes()], [true, false, 1]);
  assertEquals(said.at(-1), "policies are enforced again");
  await enforcer.ensure();
  assertEquals(refreshes(), 1);
});

Deno.test("what is not known keeps what the switch has, and closes where it has nothing", async () => {
  const { host } = hostWith({ isGuarded: true });
  const tables = new MemoryPolicyTables();
  await enforcerOf(host, tables).ensure();
  const before = [...tables.flows];
  const vlans = new PolicyVlans();
  const next = enforcerOf(host, tables, vlans);
  next.setKube("pending");
  await assertRejects(() => next.ensure(), Fault, "not known yet");
  assertEquals([...tables.flows], before);
  assertEquals([vlans.has(100), vlans.has(101)], [true, false]);
  assertEquals(next.egressGuards(), undefined);
  tables.flows.clear();
  next.recheck();
  await assertRejects(() => next.ensure({ isFresh: true }), Fault, "not known yet");
  assertEquals([vlans.has(100), vlans.has(101)], [true, true]);
});

Deno.test("drops are logged with the flag where the switch has a meter; else packets are only dropped", async () => {
  const { host, said } = hostWith({ isGuarded: true });
  const tables = new MemoryPolicyTables();
  const dropLine = () => [...tables.flows].filter((line) => line.includes(",reg5="));
  const actionsOf = ([line = ""]: string[]) => line.split(" actions=")[1];
  await enforcerOf(host, tables).ensure();
  const plain = [...tables.flows].sort();
  assertEquals([actionsOf(dropLine()), tables.meters], ["drop", 0]);

  const logging = enforcerOf(host, tables, new PolicyVlans(), { logsDrops: true });
  await logging.ensure();
  assertEquals([dropLine().length, actionsOf(dropLine()), tables.meters], [1, REPORT_AND_DROP, 1]);
  tables.hasMeters = false;
  logging.recheck();
  for (let times = 0; times < 2; times++) await logging.ensure({ isFresh: true });
  assertEquals([...tables.flows].sort(), plain);
  assertEquals(said.filter((words) => /drops/.test(words)), [
    "drops are not logged: meter refused",
  ]);
  tables.hasMeters = true;
  await logging.ensure({ isFresh: true });
  assertEquals([actionsOf(dropLine()), said.at(-1)], [REPORT_AND_DROP, "drops are logged again"]);

  await enforcerOf(host, tables).ensure();
  assertEquals([[...tables.flows].sort(), tables.meters], [plain, 0]);
});

/** Renames the pod's network, as if its tag had gone to another network. */
function renameNetwork({ store }: Host, from: string, to: string): void {
  const documents = store.documents as unknown as Map<string, { value: Record<string, unknown> }>;
  for (const [key, one] of [...documents]) {
    if (!/^(networks|endpoints|attachments)/.test(key)) continue;
    documents.delete(key);
    const renamed = "network" in one.value ? { network: to } : { name: to };
    const value = { ...one.value, ...renamed };
    documents.set(key.replace(`/t/${from}`, `/t/${to}`), { ...one, value });
  }
}

Deno.test("a zone is emptied when its tag gets another network, behind closed doors, and at no other time", async () => {
  const { host } = hostWith({ isGuarded: true });
  const tables = new MemoryPolicyTables();
  const enforcer = enforcerOf(host, tables);
  await enforcer.ensure();
  const all = tables.flows.size;
  assertEquals(tables.changes, ["empty 100", `0 to ${all}`]);
  tables.changes.length = 0;
  await enforcer.ensure({ isFresh: true });
  await enforcerOf(host, tables).ensure();
  assertEquals(tables.changes.filter((what) => what.startsWith("empty")), []);
  tables.flows.clear(); // a new ovs-vswitchd, whose kernel has kept what it tracked
  enforcer.recheck();
  await enforcer.ensure();
  assertEquals(tables.changes.filter((what) => what.startsWith("empty")), []);
  const another = enforcerOf(host, tables);
  for (const [one, from, to] of [[enforcer, "n", "m"], [another, "m", "k"]] as const) {
    renameNetwork(host, from, to);
    tables.changes.length = 0;
    const doors = [...tables.flows].filter((line) => /table=10, .*reg0=/.test(line));
    await one.ensure({ isFresh: true });
    assertEquals(tables.changes, [
      `${doors.length} to 0`,
      "empty 100",
      `${all - doors.length} to ${all}`,
    ]);
    assertEquals(tables.flows.size, all);
  }
});

Deno.test("a zone that cannot be emptied keeps its network closed, and this is logged", async () => {
  const { host, said } = hostWith({ isGuarded: true });
  const [tables, vlans] = [new MemoryPolicyTables(), new PolicyVlans()];
  const enforcer = enforcerOf(host, tables, vlans);
  tables.keepsZones = true;
  await assertRejects(() => enforcer.ensure(), Fault, "zone refused");
  assertEquals(vlans.has(100), true);
  assertEquals([...tables.flows].filter((line) => !line.endsWith(" actions=drop")), []);
  assertEquals(tables.flows.size, 2);
  assertEquals(said, ["policies are not enforced as they should be: zone refused"]);
  tables.keepsZones = false;
  await enforcer.ensure();
  assertEquals(said.at(-1), "policies are enforced again");
  assertEquals([...tables.flows].filter((line) => line.includes("table=10, priority=60")), []);
});
