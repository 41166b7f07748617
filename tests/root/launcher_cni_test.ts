// CNI calls through the launcher: what it passes to the agent and prints, and what it leaves to the face. Deaths, delays
// and many calls at once are in launcher_cni_faults_test.ts.

import { assertEquals } from "@std/assert";
import { versionAnswer } from "../../lib/cni/cni_answers.ts";
import type { CniAnswer } from "../../lib/agent/api/pod_requests.ts";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { callOf } from "../unit/cni/cni_cases.ts";
import { callCni, FACE, startLauncherLab } from "../lab/launcher.ts";
import { type Ended, start } from "../lab/one_file.ts";

const ADD = callOf("ADD");
const MIB = 1024 * 1024;

/** Configurations that must arrive as they are, whatever they mean. */
const CONFIGS: Readonly<Record<string, string>> = {
  "of a runtime": ADD.config,
  "of 0 bytes": "",
  "of 1 byte": "x",
  "that ends with a newline": '{"a":1}\n',
  "that is a newline": "\n",
  "of two newlines": "\n\n",
  "of many lines": `{\n\t"a": "b",\n  "c":\n1\n}`,
  "of many lines, with a newline at the end": `{\n"a": "b"\n}\n`,
  "with CRLF": '{"a":1,\r\n"b":2}\r\n',
  "with blanks around": ' \t{"a": 1} \t',
  "with backslashes": String.raw`{"a":"\\n\u0041\
\"}\ `,
  "with words of a shell":
    `-n %s %d \\c $(touch /run/hit) \`touch /run/hit\` $HOME 'a' "b" * ? ~ ; & | < >`,
  "in other scripts": '{"a":"äöü 日本語 😀"}',
  "of 4,096 bytes": "x".repeat(4_096),
  "of 64 KiB": `{"a":"${"x".repeat(65_536)}"}`,
  "of 64 KiB in lines": `{"a":"x"\n}`.padEnd(65_536, "1234567890\n"),
  "of 1 MiB": `{"a":"${"x".repeat(MIB - 8)}"}`,
  "of 1 MiB in lines": "x\n".repeat(MIB / 2),
};

/** Configurations that are too long. */
const LONG: Readonly<Record<string, string>> = {
  "of 1 MiB and a byte": "x".repeat(MIB + 1),
  "of 1 MiB and a byte in lines": "x\n".repeat(MIB / 2) + "x",
};

const error = (code: number, msg: string, details?: string): CniAnswer => ({
  exit: 1,
  output: JSON.stringify({ cniVersion: "1.0.0", code, msg, details }),
});
const SIGNS = String.raw`{"a":"'; return 1; '\\'' \n %s $HOME $(touch /run/hit) \`id\` * ! é"}`;
const LONG_OUTPUT = `{"a":"${"ü".repeat(50_000)}"}`;

/** Answers of the agent, and what the launcher makes of them for ADD. */
const ANSWERS: Readonly<Record<string, readonly [CniAnswer, Ended]>> = {
  "a result": [{ exit: 0, output: '{"a":"%s\\n"}' }, { code: 0, out: '{"a":"%s\\n"}\n', err: "" }],
  "nothing": [{ exit: 0, output: "" }, { code: 0, out: "", err: "" }],
  "what shells would replace": [{ exit: 0, output: SIGNS }, {
    code: 0,
    out: `${SIGNS}\n`,
    err: "",
  }],
  "two lines": [{ exit: 0, output: "{\n}" }, { code: 0, out: "{\n}\n", err: "" }],
  "100 KB": [{ exit: 0, output: LONG_OUTPUT }, { code: 0, out: `${LONG_OUTPUT}\n`, err: "" }],
  ...Object.fromEntries([3_970, 3_990, 4_000, 4_010, 4_100, 70_000].map((length) => [
    `${length} bytes`,
    [{ exit: 0, output: "x".repeat(length) }, { code: 0, out: `${"x".repeat(length)}\n`, err: "" }],
  ])),
  "an error": [error(7, "a %s", "b\\c"), {
    code: 1,
    out: `${error(7, "a %s", "b\\c").output}\n`,
    err: "k8contivnet: a %s: b\\c\n",
  }],
  "an error without details": [error(7, "a"), {
    code: 1,
    out: `${error(7, "a").output}\n`,
    err: "k8contivnet: a\n",
  }],
  "an error that is long": [error(7, "x".repeat(100_000)), {
    code: 1,
    out: `${error(7, "x".repeat(100_000)).output}\n`,
    err: `k8contivnet: ${"x".repeat(499)}…\n`,
  }],
};

Deno.test("a configuration arrives as it is, and the answer is printed", async () => {
  const output = ({ config }: CniInput) => `{"n":${config.length}}`;
  await using lab = await startLauncherLab((input) => ({ exit: 0, output: output(input) }));
  for (const [what, config] of Object.entries(CONFIGS)) {
    const input = { ...ADD, config };
    const ended = await callCni(lab, input);
    assertEquals(ended, { code: 0, out: `${output(input)}\n`, err: "" }, what);
    assertEquals(lab.calls.at(-1), input, what);
  }
  for (const [what, config] of Object.entries(LONG)) {
    const ended = await callCni(lab, { ...ADD, config });
    assertEquals(ended, { code: 7, out: FACE + config, err: "" }, what);
    assertEquals(lab.calls.length, Object.keys(CONFIGS).length, what);
  }
});

