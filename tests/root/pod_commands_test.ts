// Commands that look into a pod's network, of the built file, on a real host: exec, ping, capture.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { hangSignal } from "../lab/limits.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { startContainer } from "../lab/container.ts";
import { startDockerHost } from "../lab/docker_host.ts";
import type { Pod } from "../lab/pod.ts";
import { pingOn } from "../lab/pings.ts";
import { run } from "../lab/run.ts";
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
    [["nobody", "--", "ls"], 3, /pod default\/nobody not found; see k8contivnet get pods -A/],
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

const CLOSED = {
  Tenants: [tenantWith({
    SubnetPool: "10.8.0.0/15",
    AllocSubnetLen: 16,
    Groups: [{ Name: "web", Network: "blue", Policies: ["p1"] }],
    Policies: [{
      Name: "p1",
      Rules: [{ Id: "1", Direction: "in", Protocol: "icmp", Action: "deny" }],
    }],
    Networks: [
      {
        Name: "blue",
        Endpoints: [
          { Container: "web-1", Namespace: "shop" },
          { Container: "db-0", Namespace: "shop" },
          { Container: "closed", Namespace: "shop", Group: "web" },
        ],
      },
      { Name: "red", Endpoints: [{ Container: "apart" }] },
    ],
    Namespaces: ["shop", "default"],
  })],
};

async function shopHost(): Promise<{ host: Host; pods: Pod[] }> {
  const host = await startHost(CLOSED);
  const pods: Pod[] = [];
  for (const name of ["web-1", "db-0", "closed"]) pods.push(await host.pod(name, "shop"));
  pods.push(await host.pod("apart"));
  for (const pod of pods) await host.agent.setup(pod);
  return { host, pods };
}

Deno.test("ping counts answers, and says which stage stops what is not answered", async () => {
  const { host, pods } = await shopHost();
  await using _host = host;
  const { agent } = host;
  const answered = await agent.call("ping", "-n", "shop", "web-1", "db-0", "--count", "2");
  assertEquals([answered.code, answered.err], [0, ""]);
  assertMatch(
    answered.out,
    /^shop\/web-1 to shop\/db-0 \(10\.8\.\S+\): 2 of 2 answered, [\d.]+\/[\d.]+\/[\d.]+ ms/,
  );
  const address = await agent.addressOf(pods[1]!);
  const json = JSON.parse(
    (await agent.call("ping", "shop/web-1", address, "-o", "json", "--count", "1")).out,
  );
  assertEquals([json.destination, json.sent, json.received], [{ address }, 1, 1]);

  const denied = await agent.call("ping", "shop/web-1", "shop/closed", "--count", "1");
  assertEquals(denied.code, 1);
  assertMatch(denied.out, /: 0 of 1 answered\ndenied .*\n {2}policies: denied {2}rule 1 of /);
  assertMatch(
    denied.err,
    /shop\/closed \(\S+\) does not answer: policies: rule 1 of group web .*policy t\/p1; see k8contivnet trace/,
  );
  const deniedJson = await agent.call("ping", "shop/web-1", "shop/closed", "-o", "json");
  assertMatch(JSON.parse(deniedJson.out).stage, /^policies: rule 1/);
  assertEquals(deniedJson.code, 1);
  const apart = await agent.call("ping", "shop/web-1", "default/apart", "--count", "1");
  assertMatch(apart.out, /^shop\/web-1 to default\/apart \(\S+\): no route\ndenied /);
  assertMatch(
    apart.err,
    /default\/apart \(\S+\) does not answer: no common network: .*; see k8contivnet trace shop\/web-1 default\/apart --icmp/,
  );
  const outside = await agent.call("ping", "shop/web-1", "192.0.2.1", "--count", "1");
  assertEquals(outside.code, 1);
  assertMatch(
    outside.err,
    /192\.0\.2\.1 does not answer: pod shop\/web-1 has no route to it; .*Reach/,
  );
  // Nothing denies it, and it does not answer.
  await pods[1]!.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1");
  const silent = await agent.call("ping", "shop/web-1", "shop/db-0", "--count", "1");
  assertEquals(silent.code, 1);
  assertMatch(
    silent.err,
    /let the packet pass; see whether it arrives: k8contivnet capture shop\/db-0/,
  );
  for (
    const [words, code, message] of [
      [["shop/web-1"], 2, /two pods/],
      [["shop/web-1", "10.1.2.300"], 2, /not an IPv4 address/],
      [["shop/web-1", "shop/db-0", "--count", "0"], 2, /out of range/],
      [["shop/web-1", "shop/nobody"], 3, /has no address; see k8contivnet why/],
      [["nobody", "shop/web-1"], 3, /pod default\/nobody not found/],
    ] as const
  ) {
    const { code: got, err } = await agent.call("ping", ...words);
    assertEquals(got, code, err);
    assertMatch(err, message);
  }
});

