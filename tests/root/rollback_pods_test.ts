// Going back over random histories with pods that run: the intent is exactly the earlier one, and every pod that the plan
// does not call cut off stays connected throughout.

import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { PlanAnswer } from "../../lib/agent/api/intent_requests.ts";
import { openStore } from "../../lib/store/open_store.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { startEtcd } from "../lab/etcd.ts";
import { type Host, startHost } from "../lab/host.ts";
import { pingOn, type Pings } from "../lab/pings.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const HISTORIES = 5;
const PODS = ["pod1", "pod2", "pod3", "pod4"] as const;
const POLICY = {
  Name: "p",
  Rules: [{ Id: "1", Direction: "in", Protocol: "tcp", Port: 80, Action: "deny" }],
};

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** An intent in which `anchor` always is, and of the other pods any. */
const anyIntent = fc.record({
  names: fc.subarray([...PODS]),
  labels: maybe(fc.constantFrom({ app: "web" }, { app: "db" })),
  namespaces: maybe(fc.constantFrom(["default"], ["default", "shop"])),
  description: maybe(fc.constantFrom("front", "back")),
  mtu: maybe(fc.constantFrom(1_400, 1_450)),
  gateway: maybe(fc.constant("10.9.0.254")),
  reserve: maybe(fc.constant(["10.9.0.200-10.9.0.210"])),
  isGrouped: fc.boolean(),
  hasRed: fc.boolean(),
  host: maybe(fc.constantFrom({ Intf: "eth8" }, { VtepIp: "192.0.2.7" })),
}).map((one) => ({
  Hosts: one.host ? [{ Name: "far", ...one.host }] : [],
  Tenants: [tenantWith({
    ...{ Groups: [], Policies: [], Namespaces: one.namespaces },
    ...one.isGrouped
      ? { Groups: [{ Name: "g", Network: "blue", Policies: ["p"] }], Policies: [POLICY] }
      : {},
    Networks: [{
      ...{ Name: "blue", SubnetCIDR: "10.9.0.0/24", Description: one.description },
      ...{ Mtu: one.mtu, DefaultGw: one.gateway, Reserve: one.reserve },
      Endpoints: ["anchor", ...one.names].map((name) => ({
        ...{ Container: name, Labels: one.labels },
        ...one.isGrouped ? { Group: "g" } : {},
      })),
    }, ...one.hasRed ? [{ Name: "red", Endpoints: [{ Container: "other" }] }] : []],
  })],
}));

const anyHistory = fc.record({
  steps: fc.array(anyIntent, { minLength: 2, maxLength: 4 }),
  back: fc.array(fc.nat(20), { minLength: 1, maxLength: 2 }),
});

type History = typeof anyHistory extends fc.Arbitrary<infer T> ? T : never;

/** Returns the records of the intent, without the host that a pod's set-up has bound an endpoint to. */
async function intentIn(url: string): Promise<Record<string, unknown>> {
  await using stack = new AsyncDisposableStack();
  const store = await openStore(url);
  stack.defer(() => store.close());
  const { entries } = await store.list("");
  const objects = entries.filter(({ key }) =>
    /^(clusters|hosts|tenants|networks|endpoints)\//.test(key)
  );
  return Object.fromEntries(objects.map(({ key, value }) => {
    const { bound: _, ...record } = value as Record<string, unknown>;
    return [key, record];
  }));
}

async function attached({ agent }: Host): Promise<Map<string, string>> {
  const ready = (await agent.attachments()).filter(({ state }) => state === "ready");
  return new Map(ready.map(({ pod, addresses }) => [pod.name, addresses[0]!.split("/")[0]!]));
}

/** Pings of `anchor` to pods by name. */
class Watched implements AsyncDisposable {
  readonly #pings: ReadonlyMap<string, Pings>;

  constructor(anchor: Pod, addresses: ReadonlyMap<string, string>) {
    const others = [...addresses].filter(([name]) => name !== "anchor");
    this.#pings = new Map(others.map(([name, address]) => [name, pingOn(anchor, address, 0.05)]));
  }

  /** Waits until each of these has answered `count` more pings. */
  async answer(names: readonly string[], count: number): Promise<void> {
    for (const name of names) {
      const pings = this.#pings.get(name)!;
      const before = pings.last;
      await waitFor(`${name} to answer`, () => pings.last >= before + count, { limitMs: 30_000 });
    }
  }

