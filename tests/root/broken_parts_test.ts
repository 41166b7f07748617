// A part that is broken or away: an exit code, one sentence that names it, and nothing left.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../lab/run.ts";
import { LabAgent } from "../lab/agent.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { FILE, type Host, intentOf, startHost, worldOf } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const SHORT = { K8CONTIVNET_SETUP_SECONDS: "1" };

/** Sets up a pod that cannot be set up now; checks code and sentence. */
async function assertFails(host: Host, pod: Pod, codes: readonly number[], says: RegExp) {
  const words = ["setup", pod.namespace, pod.name, pod.id] as const;
  const { code, out, err } = await host.agent.callWith(SHORT, ...words);
  assert(codes.includes(code), `exit code ${code}: ${err}`);
  assertEquals(out, "");
  assertMatch(err, says);
  assert(!err.includes("\n") && err.length <= 200, err);
}

Deno.test("ovs-vswitchd stopped: setup ends in time with a sentence, and nothing is left when it continues", async () => {
  await using host = await startHost(intentOf(2));
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  const before = await worldOf(host);
  freezeProcess(host.ovs.vswitchdPid!);
  try {
    await assertFails(host, pod, [5, 6], /ovs-vswitchd|port cv/);
  } finally {
    Deno.kill(host.ovs.vswitchdPid!, "SIGCONT");
  }
  await waitFor(
    "the world to be as before",
    async () => JSON.stringify(await worldOf(host)) === JSON.stringify(before),
    { limitMs: 30_000 },
  );
  await host.agent.setup(pod);
  assert(await pod.reaches("10.9.0.1"));
});

Deno.test("ovsdb-server killed: setup ends with 5 or 6, and works again when it is back", async () => {
  await using host = await startHost(intentOf(2));
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  await host.ovs.killOvsdb();
  await assertFails(host, pod, [5, 6], /database|ovsdb|port cv/);
  assertEquals((await host.agent.attachments()).length, 1);
  await host.ovs.startOvsdb();
  await host.agent.setup(pod);
  assert(await pod.reaches("10.9.0.1"));
});

Deno.test("a sandbox that dies in the middle of setup leaves nothing", async () => {
  await using host = await startHost(intentOf(9));
  await host.agent.setup(await host.pod("pod0"));
  const before = await worldOf(host);
  for (let n = 1; n < 9; n++) {
    const pod = await host.pod(`pod${n}`);
    const setup = host.agent.callWith(SHORT, "setup", pod.namespace, pod.name, pod.id);
    await new Promise((done) => setTimeout(done, n * 6));
    await pod[Symbol.asyncDispose]();
    const { code } = await setup;
    if (code === 0) assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  }
  await waitFor(
    "the world to be as before",
    async () => JSON.stringify(await worldOf(host)) === JSON.stringify(before),
    { limitMs: 30_000 },
  );
});

Deno.test("a state folder that cannot be written is refused at the agent's start", async () => {
  await using host = await startHost(intentOf(1));
  const second = new LabAgent({ file: FILE, dir: `${host.dir}/second`, ovs: host.ovs });
  const disk = `${host.dir}/read-only`;
  await Deno.mkdir(disk);
  await run("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", disk]);
  second.spawn("--state-dir", `${disk}/state`);
  assertEquals(await second.stopped(), 5);
  await run("umount", [disk]);
  const line = (await second.logText()).trim().split("\n").at(-1) ?? "";
  assertMatch(
    line,
    /^k8contivnet netplugin: state folder .*Read-only file system; give another --state-dir/,
  );
  assert(line.length <= 200, line);
});

Deno.test("a user who is not root gets a sentence, not the agent's socket", async () => {
  await using host = await startHost(intentOf(1));
  const pod = await host.pod("pod0");
  const { code, stderr } = await new Deno.Command("setpriv", {
    args: ["--reuid=65534", "--regid=65534", "--clear-groups", FILE, "get", "endpoints"],
    env: {
      K8CONTIVNET_SOCKET: host.agent.socket,
      K8CONTIVNET_CACHE: `${host.dir}/cache`,
      HOME: "/",
    },
  }).output();
  assert(code !== 0);
  assertMatch(new TextDecoder().decode(stderr), /^k8contivnet: [^\n]+\n$/);
  assertEquals((await host.agent.verb("status", pod)).code, 0);
});
