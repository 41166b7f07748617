import { assertEquals } from "@std/assert";
import { planIntent } from "../../../../lib/intent/plan.ts";
import { parseIntent } from "../../../../lib/intent/schema.ts";
import { network } from "../files.ts";

const tenant = (Name: string, Networks: object[], more: object = {}) => ({
  ...{ Name, DefaultNetType: "vlan", SubnetPool: "11.1.0.0/16", AllocSubnetLen: 24 },
  ...{ Vlans: "11-28", Networks, ...more },
});

const warnings = (...tenants: object[]) => {
  const { intent } = parseIntent(JSON.stringify({ Tenants: tenants }));
  return planIntent(new Map(), { mode: "add", intent }).warnings;
};

const white = (name: string, more: object = {}) => network(name, [], { Default: true, ...more });

Deno.test("a plan warns of two tenants whose default networks are for one namespace", () => {
  assertEquals(warnings(tenant("one", [white("a")]), tenant("two", [white("b")])), [
    "one/a and two/b are both the default for namespace default: " +
    "pods there that name no tenant are refused",
  ]);
  const apart = [
    tenant("one", [white("a")]),
    tenant("two", [white("b")], { Namespaces: ["shop"] }),
  ];
  assertEquals(warnings(...apart), []);
  const both = { Namespaces: ["default", "shop"] };
  const narrow = tenant("two", [white("b", { Namespaces: ["shop"] })], both);
  assertEquals(warnings(tenant("one", [white("a")]), narrow), []);
});

Deno.test("a plan warns of a network that is for a namespace which its tenant does not serve", () => {
  assertEquals(warnings(tenant("one", [network("a", [], { Namespaces: ["default", "shop"] })])), [
    "network one/a is for namespace shop, which tenant one does not serve",
  ]);
});
