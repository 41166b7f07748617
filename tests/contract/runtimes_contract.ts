// What runtimes promise, whether Docker and the kernel answer or memory: sandboxes that come, end, are
// restarted and renamed, and an outage of the runtime. Each test calls it with a bench of its own.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { RuntimeEvent, Runtimes, Sandbox } from "../../lib/runtimes/runtime.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

/** How a container is started. */
export interface NewContainer {
  /** @default a name of the runtime's choice */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of its own, the host's, or that of the container whose id it is. @default "own" */
  readonly network?: "own" | "host" | { readonly of: string };
}

/** Runtimes, and the containers and namespaces of their host, which are changed without them. */
export interface RuntimesBench extends AsyncDisposable {
  readonly runtimes: Runtimes;
  /** The same with a short limit for each call. */
  readonly impatient: Runtimes;
  /** Starts a container; returns its id in full. */
  startContainer(container?: NewContainer): Promise<string>;
  /** Kills a container, which stays known. */
  killContainer(id: string): Promise<void>;
  /** Restarts a container: its next namespace has another inode number. */
  restartContainer(id: string): Promise<void>;
  renameContainer(id: string, name: string): Promise<void>;
  /** Returns inode number and process id of a running container, read without the driver. */
  placeOf(id: string): Promise<{ readonly netnsInode: number; readonly pid: number }>;
  /** Makes the namespace `/run/netns/NAME`: a new one, or one more name of the host's. */
  addNamespace(name: string, which?: "new" | "host"): Promise<void>;
  deleteNamespace(name: string): Promise<void>;
  /** Makes the container runtime hang, or kills it; containers go on. */
  silence(how: "hang" | "kill"): Promise<void>;
  /** Makes the container runtime answer again. */
  answer(): Promise<void>;
}

type Step = (bench: RuntimesBench) => Promise<void>;

const UID = "0f0a1d2c-3b4e-11e5-a151-feff819cdc9f";

/** Declares one test with a step for each promise, as a real runtime takes seconds to start. */
export function runtimesContract(name: string, start: () => Promise<RuntimesBench>): void {
  const promises: readonly [string, Step][] = [
    ["an infra container is found, in full by its first 12 digits", findsInfra],
    ["a host network pod's sandbox is the host's own", findsHost],
    ["a container in the sandbox of another is refused", refusesApp],
    ["a container that was killed is known and not alive", findsKilled],
    ["a container that was restarted is at another place", findsRestarted],
    ["an unknown id is undefined", findsNothing],
    ["a container that is named like an id is not the one of that id", ignoresNames],
    ["a named namespace is found beside the containers", findsNamed],
    ["running sandboxes are listed, apps and the host's network left out", lists],
    ["starts, ends and new names are reported, those of apps are not", follows],
    ["a runtime that hangs is a timeout, but for named namespaces", survivesHang],
    ["sandboxes stay alive while their runtime is killed and started", survivesKill],
    ["an outage is reported, and its end", followsOutage],
  ];
  Deno.test(`${name}: containers and named namespaces`, async (t) => {
    await using bench = await start();
    for (const [words, step] of promises) await t.step(words, () => step(bench));
  });
}

/** Declares the tests of what is promised without a container runtime. */
export function namespacesContract(name: string, start: () => Promise<RuntimesBench>): void {
  const promise = (words: string, step: Step) =>
    Deno.test(`${name}: ${words}`, async () => {
      await using bench = await start();
      await step(bench);
    });

  promise("a named namespace is alive until it is deleted", findsNamed);

  promise("without a runtime nothing is listed, and nothing reported", async ({ runtimes }) => {
    assertEquals(await runtimes.listSandboxes(), undefined);
    const stop = new AbortController();
    const news: RuntimeEvent[] = [];
    runtimes.follow(stop.signal, (one) => void news.push(one));
    await new Promise((done) => setTimeout(done, 20));
    stop.abort();
    assertEquals(news, []);
  });

  promise("the host's own namespace is recognised under any name", async (bench) => {
    const [host, other] = [randomHex(64), randomHex(64)];
    await bench.addNamespace(host, "host");
    await bench.addNamespace(other);
    assertEquals((await known(bench.runtimes, host)).isHostNetwork, true);
    assertEquals((await known(bench.runtimes, other)).isHostNetwork, false);
    for (const name of [host, other]) await bench.deleteNamespace(name);
  });

  promise("a given path is taken as it is, with the caller's id", async (bench) => {
    const { runtimes } = bench;
    const name = randomHex(64);
    await bench.addNamespace(name);
    const netns = `/run/netns/${name}`;
    const found = await runtimes.findSandbox("0123456789ab", netns);
    assertEquals([found?.id, found?.netns, found?.isRunning], ["0123456789ab", netns, true]);
    assertEquals(await runtimes.findSandbox("x", "/run/netns/missing"), undefined);
    assertEquals(await runtimes.findSandbox("x", `${netns}/below`), undefined);
    await bench.deleteNamespace(name);
  });

  promise("a given path that cannot be a namespace's is refused", async ({ runtimes }) => {
    const paths = [
      ...["netns", "/", "/run/../etc/passwd", "/proc/self/ns/net", "/proc/0/ns/net"],
      ...["/proc/1/ns/mnt", "/sys/x", "/run/a b", "/run/a\0b", "/run/$(id)"],
    ];
    for (const path of paths) {
      const fault = await assertRejects(() => runtimes.findSandbox("x", path), Fault, "namespace");
      assertEquals(fault.code, "usage", path);
    }
  });
}

