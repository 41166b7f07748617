// Subnets that cannot work, recorded by version 0.1.0, which accepted them.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { planRequest } from "../../../../lib/agent/store/apply.ts";
import { parseIntent } from "../../../../lib/intent/schema.ts";
import { planIntent } from "../../../../lib/intent/plan.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { network, vlanTenant } from "../../intent/files.ts";
import { IntentDatabase } from "../../intent/intent_database.ts";

const loopback = network("a", [{ Container: "c", IpAddress: "127.0.1.9" }, "d"], {
  SubnetCIDR: "127.0.1.0/24",
  DefaultGw: "127.0.1.1",
});
const reservedPool = { SubnetPool: "127.2.0.0/16" };

/** Returns a store as version 0.1.0 left it after it applied `file`. */
function storeOfOldVersion(file: object): IntentDatabase {
  const store = new IntentDatabase();
  const { intent } = parseIntent(JSON.stringify(file), { isRecorded: () => true });
  store.apply(planIntent(store.documents, { mode: "add", intent }));
  return store;
}

const plan = (store: IntentDatabase, mode: "add" | "replace" | "delete", file: object) =>
  planRequest(store.documents, { mode, text: JSON.stringify(file) }).answer;

const namesIn = ({ operations }: ReturnType<typeof plan>) =>
  operations.map(({ verb, name }) => `${verb} ${name}`);

Deno.test("a recorded loopback subnet does not keep other networks from being planned", () => {
  const store = storeOfOldVersion(vlanTenant([loopback]));
  const answer = plan(store, "add", vlanTenant([network("b", ["e"])]));
  assertEquals(namesIn(answer), ["create one/b", "create one/b/e"]);
  assertEquals(answer.warnings, []);
});

Deno.test("the file that an old version accepted is accepted again, with a warning per field", () => {
  const store = storeOfOldVersion(vlanTenant([loopback]));
  const { operations, warnings } = plan(store, "replace", vlanTenant([loopback]));
  assertEquals(operations, []);
  assertEquals(warnings.length, 3);
  assertStringIncludes(warnings[0] ?? "", "Networks[0].SubnetCIDR 127.0.1.0/24 cannot work");
  assertStringIncludes(warnings[0] ?? "", "loopback");
});

Deno.test("a recorded loopback subnet can be deleted with the file that names it", () => {
  const store = storeOfOldVersion(vlanTenant([loopback]));
  const answer = plan(store, "delete", vlanTenant([loopback]));
  assertEquals(namesIn(answer), ["delete one/a/c", "delete one/a/d"]);
});

Deno.test("another subnet that cannot work is refused beside a recorded one", () => {
  const store = storeOfOldVersion(vlanTenant([loopback]));
  const other = network("b", [], { SubnetCIDR: "127.0.2.0/24" });
  const fault = assertThrows(() => plan(store, "add", vlanTenant([loopback, other])), Fault);
  assertStringIncludes(fault.message, "Networks[1].SubnetCIDR 127.0.2.0/24 is refused");
});

Deno.test("of a recorded pool that cannot work its networks stay, and no new subnet is cut", () => {
  const store = new IntentDatabase();
  const file = vlanTenant([network("a", ["c"])], reservedPool);
  store.apply(planIntent(store.documents, {
    mode: "add",
    intent: parseIntent(
      JSON.stringify(
        vlanTenant([network("a", ["c"], { SubnetCIDR: "127.2.0.0/24" })], reservedPool),
      ),
      { isRecorded: () => true },
    ).intent,
  }));
  assertEquals(
    plan(store, "add", file).operations.map(({ verb }) => verb).includes("delete"),
    false,
  );
  const fault = assertThrows(
    () => plan(store, "add", vlanTenant([network("a", ["c"]), network("b")], reservedPool)),
    Fault,
  );
  assertEquals(fault.code, "exhausted");
  assertStringIncludes(fault.message, "no subnet is left for one/b: 127.0.0.0/8 is reserved");
});

Deno.test("subnets are cut from a pool around the reserved block in it", () => {
  const store = new IntentDatabase();
  const pool = { SubnetPool: "169.252.0.0/14", AllocSubnetLen: 16 };
  store.applyFile("add", vlanTenant(["a", "b", "c"].map((name) => network(name)), pool));
  assertEquals(
    ["a", "b", "c"].map((name) => store.get(`networks/one/${name}`)?.subnet),
    ["169.252.0.0/16", "169.253.0.0/16", "169.255.0.0/16"],
  );
});
