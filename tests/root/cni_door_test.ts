// CNI calls through the launcher: what it passes to the agent and prints, on each shell, and that each call has one
// answer, whatever comes on standard input and whoever dies.

import { assertEquals } from "@std/assert";
import { callOf } from "../unit/cni/cni_cases.ts";
import { callCni, FACE, openCniDoor, SHELLS } from "../lab/cni_door.ts";

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
  "of 1 MiB and a byte": "x".repeat(MIB + 1),
};

for (const shell of SHELLS) {
  const by = shell.join(" ") || "the file";
  Deno.test(`${by}: a configuration arrives as it is, and the answer is printed`, async () => {
    await using door = await openCniDoor((input) => ({
      exit: 0,
      output: `{"n":${input.config.length}}`,
    }));
    for (const [what, config] of Object.entries(CONFIGS)) {
      const began = performance.now();
      const input = { ...ADD, config };
      assertEquals(await callCni(door, input, { shell }), {
        code: 0,
        out: `{"n":${config.length}}\n`,
        err: "",
      }, what);
      assertEquals(door.calls.at(-1), input, what);
      console.log(by, what, Math.round(performance.now() - began));
    }
    assertEquals(await door.left(), []);
  });

  Deno.test(`${by}: what the agent does not answer, the face gets with the same configuration`, async () => {
    await using door = await openCniDoor(() => ({ exit: 1, output: "", isTransient: true }));
    for (const [what, config] of Object.entries(CONFIGS)) {
      const ended = await callCni(door, { ...ADD, config }, { shell });
      assertEquals(ended, { code: 7, out: FACE + config, err: "" }, what);
    }
    assertEquals(await door.left(), []);
  });
}
