import { assertEquals, assertRejects } from "@std/assert";
import { openStore } from "../../../lib/store/open_store.ts";
import { prefixEnd } from "../../../lib/store/sqlite/sqlite_rows.ts";
import { Fault, type FaultCode } from "../../../lib/util/errors.ts";

const cases: readonly (readonly [url: string, code: FaultCode, says: string])[] = [
  ["etcds://user:secret@h1:2379", "usage", "contains a user"],
  ["etcd:/h1:2379", "usage", "is not an etcd URL"],
  ["etcd://h1:2379?token=secret", "usage", "is not an etcd URL"],
  ["etcd://h1:2379/a#secret", "usage", "is not an etcd URL"],
  ["etcd://", "usage", "not HOST:PORT"],
  ["etcd://h1:0", "usage", "not HOST:PORT"],
  ["etcd://h1:65536", "usage", "not HOST:PORT"],
  ["etcd://h1:2379,", "usage", "not HOST:PORT"],
  ["etcd://h1:2379 h2:2379", "usage", "not HOST:PORT"],
  ["etcd://h1:2379,H1:2379", "usage", "names a member twice"],
  ["etcd://h1:2379/a//b", "usage", "prefix"],
  ["etcd://h1:2379/a/../b", "usage", "prefix"],
  ["etcd://h1:2379/a%2fb", "usage", "prefix"],
  ["etcd://h1:2379/ä", "usage", "prefix"],
  ["redis://h1", "usage", `"redis"`],
  ["", "usage", "sqlite:PATH"],
  ["/var/lib/store.db", "usage", "sqlite:PATH"],
  ["SQLITE:/x", "usage", "sqlite:PATH"],
  ["sqlite:", "usage", "names no file"],
  ["sqlite://host/store.db", "usage", "names no file"],
];

for (const [url, code, says] of cases) {
  Deno.test(`openStore() of "${url}" faults: ${code}`, async () => {
    const fault = await assertRejects(() => openStore(url), Fault, says);
    assertEquals(fault.code, code);
    assertEquals(fault.message.includes("secret"), false);
  });
}

const ends: readonly (readonly [prefix: string, end: string | Uint8Array])[] = [
  ["/a/", "/a0"],
  ["a", "b"],
  ["\u007f", "\u0080"],
  ["\ud7ff", "\ue000"],
  ["\uffff", "\u{10000}"],
  ["a\u{10ffff}\u{10ffff}", "b"],
  ["\u{10ffff}", new Uint8Array(0)],
  ["", new Uint8Array(0)],
];

for (const [prefix, end] of ends) {
  Deno.test(`prefixEnd() of ${JSON.stringify(prefix)} is the first key without this prefix`, () => {
    assertEquals(prefixEnd(prefix), end);
  });
}
