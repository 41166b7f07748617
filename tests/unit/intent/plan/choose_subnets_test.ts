// Subnets that planIntent() chooses, and networks that move from one to another.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { planIntent } from "../../../../lib/intent/plan.ts";
import { parseIntent } from "../../../../lib/intent/schema.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { brokenPromises } from "../check_store.ts";
import { network, vlanTenant } from "../files.ts";
import type { IntentDatabase } from "../intent_database.ts";
import { addressOf, storeWith, subnetOf, tagOf } from "../stored_intent.ts";

Deno.test("subnets may overlap between tenants and are refused within one", () => {
  const fixed = network("a", [], { SubnetCIDR: "10.0.0.0/16" });
  const store = storeWith(vlanTenant([fixed]), vlanTenant([fixed], { Name: "two" }));
  const fault = assertThrows(
    () => store.applyFile("add", vlanTenant([network("b", [], { SubnetCIDR: "10.0.7.0/24" })])),
    Fault,
  );
  assertEquals(fault.code, "conflict");
  assertStringIncludes(fault.message, "it overlaps 10.0.0.0/16 of one/a");
});

Deno.test("a network whose subnet is split goes before the parts come, however many they are", () => {
  const store = storeWith(
    vlanTenant([network("a", [], { SubnetCIDR: "10.0.0.0/16", PktTag: 99 })]),
  );
  const parts = Array.from(
    { length: 18 },
    (_, n) => network(`n${n}`, [], { SubnetCIDR: `10.0.${n}.0/24` }),
  );
  const plan = store.applyFile("replace", vlanTenant(parts));
  assertEquals(plan.operations[0]?.name, "one/a");
  assertEquals(brokenPromises(store.documents), []);
});

/** Applies object by object and looks at the store after each. */
function replaceSlowly(store: IntentDatabase, file: object): void {
  const { intent } = parseIntent(JSON.stringify(file));
  const plan = planIntent(store.documents, { mode: "replace", intent });
  const after = () => assertEquals(brokenPromises(store.documents), []);
  store.apply(plan, { limits: { groups: 1 }, after });
}

Deno.test("networks that move never overlap on the way, even where no claim shows it", () => {
  const at = (name: string, PktTag: number, SubnetCIDR: string) =>
    network(name, [], { PktTag, SubnetCIDR });
  const store = storeWith(vlanTenant([at("a", 50, "10.0.0.0/24"), at("b", 51, "10.0.1.0/24")]));
  replaceSlowly(store, vlanTenant([at("b", 51, "10.0.0.0/25"), at("a", 50, "10.0.2.0/24")]));
});

Deno.test("a subnet waits for the deleted one that it overlaps, though that one waits for a tenant", () => {
  const at = (name: string, PktTag: number, SubnetCIDR: string) =>
    network(name, [], { PktTag, SubnetCIDR });
  const gone = [at("w", 52, "10.1.0.0/24"), at("x", 51, "10.0.0.0/24")];
  const store = storeWith(vlanTenant(gone));
  const [one, two] = [
    vlanTenant([at("y", 52, "10.0.0.0/25")]),
    vlanTenant([at("z", 51, "10.9.0.0/24")], { Name: "two" }),
  ] as [{ Tenants: object[] }, { Tenants: object[] }];
  replaceSlowly(store, { Tenants: [...one.Tenants, ...two.Tenants] });
});

Deno.test("a tenant's pool may move: what lies outside of it moves, what fits stays", () => {
  const store = storeWith(vlanTenant([network("a", ["c"]), network("b")], { Vlans: "11-12" }));
  store.applyFile("add", { Tenants: [{ Name: "one", SubnetPool: "11.2.0.0/16", Vlans: "12-20" }] });
  assertEquals([tagOf(store, "one/a"), tagOf(store, "one/b")], [13, 12]);
  assertEquals([subnetOf(store, "one/a"), subnetOf(store, "one/b")], [
    "11.2.0.0/24",
    "11.2.1.0/24",
  ]);
  assertEquals(addressOf(store, "one/a/c"), "11.2.0.1");
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("a network that no longer fits into its subnet gets a larger one where AllocSubnetLen says so", () => {
  const many = ["c1", "c2", "c3", "c4", "c5", "c6", "c7"];
  const store = storeWith(vlanTenant([network("a", ["c1"])], { AllocSubnetLen: 29 }));
  assertThrows(
    () => store.applyFile("add", vlanTenant([network("a", many)], { AllocSubnetLen: 29 })),
    Fault,
  );
  store.applyFile("add", vlanTenant([network("a", many)], { AllocSubnetLen: 28 }));
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(subnetOf(store, "one/a")?.toString().endsWith("/28"), true);
});

Deno.test("a network moves to the block in which a file fixes an address, where the pool has its subnet", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  assertEquals(subnetOf(store, "one/a"), "11.1.0.0/24");
  store.applyFile("add", vlanTenant([network("a", [{ Container: "c", IpAddress: "11.1.7.9" }])]));
  assertEquals(subnetOf(store, "one/a"), "11.1.7.0/24");
});
