// What stays closed, and what does not, when the switch does not answer.

import { assertEquals, assertRejects } from "@std/assert";
import { LogDedup } from "../../../../lib/util/log_dedup.ts";
import { PolicyEnforcer } from "../../../../lib/agent/policy/policy_enforcer.ts";
import { TELL_AND_DROP } from "../../../../lib/ovs/policy_tables/drop_watch.ts";
import { PolicyVlans } from "../../../../lib/agent/policy/policy_vlans.ts";
import type { World } from "../../../../lib/agent/world.ts";
import { keys } from "../../../../lib/intent/records.ts";
import type { FlushingTables } from "../../../../lib/ovs/policy_tables/megaflow_flush.ts";
import { Fault } from "../../../../lib/util/errors.ts";

/** A switch's policy tables in memory, which may refuse to answer. */
class FakeTables implements FlushingTables {
  lines = new Set<string>();
  isAway = false;

  read = () => this.#answer([...this.lines]);
  openTrunks = () => this.#answer([]);
  drops = () => this.#answer(new Map<number, number>());
  trace = () => this.#answer("");
  revalidated = () => this.#answer(undefined);
  renew = () => this.#answer(undefined);
  rest = () => this.#answer(undefined);
  hasMeters = true;
  meters = 0;
  ensureMeter = () => {
    if (!this.hasMeters) return Promise.reject(new Fault("failed", "meter refused"));
    this.meters = 1;
    return this.#answer(undefined);
  };
  readonly done: string[] = [];
  emptyZone = (zone: number) => {
    if (this.keepsZones) return Promise.reject(new Fault("failed", "zone refused"));
    return this.#answer(void this.done.push(`empty ${zone}`));
  };
  keepsZones = false;
  removeMeter = () => this.#answer(void (this.meters = 0));
  change = async (have: readonly string[], want: readonly string[]) => {
    await this.#answer(undefined);
    if (have.length + want.length > 0) this.done.push(`${have.length} to ${want.length}`);
    for (const line of have) this.lines.delete(line);
    for (const line of want) this.lines.add(line);
  };

  #answer<T>(value: T): Promise<T> {
    return this.isAway ? Promise.reject(new Fault("timeout", "no answer")) : Promise.resolve(value);
  }
}

const document = (value: unknown) => ({ value, revision: 1 });

/** A host with one pod in network t/n, whose group has policy p where `isGuarded`. */
function worldWith({ isGuarded }: { readonly isGuarded: boolean }) {
  const said: string[] = [];
  let reguards = 0;
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
  const parts = {
    host: "h",
    store: { documents, away: undefined },
    tags: { tagOf: () => 100 },
    switch: { refreshAntispoofFlows: () => Promise.resolve(void reguards++) },
    fabric: { ensure: () => Promise.resolve() },
    logDedup: new LogDedup(),
    log: { error: note, info: note, warn: note },
  };
  return { world: parts as unknown as World, said, reguards: () => reguards };
}

Deno.test("a host without policies leaves its guards as they are, whether or not the switch answers", async () => {
  const { world, reguards } = worldWith({ isGuarded: false });
  const [tables, policed] = [new FakeTables(), new PolicyVlans()];
  const keeper = new PolicyEnforcer(tables, policed);
  tables.isAway = true;
  await assertRejects(() => keeper.ensure(world), Fault, "no answer");
  assertEquals(policed.has(100), false);
  await keeper.ensureFor(world, () => [100]);
  tables.isAway = false;
  await keeper.ensure(world);
  assertEquals([policed.has(100), reguards(), tables.lines.size], [false, 0, 0]);
});

Deno.test("a host with policies is closed until the switch has answered once", async () => {
  const { world, said, reguards } = worldWith({ isGuarded: true });
  const [tables, policed] = [new FakeTables(), new PolicyVlans()];
  const keeper = new PolicyEnforcer(tables, policed);
  tables.isAway = true;
  await assertRejects(() => keeper.ensure(world), Fault, "no answer");
  assertEquals([policed.has(100), policed.has(101)], [true, true]);
  await assertRejects(() => keeper.ensureFor(world, () => [101]), Fault);
  tables.isAway = false;
  await keeper.ensure(world);
  assertEquals([policed.has(100), policed.has(101), reguards()], [true, false, 1]);
  assertEquals(said.at(-1), "policies are in force again");
  await keeper.ensure(world);
  assertEquals(reguards(), 1);
});

