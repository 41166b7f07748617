// CNI calls through the launcher when agent or launcher die or hang, or when many come at once: each call has one answer.

import { assertEquals } from "@std/assert";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { callOf } from "../unit/cni/cni_cases.ts";
import {
  beginCni,
  type BegunCall,
  callCni,
  FACE,
  FACE_RETRY,
  type LauncherLab,
  startLauncherAgent,
  startLauncherLab,
  waitUntilSent,
} from "../lab/launcher.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { waitFor } from "../lab/wait.ts";

const ADD = callOf("ADD");
const STATUS = callOf("STATUS");
const DONE = { code: 0, out: "{}\n", err: "" };

Deno.test("an agent that hangs: the face takes over, and knows that it is a retry", async () => {
  await using lab = await startLauncherLab();
  await using agent = await startLauncherAgent(lab, "never");
  const configs = [STATUS.config, '{\n"a":1\n}\n', "", "x".repeat(300_000)];
  await Promise.all(configs.map(async (config) => {
    const ended = await callCni(lab, { ...STATUS, config });
    assertEquals(ended, { code: 7, out: FACE_RETRY + config, err: "" });
  }));
  assertEquals((await agent.calls()).length, configs.length);
});

Deno.test("what an agent took and died of, the face gets at once", async () => {
  await using lab = await startLauncherLab();
  await using first = await startLauncherAgent(lab, "never");
  const calls = Array.from({ length: 8 }, (_, n) => callCni(lab, callOf("ADD", { n })));
  await waitFor("all calls to be taken", async () => (await first.calls()).length === 8);
  await first.kill();
  for (const [n, ended] of (await Promise.all(calls)).entries()) {
    const out = FACE_RETRY + callOf("ADD", { n }).config;
    assertEquals(ended, { code: 7, out, err: "" });
  }
  await using second = await startLauncherAgent(lab, "at once");
  assertEquals(await callCni(lab, ADD), DONE);
  assertEquals(await second.calls(), [ADD]);
});

Deno.test("an agent that is stopped by SIGSTOP answers all when it goes on", async () => {
  await using lab = await startLauncherLab();
  await using agent = await startLauncherAgent(lab, "at once");
  freezeProcess(agent.pid);
  const calls = Array.from({ length: 20 }, () => begun(lab, ADD));
  await waitUntilSent(calls.map(({ pid }) => pid));
  Deno.kill(agent.pid, "SIGCONT");
  for (const { ended } of calls) assertEquals(await ended, DONE);
});

/** Begins a call, and writes all of its standard input. */
function begun(lab: LauncherLab, input: CniInput): BegunCall {
  const call = beginCni(lab, input);
  void call.write(input.config).then(() => call.close());
  return call;
}

Deno.test("a queue of connections that is full, or of an agent that accepts none, holds nobody up longer than the limit", async () => {
  await using lab = await startLauncherLab();
  // Of six calls, the queue of one connection takes two.
  const script =
    `use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($ARGV[0]));
    listen($s, 1); $| = 1; print "ready"; sleep 100;`;
  const hung = new Deno.Command("perl", { args: ["-e", script, lab.socket], stdout: "piped" })
    .spawn();
  const reader = hung.stdout.getReader();
  await reader.read();
  const ended = await Promise.all(Array.from({ length: 6 }, () => callCni(lab, STATUS)));
  const outs = ended.map(({ out }) => out).sort();
  assertEquals(
    outs,
    [...Array(4).fill(FACE + STATUS.config), ...Array(2).fill(FACE_RETRY + STATUS.config)].sort(),
  );
  hung.kill("SIGKILL");
  await hung.status;
  await reader.cancel();
});

Deno.test("two hundred calls at once each have their own answer", async () => {
  await using lab = await startLauncherLab(async ({ config }) => {
    const { n } = JSON.parse(config);
    await new Promise((done) => setTimeout(done, n % 7));
    return { exit: 0, output: `${n}`.padEnd(n % 5 === 0 ? 5_000 : 10, " ") + "|" };
  });
  const calls = Array.from({ length: 200 }, (_, n) => callCni(lab, callOf("ADD", { n })));
  for (const [n, { code, out, err }] of (await Promise.all(calls)).entries()) {
    assertEquals([code, out.trim().replace(/ *\|$/, ""), err], [0, `${n}`, ""]);
  }
  assertEquals(lab.calls.length, 200);
});

Deno.test("a launcher that is killed while it reads asks for nothing", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const call = beginCni(lab, ADD);
  await call.write("{");
  await waitUntilSent([call.pid]); // or, here, until it waits for more
  call.kill();
  await call.ended;
  await call.close();
  assertEquals(await callCni(lab, STATUS), DONE);
  assertEquals(lab.calls, [STATUS]);
});

Deno.test("a launcher that is killed while it waits leaves an agent that answers all others", async () => {
  const held = Promise.withResolvers<void>();
  await using lab = await startLauncherLab(async () => {
    await held.promise;
    return { exit: 0, output: "{}" };
  });
  const [lost, other] = [begun(lab, ADD), begun(lab, ADD)];
  await waitFor("both calls", () => lab.calls.length === 2);
  lost.kill();
  await lost.ended;
  held.resolve();
  assertEquals(await other.ended, DONE);
});

/** What an agent of another version, or something else, may answer; the face then asks by itself. */
const ANSWERS: Readonly<Record<string, readonly [string, string]>> = {
  "nothing": ["", FACE_RETRY],
  "half a head": ["HTTP/1.1 200 OK\r\ncontent-le", FACE_RETRY],
  "half a body": ["HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n0 3 0\n{}", FACE_RETRY],
  "that it has no such path": ["HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}", FACE],
  "that it starts": ["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", FACE],
};
for (const [what, [answer, face]] of Object.entries(ANSWERS)) {
  Deno.test(`an agent that answers ${what}: the face takes over`, async () => {
    await using lab = await startLauncherLab();
    using listener = Deno.listen({ transport: "unix", path: lab.socket });
    const ended = callCni(lab, ADD);
    using connection = await listener.accept();
    await connection.read(new Uint8Array(65_536));
    await connection.write(new TextEncoder().encode(answer));
    connection.closeWrite();
    assertEquals(await ended, { code: 7, out: face + ADD.config, err: "" });
  });
}
