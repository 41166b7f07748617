// What Docker and its callers do wrong, and what pods notice of it: nothing.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { startContainer } from "../lab/container.ts";
import { startDouble, startLone } from "../lab/docker_double.ts";
import { startDockerHost } from "../lab/docker_host.ts";
import { type Answer, json, never, serveDocker, tempFolder } from "../lab/docker_stub.ts";
import { type Host, intentOf, startHost, worldOf } from "../lab/host.ts";
import { randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { FACTOR, patient } from "../lab/limits.ts";
import { lostPings } from "../lab/pings.ts";

/** Dockers that are of no use; each is started at a path, or makes something else there. */
const BROKEN: readonly {
  readonly words: string;
  readonly make: (path: string) => Promise<AsyncDisposable | void>;
  /** What setup of an unknown id ends with: not found only where that is certain. */
  readonly code: number;
}[] = [
  { words: "is not there", make: async () => {}, code: 3 },
  { words: "is a file", make: (path) => Deno.writeTextFile(path, ""), code: 5 },
  { words: "is a folder", make: (path) => Deno.mkdir(path), code: 5 },
  { words: "says 500", make: answering(() => json(500, { message: "no disk" })), code: 5 },
  { words: "answers rubbish", make: answering(() => new Response("\0\xff{")), code: 5 },
  { words: "hangs", make: answering(never), code: 6 },
  { words: "closes each connection", make: hangUp, code: 5 },
];

function answering(answer: Answer) {
  return async (path: string) => await serveDocker(answer, { path });
}

async function hangUp(path: string): Promise<AsyncDisposable> {
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    for await (const connection of listener) connection.close();
  })();
  const dispose = async () => {
    listener.close();
    await serving;
  };
  return await Promise.resolve({ [Symbol.asyncDispose]: dispose });
}

for (const { words, make, code } of BROKEN) {
  Deno.test(`a Docker that ${words} keeps no other pod from its network`, async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await tempFolder());
    const path = `${folder.path}/docker.sock`;
    const made = await make(path);
    if (made) stack.use(made);
    const host = stack.use(await startHost(intentOf(2), "--docker", `unix:${path}`));
    const [one, two] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(one);
    await host.agent.setup(two);
    assert(await one.reaches("10.9.0.2"));
    const unknown = await host.agent.callWith(
      { K8CONTIVNET_SETUP_SECONDS: "1" },
      ...["setup", "default", "pod0", randomHex(64)],
    );
    assertEquals(unknown.code, code, unknown.err);
    assert(unknown.err.length <= 200 && !unknown.err.includes("\n"), unknown.err);
    assertEquals((await host.agent.verb("status", one)).out.includes("10.9.0.1"), true);
    // It is asked again all the time, and that must cost next to nothing.
    const before = await cpuMs(host);
    await new Promise((done) => setTimeout(done, 2_000));
    const ms = await cpuMs(host) - before;
    assert(ms < 600 * FACTOR, `the agent took ${ms} ms of 2000 for waiting`);
    assertEquals((await host.agent.verb("teardown", one)).code, 0);
    const log = await host.agent.logText();
    assertEquals(log.match(/container runtime unreachable|no Docker:/g)?.length, 1, log);
  });
}

/** Returns the milliseconds of processor time that the agent has taken so far. */
async function cpuMs({ agent }: Host): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${agent.pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // 100 ticks a second
}

Deno.test("an infra id that is a prefix, unknown, exited, in the host's network or an app container's", async (t) => {
  await using at = await startDockerHost(intentOf(2));
  const { host: { agent }, host, dockerd } = at;
  const setup = (id: string) => agent.call("setup", "default", "pod0", id);
  await t.step("a prefix of 12 digits is the container, for every verb", async () => {
    const infra = await startContainer(dockerd, "k8s_POD_pod0_default_u-1_0");
    const short = infra.id.slice(0, 12);
    assertEquals((await Promise.all([setup(short), setup(infra.id)])).map(({ code }) => code), [
      0,
      0,
    ]);
    assertEquals((await agent.attachments()).map(({ sandbox }) => sandbox), [infra.id]);
    assertStringIncludes((await agent.call("status", "default", "pod0", short)).out, "10.9.0.1");
    assertEquals((await agent.call("teardown", "default", "pod0", short)).code, 0);
    await infra.has();
    await infra.remove();
  });
  const empty = await worldOf(host);
  const refused = async (id: string, code: number, says: RegExp) => {
    const ended = await setup(id);
    assertEquals(ended.code, code, ended.err);
    assertMatch(ended.err, says);
    assert(ended.err.length <= 200 && !ended.err.includes("\n"), ended.err);
    assertEquals(await worldOf(host), empty);
  };
  await t.step("an unknown one is not found", () => refused(randomHex(64), 3, /unknown/));
  await t.step("an exited one is not running", async () => {
    const one = await startContainer(dockerd, "k8s_POD_pod0_default_u-2_0");
    await dockerd.docker("kill", one.id);
    await refused(one.id, 3, /not running/);
  });
  await t.step("one in the host's network is left alone", async () => {
    const one = await startContainer(dockerd, "k8s_POD_pod0_default_u-3_0", "--net=host");
    assertEquals(await setup(one.id), { code: 0, out: "", err: "" });
    assertEquals(await worldOf(host), empty);
  });
  await t.step("an app container's is refused, and its pod named", async () => {
    const infra = await startContainer(dockerd, "k8s_POD_pod1_default_u-4_0");
    const app = await startContainer(
      dockerd,
      "k8s_main_pod1_default_u-4_0",
      `--net=container:${infra.id}`,
    );
    await refused(app.id, 2, new RegExp(infra.id.slice(0, 12)));
  });
});

