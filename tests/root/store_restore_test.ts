// A store that is lost and brought back from a backup, a snapshot of etcd, or the intent alone, while pods run: the pods
// notice nothing, also those that came after the backup.

import { assertEquals, assertMatch } from "@std/assert";
import type { AttachmentItem } from "../../lib/agent/api/listed_items.ts";
import { applyOn, assertAudit, blue, tenantOf } from "../lab/default_network.ts";
import { type Etcd, freePorts, startEtcd } from "../lab/etcd.ts";
import { type Host, startHost } from "../lab/host.ts";
import { pingOn, type Pings } from "../lab/pings.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const GRACE = ["--grace", "1"];

/** Pods by endpoints of their own, and others by the default network. */
function intentOf(...names: string[]): unknown {
  return tenantOf([blue({ Endpoints: names.map((name) => ({ Container: name })) })]);
}

/** A host, and pods that ping each other all the time. */
class Life implements AsyncDisposable {
  readonly host: Host;
  readonly pods = new Map<string, Pod>();
  readonly #pings = new Map<string, Pings>();

  constructor(host: Host) {
    this.host = host;
  }

  async add(...names: string[]): Promise<void> {
    const { agent } = this.host;
    for (const name of names) {
      const pod = await this.host.pod(name);
      await agent.setup(pod);
      this.pods.set(name, pod);
      const [first] = this.pods.values();
      if (pod === first) continue;
      const pings = pingOn(first!, await agent.addressOf(pod), 0.05);
      this.#pings.set(name, pings);
      await waitFor(`${name} to answer`, () => pings.answered > 2);
    }
  }

  async end(name: string): Promise<void> {
    const pod = this.pods.get(name)!;
    await this.#pings.get(name)?.[Symbol.asyncDispose]();
    this.#pings.delete(name);
    assertEquals((await this.host.agent.verb("teardown", pod)).code, 0);
    await pod[Symbol.asyncDispose]();
    this.pods.delete(name);
  }

  /** Ends the pings of a pod that is cut off for a while. */
  async without(name: string): Promise<void> {
    await this.#pings.get(name)?.[Symbol.asyncDispose]();
    this.#pings.delete(name);
  }

  /** Waits for more answers of all, and returns what was not answered, by pod. */
  async missed(): Promise<Record<string, number[]>> {
    for (const [name, pings] of this.#pings) {
      const before = pings.last;
      await waitFor(`${name} to answer still`, () => pings.last > before + 10, { limitMs: 20_000 });
    }
    return Object.fromEntries(
      [...this.#pings].map(([name, pings]) => [name, pings.missed()] as const)
        .filter(([, missed]) => missed.length > 0),
    );
  }

  /** Returns who is attached, each with its address. */
  async attached(): Promise<Record<string, string>> {
    const items: AttachmentItem[] = await this.host.agent.attachments();
    return Object.fromEntries(
      items.filter(({ state }) => state === "ready")
        .map(({ pod, addresses }) => [pod.name, addresses.join()] as const).sort(),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pings.values()].map((one) => one[Symbol.asyncDispose]()));
  }
}

/** What happens after the backup: pods come and go, one takes the address of another, and the intent grows. */
async function goOn(life: Life): Promise<void> {
  await life.end("web-1");
  await life.add("web-3", "web-2");
  assertEquals((await applyOn(life.host.agent, intentOf("pod0", "pod1", "pod2"))).code, 0);
  await life.add("pod2");
}

/** Checks that the host is as before, and stays so. */
async function assertSame(life: Life, before: Record<string, string>): Promise<void> {
  await waitFor("all to be attached", async () => {
    return JSON.stringify(await life.attached()) === JSON.stringify(before);
  }, { limitMs: 60_000 }).catch(async (error) => {
    throw new Error(`${JSON.stringify(before)} became ${JSON.stringify(await life.attached())}`, {
      cause: error,
    });
  });
  assertEquals(await life.missed(), {});
  await life.add("web-9");
  const addresses = Object.values(await life.attached());
  assertEquals(new Set(addresses).size, addresses.length, addresses.join());
  await waitFor("records that agree", async () => {
    return (await life.host.agent.call("ipam", "check")).code === 0;
  }, { limitMs: 30_000 });
  await assertAudit(life.host.agent);
  assertEquals(await life.missed(), {});
}

async function begin(stack: AsyncDisposableStack, etcd?: Etcd): Promise<Life> {
  const flags = etcd ? ["--store", etcd.url("/lab")] : [];
  const host = stack.use(await startHost(intentOf("pod0", "pod1"), ...GRACE, ...flags));
  const life = stack.use(new Life(host));
  await life.add("pod0", "pod1", "web-1");
  return life;
}