/** Returns what tcpdump reads in a file. */
async function linesOf(file: string): Promise<string[]> {
  const { stdout, stderr } = await new Deno.Command("tcpdump", {
    args: ["-n", "-r", file],
    signal: hangSignal(20_000),
  }).output();
  const lines = text(stdout).split("\n").filter(Boolean);
  assert(lines.length > 0, text(stderr));
  return lines;
}

Deno.test("capture writes a pod's packets until there are enough, or it is interrupted", async () => {
  const { host, pods } = await shopHost();
  await using _host = host;
  const [web, db] = [pods[0]!, pods[1]!];
  await using _pings = pingOn(db, await host.agent.addressOf(web), 0.1);
  const file = `${host.dir}/x.pcap`;
  const { code, stderr } = await inShell(
    host,
    `"$K" capture -n shop web-1 --count 3 -- icmp and greater 10 > ${file}`,
  );
  assertEquals(code, 0, text(stderr));
  const lines = await linesOf(file);
  assertEquals([lines.length, lines.every((line) => line.includes("ICMP echo re"))], [3, true]);
  await Deno.writeTextFile(`${host.dir}/y.pcap`, "");
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      `exec "$0" capture shop/web-1 --socket "$1" > "$2"`,
      FILE,
      host.agent.socket,
      `${host.dir}/y.pcap`,
    ],
    stderr: "null",
  }).spawn();
  await waitFor("packets", async () => (await Deno.stat(`${host.dir}/y.pcap`)).size > 200);
  child.kill("SIGINT");
  assertEquals((await child.status).code, 0);
  await linesOf(`${host.dir}/y.pcap`);
  for (
    const [words, code, message] of [
      [["shop/web-1", "-o", "json"], 2, /add --drops/],
      [["shop/web-1", "--count", "1", "--", "no such filter"], 1, /syntax error|tcpdump/],
      [["shop/nobody"], 3, /pod shop\/nobody not found/],
      [[], 2, /capture needs one pod; k8contivnet capture/],
    ] as const
  ) {
    const { code: got, err } = await host.agent.call("capture", ...words);
    assertEquals(got, code, err);
    assertMatch(err, message);
  }
});

/** Returns what the switch does with denied packets. */
async function denials({ ovs }: Host): Promise<string[]> {
  const dumped = await run("ovs-ofctl", [
    ...["-OOpenFlow14", "--no-stats", "--no-names", "dump-flows"],
    ...[`unix:${ovs.rundir}/contivBridge.mgmt`, "table=31"],
  ]);
  return dumped.split("\n").flatMap((line) => / priority=10,.*actions=(.*)$/.exec(line)?.[1] ?? []);
}

async function dropCount({ agent }: Host): Promise<number> {
  const { out } = await agent.call("get", "policies", "-o", "json");
  return (JSON.parse(out) as { name: string; drops: number }[])
    .find(({ name }) => name === "t/p1")?.drops ?? -1;
}

