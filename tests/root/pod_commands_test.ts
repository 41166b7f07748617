// Commands that look into a pod's network, of the built file, on a real host: exec, ping, capture.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { hangSignal } from "../lab/limits.ts";
import { startContainer } from "../lab/container.ts";
import { startDockerHost } from "../lab/docker_host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

/** Starts a command of the file in a shell. */
function inShell(host: Pick<Host, "agent">, line: string): Promise<Deno.CommandOutput> {
  return new Deno.Command("sh", {
    args: ["-c", line],
    env: { K8CONTIVNET_SOCKET: host.agent.socket, K: FILE },
    signal: hangSignal(60_000),
  }).output();
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function withPods(count: number): Promise<{ host: Host; pods: Pod[] }> {
  const host = await startHost(intentOf(count));
  const pods: Pod[] = [];
  for (let n = 0; n < count; n++) {
    pods.push(await host.pod(`pod${n}`));
    await host.agent.setup(pods[n]!);
  }
  return { host, pods };
}

Deno.test("exec runs a command in the pod's network, with its input, output and exit code", async () => {
  const { host, pods } = await withPods(1);
  await using _host = host;
  const address = await host.agent.addressOf(pods[0]!);
  const shown = await host.agent.call("exec", "default/pod0", "--", "ip", "-4", "-o", "address");
  assertEquals([shown.code, shown.err], [0, ""]);
  assert(shown.out.includes(address), shown.out);
  for (const code of [0, 1, 3, 77, 255]) {
    const { code: got } = await host.agent.call("exec", "pod0", "--", "sh", "-c", `exit ${code}`);
    assertEquals(got, code);
  }
  const { stdout, stderr } = await inShell(
    host,
    'printf "a b\\nc" | "$K" exec pod0 -- sh -c "cat; echo \\"\\$1\\" >&2" x "two  words"',
  );
  assertEquals([text(stdout), text(stderr)], ["a b\nc", "two  words\n"]);
  // What our own program was started with is not passed on, and what the user set is.
  const env = await host.agent.callWith({ MINE: "1" }, "exec", "pod0", "--", "env");
  assertMatch(env.out, /^MINE=1$/m);
  assert(!/^(DENO_DIR|K8CONTIVNET_(ARGV0|BUILD|GLIBC))=/m.test(env.out), env.out);
});

Deno.test("exec: a signal is the command's, and a closed pipe ends it", async () => {
  const { host } = await withPods(1);
  await using _host = host;
  const { code } = await inShell(host, '"$K" exec pod0 -- sh -c "kill -TERM \\$\\$"');
  assertEquals(code, 143);
  const closed = await inShell(host, '"$K" exec pod0 -- yes | head -n 1; echo "${PIPESTATUS-}"');
  assertEquals(text(closed.stdout).split("\n")[0], "y");
  const child = new Deno.Command(FILE, {
    args: ["exec", "pod0", "--socket", host.agent.socket, "--", "sleep", "1000"],
  }).spawn();
  await waitFor(
    "the process to be the command",
    async () => (await Deno.readTextFile(`/proc/${child.pid}/cmdline`)).startsWith("sleep\0"),
  );
  const netns = async (pid: number | string) => await Deno.readLink(`/proc/${pid}/ns/net`);
  assert(await netns(child.pid) !== await netns("self"));
  child.kill("SIGINT");
  assertEquals((await child.status).signal, "SIGINT");
});

Deno.test("exec says what is wrong: no such pod, pod gone, no command, no such command, no agent", async () => {
  const { host, pods } = await withPods(1);
  await using _host = host;
  const cases: readonly [words: readonly string[], code: number, message: RegExp][] = [
    [["nobody", "--", "ls"], 3, /there is no pod default\/nobody; see k8contivnet get pods -A/],
    [["shop/pod0", "--", "ls"], 3, /did you mean default\/pod0\?/],
    [["pod0"], 2, /exec got no command: .* behind --/],
    [["pod0", "ls"], 2, /exec got no command/],
    [["pod0", "--"], 2, /exec got no command/],
    [["pod0", "pod1", "--", "ls"], 2, /it takes one pod/],
    [["pod0", "--", "/no/such"], 127, /"?\/no\/such"? is not installed on this host/],
    [["pod0", "--", "/etc"], 126, /\/etc cannot be executed: EACCES/],
    [["pod0", "--store", `sqlite:${host.dir}/x.db`, "--", "ls"], 2, /needs the agent/],
  ];
  for (const [words, code, message] of cases) {
    const { code: got, out, err } = await host.agent.call("exec", ...words);
    assertEquals([got, out], [code, ""], err);
    assertMatch(err, message);
    assertEquals(err.split("\n").length, 1);
  }
  await pods[0]![Symbol.asyncDispose]();
  assertMatch((await host.agent.call("exec", "pod0", "--", "ls")).err, /does not run any longer/);
  await host.agent.stop();
  const { code, err } = await host.agent.call("exec", "pod0", "--", "ls");
  assertEquals(code, 5);
  assertMatch(err, /agent at .* is unreachable/);
});

Deno.test("exec works for a container that Docker alone started", async () => {
  await using at = await startDockerHost(intentOf(1));
  const { host, dockerd } = at;
  await (await startContainer(dockerd, "pod0")).has("eth0 10.9.0.1/16");
  const { code, out, err } = await host.agent.call("exec", "pod0", "--", "ip", "-o", "link");
  assertEquals([code, err], [0, ""]);
  assert(out.includes("eth0"), out);
});
