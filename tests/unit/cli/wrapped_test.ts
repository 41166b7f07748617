import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../../lib/cli/command_table.ts";
import { commandHelp } from "../../../lib/cli/command_help.ts";
import { overview } from "../../../lib/cli/overview.ts";
import { wrapped } from "../../../lib/cli/wrapped.ts";

Deno.test("a line that is too long goes on below its last column, else below its first word", () => {
  const text = [
    "  -x, --longer  what this option does, in some more words than fit",
    "  words that are not in columns, and more of them than fit",
    "  e.g. an example that is to be copied as it is, however long",
    "  a name of many many words, which leaves no room  and more",
    "short",
  ].join("\n");
  assertEquals(wrapped(text, 45).split("\n"), [
    "  -x, --longer  what this option does, in",
    "                some more words than fit",
    "  words that are not in columns, and more of",
    "  them than fit",
    "  e.g. an example that is to be copied as it is, however long",
    "  a name of many many words, which leaves no",
    "      room  and more",
    "short",
  ]);
  assertEquals(wrapped(text, Infinity), text);
});

Deno.test("all help fits on terminals of 60 and 80 columns, and has all its words", async () => {
  const words = (text: string) => text.split(/\s+/).join(" ");
  for (const width of [60, 80]) {
    const texts = await Promise.all(
      Object.values(COMMANDS).map(async (spec) => {
        const { usage } = await spec.load();
        const help = commandHelp(spec, usage, width);
        assertEquals(words(help), words(commandHelp(spec, usage, Infinity)));
        return help;
      }),
    );
    for (const line of [...texts, overview(width)].join("\n").split("\n")) {
      const isLiteral = /^\s*e\.g\. /.test(line) || !line.trim().includes(" ");
      assert(line.length <= width || isLiteral, line);
    }
  }
});

Deno.test("a command's help has its own options, and names those of all commands", async () => {
  const { usage } = await COMMANDS.apply!.load();
  const help = commandHelp(COMMANDS.apply!, usage, Infinity);
  assert(help.startsWith("k8contivnet apply -f FILE"));
  assert(/^ {2}-f, --file FILE {2,}JSON or YAML file.*; repeatable$/m.test(help), help);
  assert(/^ {6}--dry-run {2,}show what/m.test(help), help);
  assert(!help.includes("--tcp"), help);
  assert(help.includes("of all commands: -o FORMAT, --socket, --store, -q, --no-color, -h"), help);
});

Deno.test("an option that means less in a command says only that in its help", async () => {
  const meaningOf = async (name: string) => {
    const help = commandHelp(COMMANDS[name]!, (await COMMANDS[name]!.load()).usage, Infinity);
    return / {6}--detailed-exitcode +(.*)/.exec(help)?.[1];
  };
  assertEquals(await meaningOf("plan"), "exit code 2 if something would change");
  assertEquals(await meaningOf("trace"), "exit code 2 if it is denied");
});
