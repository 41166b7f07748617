// `why ADDRESS` and `ipam show ADDRESS`: the word is recognised as an address, and the answer is printed.

import { assertEquals } from "@std/assert";
import { ipam } from "../../../lib/cli/ipam.ts";
import { isAddressWord } from "../../../lib/cli/show_address.ts";
import type { Command, CommonOptions } from "../../../lib/cli/shell.ts";
import { why } from "../../../lib/cli/why.ts";
import { fakeShell } from "./fake_shell.ts";

const ITEMS = [
  {
    ...{ address: "10.9.0.1", state: "attached", tenant: "t", network: "n", endpoint: "web" },
    message: "pod default/web on h1 has it",
  },
  { address: "10.9.0.1", state: "free", tenant: "u", network: "n", message: "it is free" },
  { address: "10.9.0.1", state: "host", host: "h1", message: "it is the tunnel address" },
  { address: "10.9.0.1", state: "outside", message: "it is in no network's subnet" },
];

async function run(command: Command, words: string[], options: Partial<CommonOptions> = {}) {
  const asked: string[] = [];
  const shell = fakeShell(words, {
    list: (kind, name) => {
      asked.push(`${kind} ${name}`);
      return Promise.resolve(kind === "addresses" ? ITEMS : []);
    },
    why: (pod) => {
      asked.push(`why ${pod.namespace}/${pod.name}`);
      return Promise.resolve({ pod, state: "nowhere", places: [], reason: "", notes: [] });
    },
  }, options);
  const code = await command.run(shell);
  return { code, asked, stdout: shell.stdout };
}

for (const [command, words] of [[why, ["10.9.0.1"]], [ipam, ["show", "10.9.0.1"]]] as const) {
  Deno.test(`${words.join(" ")} prints a line for each network`, async () => {
    const { code, asked, stdout } = await run(command, [...words]);
    assertEquals([code, asked], [undefined, ["addresses 10.9.0.1"]]);
    assertEquals(stdout, [
      "10.9.0.1 in t/n: pod default/web on h1 has it",
      "10.9.0.1 in u/n: it is free",
      "10.9.0.1: it is the tunnel address",
      "10.9.0.1: it is in no network's subnet",
    ]);
    const named = await run(command, [...words], { format: "name" });
    assertEquals(named.stdout, ["t/n/web", "u/n", "h1"]);
    const json = await run(command, [...words], { format: "json" });
    assertEquals(JSON.parse(json.stdout.join("\n")), ITEMS);
  });
}

Deno.test("a pod that is named like an address is asked for with its namespace", async () => {
  assertEquals((await run(why, ["default/10.9.0.1"])).asked, ["why default/10.9.0.1"]);
  assertEquals((await run(why, ["10.9.0.1"], { namespace: "shop" })).asked, ["why shop/10.9.0.1"]);
});

const ADDRESSES = ["10.9.0.1", "10.9.0.1/24", "10.9.0.999", "fd00::1", "::1/64"];
const NAMES = ["web", "10.9.0", "1.2.3.4.5", "default/10.9.0.1", "t/n", "", "1.2.3.4x"];

for (const word of [...ADDRESSES, ...NAMES]) {
  const isAddress = ADDRESSES.includes(word);
  Deno.test(`"${word}" is ${isAddress ? "an address" : "a name"}`, () => {
    assertEquals(isAddressWord(word), isAddress);
  });
}