  /**
   * Returns the numbers of the pings that were not answered, if there are some in a row. A single one may be lost on a
   * busy machine, as Open vSwitch looks connections up again when a policy is added. Answers that wait on one processor
   * are overtaken by those on another: what is missing is looked for again a while later.
   */
  async cut(name: string): Promise<readonly number[]> {
    const pings = this.#pings.get(name)!;
    const { last } = pings;
    const missed = () => pings.missed().filter((number) => number <= last);
    const isCut = () => missed().some((number, at, all) => all[at + 1] === number + 1);
    if (!isCut()) return [];
    await this.answer([name], 20);
    return isCut() ? missed() : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pings.values()].map((one) => one[Symbol.asyncDispose]()));
  }
}

/** A host whose pods run all the time, and what the intent was after each revision. */
class Timeline {
  readonly #host: Host;
  readonly #url: string;
  readonly #anchor: Pod;
  readonly states = new Map<number, Record<string, unknown>>();

  constructor(host: Host, url: string, anchor: Pod) {
    this.#host = host;
    this.#url = url;
    this.#anchor = anchor;
  }

  async revision(): Promise<number> {
    const { out } = await this.#host.agent.call("history", "-o", "name");
    return Number(out.split("\n")[0]);
  }

  /** Makes this the whole intent. */
  async apply(intent: object): Promise<void> {
    const { dir } = this.#host;
    await Deno.writeTextFile(`${dir}/next.json`, JSON.stringify(intent));
    await this.#change(["apply", "-f", `${dir}/next.json`, "--prune"]);
  }

