// What planIntent() and planBindings() create, change and keep.

import { assertEquals, assertThrows } from "@std/assert";
import { bindings, intents } from "../../fixtures/intents.ts";
import { exampleIntent } from "../../../lib/intent/examples/example.ts";
import { planBindings, planIntent } from "../../../lib/intent/plan.ts";
import { parseBindings, parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { brokenPromises } from "./check_store.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";
import { addressOf, storeWith, subnetOf, tagOf } from "./stored_intent.ts";

for (const [name, text] of Object.entries({ ...intents, exampleIntent })) {
  const addition = name === "addDeleteEndpoint";
  Deno.test(`planIntent() creates the original's ${name}, and finds it done the second time`, () => {
    const store = addition ? storeWith(intents.multipleVxlans) : new IntentDatabase();
    store.applyFile("add", text);
    assertEquals(brokenPromises(store.documents), []);
    assertEquals(store.applyFile("add", text).operations, []);
    if (!addition) assertEquals(store.applyFile("replace", text).operations, []);
  });
}

Deno.test("allocation follows the original: lowest tag, first block of the pool, address .1", () => {
  const store = storeWith(intents.oneHostMultipleNets);
  assertEquals([tagOf(store, "tenant-one/orange"), tagOf(store, "tenant-one/purple")], [11, 12]);
  assertEquals(subnetOf(store, "tenant-one/orange"), "11.1.0.0/24");
  assertEquals(subnetOf(store, "tenant-one/purple"), "11.1.1.0/24");
  assertEquals(addressOf(store, "tenant-one/orange/myContainer1"), "11.1.0.1");
  assertEquals(addressOf(store, "tenant-one/purple/myContainer4"), "11.1.1.2");
});

Deno.test("networks of one name in two tenants are two networks", () => {
  const store = storeWith(
    vlanTenant([network("a", ["c"])]),
    vlanTenant([network("a", ["c"])], { Name: "two" }),
  );
  assertEquals(store.keysBelow("networks/"), ["networks/one/a", "networks/two/a"]);
  assertEquals(store.keysBelow("endpoints/"), ["endpoints/one/a/c", "endpoints/two/a/c"]);
});

Deno.test("add deletes nothing, and leaves what the file does not name", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"]), network("b", ["c1"])]));
  const plan = store.applyFile("add", vlanTenant([network("a", ["c2"])]));
  assertEquals(plan.operations.map(({ verb, name }) => `${verb} ${name}`), ["create one/a/c2"]);
});

Deno.test("a known tenant keeps what the file does not say of it", () => {
  const store = storeWith(vlanTenant([], { Namespaces: ["shop"] }));
  for (const mode of ["add", "replace"] as const) {
    assertEquals(store.applyFile(mode, { Tenants: [{ Name: "one" }] }).operations, []);
  }
  store.applyFile("add", { Tenants: [{ Name: "one", Vlans: "11-99" }] });
  assertEquals(store.get("tenants/one")?.vlans, "11-99");
  assertEquals(store.get("tenants/one")?.namespaces, ["shop"]);
});

Deno.test("a listed endpoint is stated in full, but keeps address, pin and binding", () => {
  const store = storeWith(
    vlanTenant([network("a", [{ Container: "c", Host: "h", Labels: { a: "1" } }])]),
  );
  const key = "endpoints/one/a/c";
  const state = { pin: { host: "h2", attachUuid: "abc" }, bound: { host: "h2", generation: 3 } };
  store.put({ [key]: { ...store.get(key), ...state, later: { field: 1 } } });
  const plan = store.applyFile("add", vlanTenant([network("a", ["c"])]));
  assertEquals(plan.operations[0]?.lines, ["Host: h → none", 'Labels: {"a":"1"} → none']);
  assertEquals(store.get(key), {
    schema: 1,
    tenant: "one",
    network: "a",
    container: "c",
    address: "11.1.0.1",
    addressBy: "pool",
    ...state,
    later: { field: 1 },
  });
});

Deno.test("planBindings() pins every endpoint of a container, in any tenant, and clears old ids", () => {
  const store = storeWith(intents.containerBindings);
  const key = "endpoints/tenant-one/orange/myPod1";
  const bind = (text: string) => {
    const plan = planBindings(store.documents, parseBindings(text));
    store.apply(plan);
    return plan;
  };
  assertEquals(bind(bindings.containerHostBindings).operations.length, 4);
  assertEquals(store.get(key)?.pin, { host: "host1" });
  assertEquals(bind(bindings.containerHostBindings).operations, []);
  bind(`[{"Container":"myPod1","Host":"host2","AttachUUID":"0123456789ab"}]`);
  assertEquals(store.get(key)?.pin, { host: "host2", attachUuid: "0123456789ab" });
  bind(bindings.containerHostBindings);
  assertEquals(store.get(key)?.pin, { host: "host1" });
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("planBindings() warns of an unknown container, and refuses an empty store", () => {
  const one = parseBindings(`[{"Container":"ghost","Host":"h"}]`);
  const store = storeWith(intents.containerBindings);
  const { operations, warnings } = planBindings(store.documents, one);
  assertEquals(operations, []);
  assertEquals(warnings, ["no endpoint is named ghost, so nothing is bound"]);
  assertEquals(assertThrows(() => planBindings(new Map(), one), Fault).code, "not_found");
});

Deno.test("HostBindings in an intent pin the endpoints of the same file", () => {
  const store = storeWith({
    ...vlanTenant([network("a", ["c"])]),
    HostBindings: [{ Container: "c", Host: "h2" }, { Container: "ghost", Host: "h2" }],
  });
  assertEquals(store.get("endpoints/one/a/c")?.pin, { host: "h2" });
});

// How long that takes is the benchmark's matter (scale); what is quadratic would not end here either.
Deno.test("planIntent() plans twenty thousand endpoints of one network, each with an address", () => {
  const names = Array.from({ length: 20_000 }, (_, n) => `c${n}`);
  const { intent } = parseIntent(
    JSON.stringify(vlanTenant([network("a", names)], { AllocSubnetLen: 16 })),
  );
  const { operations } = planIntent(new Map(), { mode: "add", intent });
  assertEquals(operations.length, names.length + 2);
});
