// VLANs and VNIs that planIntent() chooses and reserves.

import { assertEquals, assertThrows } from "@std/assert";
import { intents } from "../../../fixtures/intents.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { network, vlanTenant } from "../files.ts";
import { addressOf, storeWith, subnetOf, tagOf } from "../stored_intent.ts";

Deno.test("VNIs start at the range's minimum, and two tenants may have the same addresses", () => {
  const store = storeWith(intents.multipleTenants);
  assertEquals(tagOf(store, "tenant-one/orange"), 10_001);
  assertEquals(tagOf(store, "tenant-two/purple"), 15_001);
  assertEquals(subnetOf(store, "tenant-one/orange"), subnetOf(store, "tenant-two/purple"));
  assertEquals(addressOf(store, "tenant-two/purple/myContainer2"), "11.1.0.1");
});

Deno.test("Vlans 1-10 assign VLAN 1 first, and again when it is free", () => {
  const file = vlanTenant([network("a")], { Vlans: "1-10" });
  const store = storeWith(file);
  assertEquals(tagOf(store, "one/a"), 1);
  store.applyFile("delete", { Tenants: [{ Name: "one", Networks: [{ Name: "a" }] }] });
  assertEquals(store.keysBelow("claims/"), []);
  store.applyFile("add", vlanTenant([network("b")], { Vlans: "1-10" }));
  assertEquals(tagOf(store, "one/b"), 1);
});

Deno.test("Vlans 100-400,500-900 with Vxlans 10000-12000 assign VLAN 100 and VNI 10000", () => {
  const store = storeWith(vlanTenant(
    [network("a"), network("b", [], { PktTagType: "vxlan" })],
    { Vlans: "100-400,500-900", Vxlans: "10000-12000" },
  ));
  assertEquals([tagOf(store, "one/a"), tagOf(store, "one/b")], [100, 10_000]);
});

Deno.test("tenants whose VLAN pools overlap never get the same VLAN", () => {
  const store = storeWith(
    vlanTenant([network("a"), network("b")]),
    vlanTenant([network("a"), network("b")], { Name: "two", Vlans: "10-20" }),
  );
  const tags = ["one/a", "one/b", "two/a", "two/b"].map((path) => tagOf(store, path));
  assertEquals(tags, [11, 12, 10, 13]);
});

Deno.test("tenants whose VNI pools overlap never get the same VNI", () => {
  const vxlan = { DefaultNetType: "vxlan", Vxlans: "10001-10010" };
  const store = storeWith(
    vlanTenant([network("a")], vxlan),
    vlanTenant([network("a")], { ...vxlan, Name: "two" }),
  );
  assertEquals([tagOf(store, "one/a"), tagOf(store, "two/a")], [10_001, 10_002]);
});

Deno.test("an explicit tag is reserved, and is refused where another network has it", () => {
  const store = storeWith(
    vlanTenant([network("a", [], { PktTag: 12 }), network("b"), network("c")]),
  );
  assertEquals([tagOf(store, "one/b"), tagOf(store, "one/c")], [11, 13]);
  const fault = assertThrows(
    () => store.applyFile("add", vlanTenant([network("d", [], { PktTag: 12 })], { Name: "two" })),
    Fault,
  );
  assertEquals(fault.code, "conflict");
  assertEquals(
    fault.message,
    "VLAN 12 of two/d is taken: one/a has it; choose another one, or leave it out",
  );
});

Deno.test("an explicit tag outside of the pool never joins it", () => {
  const store = storeWith(vlanTenant([network("a", [], { PktTag: 300 })], { Vlans: "11-12" }));
  assertEquals(tagOf(store, "one/a"), 300);
  store.applyFile("delete", { Tenants: [{ Name: "one", Networks: [{ Name: "a" }] }] });
  store.applyFile("add", vlanTenant([network("b"), network("c")], { Vlans: "11-12" }));
  assertEquals([tagOf(store, "one/b"), tagOf(store, "one/c")], [11, 12]);
  const more = () => store.applyFile("add", vlanTenant([network("d")], { Vlans: "11-12" }));
  assertThrows(more, Fault, "2 of 2 in Vlans 11-12 are in use");
});

Deno.test("a PktTag without PktTagType is of the tenant's default type", () => {
  const store = storeWith(vlanTenant([network("a", [], { PktTag: "100" })]));
  assertEquals(store.get("networks/one/a")?.encap, "vlan");
  assertEquals(store.keysBelow("claims/vlan/"), ["claims/vlan/100"]);
  const vxlan = storeWith(vlanTenant([network("a", [], { PktTag: "100000" })], {
    DefaultNetType: "vxlan",
  }));
  assertEquals(vxlan.keysBelow("claims/vni/"), ["claims/vni/100000"]);
});
