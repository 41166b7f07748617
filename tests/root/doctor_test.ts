// `doctor` of the built file on real hosts: no complaint about a healthy lab, and each broken machine is found, in
// less than three seconds of the reference machine, also when the agent is dead.

import { assert, assertEquals } from "@std/assert";
import type { CheckItem, DoctorAnswer } from "../../lib/agent/api.ts";
import { startCluster } from "../lab/cluster.ts";
import { FILE, type Host, intentOf as hostIntent, startHost } from "../lab/host.ts";
import { FACTOR, hangSignal } from "../lab/limits.ts";
import { run } from "../lab/run.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";

interface Examined {
  readonly answer: DoctorAnswer;
  readonly code: number;
  readonly tookMs: number;
}

/** Calls `doctor` for a host, in its network namespace where it has one of its own. */
async function examine(
  { agent, netns }: Pick<Host, "agent"> & { netns?: string },
): Promise<Examined> {
  const startedMs = performance.now();
  const words = ["doctor", "--socket", agent.socket, "-o", "json"];
  const [cmd = "", ...args] = netns
    ? ["ip", "netns", "exec", netns, FILE, ...words]
    : [FILE, ...words];
  const ended = await new Deno.Command(cmd, { args, stdin: "null", signal: hangSignal(90_000) })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const [out, err] = [text(ended.stdout), text(ended.stderr)];
  const { code } = ended;
  const tookMs = performance.now() - startedMs;
  assert(out.startsWith("{"), err);
  return { answer: JSON.parse(out), code, tookMs };
}

const wrong = ({ answer }: Examined, ...states: CheckItem["state"][]) =>
  answer.checks.filter(({ state }) => states.includes(state)).map(({ id }) => id).sort();

/** Throws unless `id` failed, with a way out, and in time. */
function assertFound(examined: Examined, id: string, words: RegExp): void {
  const item = examined.answer.checks.find((one) => one.id === id && one.state === "failed");
  assert(
    item,
    `${id}: ${JSON.stringify(examined.answer.checks.filter(({ state }) => state !== "ok"))}`,
  );
  assert(words.test(item.message), item.message);
  assert(item.fix, `${id} has no way out`);
  assertEquals([examined.answer.ok, examined.code], [false, 1]);
  assert(examined.tookMs < 3_000 * FACTOR, `${examined.tookMs} ms`);
}

Deno.test("doctor has no complaint about three healthy hosts with one etcd, with tunnels and pods", async () => {
  const intent = intentOf("vteps", { orange: ["c1", "c2", "c3"] }, 3);
  await using cluster = await startCluster({ hosts: 3, etcd: 1, fabric: "wire", intent });
  for (const [n, host] of cluster.hosts.entries()) {
    await host.agent.setup(await host.pod(`myContainer${n + 1}`));
  }
  for (const host of cluster.hosts) {
    const examined = await examine(host);
    assertEquals(wrong(examined, "failed", "warning"), [], JSON.stringify(examined.answer.checks));
    assertEquals(examined.code, 0);
    assert(examined.tookMs < 3_000 * FACTOR, `${examined.tookMs} ms`);
  }
});

Deno.test("doctor finds a hop with a smaller MTU between tunnel addresses, and a host that is silent", async () => {
  const intent = intentOf("vteps", { orange: ["c1", "c2"] });
  const flags = ["--heartbeat", "1"];
  await using cluster = await startCluster({ hosts: 2, etcd: 1, fabric: "wire", intent, flags });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  assertEquals(wrong(await examine(one), "failed", "warning"), []);
  const hop = "wire2"; // the lab's end of host2's cable
  await run("ip", ["link", "set", hop, "mtu", "1300"]);
  try {
    assertFound(
      await examine(one),
      "mtu",
      /packets of \d+ bytes do not reach host2 .*, small ones do/,
    );
  } finally {
    await run("ip", ["link", "set", hop, "mtu", "1500"]);
  }
  await two.agent.stop("SIGKILL");
  await waitFor(
    "host2 to be silent",
    async () => wrong(await examine(one), "warning").includes("silent-host"),
    { limitMs: 30_000 },
  );
  await cluster.etcd?.stop();
  assertFound(await examine(one), "store", /etcd/);
});