Deno.test("capture --drops has the packets that a policy drops, with its name, and leaves nothing behind", async () => {
  const { host, pods } = await shopHost();
  await using _host = host;
  const { agent } = host;
  const address = await agent.addressOf(pods[2]!);
  assertEquals(await denials(host), ["drop"]);
  await using _pings = pingOn(pods[0]!, address, 0.2);
  const before = await dropCount(host);
  const json = await agent.call("capture", "--drops", "--count", "2", "-o", "json");
  assertEquals(json.code, 0, json.err);
  const [drop, ...others] = json.out.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(others.length, 1);
  assertEquals([drop.from, drop.to, drop.policy], [
    "shop/web-1",
    "shop/closed",
    "contiv policy t/p1",
  ]);
  assertMatch(
    drop.message,
    /^icmp shop\/web-1 \S+ -> shop\/closed \S+ by contiv policy t\/p1 \(rule 1/,
  );
  assert(Uint8Array.fromBase64(drop.packet).length >= 98, "the packet is cut off");
  const file = `${host.dir}/drops.pcapng`;
  const { code, stderr } = await inShell(
    host,
    `"$K" capture --drops shop/closed --count 2 > ${file}`,
  );
  assertEquals(code, 0, text(stderr));
  assertMatch(text(stderr), /dropped icmp .* by contiv policy t\/p1[^]*2 dropped packets/);
  const lines = await linesOf(file);
  assertEquals(lines.length, 2);
  assert(lines.every((line) => line.includes(`> ${address}: ICMP echo request`)), lines.join());
  assert(text(await Deno.readFile(file)).includes("by contiv policy t/p1"));
  assert(await dropCount(host) >= before, "a capture has reset the counters");
  const isAsBefore = async () => (await denials(host)).join() === "drop";
  await waitFor("flows to be as before", isAsBefore, { limitMs: 30_000 });
  // The meter goes once no flow uses it.
  const hasNoMeter = async () => {
    const meters = await host.ovs.ofctl("dump-meters", "contivBridge", "-OOpenFlow14");
    return !meters.includes("meter=");
  };
  await waitFor("the meter to be removed", hasNoMeter, { limitMs: 30_000 });

  // A capture that is killed, and an agent that is killed while one runs.
  const start = () =>
    new Deno.Command(FILE, {
      args: ["capture", "--drops", "--socket", agent.socket],
      ...{ stdout: "piped", stderr: "null" },
    }).spawn();
  const isReporting = async () => (await denials(host)).join().includes("controller");
  for (const killed of ["capture", "agent"]) {
    const child = start();
    await waitFor("a capture", isReporting, { limitMs: 30_000 });
    // Without its agent, a capture ends by itself.
    if (killed === "agent") await agent.stop("SIGKILL");
    else child.kill("SIGKILL");
    await child.stdout.cancel();
    await child.status;
    if (killed === "agent") {
      assert(await isReporting());
      await agent.start();
    }
    await waitFor(`flows to be as before, ${killed}`, isAsBefore, { limitMs: 30_000 });
  }
  // Ctrl-C is its usual end; an agent that starts again meanwhile is waited for.
  const child = start();
  await waitFor("a capture", isReporting, { limitMs: 30_000 });
  await agent.stop();
  await agent.start();
  await waitFor("the capture to go on", isReporting, { limitMs: 30_000 });
  child.kill("SIGINT");
  await child.stdout.cancel();
  assertEquals((await child.status).code, 0);
});

Deno.test("two captures of drops at once, beside --log-drops, have the same packets, and the log goes on", async () => {
  await using host = await startHost(CLOSED, "--log-drops");
  const { agent } = host;
  const [web, closed] = [await host.pod("web-1", "shop"), await host.pod("closed", "shop")];
  for (const pod of [web, closed]) await agent.setup(pod);
  await using _pings = pingOn(web, await agent.addressOf(closed), 0.2);
  const usual = (await denials(host)).join();
  const words = ["capture", "--drops", "--count", "4", "-o", "json"];
  const both = await Promise.all([agent.call(...words), agent.call(...words)]);
  const packets = both.map(({ out }) => out.trim().split("\n").map((line) => JSON.parse(line).at));
  assertEquals(packets.map(({ length }) => length), [4, 4]);
  assert(packets[0]!.some((at) => packets[1]!.includes(at)), packets.join("; "));
  const isUsual = async () => (await denials(host)).join() === usual;
  await waitFor("flows to be as before", isUsual, { limitMs: 30_000 });
  assertMatch(await agent.logText(), /dropped icmp shop\/web-1 /);
});

Deno.test("exec, ping and capture work for pods of a CNI runtime", async () => {
  await using host = await startHost({
    Tenants: [tenantWith({ SubnetPool: "10.8.0.0/15", Networks: [{ Name: "n", Default: true }] })],
  });
  const runtime = new LabCniRuntime({ file: FILE, socket: host.agent.socket });
  const pods = [await host.pod("a"), await host.pod("b")];
  for (const pod of pods) await runtime.add({ pod });
  const address = await host.agent.addressOf(pods[0]!);
  const { out, err } = await host.agent.call("exec", "a", "--", "ip", "-4", "-o", "address");
  assert(out.includes(address), out + err);
  assertEquals((await host.agent.call("ping", "b", "a", "--count", "1")).code, 0);
  await using _pings = pingOn(pods[1]!, address, 0.1);
  assertEquals((await inShell(host, '"$K" capture a --count 1 >/dev/null')).code, 0);
});