async function findsInfra(bench: RuntimesBench): Promise<void> {
  const name = `k8s_POD.6d00e006_web_default_${UID}_0123abcd`;
  const id = await bench.startContainer({ name, labels: { app: "web" } });
  const found = await known(bench.runtimes, id.slice(0, 12));
  assertEquals({ ...found, netns: "" }, {
    ...await bench.placeOf(id),
    ...{ id, name, netns: "", isHostNetwork: false, isRunning: true },
    pod: { namespace: "default", name: "web", uid: UID },
    labels: { app: "web" },
  });
  assert(found.netns.startsWith("/"), found.netns);
  assert(await bench.runtimes.isAlive(found));
}

async function findsHost({ runtimes, startContainer }: RuntimesBench): Promise<void> {
  const name = `k8s_POD_proxy_kube-system_${UID}_0`;
  const found = await known(runtimes, await startContainer({ name, network: "host" }));
  assert(found.isHostNetwork && found.isRunning && await runtimes.isAlive(found));
  assertEquals(found.pod, { namespace: "kube-system", name: "proxy", uid: UID });
}

async function refusesApp({ runtimes, startContainer }: RuntimesBench): Promise<void> {
  const infra = await startContainer({ name: `k8s_POD_app_default_${UID}_0` });
  const name = `k8s_main_app_default_${UID}_0`;
  const app = await startContainer({ name, network: { of: infra } });
  await faults("usage", () => runtimes.findSandbox(app));
}

async function findsKilled({ runtimes, startContainer, killContainer }: RuntimesBench) {
  const id = await startContainer();
  const before = await known(runtimes, id);
  await killContainer(id);
  const { isRunning, netns, netnsInode, pod } = await known(runtimes, id);
  assertEquals([isRunning, netns, netnsInode, pod], [false, "", 0, undefined]);
  assertEquals(await runtimes.isAlive(before), false);
}

async function findsRestarted({ runtimes, startContainer, restartContainer }: RuntimesBench) {
  const id = await startContainer();
  const before = await known(runtimes, id);
  await restartContainer(id);
  const after = await known(runtimes, id);
  assert(after.netnsInode !== before.netnsInode && await runtimes.isAlive(after));
  assertEquals(await runtimes.isAlive(before), false);
}

async function findsNothing({ runtimes }: RuntimesBench): Promise<void> {
  for (const id of [randomHex(64), randomHex(12), "web", "..", "a/b", ""]) {
    assertEquals(await runtimes.findSandbox(id), undefined);
  }
}

async function ignoresNames({ runtimes, startContainer }: RuntimesBench): Promise<void> {
  const id = randomHex(12);
  await startContainer({ name: id });
  assertEquals(await runtimes.findSandbox(id), undefined);
}

async function findsNamed(bench: RuntimesBench): Promise<void> {
  const { runtimes } = bench;
  const id = randomHex(64);
  await bench.addNamespace(id);
  const found = await known(runtimes, id);
  const { netns, isHostNetwork, isRunning, name } = found;
  assertEquals([netns, isHostNetwork, isRunning, name], [`/run/netns/${id}`, false, true, id]);
  assert(await runtimes.isAlive(found));
  await bench.deleteNamespace(id);
  assertEquals(await runtimes.findSandbox(id), undefined);
  assertEquals(await runtimes.isAlive(found), false);
}

