import { assertEquals } from "@std/assert";
import { nearlyFull } from "../../../../lib/net/host/hindrances.ts";

Deno.test("nearlyFull() warns from nine tenths of the table of connections on, with a way out", () => {
  assertEquals(nearlyFull("899\n1000"), []);
  assertEquals(nearlyFull("900\n1000").map(({ fix }) => fix), [
    "sysctl -w net.netfilter.nf_conntrack_max=2000",
  ]);
});

Deno.test("nearlyFull() knows nothing of a kernel without connection tracking", () => {
  assertEquals(nearlyFull(""), []);
});
