import { assertEquals, assertThrows } from "@std/assert";
import { Fault } from "../../../../lib/util/errors.ts";
import { planIntent } from "../../../../lib/intent/plan.ts";
import { parseIntent } from "../../../../lib/intent/schema.ts";
import { IntentDatabase } from "../intent_database.ts";

type More = Record<string, unknown>;

/** A network with a distributed gateway in 10.0.N.0/24. */
const net = (name: string, n: number, more: More = {}) => ({
  Name: name,
  SubnetCIDR: `10.0.${n}.0/24`,
  DefaultGw: `10.0.${n}.1`,
  GatewayType: "distributed",
  ...more,
});

const tenant = (name: string, networks: readonly object[], more: More = {}) => ({
  ...{ Name: name, DefaultNetType: "vlan", SubnetPool: "11.1.0.0/16", AllocSubnetLen: 24 },
  ...{ Vlans: "11-90", Networks: networks },
  ...more,
});

const file = (tenants: readonly object[], more: More = {}) => ({ Tenants: tenants, ...more });

/** Applies a file to an empty store, or to `store`; returns the warnings. */
function warnings(one: object, store = new IntentDatabase()): readonly string[] {
  return store.applyFile("add", one).warnings;
}

interface Refused {
  readonly name: string;
  readonly file: object;
  readonly says: string;
}

const refused: readonly Refused[] = [
  {
    name: "reach of a network with an external gateway",
    file: file([tenant("a", [net("n", 0, { GatewayType: "external", Reach: ["outside"] })])]),
    says: "Tenants[0].Networks[0].Reach is refused: the gateway is external",
  },
  {
    name: "reach where nobody says that the gateway is distributed",
    file: file([tenant("a", [net("n", 0, { GatewayType: undefined, Reach: ["outside"] })])]),
    says: "Reach of a/n is refused: the gateway is external",
  },
  {
    name: "NatOutgoing of a network with an external gateway",
    file: file([tenant("a", [net("n", 0, { GatewayType: "external", NatOutgoing: false })])]),
    says: "NatOutgoing is refused",
  },
  {
    name: "a distributed gateway without an address",
    file: file([tenant("a", [net("n", 0, { DefaultGw: undefined })])]),
    says: "Tenants[0].Networks[0].DefaultGw is missing",
  },
  {
    name: "the same by the tenant's default",
    file: file([tenant("a", [{ Name: "n" }], { GatewayType: "distributed" })]),
    says:
      'DefaultGw is missing: a distributed gateway needs an address in the network; add one, or "Ga',
  },
  {
    name: "a subnet in the default host range",
    file: file([tenant("a", [net("n", 0, {
      SubnetCIDR: "100.66.1.0/24",
      DefaultGw: "100.66.1.1",
    })])]),
    says: "subnet 100.66.1.0/24 of a/n is refused: it overlaps HostRange 100.64.0.0/14",
  },
  {
    name: "a subnet in the range of services",
    file: file([tenant("a", [net("n", 0)])], { ServiceCIDR: ["10.96.0.0/12", "10.0.0.0/16"] }),
    says: "subnet 10.0.0.0/24 of a/n is refused: it overlaps ServiceCIDR 10.0.0.0/16",
  },
  {
    name: "services and hosts in one range",
    file: { ServiceCIDR: ["10.96.0.0/12"], HostRange: "10.100.0.0/16" },
    says: "ServiceCIDR 10.96.0.0/12 is refused: it overlaps HostRange 10.100.0.0/16",
  },
  {
    name: "a tunnel address in the subnet of an owner",
    file: file([tenant("a", [net("n", 0)])], { Hosts: [{ Name: "h", VtepIp: "10.0.0.9" }] }),
    says: "VtepIp 10.0.0.9 of host h is refused: it is in 10.0.0.0/24, the subnet of a/n",
  },
  {
    name: "a tunnel address in the host range",
    file: file([tenant("a", [net("n", 0)])], { Hosts: [{ Name: "h", VtepIp: "100.65.0.9" }] }),
    says: "it is in 100.64.0.0/14, HostRange",
  },
  {
    name: "a pod with the gateway's MAC",
    file: file([tenant("a", [net("n", 0, {
      Endpoints: [{ Container: "c", Mac: "02:02:64:41:00:01" }],
    })])]),
    says: "Mac 02:02:64:41:00:01 of a/n/c is refused: it is that of the gateway on host number 1",
  },
  {
    name: "packets of an aliased network that the fabric routes",
    file: file([
      tenant("a", [net("n", 0)]),
      tenant("b", [net("n", 0, { NatOutgoing: false })]),
    ]),
    says: "NatOutgoing of b/n is refused: a/n owns an overlapping subnet",
  },
  {
    name: "a route to a network that does not exist",
    file: file([tenant("a", [net("n", 0, { ReachNetworks: ["gone"] })])]),
    says: "network a/n names a/gone in ReachNetworks: network a/gone does not exist",
  },
  {
    name: "a route to a network of the tenant with an external gateway",
    file: file([
      tenant("a", [
        net("n", 0, { ReachNetworks: ["m"] }),
        net("m", 1, { GatewayType: "external" }),
      ]),
    ]),
    says: "its gateway is external",
  },
  {
    name: "routes between two networks that overlap",
    file: file([
      tenant("a", [net("n", 0, { ReachNetworks: ["b/n"] })]),
      tenant("b", [net("n", 0, { ReachNetworks: ["a/n"] })]),
    ]),
    says: "subnet 10.0.0.0/24 of a/n overlaps 10.0.0.0/24 of b/n",
  },
  {
    name: "routes to two networks that overlap",
    file: file([
      tenant("a", [net("n", 0, { ReachNetworks: ["m", "b/n"] }), net("m", 1)]),
      tenant("b", [net("n", 1, { ReachNetworks: ["a/n"] })]),
    ]),
    says: "ReachNetworks of a/n are refused",
  },
  {
    name: "more VXLAN networks on every host than VLANs are left",
    file: file([
      tenant("a", [net("n", 0), net("m", 1)], {
        ...{ DefaultNetType: "vxlan", Vxlans: "1-9", Vlans: "1-4093" },
      }),
    ]),
    says: "2 VXLAN networks with a distributed gateway are too many: each needs a VLAN of its own",
  },
];

