import { variablesOf } from "../../fixtures/cni_variables.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { versionAnswer } from "../../../lib/cni/cni_answers.ts";
import { cniNoteName } from "../../../lib/cni/cni_note.ts";
import type { CniInput } from "../../../lib/cni/cni_types.ts";
import { cniMain } from "../../../lib/faces/cni.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { callOf, cniCases } from "../cni/cni_cases.ts";
import { type Agent, call, DONE, gone, type Outcome, readerOf, type Setting } from "./cni_call.ts";

/** Checks that a call failed with one line of JSON and one line of words; returns the error. */
function errorOf({ exit, out, err }: Outcome): { code: number; text: string; version: string } {
  assertEquals([exit, err.length], [1, 1]);
  assertMatch(out, /^\{[^\n]*\}\n$/);
  const { code, msg, details, cniVersion } = JSON.parse(out);
  assertStringIncludes(err[0]!, `k8contivnet: ${msg}`.slice(0, 60));
  return { code, text: `${msg}; ${details}`, version: cniVersion };
}

for (const { name, input, exit, code, message } of cniCases) {
  Deno.test(`${name}: exit ${exit}${code === 0 ? "" : `, error ${code}`}`, async () => {
    const outcome = await call(input);
    assertEquals(outcome.requests.length, exit === 0 ? 1 : 0);
    if (exit === 0) {
      assertEquals([outcome.exit, outcome.out, outcome.err], [0, "", []]);
      assertEquals(outcome.requests[0]?.body, { ...input, isRetry: false });
    } else {
      assertEquals(outcome.exit, 1);
      assertEquals(outcome.err.length, input.command === "STATUS" ? 0 : 1);
      const error = JSON.parse(outcome.out);
      assertEquals(error.code, code);
      assertStringIncludes(`${error.msg}; ${error.details}`, message);
    }
  });
}

Deno.test("VERSION reads nothing and asks nobody", async () => {
  const out: string[] = [];
  const nobody = () => Promise.reject(new Error("nobody may be asked"));
  const exit = await cniMain({
    env: (name) => name === "CNI_COMMAND" ? "VERSION" : undefined,
    ...{ out: (text) => void out.push(text), err: () => {} },
    ...{ stdin: { read: nobody }, ask: nobody, leaveNote: nobody },
  });
  assertEquals([exit, out], [0, [`${versionAnswer()}\n`]]);
});

Deno.test("the agent's answer is printed with a newline, and its exit code is returned", async () => {
  const output = '{"cniVersion":"1.0.0","dns":{}}';
  const good = await call(callOf("ADD"), { agent: () => ({ exit: 0, output }) });
  assertEquals([good.exit, good.out, good.err], [0, `${output}\n`, []]);
  const error = JSON.stringify({ cniVersion: "1.0.0", code: 100, msg: "full", details: "a\nb" });
  const bad = await call(callOf("ADD"), { agent: () => ({ exit: 1, output: error }) });
  assertEquals([bad.exit, bad.out, bad.err], [1, `${error}\n`, ["k8contivnet: full: a b"]]);
});

Deno.test("the socket is that of the configuration, else of the environment, else the default", async () => {
  const env = { K8CONTIVNET_SOCKET: "/env.sock" };
  const socketOf = async (socket?: string, setting: Setting = {}) =>
    (await call(callOf("ADD", { socket }), setting)).requests[0]?.socket;
  assertEquals(await socketOf("/conf.sock", { env }), "/conf.sock");
  assertEquals(await socketOf(undefined, { env }), "/env.sock");
  assertEquals(await socketOf(), "/run/k8contivnet/agent.sock");
  const long = { env: { K8CONTIVNET_SOCKET: `/${"x".repeat(107)}` } };
  const { code, text } = errorOf(await call(callOf("ADD"), long));
  assertEquals(code, 4);
  assertStringIncludes(text, "K8CONTIVNET_SOCKET");
});

Deno.test("ADD waits 20 s for an agent, then says that it is to be tried later", async () => {
  const outcome = await call(callOf("ADD"), { agent: gone });
  const { code, text, version } = errorOf(outcome);
  assertEquals([code, version], [11, "1.0.0"]);
  assertEquals(text, "agent at /a.sock is unreachable; no such socket; start it");
  assertEquals(outcome.tookMs > 18_000 && outcome.tookMs <= 20_000, true, `${outcome.tookMs} ms`);
});

Deno.test("ADD waits for K8CONTIVNET_SETUP_SECONDS, which must be a duration", async () => {
  const waits = async (
    text: string,
  ) => (await call(callOf("ADD"), { agent: gone, env: { K8CONTIVNET_SETUP_SECONDS: text } }));
  assertEquals((await waits("2m")).tookMs > 110_000, true);
  assertEquals((await waits("0.2")).tookMs < 200, true);
  assertEquals((await waits(" ")).tookMs > 18_000, true);
  for (const text of ["soon", "0", "-1", "1d"]) {
    const outcome = await waits(text);
    const error = errorOf(outcome);
    assertEquals([error.code, outcome.requests.length], [4, 0]);
    assertStringIncludes(error.text, "K8CONTIVNET_SETUP_SECONDS");
  }
  const other = { agent: gone, env: { K8CONTIVNET_SETUP_SECONDS: "soon" } };
  assertEquals((await call(callOf("DEL"), other)).exit, 0);
});