Deno.test("what is not known keeps what the switch has, and closes where it has nothing", async () => {
  const { world } = worldWith({ isGuarded: true });
  const tables = new FakeTables();
  await new PolicyEnforcer(tables, new PolicyVlans()).ensure(world);
  const before = [...tables.lines];
  const policed = new PolicyVlans();
  const next = new PolicyEnforcer(tables, policed);
  next.setKube("pending");
  await assertRejects(() => next.ensure(world), Fault, "not known yet");
  assertEquals([...tables.lines], before);
  assertEquals([policed.has(100), policed.has(101)], [true, false]);
  tables.lines.clear();
  next.recheck();
  await assertRejects(() => next.ensure(world, { isFresh: true }), Fault, "not known yet");
  assertEquals([policed.has(100), policed.has(101)], [true, true]);
});

Deno.test("drops are told where it is asked for and the switch has a meter; else only dropped", async () => {
  const { world, said } = worldWith({ isGuarded: true });
  const tables = new FakeTables();
  const dropLine = () => [...tables.lines].filter((line) => line.includes(",reg5="));
  const actionsOf = ([line = ""]: string[]) => line.split(" actions=")[1];
  await new PolicyEnforcer(tables, new PolicyVlans()).ensure(world);
  const plain = [...tables.lines].sort();
  assertEquals([actionsOf(dropLine()), tables.meters], ["drop", 0]);

  const telling = new PolicyEnforcer(tables, new PolicyVlans(), { tellsDrops: true });
  await telling.ensure(world);
  assertEquals([dropLine().length, actionsOf(dropLine()), tables.meters], [1, TELL_AND_DROP, 1]);
  tables.hasMeters = false;
  telling.recheck();
  for (let times = 0; times < 2; times++) await telling.ensure(world, { isFresh: true });
  assertEquals([...tables.lines].sort(), plain);
  assertEquals(said.filter((words) => /drops/.test(words)), [
    "drops are not logged: meter refused",
  ]);
  tables.hasMeters = true;
  await telling.ensure(world, { isFresh: true });
  assertEquals([actionsOf(dropLine()), said.at(-1)], [TELL_AND_DROP, "drops are logged again"]);

  await new PolicyEnforcer(tables, new PolicyVlans()).ensure(world);
  assertEquals([[...tables.lines].sort(), tables.meters], [plain, 0]);
});

/** Returns the pod's network another name, as if its tag had gone to another network. */
function renameNetwork({ store }: World, from: string, to: string): void {
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
  const { world } = worldWith({ isGuarded: true });
  const tables = new FakeTables();
  const keeper = new PolicyEnforcer(tables, new PolicyVlans());
  await keeper.ensure(world);
  const all = tables.lines.size;
  assertEquals(tables.done, ["empty 100", `0 to ${all}`]);
  tables.done.length = 0;
  await keeper.ensure(world, { isFresh: true });
  await new PolicyEnforcer(tables, new PolicyVlans()).ensure(world);
  assertEquals(tables.done.filter((what) => what.startsWith("empty")), []);
  tables.lines.clear(); // a new ovs-vswitchd, whose kernel has kept what it tracked
  keeper.recheck();
  await keeper.ensure(world);
  assertEquals(tables.done.filter((what) => what.startsWith("empty")), []);
  const another = new PolicyEnforcer(tables, new PolicyVlans());
  for (const [one, from, to] of [[keeper, "n", "m"], [another, "m", "k"]] as const) {
    renameNetwork(world, from, to);
    tables.done.length = 0;
    const doors = [...tables.lines].filter((line) => /table=10, .*reg0=/.test(line));
    await one.ensure(world, { isFresh: true });
    assertEquals(tables.done, [
      `${doors.length} to 0`,
      "empty 100",
      `${all - doors.length} to ${all}`,
    ]);
    assertEquals(tables.lines.size, all);
  }
});

Deno.test("a zone that cannot be emptied keeps its network closed, and it is said", async () => {
  const { world, said } = worldWith({ isGuarded: true });
  const [tables, policed] = [new FakeTables(), new PolicyVlans()];
  const keeper = new PolicyEnforcer(tables, policed);
  tables.keepsZones = true;
  await assertRejects(() => keeper.ensure(world), Fault, "zone refused");
  assertEquals(policed.has(100), true);
  assertEquals([...tables.lines].filter((line) => !line.endsWith(" actions=drop")), []);
  assertEquals(tables.lines.size, 2);
  assertEquals(said, ["policies are not in force as they should be: zone refused"]);
  tables.keepsZones = false;
  await keeper.ensure(world);
  assertEquals(said.at(-1), "policies are in force again");
  assertEquals([...tables.lines].filter((line) => line.includes("table=10, priority=60")), []);
});
