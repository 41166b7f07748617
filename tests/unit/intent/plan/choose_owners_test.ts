import { assertEquals } from "@std/assert";
import { planRestore } from "../../../../lib/intent/plan_restore.ts";
import type { NetworkRecord } from "../../../../lib/intent/records.ts";
import { attachment } from "../files.ts";
import { IntentDatabase } from "../intent_database.ts";

const tenant = (name: string, networks: Record<string, string>, gatewayType = "distributed") => ({
  ...{ Name: name, DefaultNetType: "vlan", SubnetPool: "11.1.0.0/16", AllocSubnetLen: 24 },
  ...{ Vlans: "11-90", GatewayType: gatewayType },
  Networks: Object.entries(networks).map(([Name, SubnetCIDR]) => ({
    ...{ Name, SubnetCIDR },
    DefaultGw: SubnetCIDR.replace(/\d+\/.*/, "1"),
    Endpoints: [{ Container: "c" }],
  })),
});

function apply(store: IntentDatabase, mode: "add" | "replace", ...tenants: object[]) {
  return store.applyFile(mode, { Tenants: tenants });
}

/** Returns what each network is in the hosts' stacks. */
const owners = (store: IntentDatabase) =>
  Object.fromEntries(
    store.keysBelow("networks/").map((key) => {
      const { owner, aliasedBecause } = store.get(key) ?? {};
      return [key.slice("networks/".length), owner ? "owner" : aliasedBecause ?? "none"];
    }),
  );

const A = tenant("a", { n: "10.0.0.0/24" });
const B = tenant("b", { n: "10.0.0.0/24" });
const WIDE = tenant("w", { n: "10.0.0.0/16" });

Deno.test("the first network with a distributed gateway owns its subnet, a later one is aliased", () => {
  const store = new IntentDatabase();
  apply(store, "add", B);
  apply(store, "add", A, WIDE);
  assertEquals(owners(store), { "a/n": "b/n", "b/n": "owner", "w/n": "b/n" });
  assertEquals(store.get("owners/subnets")?.networks, { "10.0.0.0/24": "b/n" });
});

Deno.test("within a file the order decides", () => {
  const store = new IntentDatabase();
  apply(store, "add", WIDE, A, tenant("c", { n: "10.1.0.0/24" }));
  assertEquals(owners(store), { "a/n": "w/n", "c/n": "owner", "w/n": "owner" });
});

Deno.test("a network with an external gateway owns nothing and aliases nothing", () => {
  const store = new IntentDatabase();
  apply(store, "add", tenant("a", { n: "10.0.0.0/24" }, "external"), B);
  assertEquals(owners(store), { "a/n": "none", "b/n": "owner" });
});

Deno.test("an owner stays one whatever comes, and gives its subnet back when its gateway is external again", () => {
  const store = new IntentDatabase();
  apply(store, "add", B);
  apply(store, "replace", A, B);
  assertEquals(owners(store), { "a/n": "b/n", "b/n": "owner" });
  assertEquals(apply(store, "replace", A, B).operations, []);
  apply(store, "replace", A, tenant("b", { n: "10.0.0.0/24" }, "external"));
  assertEquals(owners(store), { "a/n": "owner", "b/n": "none" });
  apply(store, "replace", A, B);
  assertEquals(owners(store), { "a/n": "owner", "b/n": "a/n" });
});

Deno.test("when the owner goes, an aliased network without pods becomes one as soon as a file names it", () => {
  const store = new IntentDatabase();
  apply(store, "add", A, B);
  store.applyFile("delete", { Tenants: [{ Name: "a" }] }, { force: true });
  assertEquals(owners(store), { "b/n": "a/n" });
  const plan = apply(store, "add", B);
  assertEquals(plan.operations.map(({ lines }) => lines), [[
    "in the hosts' stacks: aliased, as a/n owns an overlapping subnet → owner of its subnet",
  ]]);
  assertEquals(owners(store), { "b/n": "owner" });
  assertEquals(apply(store, "add", B).operations, []);
});

