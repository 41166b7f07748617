// What the original's own unit tests state of hosts, late bindings and pools, where no other test does.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { planBindings } from "../../../lib/intent/plan.ts";
import { parseBindings } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { bindings, intents } from "../../fixtures/intents.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";

function storeWith(file: unknown): IntentDatabase {
  const store = new IntentDatabase();
  store.applyFile("add", file);
  return store;
}

function namesBelow(store: IntentDatabase, prefix: string): string[] {
  return store.keysBelow(prefix).map((key) => key.slice(prefix.length));
}

const hosts: readonly { name: string; file: string; want: readonly string[] }[] = [
  { name: "VLANs without hosts", file: intents.oneHostVlan, want: [] },
  { name: "VLANs with uplinks", file: intents.multipleVlans, want: ["host1", "host2"] },
  { name: "VXLANs with VTEPs", file: intents.multipleVxlans, want: ["host1", "host2"] },
];

for (const { name, file, want } of hosts) {
  // The original made a network `infra` and endpoints `orange-host1` and `host1-native-intf` of them.
  Deno.test(`hosts make neither networks nor endpoints: ${name}`, () => {
    const store = storeWith(file);
    assertEquals(namesBelow(store, "hosts/"), want);
    const parts = [...namesBelow(store, "networks/"), ...namesBelow(store, "endpoints/")]
      .map((path) => path.split("/").at(-1)!);
    assertEquals(parts.filter((one) => !/^(orange|purple|myContainer\d)$/.test(one)), []);
  });
}

Deno.test("a VLAN network has no tunnel fields, also when its file is applied twice", () => {
  const store = storeWith(intents.mixedTenants);
  const before = store.keysBelow("");
  assertEquals(store.applyFile("replace", intents.mixedTenants).operations, []);
  assertEquals(store.keysBelow(""), before);
  assertEquals(namesBelow(store, "claims/vni/"), ["10001"]);
  assertEquals(namesBelow(store, "claims/vlan/"), ["200"]);
});

Deno.test("late bindings say whose an endpoint is: keys and addresses stay", () => {
  const store = storeWith(intents.lateBindings);
  const addresses = () =>
    store.keysBelow("endpoints/").map((key) => [key, store.get(key)?.address]);
  const before = { keys: store.keysBelow(""), addresses: addresses() };
  store.apply(planBindings(store.documents, parseBindings(bindings.lateHostBindings)));
  assertEquals({ keys: store.keysBelow(""), addresses: addresses() }, before);
});

Deno.test("a network that finds no VNI is refused with how many are in use", () => {
  const file = vlanTenant([network("a"), network("b")], {
    DefaultNetType: "vxlan",
    Vxlans: "10001-10001",
  });
  const fault = assertThrows(() => storeWith(file), Fault);
  assertEquals(fault.code, "exhausted");
  assertStringIncludes(fault.message, "no VNI is left for one/b: 1 of 1 in Vxlans 10001-10001");
});