for (const { name, file, says } of refused) {
  Deno.test(`planIntent() refuses ${name}`, () => {
    assertThrows(() => warnings(file), Fault, says);
  });
}

Deno.test("planIntent() takes what is refused only with a distributed gateway", () => {
  const external = (one: More) => ({ ...one, GatewayType: "external" });
  warnings(file([tenant("a", [
    external(net("n", 0, { SubnetCIDR: "100.66.1.0/24", DefaultGw: "100.66.1.1" })),
    external(net("m", 1, { Endpoints: [{ Container: "c", Mac: "02:02:64:41:00:01" }] })),
  ])], { Hosts: [{ Name: "h", VtepIp: "10.0.1.9" }], ServiceCIDR: ["10.0.1.0/24"] }));
});

Deno.test("planIntent() takes MACs and tunnel addresses beside those of hosts and owners", () => {
  const Endpoints = [{ Container: "c", Mac: "02:02:64:42:00:01" }, {
    Container: "d",
    Mac: "02:03:64:41:00:01",
  }];
  const networks = [net("n", 0, { Endpoints })];
  const twin = [net("n", 1, { SubnetCIDR: "10.0.0.0/23" })];
  // Only the owner's subnet is routed to pods.
  const Hosts = [{ Name: "h", VtepIp: "10.0.1.9" }];
  assertEquals(warnings(file([tenant("a", networks), tenant("b", twin)], { Hosts })), []);
});

Deno.test("planIntent() warns of a route that the other tenant does not want, or cannot have", () => {
  const names = ["b/n", "b/m", "b/gone"];
  const one = file([
    tenant("a", [net("n", 0, { ReachNetworks: names })]),
    tenant("b", [net("n", 1), net("m", 2, { GatewayType: "external" })]),
  ]);
  assertEquals(warnings(one), [
    "a/n is not routed to b/n: that one does not name a/n in its ReachNetworks",
    "a/n is not routed to b/m: its gateway is external",
    "a/n is not routed to b/gone: network b/gone does not exist",
  ]);
});

Deno.test("planIntent() takes routes that both tenants want, and a tenant's default for all its networks", () => {
  const both = file([
    tenant("a", [net("n", 0), net("m", 1)], { ReachNetworks: ["n", "b/n"] }),
    tenant("b", [net("n", 2, { ReachNetworks: ["a/n", "a/m"] })]),
  ]);
  assertEquals(warnings(both), []);
  const gone = file([tenant("a", [net("n", 0)], { ReachNetworks: ["sys"] })]);
  assertEquals(warnings(gone), ["a/n is not routed to a/sys: network a/sys does not exist"]);
});