Deno.test("doctor finds a dead agent, one that hangs, and what is left of it", async () => {
  await using host = await startHost(hostIntent(1));
  assertEquals(wrong(await examine(host), "failed"), []);
  Deno.kill(host.agent.pid, "SIGSTOP");
  assertFound(await examine(host), "agent", /did not answer/);
  Deno.kill(host.agent.pid, "SIGCONT");
  await host.agent.stop("SIGKILL");
  const dead = await examine(host);
  assertFound(dead, "agent", /unreachable/);
  // What the last agent left says where the rest is.
  assert(dead.answer.checks.some(({ id, state }) => id === "vswitchd" && state === "ok"));
});

Deno.test("doctor finds a dead ovs-vswitchd, a dead ovsdb-server, a stale socket and no Open vSwitch", async () => {
  await using host = await startHost(hostIntent(1));
  await host.ovs.killVswitchd();
  assertFound(await examine(host), "openflow", /does not answer/);
  await host.ovs.killOvsdb();
  assertFound(await examine(host), "ovsdb", /./);
  await Deno.remove(host.ovs.db.replace("unix:", ""));
  assertFound(await examine(host), "ovsdb", /no Open vSwitch/);
});

Deno.test("doctor finds a bridge of somebody else and a port whose link is gone", async () => {
  await using host = await startHost(hostIntent(1));
  await host.agent.stop();
  await host.ovs.vsctl(
    "--no-wait",
    "remove",
    "Bridge",
    "contivBridge",
    "external_ids",
    "k8contivnet",
  );
  assertFound(await examine(host), "bridge", /somebody else/);
  await host.ovs.vsctl("--timeout=5", "--no-wait", "add-port", "contivBridge", "nowhere0");
  await new Promise((done) => setTimeout(done, 500));
  assertFound(await examine(host), "interfaces", /nowhere0/);
});

Deno.test("doctor finds a socket of another user, one that is open to all, and a file in its place", async () => {
  await using host = await startHost(hostIntent(1));
  await Deno.chmod(host.agent.socket, 0o666);
  assertFound(await examine(host), "socket", /open to all/);
  await Deno.chown(host.agent.socket, 65_534, 65_534);
  assertFound(await examine(host), "socket", /65534/);
  await host.agent.stop();
  await Deno.writeTextFile(host.agent.socket, "");
  assertFound(await examine(host), "socket", /not a socket/);
});

Deno.test("doctor finds a full disk, and a state folder that others may change", async () => {
  await using host = await startHost(hostIntent(1));
  await host.agent.stop();
  await Deno.chmod(host.agent.stateDir, 0o777);
  assertFound(await examine(host), "disk", /mode 777/);
  await run("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", host.agent.stateDir]);
  try {
    assertFound(await examine(host), "disk", /disk is full/);
  } finally {
    await run("umount", [host.agent.stateDir]);
  }
});

Deno.test("doctor finds records that contradict each other, and a store that is damaged", async () => {
  await using host = await startHost(hostIntent(1));
  await host.agent.stop();
  const { DatabaseSync } = await import("node:sqlite");
  const path = `${host.agent.stateDir}/store.db`;
  const database = new DatabaseSync(path);
  database.exec("DELETE FROM documents WHERE key LIKE '%claims/ip/%'");
  database.close();
  assertFound(await examine(host), "records", /contradict/);
  await Deno.writeTextFile(path, "this is not a database, whatever its name says".repeat(100));
  for (const more of ["-wal", "-shm"]) await Deno.remove(path + more).catch(() => {});
  assertFound(await examine(host), "store", /./);
});