Deno.test("when the owner goes, an aliased network with pods stays aliased, and plans say so", () => {
  const store = new IntentDatabase();
  apply(store, "add", A, B);
  store.put(attachment("b/n/c", { address: "10.0.0.2" }));
  const plan = apply(store, "replace", B);
  assertEquals(owners(store), { "b/n": "a/n" });
  assertEquals(plan.warnings, [
    "b/n stays aliased though a/n no longer has its subnet: it becomes the owner of its subnet " +
    "when a file names it while it has no pods",
  ]);
  // Another one may own the subnet meanwhile: the aliased one is not in the way, and does not come back.
  apply(store, "replace", A, B);
  assertEquals(owners(store), { "a/n": "owner", "b/n": "a/n" });
  apply(store, "replace", WIDE, B);
  assertEquals(owners(store), { "b/n": "a/n", "w/n": "owner" });
});

Deno.test("a network whose subnet changes owns the new one, if it is free", () => {
  const store = new IntentDatabase();
  apply(store, "add", A, B);
  apply(store, "add", tenant("a", { n: "10.9.0.0/24" }));
  assertEquals(owners(store), { "a/n": "owner", "b/n": "a/n" });
  assertEquals(store.get("owners/subnets")?.networks, { "10.9.0.0/24": "a/n" });
  apply(store, "add", tenant("b", { n: "10.9.0.0/25" }));
  assertEquals(owners(store), { "a/n": "owner", "b/n": "a/n" });
  apply(store, "add", tenant("b", { n: "10.8.0.0/24" }));
  apply(store, "replace", tenant("b", { n: "10.9.0.0/25" }), tenant("a", { n: "10.9.0.0/24" }));
  assertEquals(owners(store), { "a/n": "owner", "b/n": "a/n" });
});

Deno.test("a subnet passes from one tenant's network to another's in one plan", () => {
  const store = new IntentDatabase();
  apply(store, "add", A);
  apply(store, "replace", B);
  assertEquals(owners(store), { "b/n": "owner" });
  apply(store, "replace", tenant("b", { n: "10.7.0.0/24" }), A);
  assertEquals(owners(store), { "a/n": "owner", "b/n": "owner" });
});

Deno.test("an owner that this version cannot read keeps its subnet", () => {
  const store = new IntentDatabase();
  apply(store, "add", A);
  store.put({ "networks/a/n": { schema: 9 } });
  apply(store, "add", B);
  assertEquals(store.get("networks/b/n")?.aliasedBecause, "a/n");
  assertEquals(store.get("owners/subnets")?.networks, { "10.0.0.0/24": "a/n" });
  apply(store, "add", tenant("c", { n: "10.5.0.0/24" }));
  assertEquals(store.get("owners/subnets")?.networks, {
    ...{ "10.0.0.0/24": "a/n", "10.5.0.0/24": "c/n" },
  });
});

Deno.test("going back makes a network aliased again, though its subnet is free", () => {
  const store = new IntentDatabase();
  apply(store, "add", A, B);
  store.applyFile("delete", { Tenants: [{ Name: "a" }] }, { force: true });
  const past = new Map([["networks/b/n", store.get("networks/b/n") as unknown as NetworkRecord]]);
  apply(store, "add", B);
  assertEquals(owners(store), { "b/n": "owner" });
  store.apply(planRestore(store.documents, past));
  assertEquals(owners(store), { "b/n": "a/n" });
  assertEquals(store.keysBelow("owners/"), []);
});

Deno.test("records of version 0.1.0 have external gateways, and the same file changes nothing", () => {
  const store = new IntentDatabase();
  const old = { ...tenant("a", { n: "10.0.0.0/24" }), GatewayType: undefined };
  apply(store, "add", old);
  assertEquals(Object.keys(store.get("networks/a/n") ?? {}).sort(), [
    ...["encap", "gateway", "name", "schema", "subnet", "subnetBy", "tag", "tagBy", "tenant"],
  ]);
  assertEquals(store.keysBelow("owners/"), []);
  assertEquals(apply(store, "replace", old).operations, []);
  apply(store, "add", A);
  assertEquals(owners(store), { "a/n": "owner" });
});