Deno.test("an apply that ends at any commit stands against no other plan, also where a network's route leads nowhere", () => {
  const networks = [net("n", 0, { ReachNetworks: ["z"] }), net("z", 1, { ReachNetworks: ["n"] })];
  const both = JSON.stringify(file([tenant("a", networks)]));
  const plan = planIntent(new Map(), { mode: "add", intent: parseIntent(both).intent });
  const limits = { groups: 1 };
  const all = new IntentDatabase().apply(plan, { limits });
  const said: string[][] = [];
  for (let stopAfter = 1; stopAfter < all; stopAfter++) {
    const store = new IntentDatabase();
    store.apply(plan, { limits, stopAfter });
    said.push([...warnings({}, store)]);
    assertEquals(warnings(JSON.parse(both), store), [], "it is completed");
  }
  const vain = "a/n is not routed to a/z: network a/z does not exist";
  assertEquals(said.filter((one) => one.includes(vain)).length > 0, true, `${said}`);
  // What exists is not taken away from under a route.
  const store = new IntentDatabase();
  store.applyFile("add", both);
  const without = file([tenant("a", [networks[0]!])]);
  assertThrows(() => store.applyFile("replace", without), Fault, "network a/z does not exist");
});

Deno.test("planIntent() warns of services without an address range, and not with one", () => {
  const tenants = [tenant("a", [net("n", 0, { Reach: ["services"] })])];
  assertEquals(warnings(file(tenants)), ["a/n may reach services, but there is no ServiceCIDR"]);
  const more = { ServiceCIDR: ["10.96.0.0/12", "169.254.20.10/32"] };
  assertEquals(warnings(file(tenants, more)), []);
});

Deno.test("the host range stays while a network has a distributed gateway", () => {
  const store = new IntentDatabase();
  store.applyFile("add", file([tenant("a", [net("n", 0)])]));
  const change = { HostRange: "10.200.0.0/16" };
  assertThrows(() => warnings(change, store), Fault, "hosts have addresses of the present one");
  assertEquals(warnings({ HostRange: "100.64.0.0/14" }, store), []);
  store.applyFile("add", file([tenant("a", [net("n", 0, { GatewayType: "external" })])]));
  assertEquals(warnings(change, store), []);
  assertEquals(store.get("clusters/settings"), { schema: 1, hostRange: "10.200.0.0/16" });
});

Deno.test("the host range has a place for each host that has a number", () => {
  const store = new IntentDatabase();
  store.put({ "hostnumbers/h": { schema: 1, host: "h", number: 255 } });
  assertThrows(() => warnings({ HostRange: "10.0.0.0/22" }, store), Fault, "h is number 255");
  assertEquals(warnings({ HostRange: "10.0.0.0/21" }, store), []);
});

Deno.test("a file keeps the settings of the cluster that it leaves out; a deletion that names nothing else removes them", () => {
  const store = new IntentDatabase();
  store.applyFile("add", { ServiceCIDR: ["10.96.0.0/12"], HostRange: "10.200.0.0/16" });
  store.applyFile("replace", file([tenant("a", [])]));
  assertEquals(store.get("clusters/settings"), {
    ...{ schema: 1, hostRange: "10.200.0.0/16", serviceCidrs: ["10.96.0.0/12"] },
  });
  store.applyFile("delete", file([tenant("a", [])], { ServiceCIDR: [] }));
  assertEquals(store.get("clusters/settings")?.serviceCidrs, ["10.96.0.0/12"]);
  store.applyFile("delete", { ServiceCIDR: ["10.96.0.0/12"] });
  assertEquals(store.get("clusters/settings"), { schema: 1, hostRange: "10.200.0.0/16" });
  store.applyFile("delete", { HostRange: "10.200.0.0/16" });
  assertEquals(store.get("clusters/settings"), undefined);
});

Deno.test("settings of the cluster are shown in the plan with the keys of the file", () => {
  const store = new IntentDatabase();
  const [first] = store.applyFile("add", { ServiceCIDR: ["10.96.0.0/12"] }).operations;
  assertEquals([first?.verb, first?.kind, first?.lines], [
    ...["create", "cluster"],
    ['ServiceCIDR: ["10.96.0.0/12"]'],
  ]);
});
