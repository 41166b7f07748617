// What planIntent() deletes, and what it refuses to delete.

import { assertEquals, assertThrows } from "@std/assert";
import { intents } from "../../../fixtures/intents.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { brokenPromises } from "../check_store.ts";
import { named, network, vlanTenant } from "../files.ts";
import { addressOf, storeWith, tagOf } from "../stored_intent.ts";

Deno.test("a deleted tenant can be created again", () => {
  const store = storeWith(intents.twoHostVlan);
  store.applyFile("replace", intents.none);
  assertEquals([...store.documents.keys()], []);
  store.applyFile("add", intents.twoHostVlan);
  assertEquals(tagOf(store, "tenant-one/orange"), 11);
});

Deno.test("a network with endpoints is not deleted, and they are named", () => {
  const store = storeWith(vlanTenant([network("a", ["c1", "c2", "c3", "c4"])]));
  const fault = assertThrows(() => store.applyFile("delete", named([{ Name: "a" }])), Fault);
  assertEquals(fault.code, "conflict");
  assertEquals(
    fault.message,
    "network one/a is not deleted: it has endpoints c1, c2, c3 and 1 more; " +
      "delete them too, or add --force",
  );
  assertThrows(() => store.applyFile("delete", named()), Fault, "tenant one is not deleted");
});

Deno.test("what stands below a deleted thing goes with it when forced, so nothing is orphaned", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"]), network("b", ["c1"])]));
  store.applyFile("delete", named([{ Name: "a" }]), { force: true });
  assertEquals(store.keysBelow("endpoints/"), ["endpoints/one/b/c1"]);
  store.applyFile("delete", named(), { force: true });
  assertEquals([...store.documents.keys()], []);
});

Deno.test("children that the same plan deletes do not count", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"])]));
  store.applyFile("replace", {});
  assertEquals([...store.documents.keys()], []);
});

Deno.test("nothing of a deleted network remains", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  store.applyFile("delete", named([network("a", ["c"])]));
  store.applyFile("delete", named([{ Name: "a" }]));
  assertEquals([...store.documents.keys()], ["tenants/one"]);
});

Deno.test("delete takes the endpoints that are named and leaves their network", () => {
  const store = storeWith(intents.multipleVxlans, intents.addDeleteEndpoint);
  assertEquals(addressOf(store, "tenant-one/orange/myContainer2"), "11.1.0.3");
  store.applyFile("delete", intents.addDeleteEndpoint);
  assertEquals(store.keysBelow("endpoints/tenant-one/orange/"), [
    "endpoints/tenant-one/orange/myContainer1",
    "endpoints/tenant-one/orange/myContainer3",
  ]);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("delete warns of what does not exist and deletes the rest", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  const plan = store.applyFile("delete", {
    Hosts: [{ Name: "h", Intf: "eth0" }],
    Tenants: [{ Name: "one", Networks: [network("a", ["c", "d"]), { Name: "b" }] }],
  });
  assertEquals(plan.warnings, [
    "host h does not exist",
    "endpoint one/a/d does not exist",
    "network one/b does not exist",
  ]);
  assertEquals(plan.operations.map(({ name }) => name), ["one/a/c"]);
});
