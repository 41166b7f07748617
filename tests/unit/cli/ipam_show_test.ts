// `ipam show NETWORK`: the tenant may be left out where one alone has a network of that name.

import { assertEquals, assertRejects } from "@std/assert";
import { ipam } from "../../../lib/cli/ipam.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const POOLS = [["shop", "front"], ["shop", "back"], ["t", "front"]].map(([tenant, network]) => ({
  ...{ tenant, network, subnet: "10.1.0.0/24" },
  ...{ size: 254, used: 1, free: 253, held: [] },
}));

async function show(...words: string[]): Promise<string[]> {
  const shell = fakeShell(["show", ...words], { list: () => Promise.resolve(POOLS) }, {
    format: "name",
  });
  await ipam.run(shell);
  return shell.stdout;
}

Deno.test("ipam show prints one pool, by its whole name or by one that no other network has", async () => {
  assertEquals(await show(), ["shop/front", "shop/back", "t/front"]);
  assertEquals(await show("t/front"), ["t/front"]);
  assertEquals(await show("back"), ["shop/back"]);
});

for (
  const [word, message] of [
    [
      "front",
      'network "front" is ambiguous: 2 tenants have one of that name; did you mean shop/front, t/front?',
    ],
    ["red", 'network "red" not found; see k8contivnet ipam show'],
    ["t/back", 'network "t/back" not found; see k8contivnet ipam show'],
  ] as const
) {
  Deno.test(`ipam show ${word} is refused`, async () => {
    const fault = await assertRejects(() => show(word), Fault);
    assertEquals([fault.code, fault.message], ["not_found", message]);
  });
}
