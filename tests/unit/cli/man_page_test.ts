import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { docsOf } from "../../../lib/cli/docs.ts";
import { manPage } from "../../../lib/cli/man_page.ts";
import { COMMANDS } from "../../../lib/cli/command_table.ts";
import { OPTIONS } from "../../../lib/cli/option_table.ts";

const PARTS = { version: "1", date: "2026-01-02", options: [], exitCodes: "0 ok", faces: {} };

Deno.test("the page has each command with its synopsis, text and example, and each option", async () => {
  const commands = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { summary, load }]) => ({
      ...{ name, summary },
      usage: (await load()).usage,
    })),
  );
  const page = manPage({ ...PARTS, commands, options: OPTIONS });
  for (const { usage, name } of commands) {
    assertStringIncludes(page, `.SS "${usage.split("\n")[0]!.replaceAll("-", "\\-")}"`, name);
  }
  for (const { name } of OPTIONS) {
    const long = name === "color" ? "no-color" : name;
    assertStringIncludes(page, `\\fB\\-\\-${long.replaceAll("-", "\\-")}\\fR`);
  }
  assertEquals(page.match(/^\.nf$/gm)?.length, page.match(/^\.fi$/gm)?.length);
});

Deno.test("no text becomes a request of roff, and lines are short", () => {
  const usage = `x\n  .de evil 'so /etc/passwd \\*[x] ${
    "long ".repeat(40)
  }\n  e.g. .so x\n    'literal`;
  const page = manPage({ ...PARTS, commands: [{ name: "x", summary: "'s", usage }] });
  const own = /^\.(TH|SH|SS|PP|TP|B|BR|I|RS|RE|nf|fi)\b/;
  for (const line of page.split("\n").filter((one) => /^[.']/.test(one))) {
    assert(own.test(line), line);
  }
  assert(page.split("\n").every((line) => line.length <= 80));
  assertStringIncludes(page, "\\&.de evil");
  assertStringIncludes(page, "\\e*[x]");
  assertStringIncludes(page, "\\&'literal");
});

Deno.test("docs takes man alone", async () => {
  const { fakeShell } = await import("./fake_shell.ts");
  const docs = docsOf({ commands: {}, faces: {} });
  for (const words of [["html"], ["man", "x"]]) {
    let message = "";
    await Promise.resolve(docs.run(fakeShell(words, {}))).catch((error) => message = error.message);
    assertStringIncludes(message, "docs got");
  }
});
