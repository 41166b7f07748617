import { assertEquals } from "@std/assert";
import { networkMtu } from "../../../lib/net/mtu.ts";

const cases = [
  {
    name: "the intent's value over all",
    encap: "vxlan",
    override: 9000,
    vteps: [1500],
    want: 9000,
  },
  { name: "1500 for VLANs", encap: "vlan", vteps: [9000], want: 1500 },
  { name: "the tunnel link's less 50 for VXLANs", encap: "vxlan", vteps: [1500], want: 1450 },
  { name: "the lowest of several tunnel links'", encap: "vxlan", vteps: [9000, 1460], want: 1410 },
] as const;

for (const { name, want, ...facts } of cases) {
  Deno.test(`networkMtu() returns ${name}`, () => {
    assertEquals(networkMtu({ ...facts, vtepMtus: facts.vteps }), { mtu: want, isAssumed: false });
  });
}

Deno.test("networkMtu() assumes 1450 if no tunnel link is known, and says so", () => {
  assertEquals(networkMtu({ encap: "vxlan", vtepMtus: [] }), { mtu: 1450, isAssumed: true });
});
