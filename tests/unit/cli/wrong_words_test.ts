// What commands say if they got other words than they take, or none: never an empty quotation.

import { assertEquals, assertRejects } from "@std/assert";
import { COMMANDS } from "../../../lib/cli/command_table.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const CASES: Readonly<Record<string, string>> = {
  capture: "needs one pod; k8contivnet capture NAMESPACE/NAME",
  completion: "needs bash, zsh or fish; k8contivnet completion bash",
  docs: "needs operations, contiv or man; k8contivnet docs operations",
  intent: "needs show, example, schema, or check FILE; k8contivnet intent check FILE",
  ipam: "needs show [[TENANT/]NETWORK | ADDRESS], or check; k8contivnet ipam show",
  kube: "needs manifest, image [FILE], rbac, conflist, or status; k8contivnet kube status",
  metrics: "needs dashboard, or rules; k8contivnet metrics rules; the values are at " +
    "http://ADDRESS:PORT/metrics of an agent with --listen ADDRESS:PORT (see netplugin -h)",
  store: "needs copy and two stores, or backup, a store and a file; " +
    "k8contivnet store copy FROM TO, or store backup FROM FILE",
};

for (const [name, message] of Object.entries(CASES)) {
  Deno.test(`${name} says what it takes, of nothing and of other words`, async () => {
    const { run } = await COMMANDS[name]!.load();
    const faultOf = (...words: string[]) =>
      assertRejects(async () => await run(fakeShell(words, {})), Fault);
    const [bare, wrong] = [await faultOf(), await faultOf("one", "two\n")];
    assertEquals([bare.code, bare.message], ["usage", `${name} ${message}`]);
    const takes = message.replace(/^needs /, "");
    assertEquals([wrong.code, wrong.message], [
      "usage",
      `${name} got "one two": it takes ${takes}`,
    ]);
  });
}

Deno.test("a word that no option has is taken for a file, several are not", async () => {
  const { run } = await COMMANDS.apply!.load();
  const message = async (...words: string[]) =>
    (await assertRejects(async () => await run(fakeShell(words, {})), Fault)).message;
  assertEquals(
    await message("/root/intent.yaml"),
    '"/root/intent.yaml" has no option before it; did you mean -f /root/intent.yaml?',
  );
  assertEquals(
    await message("networks", "t/blue"),
    '"networks t/blue" has no option before it; add -f FILE, or -f - for stdin',
  );
  assertEquals(await message(), "no intent file is given; add -f FILE, or -f - for stdin");
});
