import { assert, assertEquals, assertRejects } from "@std/assert";
import { explain } from "../../../lib/cli/explain.ts";
import type { CommonOptions } from "../../../lib/cli/shell.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

async function run(words: readonly string[], options: Partial<CommonOptions> = {}) {
  const shell = fakeShell(words, {}, options);
  await explain.run(shell);
  return shell.stdout;
}

Deno.test("explain lists the keys at the top, and those below a key", async () => {
  const top = await run([], { format: "name" });
  assertEquals(["Hosts", "Tenants", "HostBindings"].every((key) => top.includes(key)), true);
  assertEquals(top.some((key) => key.includes(".")), false);
  const names = await run(["tenants.networks"], { format: "name" });
  assertEquals(names.slice(0, 2), ["Tenants.Networks", "Tenants.Networks.Name"]);
  assert(!names.includes("Tenants.Networks.Endpoints.Container"));
});

Deno.test("explain finds a key by the end of its path, in any case, with or without indices", async () => {
  assertEquals((await run(["Tenants[0].Networks[].pkttag"])).slice(1), [
    "Tenants.Networks.PktTag  string or number  VLAN id or VNI; the lowest free one where absent",
  ]);
  assertEquals(await run(["mtu"], { format: "name" }), ["Tenants.Networks.Mtu"]);
  const [mtu] = JSON.parse((await run(["mtu"], { format: "json" })).join("\n"));
  assertEquals([mtu.type, mtu.isRequired], ["integer 68-65535", false]);
  assert((await run(["name"], { format: "name" })).length > 3);
});

Deno.test("explain suggests a key that is nearly the same", async () => {
  const fault = await assertRejects(() => run(["vlanz"]), Fault);
  assertEquals(fault.message, 'an intent has no field "vlanz"; did you mean Tenants.Vlans?');
  assertEquals((await assertRejects(() => run(["x".repeat(500)]), Fault)).code, "not_found");
  assertEquals((await assertRejects(() => run(["a", "b"]), Fault)).code, "usage");
});
