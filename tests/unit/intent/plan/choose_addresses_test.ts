// Addresses that planIntent() chooses and reserves for endpoints.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Fault } from "../../../../lib/util/errors.ts";
import { brokenPromises } from "../check_store.ts";
import { network, vlanTenant } from "../files.ts";
import { addressOf, storeWith, subnetOf, tagOf } from "../stored_intent.ts";

Deno.test("a batch that fails leaves all as it was, and no address is assigned twice after it", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"])], { AllocSubnetLen: 29 }));
  const before = JSON.stringify([...store.documents]);
  const many = ["c2", "c3", "c4", "c5", "c6", "c7"];
  const add = (names: readonly string[]) =>
    store.applyFile("add", { Tenants: [{ Name: "one", Networks: [network("a", names)] }] });
  const fault = assertThrows(() => add(many), Fault);
  assertEquals(fault.code, "exhausted");
  assertEquals(JSON.stringify([...store.documents]), before);
  add(many.slice(0, 5));
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(store.keysBelow("claims/ip/").length, 6);
});

Deno.test("the broadcast address is never assigned", () => {
  const names = Array.from({ length: 254 }, (_, n) => `c${n}`);
  const store = storeWith(vlanTenant([network("a", names)]));
  assertEquals(addressOf(store, "one/a/c253"), "11.1.0.254");
  const fault = assertThrows(
    () => store.applyFile("add", vlanTenant([network("a", ["more"])])),
    Fault,
  );
  assertStringIncludes(fault.message, "254 of 254 addresses in use");
});

Deno.test("the gateway is never assigned, nor accepted as a fixed address", () => {
  const gateway = { DefaultGw: "11.1.0.1" };
  const store = storeWith(vlanTenant([network("a", ["c1"], gateway)]));
  assertEquals(addressOf(store, "one/a/c1"), "11.1.0.2");
  assertEquals(store.get("networks/one/a")?.gateway, "11.1.0.1");
  const fixed = { Container: "c2", IpAddress: "11.1.0.1" };
  assertThrows(
    () => store.applyFile("add", vlanTenant([network("a", [fixed], gateway)])),
    Fault,
    "it is the gateway",
  );
});

Deno.test("a fixed address given twice is refused, in one file and in two", () => {
  const fixed = (name: string) => ({ Container: name, IpAddress: "11.1.0.9" });
  assertThrows(
    () => storeWith(vlanTenant([network("a", [fixed("c1"), fixed("c2")])])),
    Fault,
    "Tenants[0].Networks[0].Endpoints[1].IpAddress",
  );
  const store = storeWith(vlanTenant([network("a", [fixed("c1")])]));
  const fault = assertThrows(
    () => store.applyFile("add", vlanTenant([network("a", [fixed("c2")])])),
    Fault,
  );
  assertEquals(fault.code, "conflict");
  assertStringIncludes(fault.message, "address 11.1.0.9 of one/a/c2 is taken: one/a/c1 has it");
});

Deno.test("a fixed address goes with an explicit subnet as well as with a chosen one", () => {
  const fixed = (address: string) => [{ Container: "c", IpAddress: address }];
  const store = storeWith(vlanTenant([
    network("a", fixed("10.0.0.9"), { SubnetCIDR: "10.0.0.0/24" }),
    network("b", fixed("11.1.0.9")),
    network("d", fixed("11.1.7.9")),
  ]));
  assertEquals(addressOf(store, "one/a/c"), "10.0.0.9");
  assertEquals(subnetOf(store, "one/b"), "11.1.0.0/24");
  assertEquals(subnetOf(store, "one/d"), "11.1.7.0/24");
});

Deno.test("what a pool chose yields to a fixed value where the file lists both", () => {
  const store = storeWith(vlanTenant([network("a", ["c1", "c2"]), network("b")]));
  store.applyFile(
    "add",
    vlanTenant([
      network("a", ["c1", { Container: "c2", IpAddress: "11.1.0.1" }]),
      network("b", [], { PktTag: 11 }),
    ]),
  );
  assertEquals(addressOf(store, "one/a/c1"), "11.1.0.3");
  assertEquals(addressOf(store, "one/a/c2"), "11.1.0.1");
  assertEquals([tagOf(store, "one/a"), tagOf(store, "one/b")], [13, 11]);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("what a pool chose does not yield where the file says nothing of its owner", () => {
  const store = storeWith(vlanTenant([network("a", ["c1", "c2"]), network("b")]));
  const tag = () => store.applyFile("add", vlanTenant([network("b", [], { PktTag: 11 })]));
  assertThrows(tag, Fault, "VLAN 11 of one/b is taken: one/a has it");
  const c2 = { Container: "c2", IpAddress: "11.1.0.1" };
  const address = () => store.applyFile("add", vlanTenant([network("a", [c2])]));
  assertThrows(address, Fault, "address 11.1.0.1 of one/a/c2 is taken: one/a/c1 has it");
  const subnet = () =>
    store.applyFile("add", vlanTenant([network("b", [], { SubnetCIDR: "11.1.0.0/25" })]));
  assertThrows(
    subnet,
    Fault,
    "subnet 11.1.0.0/25 of one/b is taken: it overlaps 11.1.0.0/24 of one/a",
  );
});

Deno.test("two endpoints may swap their fixed addresses, in one commit", () => {
  const fixed = (name: string, last: number) => ({ Container: name, IpAddress: `11.1.0.${last}` });
  const store = storeWith(vlanTenant([network("a", [fixed("c1", 5), fixed("c2", 6)])]));
  const plan = store.applyFile("add", vlanTenant([network("a", [fixed("c1", 6), fixed("c2", 5)])]));
  assertEquals(new Set(plan.operations.map(({ group }) => group)).size, 1);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("AllocRange and Reserve steer what is chosen", () => {
  const more = { AllocRange: "11.1.0.100-11.1.0.110", Reserve: ["11.1.0.100"] };
  const fixed = { Container: "c2", IpAddress: "11.1.0.7" };
  const store = storeWith(vlanTenant([network("a", ["c1", fixed], more)]));
  assertEquals(addressOf(store, "one/a/c1"), "11.1.0.101");
  assertEquals(addressOf(store, "one/a/c2"), "11.1.0.7");
});

Deno.test("a claim of a pod that has no endpoint is respected", () => {
  const store = storeWith(vlanTenant([network("a")]));
  const owner = "attachments/host1/0123456789ab/eth0";
  store.put({ "claims/ip/one/a/11.1.0.1": { schema: 1, owner } });
  store.applyFile("add", vlanTenant([network("a", ["c"])]));
  assertEquals(addressOf(store, "one/a/c"), "11.1.0.2");
  const fixed = { Container: "d", IpAddress: "11.1.0.1" };
  const fault = assertThrows(
    () => store.applyFile("add", vlanTenant([network("a", [fixed])])),
    Fault,
  );
  assertStringIncludes(fault.message, "host1/0123456789ab/eth0 has it");
});
