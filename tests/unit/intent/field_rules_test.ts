import { assertEquals, assertStringIncludes } from "@std/assert";
import { vtepRefusal } from "../../../lib/intent/field_rules.ts";

const refused = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"];

for (const address of refused) {
  Deno.test(`${address} cannot be a tunnel address`, () => {
    assertStringIncludes(vtepRefusal(address) ?? "", " is ");
  });
}

Deno.test("a host may have a link-local tunnel address, which it chose itself", () => {
  for (const address of ["169.254.7.1", "192.168.2.10", "198.18.0.1", "100.64.0.1"]) {
    assertEquals(vtepRefusal(address), undefined, address);
  }
});
