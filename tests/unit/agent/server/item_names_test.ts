import { assertEquals } from "@std/assert";
import { named, namesOf } from "../../../../lib/agent/server/item_names.ts";

const tenant = { name: "t" };
const network = { tenant: "t", name: "blue" };
const attachment = {
  ...{ tenant: "t", network: "blue", endpoint: "web" },
  pod: { namespace: "shop", name: "web-1" },
};
const unmatched = {
  ...{ tenant: "", network: "", endpoint: "" },
  pod: { namespace: "shop", name: "new" },
};

const cases: readonly (readonly [object, readonly string[]])[] = [
  [tenant, ["t", "t"]],
  [network, ["blue", "t/blue"]],
  [attachment, ["web", "t/blue/web", "web-1", "shop/web-1"]],
  [unmatched, ["new", "shop/new"]],
  [{ name: "acme/no-c", source: "contiv" }, ["acme/no-c", "acme/no-c", "no-c"]],
];

for (const [item, names] of cases) {
  Deno.test(`namesOf() returns ${names.join(" and ")}`, () => {
    assertEquals(namesOf(item as Readonly<Record<string, unknown>>), names);
  });
}

Deno.test("named() selects the items with a name, and all items without one", () => {
  const items = [attachment, unmatched];
  assertEquals(named(items, undefined), items);
  assertEquals(named(items, "shop/new"), [unmatched]);
  assertEquals(named(items, "t/blue"), []);
});
