import { assertEquals } from "@std/assert";
import {
  answerLauncher,
  type LauncherAnswers,
  parseCniCall,
  parsePodCall,
} from "../../../../lib/agent/server/launcher_calls.ts";
import { CONFIG_LIMIT } from "../../../../lib/cni/config_limit.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { variablesOf } from "../../../fixtures/cni_variables.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const ID = "0123456789ab";
const POD = { namespace: "default", name: "db-0", sandbox: ID };
const podCases = [
  { name: "a call", text: `setup\0default\0db-0\0${ID}\0`, want: { verb: "setup", pod: POD } },
  {
    name: "a name with a dot",
    text: `status\0default\0db.0\0${ID}\0`,
    want: { verb: "status", pod: { ...POD, name: "db.0" } },
  },
  { name: "an unknown verb", text: `init\0default\0db-0\0${ID}\0`, want: undefined },
  { name: "a missing word", text: `status\0default\0${ID}\0`, want: undefined },
  { name: "a word too many", text: `status\0default\0a\0${ID}\0a\0`, want: undefined },
  { name: "a word without its end", text: `status\0default\0a\0${ID}`, want: undefined },
  { name: "..", text: `status\0default\0a..b\0${ID}\0`, want: undefined },
  { name: "a path", text: `status\0default\0a/b\0${ID}\0`, want: undefined },
  { name: "a word that is empty", text: `status\0\0a\0${ID}\0`, want: undefined },
  { name: "an invalid sandbox id", text: "status\0default\0a\0XY\0", want: undefined },
  { name: "a newline", text: `status\0default\0a\0${ID}\0\n`, want: undefined },
  { name: "nothing", text: "", want: undefined },
];
for (const { name, text, want } of podCases) {
  Deno.test(`parsePodCall() reads ${name}`, () => {
    assertEquals<unknown>(parsePodCall(bytes(text)), want);
  });
}

const ADD = {
  command: "ADD",
  containerId: ID,
  netns: "/run/netns/cni-1",
  ifname: "eth0",
  args: "IgnoreUnknown=1;K8S_POD_NAME=web-0",
  path: "/opt/cni/bin:/usr/lib/cni",
};
const callOf = (input: typeof ADD, config: string, more: readonly string[] = []) =>
  [...Object.entries(variablesOf(input)).map(([name, value]) => `${name}=${value}`), ...more]
    .map((one) => `${one}\0`).join("") + `\0${config}`;
const NONE = { containerId: "", netns: "", ifname: "", args: "" };

const cniCases = [
  { name: "a call", text: callOf(ADD, '{"a":1}\n'), want: { ...ADD, config: '{"a":1}\n' } },
  { name: "no configuration", text: callOf(ADD, ""), want: { ...ADD, config: "" } },
  {
    name: "NULs in a configuration",
    text: callOf(ADD, "\0{\0\0}"),
    want: { ...ADD, config: "\0{\0\0}" },
  },
  {
    name: "variables of other names",
    text: callOf(ADD, "{}", ["CNI_NETNS_OVERRIDE=1", "CNI_", "CNI_="]),
    want: { ...ADD, config: "{}" },
  },
  {
    name: "values that are empty or not set",
    text: "CNI_COMMAND=STATUS\0CNI_ARGS=\0CNI_PATH=/opt/cni/bin\0\0{}",
    want: { ...ADD, ...NONE, command: "STATUS", path: "/opt/cni/bin", config: "{}" },
  },
  {
    name: "= in values",
    text: callOf({ ...ADD, args: "=A==B=" }, "{}"),
    want: { ...ADD, args: "=A==B=", config: "{}" },
  },
  { name: "no variable", text: "\0{}", want: undefined },
  { name: "variables without their end", text: "CNI_COMMAND=ADD\0", want: undefined },
  { name: "nothing", text: "", want: undefined },
  {
    name: "an unknown command",
    text: callOf({ ...ADD, command: "VERSION" }, "{}"),
    want: undefined,
  },
  {
    name: "a character out of the ordinary",
    text: callOf({ ...ADD, args: "A=é" }, "{}"),
    want: undefined,
  },
  { name: "a newline", text: callOf({ ...ADD, ifname: "eth0\n" }, "{}"), want: undefined },
  {
    name: "a value that is too long",
    text: callOf({ ...ADD, args: "A".repeat(4_001) }, "{}"),
    want: undefined,
  },
];
for (const { name, text, want } of cniCases) {
  Deno.test(`parseCniCall() reads ${name}`, () => {
    assertEquals<unknown>(parseCniCall(bytes(text)), want);
  });
}

const SOCKET = "/run/k8contivnet/agent.sock";
const DONE: LauncherAnswers = {
  verb: () => Promise.resolve({ ip: "10.0.0.1" }),
  cni: () => Promise.resolve({ exit: 0, output: '{"a":"ä"}' }),
};
const failingWith = (fault: Fault): LauncherAnswers => ({
  verb: () => Promise.reject(fault),
  cni: () => Promise.reject(fault),
});
const cniError = (exit: 1, isTransient = false): LauncherAnswers => ({
  ...DONE,
  cni: () => Promise.resolve({ exit, output: '{"code":7,"msg":"a","details":"b"}', isTransient }),
});
const STATUS_TEXT = '{"apiVersion":"v1beta1","kind":"PodNetworkStatus","ip":"10.0.0.1"}';