  /** Goes back, and checks that all is as it was. */
  async back(to: number): Promise<void> {
    await this.#change(["rollback", String(to)]);
    assertEquals(await intentIn(this.#url), this.states.get(to), `back to ${to}`);
    const { agent } = this.#host;
    const planned = await agent.call("plan", "--to", String(to), "--detailed-exitcode");
    assertEquals(planned.code, 0, planned.out);
    assertEquals((await agent.call("ipam", "check")).code, 0);
  }

  /** Does it, and checks that only pods that the plan names are cut off, and that pods have what the intent says. */
  async #change(words: readonly string[]): Promise<void> {
    const { agent } = this.#host;
    const [, ...rest] = words;
    const asked = words[0] === "rollback" ? ["plan", "--to", ...rest] : ["plan", ...rest];
    const planned = await agent.call(...asked, "--force", "-o", "json");
    assertEquals(planned.code, 0, planned.err);
    const { hosts = {} }: PlanAnswer = JSON.parse(planned.out);
    const cuts = (hosts.host1?.cuts ?? []).map(({ pod }) => pod.split("/")[1]!);
    const before = await attached(this.#host);
    const staying = [...before.keys()].filter((name) => name !== "anchor" && !cuts.includes(name));
    await using watched = new Watched(this.#anchor, before);
    await watched.answer(staying, 2);
    if (cuts.length > 0 && words[0] === "rollback") {
      const { code, err } = await agent.call(...words);
      assertEquals(code, 4, err);
    }
    const done = await agent.call(...words, "--force");
    assertEquals(done.code, 0, done.err);
    this.states.set(await this.revision(), await intentIn(this.#url));
    const wanted = this.#wantedPods();
    await waitFor(
      `${[...wanted].join("; ")} to be attached`,
      async () => {
        const now = await attached(this.#host);
        return now.size === wanted.size &&
          [...wanted].every(([name, address]) => now.get(name) === address);
      },
      { limitMs: 60_000 },
    );
    await watched.answer(staying, 10);
    for (const name of staying) {
      assertEquals(
        await watched.cut(name),
        [],
        `${words.join(" ")}: pings of ${name}; the plan cuts off ${cuts.join(", ") || "none"}`,
      );
    }
    const after = await attached(this.#host);
    for (const name of staying) assertEquals(after.get(name), before.get(name), name);
  }

  /** Returns the addresses of the pods that the intent names now. */
  #wantedPods(): Map<string, string> {
    const now = [...this.states.values()].at(-1) ?? {};
    return new Map(
      Object.entries(now).flatMap(([key, record]): [string, string][] => {
        const name = /^endpoints\/t\/blue\/(.*)$/.exec(key)?.[1];
        return name ? [[name, (record as { readonly address: string }).address]] : [];
      }),
    );
  }
}

async function play(host: Host, url: string, histories: readonly History[]): Promise<void> {
  const pods = await Promise.all(["anchor", ...PODS].map((name) => host.pod(name)));
  for (const pod of pods) await host.agent.setup(pod);
  for (const { steps, back } of histories) {
    const timeline = new Timeline(host, url, pods[0]!);
    for (const step of steps) await timeline.apply(step);
    for (const which of back) {
      const known = [...timeline.states.keys()];
      await timeline.back(known[which % known.length]!);
    }
  }
  assert((await attached(host)).has("anchor"));
}

const ALL = {
  Tenants: [tenantWith({
    Networks: [{
      Name: "blue",
      SubnetCIDR: "10.9.0.0/24",
      Endpoints: ["anchor", ...PODS].map((name) => ({ Container: name })),
    }],
  })],
};

for (const kind of ["sqlite", "etcd"] as const) {
  Deno.test(`${kind}: over ${HISTORIES} random histories with running pods, going back cuts off only pods that the plan names`, async () => {
    await using stack = new AsyncDisposableStack();
    const etcd = kind === "etcd"
      ? stack.use(await startEtcd(await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" })))
      : undefined;
    const flags = etcd ? ["--store", etcd.url("/lab")] : [];
    const host = stack.use(await startHost(ALL, ...flags));
    const url = etcd?.url("/lab") ?? `sqlite:${host.agent.stateDir}/store.db`;
    const histories = fc.sample(anyHistory, HISTORIES);
    try {
      await play(host, url, histories);
    } catch (error) {
      const lines = (await host.agent.logText()).trimEnd().split("\n");
      throw new Error(
        `histories: ${JSON.stringify(histories)}\nthe agent's log:\n${lines.slice(-40).join("\n")}`,
        { cause: error },
      );
    }
  });
}

Deno.test("rollback --force brings an earlier address back to its running pod, and cuts off no other", async () => {
  await using stack = new AsyncDisposableStack();
  const intentWith = (addresses: Readonly<Record<string, string>>) => ({
    Tenants: [tenantWith({
      Networks: [{
        ...{ Name: "blue", SubnetCIDR: "10.9.0.0/24" },
        Endpoints: Object.entries(addresses).map(([Container, IpAddress]) => ({
          ...{ Container, IpAddress },
        })),
      }],
    })],
  });
  const anchor = { anchor: "10.9.0.9", pod3: "10.9.0.3" };
  const host = stack.use(
    await startHost(intentWith({ ...anchor, pod1: "10.9.0.1", pod2: "10.9.0.2" })),
  );
  const file = `${host.dir}/swapped.json`;
  const swapped = intentWith({ ...anchor, pod1: "10.9.0.2", pod2: "10.9.0.1" });
  await Deno.writeTextFile(file, JSON.stringify(swapped));
  const { agent } = host;
  const revision = (await agent.call("history", "-o", "name")).out.split("\n")[0]!;
  assertEquals((await agent.call("apply", "-f", file)).code, 0);
  const names = ["anchor", "pod1", "pod2", "pod3"];
  const pods = await Promise.all(names.map((name) => host.pod(name)));
  for (const pod of pods) await agent.setup(pod);
  await using others = new Watched(pods[0]!, new Map([["pod3", anchor.pod3]]));
  await others.answer(["pod3"], 3);

  const refused = await agent.call("rollback", revision);
  assertEquals(refused.code, 4, refused.err);
  assertMatch(refused.err, /keeps its IpAddress.*or add --force/s);
  const planned = await agent.call("plan", "--to", revision);
  assertMatch(planned.out, /default\/pod1 cut off: its address 10.9.0.2 → 10.9.0.1/);
  assertMatch(planned.out, /default\/pod2 cut off: its address 10.9.0.1 → 10.9.0.2/);
  const done = await agent.call("rollback", revision, "--force");
  assertEquals(done.code, 0, done.err);

  // The first answer at each address is of the pod that has it now: what peers know of its MAC is the earlier pod's.
  for (const [name, address] of [["pod1", "10.9.0.1"], ["pod2", "10.9.0.2"]] as const) {
    await waitFor(
      `${name} to have ${address}`,
      async () => (await attached(host)).get(name) === address,
      { limitMs: 30_000 },
    );
    await using pings = new Watched(pods[0]!, new Map([[name, address]]));
    await pings.answer([name], 5);
  }
  await others.answer(["pod3"], 3);
  assertEquals(await others.cut("pod3"), []);
  assertEquals((await agent.call("ipam", "check")).code, 0);
  const events = await agent.call("get", "events");
  assertMatch(events.out, /its endpoint's address changed to 10.9.0.1: attaching it again/);
});