Deno.test("what the launcher has waited is a part of the limit, and one try is made in any case", async () => {
  const waits = async (command: string, waited: string) =>
    await call(callOf(command), { agent: gone, env: { K8CONTIVNET_WAITED: waited } });
  for (const command of ["ADD", "DEL", "CHECK"]) {
    const whole = await waits(command, "");
    assertEquals((await waits(command, "a week")).tookMs, whole.tookMs);
    const rest = await waits(command, "4");
    assertEquals(rest.tookMs > whole.tookMs - 6_000 && rest.tookMs < whole.tookMs - 2_000, true);
    const late = await waits(command, "30");
    assertEquals([late.tookMs, late.requests.length], [0, 1]);
  }
});

Deno.test("ADD succeeds when the agent comes in time, and after answers that say try again", async () => {
  const again = { exit: 1, output: '{"code":11,"msg":"agent is starting"}', isTransient: true };
  const outcome = await call(callOf("ADD"), {
    agent: (_, ms) => ms < 5_000 ? gone() : ms < 10_000 ? again : { exit: 0, output: "{}" },
  });
  assertEquals([outcome.exit, outcome.out, outcome.err], [0, "{}\n", []]);
  const starting = await call(callOf("ADD"), { agent: () => again });
  assertEquals(errorOf(starting), {
    code: 11,
    text: "agent is starting; undefined",
    version: "1.0.0",
  });
  assertEquals(starting.tookMs > 18_000, true);
});

Deno.test("a call says whether it was sent before, by this process or by the launcher", async () => {
  const sent = async (setting: Setting) =>
    (await call(callOf("ADD"), setting)).requests.map(({ body }) => (body as CniInput).isRetry);
  const agent: Agent = (_, ms) => ms < 100 ? gone() : DONE;
  assertEquals(await sent({ agent }), [false, true, true]);
  assertEquals(await sent({ env: { K8CONTIVNET_RETRY: "1" } }), [true]);
  assertEquals(await sent({ env: { K8CONTIVNET_RETRY: "" } }), [false]);
});

Deno.test("an error that is not transient is not tried again", async () => {
  const answer = { exit: 1, output: '{"code":11,"msg":"store unreachable"}' };
  for (const command of ["ADD", "DEL", "CHECK", "GC", "STATUS"]) {
    assertEquals((await call(callOf(command), { agent: () => answer })).requests.length, 1);
  }
});

Deno.test("an agent that hangs is asked once", async () => {
  const hangs = () => {
    throw new Fault("timeout", "agent at /a.sock did not answer in 20000 ms");
  };
  const outcome = await call(callOf("ADD"), { agent: hangs });
  assertEquals([errorOf(outcome).code, outcome.requests.length], [11, 1]);
  assertEquals(outcome.requests[0]?.limitMs, 20_000);
});

Deno.test("CHECK and GC wait 5 s for an agent", async () => {
  for (const command of ["CHECK", "GC"]) {
    const outcome = await call(callOf(command), { agent: gone });
    assertEquals(errorOf(outcome).code, 11);
    assertEquals(outcome.tookMs > 3_000 && outcome.tookMs <= 5_000, true, `${outcome.tookMs} ms`);
  }
});

Deno.test("STATUS without an agent is code 50 within 2 s, and silent on standard error", async () => {
  const again = { exit: 1, output: '{"code":11,"msg":"agent is starting"}', isTransient: true };
  for (const agent of [gone, () => again]) {
    const outcome = await call(callOf("STATUS"), { agent });
    const { code, cniVersion } = JSON.parse(outcome.out);
    assertEquals([outcome.exit, outcome.err, code, cniVersion], [1, [], 50, "1.1.0"]);
    assertEquals(outcome.tookMs <= 2_000, true, `${outcome.tookMs} ms`);
  }
});

Deno.test("DEL without an agent leaves a note after 5 s and succeeds, saying so on standard error", async () => {
  const input = { ...callOf("DEL"), netns: "" };
  const outcome = await call(input, { agent: gone, env: { K8CONTIVNET_SOCKET: "/a.sock" } });
  assertEquals([outcome.exit, outcome.out], [0, ""]);
  assertEquals(outcome.err, [
    `k8contivnet: DEL of eth0 of container ${input.containerId} is noted, and done when the agent ` +
    "runs: agent at /a.sock is unreachable",
  ]);
  assertEquals(outcome.tookMs > 3_000 && outcome.tookMs <= 5_000, true, `${outcome.tookMs} ms`);
  const [note, ...more] = outcome.notes;
  assertEquals([note?.folder, more], ["/a.sock.notes", []]);
  assertEquals(note?.name, await cniNoteName(input.containerId, "eth0"));
  assertEquals(JSON.parse(note?.text ?? ""), input);
});