Deno.test("what the agent does not answer, the face gets with the same configuration", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 1, output: "", isTransient: true }));
  for (const [what, config] of Object.entries(CONFIGS)) {
    const ended = await callCni(lab, { ...ADD, config });
    assertEquals(ended, { code: 7, out: FACE + config, err: "" }, what);
  }
});

Deno.test("each answer of the agent is printed as it is", async () => {
  let answer: CniAnswer = { exit: 0, output: "" };
  await using lab = await startLauncherLab(() => answer);
  for (const [what, [given, want]] of Object.entries(ANSWERS)) {
    answer = given;
    assertEquals(await callCni(lab, ADD), want, what);
    const err = ""; // runtimes log it every few seconds
    assertEquals(await callCni(lab, callOf("STATUS")), { ...want, err }, what);
  }
});

Deno.test("VERSION is answered without an agent, and without reading", async () => {
  await using lab = await startLauncherLab();
  const words = [lab.file, "setup", "a", "b"];
  const ended = await start(["/bin/sh", "-c", '"$@" <&-', "sh", ...words], {
    env: { CNI_COMMAND: "VERSION", K8CONTIVNET_CACHE: "nowhere" },
  });
  assertEquals(ended, { code: 0, out: `${versionAnswer()}\n`, err: "" });
});

for (const command of ["ADD", "DEL", "CHECK", "GC", "STATUS"]) {
  Deno.test(`all that a runtime passes for ${command} arrives`, async () => {
    await using lab = await startLauncherLab(() => ({ exit: 0, output: "" }));
    const input = callOf(command);
    assertEquals((await callCni(lab, input)).code, 0);
    assertEquals(lab.calls, [input]);
  });
}

/** Calls that the launcher leaves to the face, which says what is wrong. */
const strange: Readonly<Record<string, Partial<CniInput>>> = {
  "an unknown command": { command: "UPDATE" },
  "a command with a blank": { command: "ADD " },
  "a container id with a blank": { containerId: "a b" },
  "a container id with a newline": { containerId: "a\nsetup" },
  "a path with a quote": { netns: "/run/netns/'a'" },
  "an interface in another script": { ifname: "é" },
  "arguments with a command": { args: "A=$(touch /run/hit);B=`touch /run/hit`" },
  "arguments with a star": { args: "A=*" },
  "arguments with a control character": { args: "A=\x01" },
  "arguments that are too long for a line": { args: `A=${"x".repeat(4_096)}` },
  "a path with a blank": { path: "/opt/cni bin" },
};
Deno.test("strange variables are left to the face", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  for (const [what, values] of Object.entries(strange)) {
    const ended = await callCni(lab, { ...ADD, ...values });
    assertEquals(ended, { code: 7, out: FACE + ADD.config, err: "" }, what);
  }
  assertEquals(lab.calls, []);
  assertEquals(await Deno.lstat("/run/hit").then(() => "there", () => "gone"), "gone");
});

Deno.test("K8CONTIVNET_DOOR=none and an agent that is away leave a call to the face", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const face = { code: 7, out: FACE + ADD.config, err: "" };
  assertEquals(await callCni(lab, ADD, { more: { K8CONTIVNET_DOOR: "none" } }), face);
  await lab.close();
  assertEquals(await callCni(lab, ADD), face);
  assertEquals(lab.calls, []);
});

Deno.test("from another process namespace the agent is asked, also without /proc", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  for (const way of [[], ["--mount-proc"], ["--mount", "sh", "-c", 'umount -l /proc; exec "$0"']]) {
    const by = ["/usr/bin/unshare", "--pid", "--fork", ...way];
    const ended = await callCni(lab, ADD, { by, more: { PATH: "/usr/bin:/bin" } });
    assertEquals(ended, { code: 0, out: "{}\n", err: "" }, way.join(" "));
  }
});

Deno.test("a configuration with another agent's socket is left to the face", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const own = callOf("ADD", { socket: lab.socket });
  assertEquals(await callCni(lab, own), { code: 0, out: "{}\n", err: "" });
  for (const socket of ["/run/other.sock", 5, null]) {
    const other = callOf("ADD", { socket });
    assertEquals(await callCni(lab, other), { code: 7, out: FACE + other.config, err: "" });
  }
  assertEquals(lab.calls, [own]);
});

Deno.test("without CNI_COMMAND, or with an empty one, arguments choose the face", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const input = { ...ADD, command: "" };
  assertEquals((await callCni(lab, input)).code, 7);
  const words = ["status", "default", "web", "0123456789ab"];
  const more = { CNI_COMMAND: "", CNI_PATH: "/opt/cni/bin" };
  assertEquals(await start([lab.file, ...words], { env: { ...lab.env, ...more } }), {
    ...{ code: 0, out: "", err: "" },
  });
  const both = await start([lab.file, ...words], {
    env: { ...lab.env, CNI_COMMAND: "STATUS" },
    stdin: "{}",
  });
  assertEquals(both, { code: 0, out: "{}\n", err: "" });
  assertEquals(lab.calls.map(({ command }) => command), ["STATUS"]);
});
