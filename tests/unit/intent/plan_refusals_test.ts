// Intents that planIntent() refuses or warns of.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Fault } from "../../../lib/util/errors.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";
import { storeWith } from "./stored_intent.ts";

const refused: readonly (readonly [string, unknown, string, ...string[]])[] = [
  [
    "Vlans 1-4095 with Vxlans: no VLAN is left for local tags",
    vlanTenant([], { Vlans: "1-4095", Vxlans: "10000-12000" }),
    "exhausted",
    "no VLAN is left for hosts to tag VXLAN networks locally",
  ],
  [
    "a new tenant without DefaultNetType",
    { Tenants: [{ Name: "one", SubnetPool: "11.1.0.0/16", AllocSubnetLen: 24 }] },
    "usage",
    'tenant one is new and not complete; add "DefaultNetType": "vxlan"',
  ],
  [
    "a new tenant without SubnetPool",
    { Tenants: [{ Name: "one", DefaultNetType: "vlan", AllocSubnetLen: 24 }] },
    "usage",
    'tenant one is new and not complete; add "SubnetPool": "10.1.0.0/16"',
  ],
  [
    "a new tenant without AllocSubnetLen",
    { Tenants: [{ Name: "one", DefaultNetType: "vlan", SubnetPool: "11.1.0.0/16" }] },
    "usage",
    'tenant one is new and not complete; add "AllocSubnetLen": 24',
  ],
  [
    "a new tenant with nothing but its name: all that it lacks is named",
    { Tenants: [{ Name: "one" }] },
    "usage",
    'tenant one is new and not complete; add "DefaultNetType": "vxlan", "SubnetPool": "10.1.0.0/16", "AllocSubnetLen": 24',
  ],
  [
    "a VLAN to choose where the tenant has no Vlans",
    vlanTenant([network("a")], { Vlans: "" }),
    "usage",
    "network one/a gets no VLAN: tenant one has no Vlans",
    'add "Vlans": "100-199" to the tenant, or PktTag to the network',
  ],
  [
    "a VNI to choose where the tenant has no Vxlans",
    vlanTenant([network("a", [], { PktTagType: "vxlan" })]),
    "usage",
    "network one/a gets no VNI: tenant one has no Vxlans",
    'add "Vxlans": "10001-14000" to the tenant, or PktTag to the network',
  ],
  [
    "more networks than VLANs",
    vlanTenant([network("a"), network("b"), network("c")], { Vlans: "11-12" }),
    "exhausted",
    "no VLAN is left for one/c: 2 of 2 in Vlans 11-12 are in use",
  ],
  [
    "more networks than subnets",
    vlanTenant([network("a"), network("b"), network("c")], { SubnetPool: "11.1.0.0/23" }),
    "exhausted",
    "no subnet is left for one/c: no /24 is free in pool 11.1.0.0/23",
  ],
  [
    "more endpoints than addresses",
    vlanTenant([network("a", ["c1", "c2", "c3"])], { AllocSubnetLen: 30 }),
    "exhausted",
    'pool 11.1.0.0/30 of one/a is full: 2 of 2 addresses in use; see "k8contivnet ipam show one/a"',
  ],
  [
    "a gateway outside of the pool that its subnet would come from",
    vlanTenant([network("a", [], { DefaultGw: "10.0.0.1" })]),
    "usage",
    "network one/a gets no subnet",
    "add SubnetCIDR",
  ],
  [
    "a fixed address that is the broadcast address of a chosen subnet",
    vlanTenant([network("a", [{ Container: "c", IpAddress: "11.1.0.255" }])]),
    "usage",
    "IpAddress of one/a/c 11.1.0.255 is refused: it is the broadcast address of 11.1.0.0/24",
  ],
  [
    "a VLAN above 4094 where the tenant's type makes it one",
    vlanTenant([network("a", [], { PktTag: 5000 })]),
    "usage",
    "5000 is not a valid VLAN",
  ],
  [
    "two groups of one network, of which one names no policy of the tenant",
    vlanTenant([network("n")], {
      Groups: [{ Name: "g", Network: "n" }, { Name: "h", Network: "n", Policies: ["p"] }],
    }),
    "usage",
    "group h of tenant one",
  ],
  [
    "a group in a network that is not there",
    vlanTenant([], { Groups: [{ Name: "g", Network: "n" }] }),
    "usage",
    "group g of tenant one names a missing object: network n does not exist",
  ],
  [
    "a group with a policy that is not there",
    vlanTenant([network("n")], { Groups: [{ Name: "g", Network: "n", Policies: ["p"] }] }),
    "usage",
    "policy p does not exist",
  ],
  [
    "a rule that names a group that is not there",
    vlanTenant([network("n")], {
      Groups: [{ Name: "g", Network: "n", Policies: ["p"] }],
      Policies: [{
        Name: "p",
        Rules: [{ Id: "1", Direction: "in", FromGroup: "h", Action: "deny" }],
      }],
    }),
    "usage",
    "group h of tenant one does not exist: it is named by rule 1 of policy p; add it",
  ],
  [
    "a rule that names a network that is not there",
    vlanTenant([network("n")], {
      Policies: [{
        Name: "p",
        Rules: [{ Id: "1", Direction: "out", ToNetwork: "m", Action: "deny" }],
      }],
    }),
    "usage",
    "rule 1 of policy p of tenant one names a missing object: network m does not exist",
  ],
  [
    "an endpoint in a group of another network",
    vlanTenant([network("n"), network("m", [{ Container: "c", Group: "g" }])], {
      Groups: [{ Name: "g", Network: "n" }],
    }),
    "usage",
    "endpoint one/m/c names a missing object: group g in its network does not exist",
  ],
];

