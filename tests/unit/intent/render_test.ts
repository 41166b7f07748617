import { assertEquals } from "@std/assert";
import { renderPlan } from "../../../lib/intent/render.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";

Deno.test("renderPlan() shows what comes, changes and goes, in the file's words", () => {
  const store = new IntentDatabase();
  const created = store.applyFile(
    "add",
    vlanTenant([network("a", [{ Container: "c", Host: "h1" }])]),
  );
  assertEquals(renderPlan(created), [
    "+ tenant one",
    "    DefaultNetType: vlan",
    "    SubnetPool: 11.1.0.0/16",
    "    AllocSubnetLen: 24",
    "    Vlans: 11-28",
    "+ network one/a",
    "    PktTagType: vlan",
    "    PktTag: 11 (from the pool)",
    "    SubnetCIDR: 11.1.0.0/24 (from the pool)",
    "+ endpoint one/a/c",
    "    Host: h1",
    "    IpAddress: 11.1.0.1 (from the pool)",
    "3 to create, 0 to update, 0 to delete",
  ]);
  const changed = store.applyFile(
    "replace",
    vlanTenant([network("a", [], { PktTag: 20, Mtu: 1400 })]),
  );
  assertEquals(renderPlan(changed), [
    "- endpoint one/a/c",
    "~ network one/a",
    "    PktTag: 11 (from the pool) → 20",
    "    Mtu: none → 1400",
    "0 to create, 1 to update, 1 to delete",
  ]);
});

Deno.test("renderPlan() says that there is nothing to change, after the warnings", () => {
  const store = new IntentDatabase();
  const plan = store.applyFile("delete", { Tenants: [{ Name: "ghost" }] });
  assertEquals(renderPlan(plan), ["! tenant ghost does not exist", "nothing to change"]);
});

Deno.test("renderPlan() keeps each value on one line", () => {
  const store = new IntentDatabase();
  const labels = { Container: "c", Labels: { a: "x\n\u001b[31m".repeat(99) } };
  const lines = renderPlan(store.applyFile("add", vlanTenant([network("a", [labels])])));
  assertEquals(lines.filter((line) => /\p{Cc}/u.test(line) || line.length > 120), []);
});