Deno.test("a hundred events in one burst are one list or two, and nothing is missed", async () => {
  await using double = await startDouble();
  await using host = await startHost(intentOf(1), "--docker", double.address);
  await waitFor("the agent to listen", () => double.opened() > 0);
  await waitFor("the first list", () => double.asked.includes("/containers/json"));
  await using process = await startLone();
  const one = { id: randomHex(64), name: "pod0", pid: process.pid };
  double.containers.push(one);
  double.asked.length = 0;
  for (let n = 0; n < 99; n++) double.send("start", { ...one, id: randomHex(64), name: `x${n}` });
  double.send("start", one);
  await waitFor("the container to be connected", async () => {
    return (await host.agent.attachments())[0]?.state === "ready";
  });
  const lists = double.asked.filter((path) => path === "/containers/json").length;
  assert(lists <= 3, `${lists} lists`);
});

Deno.test("events of app containers and probes ask nothing of Docker", async () => {
  await using double = await startDouble();
  await using host = await startHost(intentOf(1), "--docker", double.address);
  await waitFor("the first list", () => double.asked.includes("/containers/json"));
  double.asked.length = 0;
  for (let n = 0; n < 50; n++) {
    const app = { id: randomHex(64), name: `k8s_main_web_default_u-${n}_0`, pid: 0 };
    for (const action of ["start", "exec_start: sh", "die"]) double.send(action, app);
  }
  // Heard after all of those.
  const plain = { id: randomHex(64), name: "stranger", pid: 0 };
  double.send("start", plain);
  await waitFor("a list", () => double.asked.length > 0);
  assertEquals(double.asked, ["/containers/json"]);
  assertEquals(await host.agent.attachments(), []);
});

Deno.test("what starts and ends while the stream of events is cut is noticed when it is back", async () => {
  await using double = await startDouble();
  await using host = await startHost(intentOf(2), "--docker", double.address);
  await using first = await startLone();
  await using second = await startLone();
  const [one, two] = [first, second].map(({ pid }, n) => ({
    ...{ id: randomHex(64), name: `pod${n}` },
    pid,
  }));
  double.containers.push(one!);
  await waitFor("the agent to listen", () => double.opened() > 0);
  double.send("start", one!);
  const holders = async () =>
    (await host.agent.attachments()).map(({ endpoint, state }) => `${endpoint} ${state}`).join();
  await waitFor("the first", async () => await holders() === "pod0 ready");
  // No event reports any of this.
  double.containers.push(two!);
  await first.kill();
  one!.pid = 0;
  const opened = double.opened();
  double.cut();
  await waitFor("the stream to be opened again", () => double.opened() > opened);
  await waitFor("only the second", async () => await holders() === "pod1 ready");
  // An end alone, which no start makes the agent look at.
  await second.kill();
  two!.pid = 0;
  double.cut();
  await waitFor("no holder", async () => await holders() === "");
});

Deno.test("a new process under a dead pod's process id is never touched", async () => {
  await using double = await startDouble();
  await using host = await startHost(intentOf(1), "--docker", double.address, "--grace", "1");
  const dead = await startLone();
  const container = { id: randomHex(64), name: "k8s_POD_pod0_default_u-1_0", pid: dead.pid };
  double.containers.push(container);
  assertEquals((await host.agent.call("setup", "default", "pod0", container.id)).code, 0);
  const [item] = await host.agent.attachments();
  assertEquals(item?.state, "ready");
  await dead.kill();
  container.pid = 0;
  await using other = await startLone(dead.pid);
  assertEquals(other.pid, dead.pid);
  const inside = (...words: string[]) =>
    run("nsenter", [`--net=/proc/${other.pid}/ns/net`, "ip", ...words]);
  await inside("link", "add", "eth0", "type", "veth", "peer", "name", "far");
  await inside("addr", "add", "10.9.0.1/16", "dev", "eth0");
  await inside("link", "set", "eth0", "up");
  const before = [await inside("-o", "link"), await inside("-o", "-4", "addr")];
  double.send("die", container);
  await waitFor("the dead pod to be released", async () => {
    return (await host.agent.attachments()).length === 0;
  }, { limitMs: 30_000 });
  assertEquals((await host.agent.call("teardown", "default", "pod0", container.id)).code, 0);
  const again = await host.agent.call("setup", "default", "pod0", container.id);
  assertEquals(again.code, 3, again.err);
  assertEquals([await inside("-o", "link"), await inside("-o", "-4", "addr")], before);
});

Deno.test("connected pods notice nothing of a Docker that hangs, is killed and comes back", async () => {
  await using at = await startDockerHost(intentOf(4));
  const { host: { agent }, dockerd } = at;
  const [one, two] = [await startContainer(dockerd, "pod0"), await startContainer(dockerd, "pod1")];
  await one.has("eth0 10.9.0.1/16");
  await two.has("eth0 10.9.0.2/16");
  const infra = await startContainer(dockerd, "k8s_POD_pod2_default_u-1_0");
  assertEquals((await agent.call("setup", "default", "pod2", infra.id)).code, 0);
  const pid = await one.pid();
  const pinging = lostPings(
    ["nsenter", `--net=/proc/${pid}/ns/net`, "--"],
    "10.9.0.2",
    { count: 200, everySeconds: 0.05 },
  );
  dockerd.freeze();
  const started = performance.now();
  assertStringIncludes((await agent.call("status", "default", "pod2", infra.id)).out, "10.9.0.3");
  assertEquals((await agent.call("teardown", "default", "pod2", infra.id)).code, 0);
  assert(performance.now() - started < patient(5_000));
  await dockerd.kill();
  await dockerd.start();
  assertEquals(await pinging, []);
  // Heard again: the next one is connected without help.
  const late = await startContainer(dockerd, "pod3");
  await late.has("eth0 10.9.0.4/16");
  await infra.has();
});