async function oneEtcd(stack: AsyncDisposableStack): Promise<Etcd> {
  return stack.use(await startEtcd(await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" })));
}

for (const kind of ["sqlite", "etcd"] as const) {
  Deno.test(`${kind}: a backup that is copied back costs running pods nothing, also those that came after it`, async () => {
    await using stack = new AsyncDisposableStack();
    const etcd = kind === "etcd" ? await oneEtcd(stack) : undefined;
    const life = await begin(stack, etcd);
    const { agent, dir } = life.host;
    const url = etcd?.url("/lab") ?? `sqlite:${agent.stateDir}/store.db`;
    await Deno.mkdir(`${dir}/backups`, { mode: 0o700 });
    const file = `${dir}/backups/day.db`;
    const saved = await agent.call("store", "backup", url, file);
    assertEquals([saved.code, saved.err], [0, ""]);
    assertMatch(saved.out, /^saved: \d+ documents in .*day\.db\n$/);
    assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
    await goOn(life);
    const before = await life.attached();
    await agent.stop();
    const restored = await agent.call("store", "copy", `sqlite:${file}`, url, "--force");
    assertEquals(restored.code, 0, restored.err);
    assertMatch(restored.err, /^$|^warning: agents of host1 wrote to the destination a moment ago/);
    await agent.start();
    // Its endpoint came after the backup: until it is applied again, it has none.
    await life.without("pod2");
    await applyOn(agent, intentOf("pod0", "pod1", "pod2"));
    await assertSame(life, before);
  });
}

Deno.test("etcd: a snapshot that is restored costs running pods nothing; agents end at the new cluster, and work when started again", async () => {
  await using stack = new AsyncDisposableStack();
  const etcd = await oneEtcd(stack);
  const life = await begin(stack, etcd);
  const { agent, dir } = life.host;
  await etcd.ctl("snapshot", "save", `${dir}/etcd.snapshot`);
  await goOn(life);
  const before = await life.attached();
  await etcd.restore(`${dir}/etcd.snapshot`);
  assertEquals(await agent.stopped(), 5);
  assertMatch(
    await agent.logText(),
    /cluster \w+ answers at .*, not \w+ as before; .*restart k8contivnet/,
  );
  await agent.start();
  await life.without("pod2");
  await applyOn(agent, intentOf("pod0", "pod1", "pod2"));
  await assertSame(life, before);
});

Deno.test("etcd: an empty one detaches nobody, and the intent alone brings the pods' records back", async () => {
  await using stack = new AsyncDisposableStack();
  const etcd = await oneEtcd(stack);
  const life = await begin(stack, etcd);
  const { agent } = life.host;
  const before = await life.attached();
  await agent.stop();
  await etcd.forget();
  await agent.start();
  await waitFor("the agent to say so", async () => {
    return /store is empty: attached pods are left as they are/.test(await agent.logText());
  });
  assertEquals(await life.missed(), {});
  assertEquals((await applyOn(agent, intentOf("pod0", "pod1"))).code, 0);
  await assertSame(life, before);
});

Deno.test("store backup says what is wrong, and leaves no half of a file", async () => {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await startHost(intentOf("pod0")));
  const { agent, dir } = host;
  const live = `${agent.stateDir}/store.db`;
  const [port] = freePorts(1, "127.0.0.1");
  await Deno.mkdir(`${dir}/own`, { mode: 0o700 });
  await Deno.mkdir(`${dir}/open`);
  await Deno.chmod(`${dir}/open`, 0o777);
  const backup = (...words: string[]) => agent.call("store", "backup", ...words);
  assertEquals((await backup(`sqlite:${live}`, `${dir}/own/a.db`)).code, 0);
  const cases: readonly [words: readonly string[], code: number, message: RegExp][] = [
    [[`sqlite:${live}`, `${dir}/own/a.db`], 4, /a\.db is there already: .*--force to replace it/],
    [[`sqlite:${live}`, `${dir}/own`, "--force"], 4, /own is there already: it is not a file/],
    [[`sqlite:${live}`, `${dir}/open/a.db`], 5, /other users may write to it; chmod go-w/],
    [[`sqlite:${live}`, `${dir}/none/a.db`], 5, /its folder does not exist; create the folder/],
    [[`sqlite:${dir}/none.db`, `${dir}/own/b.db`], 3, /none\.db not found/],
    [[`etcd://127.0.0.1:${port}/x`, `${dir}/own/b.db`], 5, /connection refused/],
    [[`sqlite:${live}`, live, "--force"], 4, /the agent of this host uses/],
    [[`sqlite:${live}`], 2, /it takes copy and two stores, or backup, a store and a file/],
  ];
  for (const [words, code, message] of cases) {
    const { code: got, err } = await backup(...words);
    assertMatch(err, message);
    assertEquals(got, code, err);
  }
  const dry = await backup(`sqlite:${live}`, `${dir}/own/b.db`, "--dry-run");
  assertMatch(dry.out, /^would save: \d+ documents in /);
  // What a backup has left that was killed goes with a later one; that of one that runs stays.
  const [dead, alive] = ["a.db.77.new", "a.db.78.new"];
  for (const name of [dead, `${dead}-wal`, alive]) {
    await Deno.writeTextFile(`${dir}/own/${name}`, "");
  }
  const before = new Date(Date.now() - 7_200_000);
  for (const name of [dead, `${dead}-wal`]) await Deno.utime(`${dir}/own/${name}`, before, before);
  const again = await backup(`sqlite:${live}`, `${dir}/own/a.db`, "--force", "-o", "json");
  assertEquals(JSON.parse(again.out).file, `${dir}/own/a.db`);
  const left = await Array.fromAsync(Deno.readDir(`${dir}/own`), ({ name }) => name);
  assertEquals(left.sort(), ["a.db", alive]);
});
