import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { bindings, intents } from "../../fixtures/intents.ts";
import { exampleIntent } from "../../../lib/intent/examples/example.ts";
import { planBindings, planIntent } from "../../../lib/intent/plan.ts";
import { parseBindings, parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { brokenPromises } from "./check_store.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";

function storeWith(...files: readonly unknown[]): IntentDatabase {
  const store = new IntentDatabase();
  for (const file of files) store.wish("add", file);
  return store;
}

const addressOf = (store: IntentDatabase, path: string) => store.get(`endpoints/${path}`)?.address;
const tagOf = (store: IntentDatabase, path: string) => store.get(`networks/${path}`)?.tag;
const subnetOf = (store: IntentDatabase, path: string) => store.get(`networks/${path}`)?.subnet;

for (const [name, text] of Object.entries({ ...intents, exampleIntent })) {
  const addition = name === "addDeleteEndpoint";
  Deno.test(`planIntent() creates the original's ${name}, and finds it done the second time`, () => {
    const store = addition ? storeWith(intents.multipleVxlans) : new IntentDatabase();
    store.wish("add", text);
    assertEquals(brokenPromises(store.documents), []);
    assertEquals(store.wish("add", text).operations, []);
    if (!addition) assertEquals(store.wish("replace", text).operations, []);
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

Deno.test("VNIs start at the range's minimum, and two tenants may have the same addresses", () => {
  const store = storeWith(intents.multipleTenants);
  assertEquals(tagOf(store, "tenant-one/orange"), 10_001);
  assertEquals(tagOf(store, "tenant-two/purple"), 15_001);
  assertEquals(subnetOf(store, "tenant-one/orange"), subnetOf(store, "tenant-two/purple"));
  assertEquals(addressOf(store, "tenant-two/purple/myContainer2"), "11.1.0.1");
});

Deno.test("Vlans 1-10 give VLAN 1 first, and give it again when it is free", () => {
  const file = vlanTenant([network("a")], { Vlans: "1-10" });
  const store = storeWith(file);
  assertEquals(tagOf(store, "one/a"), 1);
  store.wish("delete", { Tenants: [{ Name: "one", Networks: [{ Name: "a" }] }] });
  assertEquals(store.keysBelow("claims/"), []);
  store.wish("add", vlanTenant([network("b")], { Vlans: "1-10" }));
  assertEquals(tagOf(store, "one/b"), 1);
});

Deno.test("Vlans 100-400,500-900 with Vxlans 10000-12000 give VLAN 100 and VNI 10000", () => {
  const store = storeWith(vlanTenant(
    [network("a"), network("b", [], { PktTagType: "vxlan" })],
    { Vlans: "100-400,500-900", Vxlans: "10000-12000" },
  ));
  assertEquals([tagOf(store, "one/a"), tagOf(store, "one/b")], [100, 10_000]);
});

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
    "tenant one has no DefaultNetType",
    "add DefaultNetType",
  ],
  [
    "a new tenant without SubnetPool",
    { Tenants: [{ Name: "one", DefaultNetType: "vlan", AllocSubnetLen: 24 }] },
    "usage",
    "tenant one has no SubnetPool",
  ],
  [
    "a new tenant without AllocSubnetLen",
    { Tenants: [{ Name: "one", DefaultNetType: "vlan", SubnetPool: "11.1.0.0/16" }] },
    "usage",
    "tenant one has no AllocSubnetLen",
  ],
  [
    "a VLAN to choose where the tenant has no Vlans",
    vlanTenant([network("a")], { Vlans: "" }),
    "usage",
    "network one/a gets no VLAN: tenant one has no Vlans",
    "PktTag",
  ],
  [
    "a VNI to choose where the tenant has no Vxlans",
    vlanTenant([network("a", [], { PktTagType: "vxlan" })]),
    "usage",
    "network one/a gets no VNI: tenant one has no Vxlans",
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
    "group g of tenant one names a missing object: there is no network n",
  ],
  [
    "a group with a policy that is not there",
    vlanTenant([network("n")], { Groups: [{ Name: "g", Network: "n", Policies: ["p"] }] }),
    "usage",
    "there is no policy p",
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
    "rule 1 of policy p of tenant one names a missing object: there is no network m",
  ],
  [
    "an endpoint in a group of another network",
    vlanTenant([network("n"), network("m", [{ Container: "c", Group: "g" }])], {
      Groups: [{ Name: "g", Network: "n" }],
    }),
    "usage",
    "endpoint one/m/c names a missing object: there is no group g in its network",
  ],
];

for (const [name, file, code, ...says] of refused) {
  Deno.test(`planIntent() refuses ${name}, and nothing is written`, () => {
    const store = new IntentDatabase();
    const fault = assertThrows(() => store.wish("add", file), Fault);
    assertEquals(fault.code, code);
    for (const words of says) assertStringIncludes(fault.message, words);
    assertEquals(fault.message.length <= 200, true, fault.message);
    assertEquals(store.documents.size, 0);
  });
}

Deno.test("a group that is still named is not deleted, and its users are told", () => {
  const rules = [{ Id: "7", Direction: "in", FromGroup: "app", Action: "allow" }];
  const parts = {
    Groups: [{ Name: "web", Network: "n", Policies: ["p"] }, { Name: "app", Network: "n" }],
    Policies: [{ Name: "p", Rules: rules }],
  };
  const networks = [network("n", [{ Container: "c", Group: "app" }])];
  const store = storeWith(vlanTenant(networks, parts));
  const before = JSON.stringify([...store.documents]);
  const without = vlanTenant(networks, { ...parts, Groups: parts.Groups.slice(0, 1) });
  const fault = assertThrows(() => store.wish("add", without), Fault);
  assertEquals(
    fault.message,
    "group app of tenant one does not exist: it is named by rule 7 of policy p, endpoint one/n/c;" +
      " add it, or change these first",
  );
  assertEquals(JSON.stringify([...store.documents]), before);
});

Deno.test("a policy that no group has is warned of", () => {
  const store = new IntentDatabase();
  const { warnings } = store.wish("add", vlanTenant([], { Policies: [{ Name: "p" }] }));
  assertEquals(warnings, ["policy one/p has no effect: no group has it"]);
});

Deno.test("a deleted tenant can be created again", () => {
  const store = storeWith(intents.twoHostVlan);
  store.wish("replace", intents.none);
  assertEquals([...store.documents.keys()], []);
  store.wish("add", intents.twoHostVlan);
  assertEquals(tagOf(store, "tenant-one/orange"), 11);
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
    () => store.wish("add", vlanTenant([network("d", [], { PktTag: 12 })], { Name: "two" })),
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
  store.wish("delete", { Tenants: [{ Name: "one", Networks: [{ Name: "a" }] }] });
  store.wish("add", vlanTenant([network("b"), network("c")], { Vlans: "11-12" }));
  assertEquals([tagOf(store, "one/b"), tagOf(store, "one/c")], [11, 12]);
  const more = () => store.wish("add", vlanTenant([network("d")], { Vlans: "11-12" }));
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

Deno.test("a batch that fails leaves all as it was, and no address is given twice after it", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"])], { AllocSubnetLen: 29 }));
  const before = JSON.stringify([...store.documents]);
  const many = ["c2", "c3", "c4", "c5", "c6", "c7"];
  const add = (names: readonly string[]) =>
    store.wish("add", { Tenants: [{ Name: "one", Networks: [network("a", names)] }] });
  const fault = assertThrows(() => add(many), Fault);
  assertEquals(fault.code, "exhausted");
  assertEquals(JSON.stringify([...store.documents]), before);
  add(many.slice(0, 5));
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(store.keysBelow("claims/ip/").length, 6);
});

Deno.test("the broadcast address is never given", () => {
  const names = Array.from({ length: 254 }, (_, n) => `c${n}`);
  const store = storeWith(vlanTenant([network("a", names)]));
  assertEquals(addressOf(store, "one/a/c253"), "11.1.0.254");
  const fault = assertThrows(() => store.wish("add", vlanTenant([network("a", ["more"])])), Fault);
  assertStringIncludes(fault.message, "254 of 254 addresses in use");
});

Deno.test("the gateway is never given, nor taken as a fixed address", () => {
  const gateway = { DefaultGw: "11.1.0.1" };
  const store = storeWith(vlanTenant([network("a", ["c1"], gateway)]));
  assertEquals(addressOf(store, "one/a/c1"), "11.1.0.2");
  assertEquals(store.get("networks/one/a")?.gateway, "11.1.0.1");
  const fixed = { Container: "c2", IpAddress: "11.1.0.1" };
  assertThrows(
    () => store.wish("add", vlanTenant([network("a", [fixed], gateway)])),
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
    () => store.wish("add", vlanTenant([network("a", [fixed("c2")])])),
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

Deno.test("networks of one name in two tenants are two networks", () => {
  const store = storeWith(
    vlanTenant([network("a", ["c"])]),
    vlanTenant([network("a", ["c"])], { Name: "two" }),
  );
  assertEquals(store.keysBelow("networks/"), ["networks/one/a", "networks/two/a"]);
  assertEquals(store.keysBelow("endpoints/"), ["endpoints/one/a/c", "endpoints/two/a/c"]);
});

const named = (networks?: readonly object[]) => ({
  Tenants: [{ Name: "one", Networks: networks }],
});

Deno.test("a network with endpoints is not deleted, and they are named", () => {
  const store = storeWith(vlanTenant([network("a", ["c1", "c2", "c3", "c4"])]));
  const fault = assertThrows(() => store.wish("delete", named([{ Name: "a" }])), Fault);
  assertEquals(fault.code, "conflict");
  assertEquals(
    fault.message,
    "network one/a is not deleted: it has endpoints c1, c2, c3 and 1 more; " +
      "delete them too, or add --force",
  );
  assertThrows(() => store.wish("delete", named()), Fault, "tenant one is not deleted");
});

Deno.test("what stands below a deleted thing goes with it when forced, so nothing is orphaned", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"]), network("b", ["c1"])]));
  store.wish("delete", named([{ Name: "a" }]), { force: true });
  assertEquals(store.keysBelow("endpoints/"), ["endpoints/one/b/c1"]);
  store.wish("delete", named(), { force: true });
  assertEquals([...store.documents.keys()], []);
});

Deno.test("children that the same plan deletes do not count", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"])]));
  store.wish("replace", {});
  assertEquals([...store.documents.keys()], []);
});

Deno.test("nothing of a deleted network remains", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  store.wish("delete", named([network("a", ["c"])]));
  store.wish("delete", named([{ Name: "a" }]));
  assertEquals([...store.documents.keys()], ["tenants/one"]);
});

Deno.test("delete takes the endpoints that are named and leaves their network", () => {
  const store = storeWith(intents.multipleVxlans, intents.addDeleteEndpoint);
  assertEquals(addressOf(store, "tenant-one/orange/myContainer2"), "11.1.0.3");
  store.wish("delete", intents.addDeleteEndpoint);
  assertEquals(store.keysBelow("endpoints/tenant-one/orange/"), [
    "endpoints/tenant-one/orange/myContainer1",
    "endpoints/tenant-one/orange/myContainer3",
  ]);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("delete warns of what is not there and deletes the rest", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  const plan = store.wish("delete", {
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

Deno.test("add deletes nothing, and leaves what the file does not name", () => {
  const store = storeWith(vlanTenant([network("a", ["c1"]), network("b", ["c1"])]));
  const plan = store.wish("add", vlanTenant([network("a", ["c2"])]));
  assertEquals(plan.operations.map(({ verb, name }) => `${verb} ${name}`), ["create one/a/c2"]);
});

Deno.test("a known tenant keeps what the file does not say of it", () => {
  const store = storeWith(vlanTenant([], { Namespaces: ["shop"] }));
  for (const mode of ["add", "replace"] as const) {
    assertEquals(store.wish(mode, { Tenants: [{ Name: "one" }] }).operations, []);
  }
  store.wish("add", { Tenants: [{ Name: "one", Vlans: "11-99" }] });
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
  const plan = store.wish("add", vlanTenant([network("a", ["c"])]));
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

Deno.test("what a pool chose yields to a fixed value where the file lists both", () => {
  const store = storeWith(vlanTenant([network("a", ["c1", "c2"]), network("b")]));
  store.wish(
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
  const tag = () => store.wish("add", vlanTenant([network("b", [], { PktTag: 11 })]));
  assertThrows(tag, Fault, "VLAN 11 of one/b is taken: one/a has it");
  const c2 = { Container: "c2", IpAddress: "11.1.0.1" };
  const address = () => store.wish("add", vlanTenant([network("a", [c2])]));
  assertThrows(address, Fault, "address 11.1.0.1 of one/a/c2 is taken: one/a/c1 has it");
  const subnet = () =>
    store.wish("add", vlanTenant([network("b", [], { SubnetCIDR: "11.1.0.0/25" })]));
  assertThrows(
    subnet,
    Fault,
    "subnet 11.1.0.0/25 of one/b is taken: it overlaps 11.1.0.0/24 of one/a",
  );
});

Deno.test("two endpoints may swap their fixed addresses, in one commit", () => {
  const fixed = (name: string, last: number) => ({ Container: name, IpAddress: `11.1.0.${last}` });
  const store = storeWith(vlanTenant([network("a", [fixed("c1", 5), fixed("c2", 6)])]));
  const plan = store.wish("add", vlanTenant([network("a", [fixed("c1", 6), fixed("c2", 5)])]));
  assertEquals(new Set(plan.operations.map(({ group }) => group)).size, 1);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("subnets may overlap between tenants and are refused within one", () => {
  const fixed = network("a", [], { SubnetCIDR: "10.0.0.0/16" });
  const store = storeWith(vlanTenant([fixed]), vlanTenant([fixed], { Name: "two" }));
  const fault = assertThrows(
    () => store.wish("add", vlanTenant([network("b", [], { SubnetCIDR: "10.0.7.0/24" })])),
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
  const plan = store.wish("replace", vlanTenant(parts));
  assertEquals(plan.operations[0]?.name, "one/a");
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("what a file adds is checked against what it does not name: default network, MAC", () => {
  const mac = (name: string) => ({ Container: name, Mac: "02:00:00:00:00:01" });
  const store = storeWith(vlanTenant([network("a", [mac("c1")], { Default: true })]));
  const add = (file: object) => assertThrows(() => store.wish("add", file), Fault);
  const second = add(vlanTenant([network("b", [], { Default: true })]));
  assertEquals(second.code, "usage");
  assertStringIncludes(second.message, "tenant one has two default networks: one/a and one/b");
  const same = add(vlanTenant([network("a", [mac("c2")], { Default: true })]));
  assertEquals(same.code, "conflict");
  assertStringIncludes(same.message, "MAC 02:00:00:00:00:01 of one/a/c2 is taken: one/a/c1 has it");
  store.wish("add", vlanTenant([network("b", [mac("c1")])]));
});

/** Applies object by object and looks at the store after each. */
function replaceSlowly(store: IntentDatabase, file: object): void {
  const { intent } = parseIntent(JSON.stringify(file));
  const plan = planIntent(store.documents, { mode: "replace", intent });
  const after = () => assertEquals(brokenPromises(store.documents), []);
  store.apply(plan, { limits: { groups: 1 }, after });
}

Deno.test("networks that move never overlap on the way, even where no claim tells", () => {
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
  store.wish("add", { Tenants: [{ Name: "one", SubnetPool: "11.2.0.0/16", Vlans: "12-20" }] });
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
    () => store.wish("add", vlanTenant([network("a", many)], { AllocSubnetLen: 29 })),
    Fault,
  );
  store.wish("add", vlanTenant([network("a", many)], { AllocSubnetLen: 28 }));
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(subnetOf(store, "one/a")?.toString().endsWith("/28"), true);
});

Deno.test("a network moves to the block in which a file fixes an address, where the pool has its subnet", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  assertEquals(subnetOf(store, "one/a"), "11.1.0.0/24");
  store.wish("add", vlanTenant([network("a", [{ Container: "c", IpAddress: "11.1.7.9" }])]));
  assertEquals(subnetOf(store, "one/a"), "11.1.7.0/24");
});

Deno.test("AllocRange and Reserve steer what is chosen", () => {
  const more = { AllocRange: "11.1.0.100-11.1.0.110", Reserve: ["11.1.0.100"] };
  const fixed = { Container: "c2", IpAddress: "11.1.0.7" };
  const store = storeWith(vlanTenant([network("a", ["c1", fixed], more)]));
  assertEquals(addressOf(store, "one/a/c1"), "11.1.0.101");
  assertEquals(addressOf(store, "one/a/c2"), "11.1.0.7");
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

Deno.test("records without their parent stay until they are named, and then go", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  store.documents.delete("tenants/one");
  const claims = store.keysBelow("claims/");
  const two = vlanTenant([network("b")], { Name: "two" });
  store.wish("add", two);
  assertEquals(tagOf(store, "two/b"), 12);
  assertEquals(store.keysBelow("claims/").filter((key) => claims.includes(key)), claims);
  store.wish("delete", named([network("a", ["c"])]));
  store.wish("delete", named([{ Name: "a" }]));
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(store.keysBelow("networks/"), ["networks/two/b"]);
});

Deno.test("a fixed address that its network cannot have hinders no plan but those that name it", () => {
  const fixed = [{ Container: "c", IpAddress: "10.0.0.9" }];
  const store = storeWith(vlanTenant([network("a", fixed, { SubnetCIDR: "10.0.0.0/24" })]));
  // Cut off after the network had moved, before its endpoint did.
  const moved = planIntent(store.documents, {
    mode: "add",
    intent: parseIntent(JSON.stringify(vlanTenant([network("a", ["c"])]))).intent,
  });
  store.apply(moved, { limits: { groups: 1 }, stopAfter: 1 });
  store.wish("add", vlanTenant([network("b", ["c"])]));
  assertEquals(addressOf(store, "one/a/c"), "10.0.0.9");
  store.wish("add", vlanTenant([network("a", ["c"])]));
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
  assertEquals(store.wish("add", {}).operations, []);
  store.wish("add", vlanTenant([network("b")], { Name: "two" }));
  assertEquals([tagOf(store, "one/a"), tagOf(store, "two/b")], [11, 12]);
  store.wish("add", { Tenants: [{ Name: "one" }] });
  assertEquals([tagOf(store, "one/a"), subnetOf(store, "one/a")], [20, "11.2.0.0/24"]);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("a record that lost its claims gets them back when it is next changed", () => {
  const store = storeWith(vlanTenant([network("a", ["c"])]));
  for (const key of store.keysBelow("claims/")) store.documents.delete(key);
  store.wish("add", vlanTenant([network("a", [{ Container: "c", Host: "h" }], { Mtu: 1400 })]));
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("a claim of a pod that has no endpoint is respected", () => {
  const store = storeWith(vlanTenant([network("a")]));
  const owner = "attachments/host1/0123456789ab/eth0";
  store.put({ "claims/ip/one/a/11.1.0.1": { schema: 1, owner } });
  store.wish("add", vlanTenant([network("a", ["c"])]));
  assertEquals(addressOf(store, "one/a/c"), "11.1.0.2");
  const fixed = { Container: "d", IpAddress: "11.1.0.1" };
  const fault = assertThrows(() => store.wish("add", vlanTenant([network("a", [fixed])])), Fault);
  assertStringIncludes(fault.message, "host1/0123456789ab/eth0 has it");
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