Deno.test("DEL leaves its note beside the socket of the configuration, or in K8CONTIVNET_STATE_DIR", async () => {
  const input = callOf("DEL", { socket: "/conf.sock" });
  const [first] = (await call(input, { agent: gone })).notes;
  assertEquals(first?.folder, "/conf.sock.notes");
  const env = { K8CONTIVNET_STATE_DIR: "/state" };
  const [second] = (await call(input, { agent: gone, env })).notes;
  assertEquals(second?.folder, "/state/teardown");
});

Deno.test("DEL is also noted where the agent hangs or starts; other failures are its own", async () => {
  const again = { exit: 1, output: '{"code":11,"msg":"agent is starting"}', isTransient: true };
  const hangs = () => {
    throw new Fault("timeout", "agent did not answer");
  };
  for (const agent of [hangs, () => again]) {
    const outcome = await call(callOf("DEL"), { agent });
    assertEquals([outcome.exit, outcome.out, outcome.notes.length], [0, "", 1]);
  }
  const failed = await call(callOf("DEL"), {
    agent: () => {
      throw new Fault("failed", "no");
    },
  });
  assertEquals([errorOf(failed).code, failed.notes.length], [104, 0]);
});

Deno.test("DEL fails if its note cannot be written", async () => {
  const leaveNote = () => Promise.reject(new Fault("unavailable", "DEL is not done"));
  const { code, text } = errorOf(await call(callOf("DEL"), { agent: gone, leaveNote }));
  assertEquals(code, 11);
  assertStringIncludes(text, "DEL is not done");
});

Deno.test("an agent of another version is named, whatever it answers", async () => {
  const answers = [null, {}, [], "a", 5, { exit: 0 }, { exit: 2, output: "" }, {
    exit: 1,
    output: "",
  }]
    .concat(
      { exit: 1, output: "{}" },
      { exit: 1, output: "null" },
      { exit: "0", output: "" } as object,
    );
  for (const answer of answers) {
    const { code, text } = errorOf(await call(callOf("ADD"), { agent: () => answer }));
    assertEquals(code, 104);
    assertStringIncludes(text, "restart it with this version");
  }
  const { code, text } = errorOf(
    await call(callOf("ADD"), {
      agent: () => {
        throw new Fault("not_found", "no such path");
      },
    }),
  );
  assertEquals(code, 104);
  assertStringIncludes(text, "does not answer CNI calls");
});

Deno.test("an environment variable that is not UTF-8 is named", async () => {
  const out: string[] = [];
  const exit = await cniMain({
    env: (name) => {
      if (name !== "CNI_ARGS") return name === "CNI_COMMAND" ? "ADD" : undefined;
      throw new Deno.errors.InvalidData("environment variable was not valid unicode");
    },
    ...{ out: (text) => void out.push(text), err: () => {} },
    ...{ stdin: readerOf(new Uint8Array()), ask: gone, leaveNote: () => Promise.resolve() },
  });
  const { code, msg } = JSON.parse(out.join(""));
  assertEquals([exit, code, msg], [1, 4, "CNI_ARGS is not valid UTF-8"]);
});

Deno.test("only variables of CNI and of this program are read", async () => {
  const names = new Set<string>();
  let nowMs = 0;
  for (const command of ["VERSION", "ADD", "DEL", "CHECK", "GC", "STATUS", "OTHER"]) {
    const input = { ...callOf(command), command };
    const env = variablesOf(input);
    await cniMain({
      env: (name) => {
        names.add(name);
        return env[name];
      },
      ...{ out: () => {}, err: () => {}, ask: gone, leaveNote: () => Promise.resolve() },
      stdin: readerOf(new TextEncoder().encode(input.config)),
      clock: { now: () => nowMs, pause: (ms) => Promise.resolve(void (nowMs += ms)) },
    });
  }
  assertEquals([...names].filter((name) => !name.startsWith("CNI_")).sort(), [
    "K8CONTIVNET_RETRY",
    "K8CONTIVNET_SETUP_SECONDS",
    "K8CONTIVNET_SOCKET",
    "K8CONTIVNET_STATE_DIR",
    "K8CONTIVNET_WAITED",
  ]);
});

Deno.test("a closed standard error loses no answer, and a closed standard output is exit 1", async () => {
  const closed = () => {
    throw new Deno.errors.BrokenPipe();
  };
  const out: string[] = [];
  const io = {
    env: (name: string) => variablesOf(callOf("DEL"))[name],
    ...{ ask: gone, leaveNote: () => Promise.resolve() },
    clock: { now: () => 0, pause: () => Promise.resolve() },
  };
  const stdin = () => readerOf(new TextEncoder().encode("{"));
  assertEquals(
    await cniMain({ ...io, stdin: stdin(), out: (text) => void out.push(text), err: closed }),
    1,
  );
  assertEquals(JSON.parse(out.join("")).code, 6);
  assertEquals(await cniMain({ ...io, stdin: stdin(), out: closed, err: () => {} }), 1);
});
