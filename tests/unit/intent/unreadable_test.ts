import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { auditClaims } from "../../../lib/intent/audit.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import type { Change } from "../../../lib/intent/plan/desired_intent.ts";
import { whyUnreadable } from "../../../lib/intent/readable.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";
import { anyIntent } from "./random_intents.ts";
import { cases, runs } from "../cases.ts";

const change = (file: object, mode: Change["mode"] = "add"): Change => ({
  mode,
  intent: parseIntent(JSON.stringify(file)).intent,
});

const newer = (store: IntentDatabase, key: string) =>
  store.put({ [key]: { ...store.get(key), schema: 3, color: "red" } });

Deno.test("whyUnreadable() takes this schema and the next, and names what is wrong with all else", () => {
  const host = { schema: 1, name: "h" };
  const cases: readonly (readonly [string, unknown, string | undefined])[] = [
    ["hosts/h", host, undefined],
    ["hosts/h", { ...host, schema: 2, more: [1] }, undefined],
    ["hosts/h", { ...host, schema: 3 }, "it has schema 3, this version reads up to 2"],
    ["hosts/h", { schema: 1 }, "its name is not a string"],
    ["hosts/h", "text", "its name is not a string"],
    ["hosts/h", null, "its name is not a string"],
    ["subnets/t", { schema: 1, networks: null }, "its networks is not an object"],
    ["foo/h", host, "it is not a document of this program"],
    ["hosts", host, "it is not a document of this program"],
    ["constructor/h", host, "it is not a document of this program"],
  ];
  for (const [key, value, want] of cases) assertEquals(whyUnreadable(key, value), want);
});

Deno.test("planIntent() leaves a newer endpoint alone, says so, and does the rest of the file", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", ["c1", "c2"])]));
  newer(store, "endpoints/one/a/c1");
  const before = store.get("endpoints/one/a/c1");
  const fixed = { Container: "c1", IpAddress: "11.1.0.99" };
  const plan = store.applyFile("add", vlanTenant([network("a", [fixed, "c3"])]));
  assertEquals(plan.operations.map(({ name }) => name), ["one/a/c3"]);
  assertStringIncludes(plan.warnings.join(), "endpoint one/a/c1 is left alone: it has schema 3");
  assertEquals(store.get("endpoints/one/a/c1"), before);
  // Its claim holds.
  assertEquals(store.get("endpoints/one/a/c3")?.address, "11.1.0.3");
});

Deno.test("planIntent() assigns no number whose claim it cannot read, and moves no owner from it", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", ["c1"])]));
  store.put({
    "claims/ip/one/a/11.1.0.1": { schema: 3, owners: ["endpoints/one/a/c1"] },
    "claims/ip/one/a/11.1.0.2": "somebody's",
    "claims/vlan/12": 7,
  });
  store.applyFile("add", vlanTenant([network("a", ["c1", "c2"]), network("b")]));
  assertEquals(store.get("endpoints/one/a/c1")?.address, "11.1.0.1");
  assertEquals(store.get("endpoints/one/a/c2")?.address, "11.1.0.3");
  assertEquals(store.get("networks/one/b")?.tag, 13);
});

Deno.test("planIntent() keeps a newer network's subnet in its tenant's list, and out of others' hands", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a")]));
  newer(store, "networks/one/a");
  store.applyFile("add", vlanTenant([network("b", ["c"])]));
  assertEquals(store.get("subnets/one")?.networks, { "11.1.0.0/24": "a", "11.1.1.0/24": "b" });
  for (
    const [file, mode] of [[{}, "replace"], [{ Tenants: [{ Name: "one" }] }, "delete"]] as const
  ) {
    const plan = () => planIntent(store.documents, { ...change(file, mode), force: true });
    const fault = assertThrows(plan, Fault);
    assertEquals(fault.code, "conflict");
    assertStringIncludes(fault.message, "network one/a belongs to it, and it has schema 3");
  }
});

Deno.test("planIntent() changes no subnets of a tenant whose list it cannot read", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a")]));
  newer(store, "subnets/one");
  const plan = () => planIntent(store.documents, change(vlanTenant([network("b")])));
  assertStringIncludes(
    assertThrows(plan, Fault).message,
    "subnets of tenant one cannot be changed",
  );
  store.applyFile("add", vlanTenant([network("a", ["c"])]));
  assertEquals(store.keysBelow("endpoints/"), ["endpoints/one/a/c"]);
});

Deno.test("planIntent() keeps the schema and the unknown fields of a record one version ahead", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", ["c"])]));
  for (const key of ["tenants/one", "networks/one/a", "endpoints/one/a/c"]) {
    store.put({ [key]: { ...store.get(key), schema: 2, color: "red" } });
  }
  const labelled = { Container: "c", Labels: { a: "1" } };
  store.applyFile("add", vlanTenant([network("a", [labelled], { Mtu: 1400 })], { Vlans: "11-50" }));
  for (const key of ["tenants/one", "networks/one/a", "endpoints/one/a/c"]) {
    assertEquals([store.get(key)?.schema, store.get(key)?.color], [2, "red"], key);
  }
  assertEquals(store.get("endpoints/one/a/c")?.labels, { a: "1" });
});

Deno.test("auditClaims() names what cannot be read, and draws no conclusions from it", () => {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", ["c1", "c2"])]));
  for (const key of ["networks/one/a", "endpoints/one/a/c1", "claims/ip/one/a/11.1.0.2"]) {
    newer(store, key);
  }
  store.put({ "stranger": 1 });
  assertEquals(auditClaims(store.documents).map(({ name }) => name), [
    "claims/ip/one/a/11.1.0.2",
    "endpoints/one/a/c1",
    "networks/one/a",
    "stranger",
  ]);
});

Deno.test("no plan touches what cannot be read, whatever it is and whatever is planned", () => {
  const mode = fc.constantFrom<Change["mode"]>("add", "replace", "delete");
  const spoil = fc.constantFrom<(value: unknown) => unknown>(
    (value) => ({ ...value as object, schema: 3 }),
    () => "text",
    () => null,
  );
  let applied = 0;
  fc.assert(
    fc.property(
      anyIntent,
      anyIntent,
      mode,
      fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
      spoil,
      (
        from,
        to,
        mode,
        picks,
        spoil,
      ) => {
        const store = new IntentDatabase();
        store.applyFile("replace", from);
        const all = [...store.documents.keys()];
        if (all.length === 0) return;
        const keys = [...new Set(picks.map((pick) => all[pick % all.length]!))]
          .filter((key) => !key.startsWith("arrivals/"));
        for (const key of keys) store.put({ [key]: spoil(store.get(key)) });
        const before = keys.map((key) => store.documents.get(key));
        const change = { mode, intent: parseIntent(to).intent, force: true };
        try {
          store.apply(planIntent(store.documents, change));
          assertEquals(planIntent(store.documents, change).operations, []);
          applied++;
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
        }
        assertEquals(keys.map((key) => store.documents.get(key)), before);
      },
    ),
    runs(250),
  );
  assert(applied > cases(60), `${applied}`);
});