/** A request as a launcher sends it. */
function requestOf(path: string, body: string): Request {
  const headers = { "content-length": `${bytes(body).length}` };
  return new Request(`http://agent/v1/launcher/${path}`, { method: "POST", body, headers });
}

/** Requests, and the status and body of their answers. */
const answerCases: readonly {
  readonly name: string;
  readonly path: string;
  readonly body: string;
  readonly answers?: LauncherAnswers;
  readonly want: readonly [status: number, body: string];
}[] = [
  {
    name: "setup prints nothing",
    path: "pod",
    body: `setup\0default\0a\0${ID}\0`,
    want: [200, "0 0 0\n"],
  },
  {
    name: "status prints the address",
    path: "pod",
    body: `status\0default\0a\0${ID}\0`,
    want: [200, `0 ${STATUS_TEXT.length} 0\n${STATUS_TEXT}`],
  },
  {
    name: "a fault is printed, with its exit code",
    path: "pod",
    body: `setup\0default\0a\0${ID}\0`,
    answers: failingWith(new Fault("conflict", "a pod", { why: "two\nlines" })),
    want: [200, "4 0 30\nk8contivnet: a pod: two lines\n"],
  },
  {
    name: "what is unavailable is declined",
    path: "pod",
    body: `setup\0default\0a\0${ID}\0`,
    answers: failingWith(new Fault("unavailable", "the store")),
    want: [503, ""],
  },
  {
    name: "what a face must judge is declined",
    path: "pod",
    body: "setup\0a b\0",
    want: [503, ""],
  },
  {
    name: "a result has a newline",
    path: "cni",
    body: callOf(ADD, "{}"),
    want: [200, '0 11 0\n{"a":"ä"}\n'],
  },
  {
    name: "an error is printed in words, too",
    path: "cni",
    body: callOf(ADD, "{}"),
    answers: cniError(1),
    want: [200, '1 35 18\n{"code":7,"msg":"a","details":"b"}\nk8contivnet: a: b\n'],
  },
  {
    name: "STATUS is silent on standard error",
    path: "cni",
    body: callOf({ ...ADD, command: "STATUS" }, "{}"),
    answers: cniError(1),
    want: [200, '1 35 0\n{"code":7,"msg":"a","details":"b"}\n'],
  },
  {
    name: "an error that passes is declined",
    path: "cni",
    body: callOf(ADD, "{}"),
    answers: cniError(1, true),
    want: [503, ""],
  },
  {
    name: "an agent that starts declines",
    path: "cni",
    body: callOf(ADD, "{}"),
    answers: failingWith(new Fault("unavailable", "agent is starting")),
    want: [503, ""],
  },
  {
    name: "another agent's socket is declined",
    path: "cni",
    body: callOf(ADD, String.raw`{"\u0073ocket":"/run/other"}`),
    want: [503, ""],
  },
  {
    name: "this agent's socket is not",
    path: "cni",
    body: callOf(ADD, JSON.stringify({ socket: SOCKET })),
    want: [200, '0 11 0\n{"a":"ä"}\n'],
  },
  {
    name: "what is too long is declined",
    path: "cni",
    body: "x".repeat(2 * CONFIG_LIMIT),
    want: [503, ""],
  },
  { name: "another path is declined", path: "other", body: callOf(ADD, "{}"), want: [503, ""] },
];
for (const { name, path, body, answers = DONE, want } of answerCases) {
  Deno.test(`answerLauncher(): ${name}`, async () => {
    const request = requestOf(path, body);
    const response = await answerLauncher(
      answers,
      { socket: SOCKET, log: new MemoryLog() },
      request,
    );
    assertEquals([response.status, await response.text()], [...want]);
  });
}

Deno.test("answerLauncher() answers a configuration without end with an error, and executes nothing", async () => {
  const request = requestOf("cni?endless", callOf(ADD, "{"));
  const answers = failingWith(new Fault("failed", "was executed"));
  const response = await answerLauncher(answers, { socket: SOCKET, log: new MemoryLog() }, request);
  const text = await response.text();
  assertEquals(
    /^1 \d+ \d+\n\{"cniVersion":"1.1.0","code":5,"msg":"standard input did not end in 10 s"/.test(
      text,
    ),
    true,
    text,
  );
});

Deno.test("answerLauncher() declines a request that announces no length", async () => {
  const url = "http://agent/v1/launcher/cni";
  const request = new Request(url, { method: "POST", body: callOf(ADD, "{}") });
  const response = await answerLauncher(DONE, { socket: SOCKET, log: new MemoryLog() }, request);
  assertEquals(response.status, 503);
});
