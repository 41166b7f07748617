// The CNI face as a process, with the permissions of the built file, and with an agent that is only a socket: streams,
// environments and ends of connections that no unit test has. Needs files and sockets, and nothing else of this machine.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TeardownNotes } from "../../lib/agent/server/teardown_notes.ts";
import { versionAnswer } from "../../lib/cni/cni_answers.ts";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { variablesOf } from "../fixtures/cni_variables.ts";
import { type Ended, start, tempDir } from "../lab/one_file.ts";
import { MemoryLog } from "../memory/memory_log.ts";
import { callOf, cniCases } from "../unit/cni/cni_cases.ts";

const HOUSE = new URL("../../", import.meta.url).pathname;

/** Returns the words that start the program with what .ci/permissions grants. */
async function program(): Promise<string[]> {
  const permissions = (await Deno.readTextFile(`${HOUSE}.ci/permissions`)).split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  return [
    ...[Deno.execPath(), "run", "--quiet", "--no-check", "--cached-only", "--no-prompt"],
    ...[...permissions, `${HOUSE}main.ts`],
  ];
}

/** Variables without which Deno does not find its cache. */
const OWN_ENV = Object.fromEntries(
  ["HOME", "PATH", "DENO_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }),
);

/** Answers a connection; what it returns is sent, and undefined closes the connection. */
type Handler = (input: CniInput, count: number) => unknown;

/** A place for the agent's socket, with an agent on it if there is a handler. */
async function place(handler?: Handler) {
  const dir = await tempDir();
  const socket = `${dir}/agent.sock`;
  const inputs: CniInput[] = [];
  const listen = (answer: Handler) => {
    const listener = Deno.listen({ transport: "unix", path: socket });
    void serve(listener, inputs, answer);
    return listener;
  };
  let listener = handler && listen(handler);
  return {
    ...{ dir: `${dir}`, socket, inputs },
    listen: (later: Handler) => void (listener = listen(later)),
    call: async (
      input: CniInput,
      env: Readonly<Record<string, string>> = {},
      shell: readonly string[] = [],
    ): Promise<Ended> =>
      await start([...shell, ...await program()], {
        env: { ...OWN_ENV, K8CONTIVNET_SOCKET: socket, ...variablesOf(input), ...env },
        stdin: input.config,
      }),
    [Symbol.asyncDispose]: async () => {
      listener?.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function serve(listener: Deno.UnixListener, inputs: CniInput[], answer: Handler) {
  for await (const conn of listener) {
    try {
      const input = await readRequest(conn);
      inputs.push(input);
      const body = new TextEncoder().encode(JSON.stringify(answer(input, inputs.length)) ?? "");
      if (body.length > 0) await writeAll(conn, body);
    } finally {
      conn.close();
    }
  }
}

async function readRequest(conn: Deno.Conn): Promise<CniInput> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  for (let text = "";;) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error("no whole request");
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    const [head = "", body] = text.split("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (body !== undefined && new TextEncoder().encode(body).length >= length) {
      return JSON.parse(body);
    }
  }
}

async function writeAll(conn: Deno.Conn, body: Uint8Array) {
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
  for (const bytes of [new TextEncoder().encode(head), body]) {
    for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
  }
}

const OK = { exit: 0, output: "" };
const ADD = callOf("ADD");

Deno.test("every row of the table has its exit code and answer from a process, too", async () => {
  await using agent = await place(() => OK);
  // No environment can hold a NUL.
  const rows = cniCases.filter(({ input }) =>
    !Object.values(variablesOf(input)).join().includes("\0")
  );
  const queue = rows.values();
  const lane = async () => {
    for (const { name, input, exit, code } of queue) {
      const { code: ended, out } = await agent.call(input);
      assertEquals([ended, out === "" ? 0 : JSON.parse(out).code], [exit, code], name);
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  assertEquals(agent.inputs.length, rows.filter(({ exit }) => exit === 0).length);
});

Deno.test("CNI_COMMAND is stronger than a kubelet's arguments, and nothing without a value", async () => {
  await using agent = await place(() => OK);
  const words = ["setup", "default", "web-0", "a".repeat(64)];
  const env = { ...OWN_ENV, K8CONTIVNET_SOCKET: agent.socket };
  const version = await start([...await program(), ...words], {
    env: { ...env, CNI_COMMAND: "VERSION" },
  });
  assertEquals(version, { code: 0, out: `${versionAnswer()}\n`, err: "" });
  const help = await start([...await program(), "-h"], { env: { ...env, CNI_COMMAND: "" } });
  assertStringIncludes(help.out, "Container Network Interface");
});

/** Returns the words that run a call with a script around it: `"$@"` is the call. */
const inShell = (script: string) => ["/bin/sh", "-c", script, "sh"];

Deno.test("a standard input that stays open holds up no VERSION, and anything else for 10 s", async () => {
  await using agent = await place();
  const shell = inShell(
    `mkfifo ${agent.dir}/in; exec 3<>${agent.dir}/in; rm ${agent.dir}/in; exec "$@" <&3`,
  );
  const version = await agent.call({ ...ADD, command: "VERSION" }, {}, shell);
  assertEquals(version, { code: 0, out: `${versionAnswer()}\n`, err: "" });
  const { code, out } = await agent.call(ADD, {}, shell);
  assertEquals([code, JSON.parse(out).code], [1, 5]);
  assertStringIncludes(out, "standard input did not end in 10 s");
});

Deno.test("closed and strange streams, and bytes that are not UTF-8: one JSON value or exit 1", async () => {
  await using agent = await place(() => OK);
  const scripts: readonly (readonly [script: string, exit: number, code: number | undefined])[] = [
    ['exec "$@" <&-', 1, 6],
    ['exec "$@" </', 1, 5],
    ['exec "$@" </dev/null', 1, 6],
    ['exec "$@" 2>&-', 0, undefined],
    ['exec "$@" 2>/dev/full', 0, undefined],
    ['CNI_COMMAND=NONE exec "$@" >/dev/full', 1, undefined],
    ['CNI_COMMAND=NONE exec "$@" 2>/dev/full', 1, 4],
    [`CNI_ARGS=$(printf '\\377') exec "$@"`, 1, 4],
    [`CNI_COMMAND=$(printf 'ADD\\377') exec "$@"`, 1, 4],
    [`K8CONTIVNET_SOCKET=$(printf '/\\377') exec "$@"`, 1, 4],
  ];
  for (const [script, exit, error] of scripts) {
    const { code, out } = await agent.call(ADD, {}, inShell(script));
    assertEquals([code, out === "" ? undefined : JSON.parse(out).code], [exit, error], script);
  }
});

Deno.test("an agent that dies while it answers is asked again, with the word that it was asked before", async () => {
  const output = '{"cniVersion":"1.0.0","dns":{}}';
  await using agent = await place((_, count) => count < 3 ? undefined : { exit: 0, output });
  assertEquals(await agent.call(ADD), { code: 0, out: `${output}\n`, err: "" });
  assertEquals(agent.inputs.map(({ isRetry }) => isRetry), [false, true, true]);
});

Deno.test("ADD waits for an agent that starts", async () => {
  await using agent = await place();
  const adding = agent.call(ADD);
  await new Promise((done) => setTimeout(done, 1_000));
  agent.listen(() => OK);
  assertEquals(await adding, { code: 0, out: "", err: "" });
});

Deno.test("a configuration of 1 MiB and a long answer of many lines pass unchanged", async () => {
  const output = JSON.stringify({ cniVersion: "1.0.0", "x-long": "ä\n".repeat(200_000) }, null, 2);
  await using agent = await place(() => ({ exit: 0, output }));
  const text = "é\n".repeat(200_000);
  const input = callOf("ADD", {
    runtimeConfig: { "io.kubernetes.cri.pod-annotations": { text } },
  });
  const { code, out, err } = await agent.call(input);
  assertEquals([code, err, out === `${output}\n`], [0, "", true]);
  assertEquals(agent.inputs[0]?.config === input.config, true);
});

Deno.test("a DEL without agent leaves a private note, which the next agent executes", async () => {
  await using agent = await place();
  const input = { ...callOf("DEL"), netns: "" };
  const ended = await Promise.all([agent.call(input), agent.call(input), agent.call(input)]);
  for (const { code, out, err } of ended) {
    assertEquals([code, out], [0, ""]);
    assertMatch(err, /^k8contivnet: DEL of eth0 of container a{64} is noted, [^\n]+\n$/);
  }
  const folder = `${agent.socket}.notes`;
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  assertEquals(names.length, 1);
  const modes = [folder, `${folder}/${names[0]}`].map((path) => Deno.statSync(path).mode! & 0o777);
  assertEquals(modes, [0o700, 0o600]);
  const calls: CniInput[] = [];
  const notes = new TeardownNotes({
    ...{ socket: agent.socket, stateDir: agent.dir, log: new MemoryLog() },
    tearDown: () => Promise.reject(new Error("no teardown was asked for")),
    answerCni: (call) => Promise.resolve((calls.push(call), { exit: 0, output: "" })),
  });
  await notes.handle();
  assertEquals(calls, [input]);
  assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
});

Deno.test("a DEL whose note cannot be written fails", async () => {
  await using agent = await place();
  await Deno.writeTextFile(`${agent.socket}.notes`, "");
  const { code, out } = await agent.call(callOf("DEL"));
  assertEquals([code, JSON.parse(out).code], [1, 11]);
  assertStringIncludes(out, "no note can be written");
});