async function lists({ runtimes, startContainer, killContainer }: RuntimesBench): Promise<void> {
  const infra = await startContainer({ name: `k8s_POD_listed_default_${UID}_0` });
  const plain = await startContainer({ name: "listed" });
  const dead = await startContainer();
  await killContainer(dead);
  const others = [
    dead,
    await startContainer({ network: "host" }),
    await startContainer({ network: { of: plain } }),
    await startContainer({ name: `k8s_main_listed_default_${UID}_0` }),
  ];
  const listed = await runtimes.listSandboxes() ?? [];
  assertEquals(
    listed.filter(({ id }) => id === infra || id === plain).map((one) => one.name).sort(),
    [
      `k8s_POD_listed_default_${UID}_0`,
      "listed",
    ],
  );
  const pod = { namespace: "default", name: "listed", uid: UID };
  assertEquals(listed.find(({ id }) => id === infra)?.pod, pod);
  assertEquals(listed.find(({ id }) => id === plain)?.pod, undefined);
  assertEquals(listed.filter(({ id }) => others.includes(id)), []);
}

async function follows(bench: RuntimesBench): Promise<void> {
  await followed(bench, async (news) => {
    const infra = await bench.startContainer({ name: `k8s_POD_seen_default_${UID}_0` });
    const app = await bench.startContainer({
      name: `k8s_main_seen_default_${UID}_0`,
      network: { of: infra },
    });
    const plain = await bench.startContainer({ name: "seen" });
    await bench.renameContainer(plain, "seen-again");
    await bench.killContainer(app);
    await bench.killContainer(plain);
    await bench.killContainer(infra);
    await waitFor(
      "the last end",
      () => news.some((one) => eventOf(one) === `ended ${infra} infra`),
    );
    const mine = [infra, app, plain];
    assertEquals(
      news.filter((one) => "sandbox" in one && mine.includes(one.sandbox)).map(eventOf),
      [
        `started ${infra} infra`,
        `started ${plain} plain`,
        `renamed ${plain} plain`,
        `ended ${plain} plain`,
        `ended ${infra} infra`,
      ],
    );
  });
}

async function followsOutage(bench: RuntimesBench): Promise<void> {
  await followed(bench, async (news) => {
    await bench.silence("kill");
    const lost = await waitFor("the loss", () => news.find(({ kind }) => kind === "lost"));
    assert(lost.kind === "lost" && lost.fault?.code === "unavailable", lost.kind);
    await bench.answer();
    await waitFor("the stream", () => news.at(-1)?.kind === "opened", { limitMs: 60_000 });
    const id = await bench.startContainer();
    await waitFor("the start", () => news.some((one) => eventOf(one) === `started ${id} plain`));
  });
}

async function survivesHang(bench: RuntimesBench): Promise<void> {
  const { impatient } = bench;
  const [id, beside] = [await bench.startContainer(), randomHex(12)];
  await bench.addNamespace(beside);
  await bench.silence("hang");
  await faults("timeout", () => impatient.findSandbox(id));
  await faults("timeout", () => impatient.listSandboxes());
  assertEquals((await known(impatient, beside)).id, beside);
  await bench.answer();
  const found = await waitFor("an answer", () => bench.runtimes.findSandbox(id));
  assertEquals(found.id, id);
  await bench.deleteNamespace(beside);
}

async function survivesKill(bench: RuntimesBench): Promise<void> {
  const { runtimes } = bench;
  const id = await bench.startContainer();
  const found = await known(runtimes, id);
  await bench.silence("kill");
  assert(await runtimes.isAlive(found));
  await faults("unavailable", () => runtimes.findSandbox(id));
  await faults("unavailable", () => runtimes.listSandboxes());
  await bench.answer();
  assertEquals((await known(runtimes, id)).netnsInode, found.netnsInode);
  assert(await runtimes.isAlive(found));
}

/** Follows `bench` during `work`, from its opening on; nothing is reported after the end. */
async function followed(
  { runtimes }: RuntimesBench,
  work: (news: readonly RuntimeEvent[]) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const news: RuntimeEvent[] = [];
  runtimes.follow(stop.signal, (one) => void news.push(one));
  try {
    await waitFor("the stream", () => news.some(({ kind }) => kind === "opened"));
    await work(news);
  } finally {
    stop.abort();
  }
}

function eventOf(news: RuntimeEvent): string {
  return "sandbox" in news ? `${news.kind} ${news.sandbox} ${news.role}` : news.kind;
}

async function known(runtimes: Runtimes, id: string): Promise<Sandbox> {
  const found = await runtimes.findSandbox(id);
  assert(found, `${id} is not found`);
  return found;
}

async function faults(code: FaultCode, call: () => Promise<unknown>): Promise<void> {
  const fault = await assertRejects(call, Fault);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
}