for (const [name, file, code, ...says] of refused) {
  Deno.test(`planIntent() refuses ${name}, and nothing is written`, () => {
    const store = new IntentDatabase();
    const fault = assertThrows(() => store.applyFile("add", file), Fault);
    assertEquals(fault.code, code);
    for (const words of says) assertStringIncludes(fault.message, words);
    assertEquals(fault.message.length <= 200, true, fault.message);
    assertEquals(store.documents.size, 0);
  });
}

Deno.test("a group that is still named is not deleted, and its users are listed", () => {
  const rules = [{ Id: "7", Direction: "in", FromGroup: "app", Action: "allow" }];
  const parts = {
    Groups: [{ Name: "web", Network: "n", Policies: ["p"] }, { Name: "app", Network: "n" }],
    Policies: [{ Name: "p", Rules: rules }],
  };
  const networks = [network("n", [{ Container: "c", Group: "app" }])];
  const store = storeWith(vlanTenant(networks, parts));
  const before = JSON.stringify([...store.documents]);
  const without = vlanTenant(networks, { ...parts, Groups: parts.Groups.slice(0, 1) });
  const fault = assertThrows(() => store.applyFile("add", without), Fault);
  assertEquals(
    fault.message,
    "group app of tenant one does not exist: it is named by rule 7 of policy p, endpoint one/n/c;" +
      " add it to Groups, which replaces all that the tenant has, or change these first",
  );
  assertEquals(JSON.stringify([...store.documents]), before);
});

Deno.test("a policy that no group has causes a warning", () => {
  const store = new IntentDatabase();
  const { warnings } = store.applyFile("add", vlanTenant([], { Policies: [{ Name: "p" }] }));
  assertEquals(warnings, ["policy one/p has no effect: no group has it"]);
});

Deno.test("what a file adds is checked against what it does not name: default network, MAC", () => {
  const mac = (name: string) => ({ Container: name, Mac: "02:00:00:00:00:01" });
  const store = storeWith(vlanTenant([network("a", [mac("c1")], { Default: true })]));
  const add = (file: object) => assertThrows(() => store.applyFile("add", file), Fault);
  const second = add(vlanTenant([network("b", [], { Default: true })]));
  assertEquals(second.code, "usage");
  assertStringIncludes(second.message, "tenant one has two default networks: one/a and one/b");
  const same = add(vlanTenant([network("a", [mac("c2")], { Default: true })]));
  assertEquals(same.code, "conflict");
  assertStringIncludes(same.message, "MAC 02:00:00:00:00:01 of one/a/c2 is taken: one/a/c1 has it");
  store.applyFile("add", vlanTenant([network("b", [mac("c1")])]));
});
