// The door: the header's own way to the agent. Which processes it trusts, what it passes on, and that no caller
// is left waiting, whichever process dies. What the calls mean is in exec_test.ts, for both ways.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../lab/run.ts";
import type { Ended } from "../lab/agent.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { type Pod, randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { scaled } from "../lab/limits.ts";

/** With this a call can only be answered by the door: the exec face has no cache to start from. */
const DOOR_ONLY = { K8CONTIVNET_CACHE: "nowhere" };
const NO_DOOR = /^k8contivnet: cache folder "nowhere" is not an absolute path/;

const doorOf = (host: Host) => `${host.agent.socket}.door`;

/** Returns the FIFOs of askers that wait, or were left behind, and what they take the agent's with. */
async function askers(host: Host): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(doorOf(host)), (entry) => entry.name);
  return names.filter((name) => /^\d+$/.test(name));
}

const wordsOf = (verb: string, { namespace, name, id }: Pod) => [verb, namespace, name, id];

async function callBy(shell: readonly string[], host: Host, ...words: string[]): Promise<Ended> {
  const [cmd = "", ...args] = [...shell, FILE, ...words];
  const { code, stdout, stderr } = await new Deno.Command(cmd, {
    args,
    env: { K8CONTIVNET_SOCKET: host.agent.socket, ...DOOR_ONLY },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

for (const shell of [["/bin/dash"], ["/bin/bash"], ["/bin/busybox", "ash"]]) {
  Deno.test(`${shell.join(" ")}: the header sets up, reports and tears down without a program`, async () => {
    await using host = await startHost(intentOf(1));
    const pod = await host.pod("pod0");
    const call = (verb: string) => callBy(shell, host, ...wordsOf(verb, pod));
    const nothing = { code: 0, out: "", err: "" };
    assertEquals(await call("status"), nothing);
    assertEquals(await call("setup"), nothing);
    assertEquals(await call("status"), {
      ...nothing,
      out: '{"apiVersion":"v1beta1","kind":"PodNetworkStatus","ip":"10.9.0.1"}',
    });
    assertEquals(await call("teardown"), nothing);
    assertEquals(await call("status"), nothing);
    assertEquals(await askers(host), []);
    await host.agent.call("bind", "pod0", "host2");
    const { code, out, err } = await call("setup");
    assertEquals([code, out], [4, ""]);
    assertMatch(err, /^k8contivnet: [^\n]*host2[^\n]*\n$/);
  });
}

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

Deno.test("strange words mean by the door what they mean to the exec face", async () => {
  await using host = await startHost(intentOf(1));
  for (const words of strange) {
    const byDoor = await host.agent.call(...words);
    const byFace = await host.agent.callWith({ K8CONTIVNET_DOOR: "none" }, ...words);
    assertEquals(byDoor, byFace, words.join(" "));
  }
  await assertGone("/run/hit");
  assertEquals(await askers(host), []);
});

async function assertGone(path: string): Promise<void> {
  assertEquals(await Deno.lstat(path).then(() => "there", () => "gone"), "gone", path);
}

const shut: readonly (readonly [string, (door: string, pid: number) => Promise<unknown>])[] = [
  ["whose folder belongs to another user", (door) => Deno.chown(door, 61234, 61234)],
  ["whose folder is a link", async (door) => {
    await Deno.rename(door, `${door}.real`);
    await Deno.symlink(`${door}.real`, door);
  }],
  ["that is not there", (door) => Deno.remove(door, { recursive: true })],
  ["whose FIFO is a file", async (door) => {
    await Deno.remove(`${door}/ask`);
    await Deno.writeTextFile(`${door}/ask`, "");
  }],
  ["that names no process", (door) => Deno.writeTextFile(`${door}/agent`, "")],
  ["that names a process that is not there", (door) => {
    return Deno.writeTextFile(`${door}/agent`, "4194304 5\n");
  }],
  ["that names a process of the same number and another time", (door, pid) => {
    return Deno.writeTextFile(`${door}/agent`, `${pid} 5\n`);
  }],
];
for (const [what, change] of shut) {
  Deno.test(`a door ${what} is not asked, and the exec face is`, async () => {
    await using host = await startHost(intentOf(1));
    const pod = await host.pod("pod0");
    await change(doorOf(host), host.agent.pid);
    const words = wordsOf("setup", pod);
    assertMatch((await host.agent.callWith(DOOR_ONLY, ...words)).err, NO_DOOR);
    assertEquals(await host.agent.call(...words), { code: 0, out: "", err: "" });
    assertEquals((await host.agent.attachments()).map((item) => item.state), ["ready"]);
    await host.agent.stop("SIGKILL"); // it may have lost what it would remove
  });
}

Deno.test("a user without root gets the exec face's sentence, not the door's answer", async () => {
  await using host = await startHost(intentOf(1));
  const words = wordsOf("status", await host.pod("pod0"));
  const { code, stdout } = await new Deno.Command("setpriv", {
    args: ["--reuid=61234", "--regid=61234", "--clear-groups", FILE, ...words],
    env: { K8CONTIVNET_SOCKET: host.agent.socket, ...DOOR_ONLY },
  }).output();
  assertEquals([code, stdout.length], [1, 0]);
});

/** Asks while the agent cannot answer, and waits until the question lies there. */
async function askInVain(host: Host, env: Record<string, string>, ...words: string[]) {
  const before = (await askers(host)).length;
  const ended = host.agent.callWith(env, ...words);
  await waitFor("the asker's FIFO", async () => (await askers(host)).length > before);
  return { ended };
}

Deno.test("a setup that an agent took and died of is answered by the next agent", async () => {
  await using host = await startHost(intentOf(4));
  freezeProcess(host.agent.pid);
  const pods = await Promise.all([0, 1, 2, 3].map((n) => host.pod(`pod${n}`)));
  const asked = await Promise.all(
    pods.map((pod) => askInVain(host, {}, ...wordsOf("setup", pod))),
  );
  await host.agent.stop("SIGKILL");
  await host.agent.start();
  for (const { ended } of asked) assertEquals(await ended, { code: 0, out: "", err: "" });
  assertEquals((await host.agent.attachments()).length, 4);
  assertEquals(await askers(host), []);
});

Deno.test("an agent that hangs: status is silent after 5 s, setup ends with 6, teardown leaves a note, no child stays", async () => {
  await using host = await startHost(intentOf(3));
  const [a, b, c] = [await host.pod("pod0"), await host.pod("pod1"), await host.pod("pod2")];
  await host.agent.setup(c);
  freezeProcess(host.agent.pid);
  const started = performance.now();
  const [status, setup, teardown] = await Promise.all([
    host.agent.callWith(DOOR_ONLY, ...wordsOf("status", a)).then((ended) => {
      assert(performance.now() - started < scaled(12_000), "status took more than twice its 5 s");
      return ended;
    }),
    host.agent.callWith({ K8CONTIVNET_SETUP_SECONDS: "15" }, ...wordsOf("setup", b)),
    // Only its first part: what follows takes the exec face's 30 s.
    host.agent.callWith(DOOR_ONLY, ...wordsOf("teardown", c)),
  ]);
  assertEquals(status, { code: 0, out: "", err: "" });
  assertEquals([setup.code, setup.out], [6, ""]);
  assertMatch(
    setup.err,
    /^k8contivnet: agent at \S+agent\.sock did not answer in 15000 ms; [^\n]+$/,
  );
  assertMatch(teardown.err, NO_DOOR);
  assertEquals(await askers(host), []);
  const running = await run("ps", ["-A", "-o", "args="]);
  assertEquals(running.split("\n").filter((line) => /^sleep (5|15)$/.test(line)), []);
  Deno.kill(host.agent.pid, "SIGCONT");
  // What was asked is done now, though no caller waits: the last one did not get the answer.
  await waitFor("pod2 to be torn down", async () => {
    return !(await host.agent.attachments()).some((item) => item.sandbox === c.id);
  });
});

Deno.test("an asker that is killed leaves an agent that answers all others", async () => {
  await using host = await startHost(intentOf(2));
  const [one, two] = [await host.pod("pod0"), await host.pod("pod1")];
  freezeProcess(host.agent.pid);
  const child = new Deno.Command(FILE, {
    args: wordsOf("setup", one),
    env: { K8CONTIVNET_SOCKET: host.agent.socket, ...DOOR_ONLY },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  // It reads the answer, as its file 0, so it has asked. The number of read(2) is 0, or 63.
  await waitFor("the asker to wait", async () => {
    return /^(0|63) 0x0 /.test(await Deno.readTextFile(`/proc/${child.pid}/syscall`));
  });
  child.kill("SIGKILL");
  await child.status;
  Deno.kill(host.agent.pid, "SIGCONT");
  await host.agent.setup(two);
  await waitFor("both to be there", async () => (await host.agent.attachments()).length === 2);
  await waitFor("the asker's FIFO to be gone", async () => (await askers(host)).length === 0);
});

Deno.test("words in the FIFO that are not a request change nothing, and one of another version is sent on", async () => {
  await using host = await startHost(intentOf(1));
  const junk = [
    "",
    "setup",
    "setup default pod0 x 0",
    "x".repeat(3_000),
    "\0\0",
    "setup a b c ../x",
  ];
  await Deno.writeTextFile(`${doorOf(host)}/ask`, `${junk.join("\n")}\n`, { create: false });
  const fifo = `${doorOf(host)}/4000000`;
  await run("mkfifo", [fifo]);
  using file = await Deno.open(fifo, { read: true, write: true });
  await Deno.writeTextFile(`${doorOf(host)}/ask`, "connect v9 a b c 4000000\n", { create: false });
  const bytes = new Uint8Array(100);
  const count = await file.read(bytes) ?? 0;
  assertEquals(new TextDecoder().decode(bytes.subarray(0, count)), "again\n");
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
  assertEquals(await askers(host), []);
});
