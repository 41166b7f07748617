// Addresses of unix sockets as connect(2) takes them.

import { assertEquals, assertThrows } from "@std/assert";
import { Fault } from "../../../lib/util/errors.ts";
import { unixAddress } from "../../../lib/util/notify_socket.ts";

const addresses: readonly (readonly [string, readonly number[]])[] = [
  ["/a", [1, 0, 47, 97, 0]],
  ["@a", [1, 0, 0, 97]],
  ["@", [1, 0, 0]],
  ["/é", [1, 0, 47, 0xc3, 0xa9, 0]],
];

for (const [name, bytes] of addresses) {
  Deno.test(`unixAddress() of ${name}`, () => assertEquals([...unixAddress(name)], bytes));
}

for (const name of ["", "a", "vsock:1:2", `/${"a".repeat(107)}`, `@${"a".repeat(107)}`]) {
  Deno.test(`unixAddress() refuses ${name.slice(0, 12)} of ${name.length} bytes`, () => {
    assertEquals(assertThrows(() => unixAddress(name), Fault).code, "usage");
  });
}
