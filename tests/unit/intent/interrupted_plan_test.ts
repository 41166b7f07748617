// Plans on a store that an interrupted apply, or a loss of records, has left incomplete.

import { assertEquals } from "@std/assert";
import { planIntent } from "../../../lib/intent/plan.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { brokenPromises } from "./check_store.ts";
import { named, network, vlanTenant } from "./files.ts";
import { addressOf, storeWith, subnetOf, tagOf } from "./stored_intent.ts";

Deno.test("records without their parent stay until they are named, and then go", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  store.documents.delete("tenants/one");
  const claims = store.keysBelow("claims/");
  const two = vlanTenant([network("b")], { Name: "two" });
  store.applyFile("add", two);
  assertEquals(tagOf(store, "two/b"), 12);
  assertEquals(store.keysBelow("claims/").filter((key) => claims.includes(key)), claims);
  store.applyFile("delete", named([network("a", ["c"])]));
  store.applyFile("delete", named([{ Name: "a" }]));
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(store.keysBelow("networks/"), ["networks/two/b"]);
});

Deno.test("a fixed address that its network cannot have fails only plans that name it", () => {
  const fixed = [{ Container: "c", IpAddress: "10.0.0.9" }];
  const store = storeWith(vlanTenant([network("a", fixed, { SubnetCIDR: "10.0.0.0/24" })]));
  // Cut off after the network had moved, before its endpoint did.
  const moved = planIntent(store.documents, {
    mode: "add",
    intent: parseIntent(JSON.stringify(vlanTenant([network("a", ["c"])]))).intent,
  });
  store.apply(moved, { limits: { groups: 1 }, stopAfter: 1 });
  store.applyFile("add", vlanTenant([network("b", ["c"])]));
  assertEquals(addressOf(store, "one/a/c"), "10.0.0.9");
  store.applyFile("add", vlanTenant([network("a", ["c"])]));
  assertEquals(addressOf(store, "one/a/c"), "11.1.0.1");
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("a network outside of its tenant's pools stays until the file names one of them", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  // Cut off after the tenant had changed, before its network did.
  const file = vlanTenant([], { SubnetPool: "11.2.0.0/16", Vlans: "20-28" });
  const { intent } = parseIntent(JSON.stringify(file));
  store.apply(planIntent(store.documents, { mode: "add", intent }), {
    limits: { groups: 1 },
    stopAfter: 1,
  });
  assertEquals(store.applyFile("add", {}).operations, []);
  store.applyFile("add", vlanTenant([network("b")], { Name: "two" }));
  assertEquals([tagOf(store, "one/a"), tagOf(store, "two/b")], [11, 12]);
  store.applyFile("add", { Tenants: [{ Name: "one" }] });
  assertEquals([tagOf(store, "one/a"), subnetOf(store, "one/a")], [20, "11.2.0.0/24"]);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("a record that lost its claims gets them back when it is next changed", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  for (const key of store.keysBelow("claims/")) store.documents.delete(key);
  store.applyFile(
    "add",
    vlanTenant([network("a", [{ Container: "c", Host: "h" }], { Mtu: 1400 })]),
  );
  assertEquals(brokenPromises(store.documents), []);
});
