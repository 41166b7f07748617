// The agent's own life: starts, stops, refusals, and what it finds when it comes back.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { LabAgent } from "../lab/agent.ts";
import { FILE, type Host, intentOf, startHost, worldOf } from "../lab/host.ts";
import { startOvs } from "../lab/ovs.ts";
import { makePod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { lostPings } from "../lab/pings.ts";

/** Starts a second agent with these flags after the usual ones; returns its code and last line. */
async function refused(host: Host, ...flags: string[]): Promise<{ code: number; line: string }> {
  const second = new LabAgent({ file: FILE, dir: `${host.dir}/second`, ovs: host.ovs });
  second.spawn(...flags);
  const code = await second.stopped();
  return { code, line: (await second.logText()).trim().split("\n").at(-1) ?? "" };
}

Deno.test("a second agent on the same state folder or the same socket is refused", async () => {
  await using host = await startHost(intentOf(1));
  const state = await refused(host, "--state-dir", host.agent.stateDir);
  assertEquals(state.code, 4);
  assertMatch(
    state.line,
    /state folder .*\/state is in use by another agent: process \d+ .*apply -f/,
  );
  const socket = await refused(host, "--socket", host.agent.socket);
  assertEquals(socket.code, 4);
  assertMatch(socket.line, /socket .*agent\.sock is in use by another agent/);
  assertEquals((await host.agent.call("get", "tenants", "-o", "name")).out.trim(), "t");
});

Deno.test("the socket is root's alone from its first moment, and so is the state", async () => {
  await using host = await startHost(intentOf(1));
  assertEquals((await Deno.stat(host.agent.socket)).mode! & 0o777, 0o600);
  assertEquals((await Deno.stat(host.agent.stateDir)).mode! & 0o777, 0o700);
  assertEquals((await Deno.stat(`${host.agent.stateDir}/store.db`)).mode! & 0o777, 0o600);
});

Deno.test("SIGTERM ends the agent with 0, and pods stay connected while it is stopped", async () => {
  await using host = await startHost(intentOf(2));
  const [one, two] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(one);
  await host.agent.setup(two);
  const pinging = lostPings(one, "10.9.0.2", { count: 150 });
  assertEquals(await host.agent.stop(), 0);
  assert(await two.reaches("10.9.0.1"));
  await host.agent.start();
  assertEquals(await pinging, []);
});

Deno.test("after kill -9 and a restart the world is the same set as before", async () => {
  await using host = await startHost(intentOf(3));
  for (const name of ["pod0", "pod1"]) await host.agent.setup(await host.pod(name));
  const before = await worldOf(host);
  await host.agent.stop("SIGKILL");
  await host.agent.start();
  assertEquals(await worldOf(host), before);
});

Deno.test("a store that was lost is rebuilt from the rows of Open vSwitch", async () => {
  await using host = await startHost(intentOf(2));
  const [one, two] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(one);
  await host.agent.setup(two);
  const before = await host.agent.attachments();
  await host.agent.stop();
  const database = new (await import("node:sqlite")).DatabaseSync(
    `${host.agent.stateDir}/store.db`,
  );
  database.exec("DELETE FROM documents WHERE key LIKE '%attachments/%'");
  database.close();
  await host.agent.start();
  assertEquals(await host.agent.attachments(), before);
  assert(await one.reaches("10.9.0.2"));
});

Deno.test("what was broken while the agent was stopped is repaired at its start", async () => {
  // A warm port that is lost is replaced by one of another name.
  await using host = await startHost(intentOf(4), "--ports", "plain");
  const pods = [];
  for (const name of ["pod0", "pod1", "pod2", "pod3"]) {
    const pod = await host.pod(name);
    await host.agent.setup(pod);
    pods.push(pod);
  }
  const before = await worldOf(host);
  const names = before.links.filter((name) => name.startsWith("cv"));
  await host.agent.stop("SIGKILL");
  await host.ovs.vsctl("del-port", "contivBridge", names[0]!);
  await run("ip", ["link", "del", names[1]!]);
  await host.ovs.vsctl("set", "Port", names[2]!, "tag=77");
  const flows = `unix:${host.ovs.rundir}/contivBridge.mgmt`;
  await run("ovs-ofctl", ["-OOpenFlow13", "del-flows", flows]);
  await run("ip", ["link", "add", "cvffffffffff0", "type", "veth", "peer", "name", "far0"]);
  await run("ip", ["link", "set", "cvffffffffff0", "alias", "k8contivnet:ffffffffff0 a/b c/d"]);
  await host.agent.start();
  await waitFor("links, ports and flows to be as before", async () => {
    const { links, ports, attachments } = await worldOf(host);
    return links.join() === before.links.join() && ports.join() === before.ports.join() &&
      attachments.join() === before.attachments.join();
  });
  for (const pod of pods.slice(1)) assert(await pod.reaches("10.9.0.1"), pod.name);
});

Deno.test("an endpoint's pod that is gone is released after the grace time, not before", async () => {
  await using host = await startHost(intentOf(2), "--grace", "2");
  const pod = await host.pod("pod0");
  await host.agent.setup(pod);
  await pod[Symbol.asyncDispose]();
  await host.agent.stop();
  await host.agent.start();
  assertEquals((await host.agent.attachments()).length, 1);
  await waitFor(
    "the attachment to be released",
    async () => (await host.agent.attachments()).length === 0,
    { limitMs: 60_000 },
  );
});

Deno.test("foreign ports on the bridge are never touched", async () => {
  await using host = await startHost(intentOf(1));
  await run("ip", ["link", "add", "foreign0", "type", "veth", "peer", "name", "far1"]);
  await host.ovs.vsctl("add-port", "contivBridge", "foreign0");
  await host.agent.stop();
  await host.agent.start();
  assertStringIncludes(await host.ovs.vsctl("list-ports", "contivBridge"), "foreign0");
  await run("ip", ["link", "del", "foreign0"]);
});

Deno.test("the agent starts without Open vSwitch, says so, and serves when it is there", async () => {
  await using host = await startHost(intentOf(1));
  const pod = await host.pod("pod0");
  await host.agent.stop();
  await host.ovs.stop();
  await host.agent.start();
  assertStringIncludes(await host.agent.logText(), "Open vSwitch unreachable");
  const { code, err } = await host.agent.callWith(
    { K8CONTIVNET_SETUP_SECONDS: "1" },
    "setup",
    "default",
    "pod0",
    pod.id,
  );
  assertEquals(code, 5, err);
  assertEquals(await host.agent.attachments(), []);
  await host.ovs.startOvsdb();
  await host.ovs.startVswitchd();
  await host.agent.setup(pod);
});

Deno.test("auto takes the userspace datapath where Open vSwitch offers the kernel's and the kernel has none", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(`${dir}/ovs`, { offersSystem: true }));
  const agent = stack.use(new LabAgent({ file: FILE, dir: `${dir}/agent`, ovs }));
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intentOf(1)));
  await agent.start("--intent", `${dir}/intent.json`);
  const hasKernel = await run("test", ["-d", "/sys/module/openvswitch"]).then(
    () => true,
    () => false,
  );
  const datapath = (await ovs.vsctl("get", "Bridge", "contivBridge", "datapath_type")).trim();
  assertEquals(datapath, hasKernel ? "system" : "netdev");
  await agent.setup(stack.use(await makePod("pod0")));
});
