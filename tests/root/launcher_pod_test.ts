// Kubelets' calls through the launcher: what it passes on, and that no caller is left waiting, whichever process dies. What
// the calls mean is in exec_test.ts, for both ways.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { freezeProcess } from "../lab/freeze.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { beginCni, waitUntilSent } from "../lab/launcher.ts";
import { scaled } from "../lab/limits.ts";
import { type Pod, randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { callOf } from "../unit/cni/cni_cases.ts";

/** With this a call can only be answered by the agent: the exec face has no cache to start from. */
const NO_FACE = { K8CONTIVNET_CACHE: "nowhere" };
const LEFT_TO_FACE = /^k8contivnet: cache folder "nowhere" is not an absolute path/;
const NOTHING = { code: 0, out: "", err: "" };

const wordsOf = (verb: string, { namespace, name, id }: Pod) => [verb, namespace, name, id];

Deno.test("the launcher sets up, reports and tears down without the program", async () => {
  await using host = await startHost(intentOf(1));
  const pod = await host.pod("pod0");
  const call = (verb: string) => host.agent.callWith(NO_FACE, ...wordsOf(verb, pod));
  assertEquals(await call("status"), NOTHING);
  assertEquals(await call("setup"), NOTHING);
  const out = '{"apiVersion":"v1beta1","kind":"PodNetworkStatus","ip":"10.9.0.1"}';
  assertEquals(await call("status"), { ...NOTHING, out });
  assertEquals(await call("teardown"), NOTHING);
  assertEquals(await call("status"), NOTHING);
  await host.agent.call("bind", "pod0", "host2");
  const refused = await call("setup");
  assertEquals([refused.code, refused.out], [4, ""]);
  assertMatch(refused.err, /^k8contivnet: [^\n]*host2[^\n]*$/);
});

const ID = randomHex(64);
const strange: readonly (readonly string[])[] = [
  ["setup", "default", "a b", ID],
  ["setup", "$(touch /run/hit)", "pod0", ID],
  ["setup", "`touch /run/hit`", "pod0", ID],
  ["setup", "*", "pod0", ID],
  ["setup", "default", "pod\n0", ID],
  ["setup", "default", "..", ID],
  ["setup", "default", "a..b", ID],
  ["setup", "default", "-n", ID],
  ["setup", "", "pod0", ID],
  ["setup", "default", "x".repeat(254), ID],
  ["setup", "default", "pod0", "XYZ"],
  ["setup", "default", "pod0", ID.toUpperCase()],
  ["setup", "default", "pod0", "../../agent"],
  ["setup", "default", "pod0"],
  ["setup", "default", "pod0", ID, "more"],
  ["teardown", "default", "a'b", ID],
  ["status", "default", 'a"b', ID],
  ["status", "default", "é", ID],
  ["status", "-h"],
];

Deno.test("strange words mean to the launcher what they mean to the exec face", async () => {
  await using host = await startHost(intentOf(1));
  for (const words of strange) {
    const byLauncher = await host.agent.call(...words);
    const byFace = await host.agent.callWith({ K8CONTIVNET_DOOR: "none" }, ...words);
    assertEquals(byLauncher, byFace, words.join(" "));
  }
  await assertGone("/run/hit");
});

async function assertGone(path: string): Promise<void> {
  assertEquals(await Deno.lstat(path).then(() => "there", () => "gone"), "gone", path);
}

/** Sockets at which no agent answers, and what the exec face then says. */
const shut: Readonly<Record<string, (socket: string) => Promise<unknown>>> = {
  "is not there": () => Promise.resolve(),
  "is a folder": (socket) => Deno.mkdir(socket),
  "is a file": (socket) => Deno.writeTextFile(socket, ""),
  "is a link to nothing": (socket) => Deno.symlink("nothing", socket),
};
for (const [what, make] of Object.entries(shut)) {
  Deno.test(`a socket that ${what} is left to the exec face`, async () => {
    await using host = await startHost(intentOf(1));
    const pod = await host.pod("pod0");
    const socket = `${host.dir}/other.sock`;
    await make(socket);
    const more = { ...NO_FACE, K8CONTIVNET_SOCKET: socket, K8CONTIVNET_SETUP_SECONDS: "1" };
    const { err } = await host.agent.callWith(more, ...wordsOf("setup", pod));
    assertMatch(err, LEFT_TO_FACE);
  });
}

Deno.test("a path that is too long for a socket is left to the exec face", async () => {
  await using host = await startHost(intentOf(1));
  const more = { ...NO_FACE, K8CONTIVNET_SOCKET: `/run/${"x".repeat(104)}` };
  const { err } = await host.agent.callWith(more, ...wordsOf("status", await host.pod("pod0")));
  assertMatch(err, LEFT_TO_FACE);
});

Deno.test("a user without root gets the exec face's sentence, not the agent's answer", async () => {
  await using host = await startHost(intentOf(1));
  const words = wordsOf("status", await host.pod("pod0"));
  const { code, stdout } = await new Deno.Command("setpriv", {
    args: ["--reuid=61234", "--regid=61234", "--clear-groups", FILE, ...words],
    env: { K8CONTIVNET_SOCKET: host.agent.socket, ...NO_FACE },
  }).output();
  assertEquals([code, stdout.length], [1, 0]);
});

/** Starts a call that waits for its answer. */
async function startedCall(host: Host, words: readonly string[]): Promise<Deno.ChildProcess> {
  const child = new Deno.Command(FILE, {
    args: [...words],
    env: { K8CONTIVNET_SOCKET: host.agent.socket },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await waitUntilSent([child.pid]);
  return child;
}

Deno.test("a setup that an agent took and died of is answered by the next agent", async () => {
  await using host = await startHost(intentOf(4));
  freezeProcess(host.agent.pid);
  const pods = await Promise.all([0, 1, 2, 3].map((n) => host.pod(`pod${n}`)));
  const calls = await Promise.all(pods.map((pod) => startedCall(host, wordsOf("setup", pod))));
  await host.agent.stop("SIGKILL");
  await host.agent.start();
  for (const call of calls) {
    const { code, stdout, stderr } = await call.output();
    assertEquals([code, stdout.length, new TextDecoder().decode(stderr)], [0, 0, ""]);
  }
  assertEquals((await host.agent.attachments()).length, 4);
});

Deno.test("an agent that hangs: status is silent after 5 s, setup ends with 6, teardown leaves a note", async () => {
  await using host = await startHost(intentOf(3));
  const [a, b, c] = [await host.pod("pod0"), await host.pod("pod1"), await host.pod("pod2")];
  await host.agent.setup(c);
  freezeProcess(host.agent.pid);
  const started = performance.now();
  const [status, setup, teardown] = await Promise.all([
    host.agent.callWith(NO_FACE, ...wordsOf("status", a)).then((ended) => {
      assert(performance.now() - started < scaled(12_000), "status took more than twice its 5 s");
      return ended;
    }),
    host.agent.callWith({ K8CONTIVNET_SETUP_SECONDS: "15" }, ...wordsOf("setup", b)),
    // Only its first part: what follows takes the exec face's 30 s.
    host.agent.callWith(NO_FACE, ...wordsOf("teardown", c)),
  ]);
  assertEquals(status, { code: 0, out: "", err: "" });
  assertEquals([setup.code, setup.out], [6, ""]);
  assertMatch(
    setup.err,
    /^k8contivnet: agent at \S+agent\.sock did not answer in 15000 ms; [^\n]+$/,
  );
  assertMatch(teardown.err, LEFT_TO_FACE);
  Deno.kill(host.agent.pid, "SIGCONT");
  // What was asked is done now, though no caller waits: the last one did not get the answer.
  await waitFor("pod2 to be torn down", async () => {
    return !(await host.agent.attachments()).some((item) => item.sandbox === c.id);
  });
});

Deno.test("a launcher that is killed leaves an agent that answers all others", async () => {
  await using host = await startHost(intentOf(2));
  const [one, two] = [await host.pod("pod0"), await host.pod("pod1")];
  freezeProcess(host.agent.pid);
  const call = await startedCall(host, wordsOf("setup", one));
  call.kill("SIGKILL");
  await call.output();
  Deno.kill(host.agent.pid, "SIGCONT");
  await host.agent.setup(two);
  await waitFor("both to be there", async () => (await host.agent.attachments()).length === 2);
});

/** Requests that no launcher makes. */
const JUNK: readonly (readonly [string, string])[] = [
  ["pod", ""],
  ["pod", "setup"],
  ["pod", "setup\0default\0pod0\0"],
  ["pod", `connect\0default\0pod0\0${ID}\0`],
  ["pod", `setup\0a/b\0pod0\0${ID}\0`],
  ["pod", "x".repeat(2_000_000)],
  ["cni", ""],
  ["cni", "CNI_COMMAND=ADD\0"],
  ["cni", "\0\0{}"],
  ["cni", "CNI_COMMAND=VERSION\0\0{}"],
  ["other", `setup\0default\0pod0\0${ID}\0`],
];

Deno.test("requests that no launcher makes change nothing, and are left to a face", async () => {
  await using host = await startHost(intentOf(1));
  const client = Deno.createHttpClient({
    proxy: { transport: "unix", path: host.agent.socket },
  });
  for (const [path, body] of JUNK) {
    const response = await fetch(`http://agent/v1/launcher/${path}`, {
      ...{ client, method: "POST", body },
    });
    assertEquals(
      [response.status, await response.text()],
      [503, ""],
      `${path} ${body.slice(0, 80)}`,
    );
  }
  client.close();
  await host.agent.setup(await host.pod("pod0"));
});

Deno.test("a stop and a start in a burst of 40 calls cost none of them its answer", async () => {
  await using host = await startHost(intentOf(40));
  const pods = await Promise.all(Array.from({ length: 40 }, (_, n) => host.pod(`pod${n}`)));
  const burst = pods.map(async (pod, n) => {
    await new Promise((done) => setTimeout(done, n * 8));
    return await host.agent.verb("setup", pod);
  });
  await new Promise((done) => setTimeout(done, 150));
  assertEquals(await host.agent.stop(), 0, await host.agent.logText());
  await host.agent.start();
  for (const { code, err } of await Promise.all(burst)) assertEquals(code, 0, err);
  assertEquals((await host.agent.attachments()).length, 40);
});

Deno.test("an agent that is stopped does not wait for a launcher whose configuration does not come", async () => {
  await using host = await startHost(intentOf(1));
  const env = { K8CONTIVNET_SOCKET: host.agent.socket, ...NO_FACE };
  const call = beginCni({ file: FILE, env }, callOf("STATUS"));
  await waitUntilSent([call.pid]); // or, here, until it waits for its input
  const started = performance.now();
  assertEquals(await host.agent.stop(), 0);
  assert(performance.now() - started < scaled(5_000), "it has waited for the launcher's 10 s");
  call.kill();
  await call.ended;
  await call.close();
});
