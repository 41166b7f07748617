import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { auditClaims } from "../../../lib/intent/audit.ts";
import { planRepairs } from "../../../lib/intent/claim_repair.ts";
import { brokenPromises } from "./check_store.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";
import { anyIntent } from "./random_intents.ts";
import { runs } from "../cases.ts";

function storeWith(...containers: string[]): IntentDatabase {
  const store = new IntentDatabase();
  store.applyFile("add", vlanTenant([network("a", containers)]));
  return store;
}

const repairs = (store: IntentDatabase) =>
  planRepairs(store.documents).map(({ act, claim, why }) => `${act} ${claim}: ${why}`);

function repair(store: IntentDatabase): void {
  for (const { checks, writes } of planRepairs(store.documents)) {
    if (writes.length > 0) store.mustCommit(checks, writes);
  }
}

const attachment = (endpoint: string, address: string, schema = 1) => ({
  [`attachments/h1/${endpoint.padEnd(12, "0")}/eth0`]: {
    schema,
    host: "h1",
    tenant: "one",
    network: "a",
    endpoint,
    sandbox: endpoint.padEnd(12, "0"),
    pod: { namespace: "default", name: endpoint },
    addresses: [`${address}/24`],
  },
});

const leak = (owner = "endpoints/one/a/gone") => ({
  "claims/ip/one/a/11.1.0.9": { schema: 1, owner },
});

Deno.test("planRepairs() finds nothing to do in a whole store", () => {
  assertEquals(repairs(storeWith("c1", "c2")), []);
});

Deno.test("planRepairs() releases a claim whose owner is gone or holds another, of every kind", () => {
  const store = storeWith("c1");
  store.put({
    ...leak(),
    "claims/vlan/99": { schema: 1, owner: "networks/one/a" },
    "claims/vni/7": { schema: 1, owner: "networks/one/gone" },
    "claims/subnet/one/11.1.9.0_24": { schema: 1, owner: "networks/one/gone" },
  });
  assertEquals(repairs(store), [
    "release claims/ip/one/a/11.1.0.9: its owner endpoints/one/a/gone does not exist",
    "release claims/subnet/one/11.1.9.0_24: its owner networks/one/gone does not exist",
    "release claims/vlan/99: networks/one/a has another value",
    "release claims/vni/7: its owner networks/one/gone does not exist",
  ]);
  repair(store);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("planRepairs() keeps an address that a pod has at this moment, though no record has its value", () => {
  const store = storeWith("c1");
  store.put({ ...leak(), ...attachment("gone", "11.1.0.9") });
  assertEquals(repairs(store), ["keep claims/ip/one/a/11.1.0.9: pod default/gone on h1 has it"]);
});

Deno.test("planRepairs() releases no address while an attachment cannot be read, nor what a record says that cannot", () => {
  const store = storeWith("c1");
  store.put({ ...leak(), ...attachment("new", "11.1.0.9", 3) });
  assertEquals(repairs(store), [
    "keep claims/ip/one/a/11.1.0.9: attachments/h1/new000000000/eth0 cannot be read, and may have it",
  ]);
  const other = storeWith("c1");
  other.put({ ...leak(), "endpoints/one/a/gone": { schema: 3 } });
  assertEquals(repairs(other), []);
});

Deno.test("planRepairs() rebuilds a record's missing claim, and takes one back from an owner that is gone", () => {
  const store = storeWith("c1", "c2");
  store.put({ "claims/ip/one/a/11.1.0.2": { schema: 1, owner: "endpoints/one/a/gone" } });
  for (
    const key of ["claims/ip/one/a/11.1.0.1", "claims/vlan/11", "claims/subnet/one/11.1.0.0_24"]
  ) {
    store.documents.delete(key);
  }
  assertEquals(planRepairs(store.documents).map(({ act, claim }) => `${act} ${claim}`), [
    "rebuild claims/ip/one/a/11.1.0.1",
    "rebuild claims/ip/one/a/11.1.0.2",
    "rebuild claims/subnet/one/11.1.0.0_24",
    "rebuild claims/vlan/11",
  ]);
  repair(store);
  assertEquals(brokenPromises(store.documents), []);
});

Deno.test("planRepairs() leaves an address that two records want to the one whose pod has it", () => {
  const store = storeWith("c1", "c2");
  store.put({
    "endpoints/one/a/c1": { ...store.get("endpoints/one/a/c1"), address: "11.1.0.2" },
    ...attachment("c2", "11.1.0.2"),
  });
  store.documents.delete("claims/ip/one/a/11.1.0.2");
  assertEquals(repairs(store), [
    "release claims/ip/one/a/11.1.0.1: endpoints/one/a/c1 has another value",
    "rebuild claims/ip/one/a/11.1.0.2: endpoints/one/a/c2 has its value",
  ]);
});

Deno.test("planRepairs() leaves an address alone that another endpoint's pod has", () => {
  const store = storeWith("c1");
  store.documents.delete("claims/ip/one/a/11.1.0.1");
  store.put(attachment("other", "11.1.0.1"));
  assertEquals(repairs(store), [
    "keep claims/ip/one/a/11.1.0.1: pod default/other on h1 has it, and endpoints/one/a/c1 claims it, too",
  ]);
});

Deno.test("a repair makes any store whole again whose claims were lost, invented or given to others", () => {
  const harm = fc.tuple(fc.constantFrom("lose", "invent", "rob"), fc.nat());
  fc.assert(
    fc.property(anyIntent, fc.array(harm, { minLength: 1, maxLength: 6 }), (text, harms) => {
      const store = new IntentDatabase();
      store.applyFile("replace", text);
      for (const [what, n] of harms) {
        const claims = store.keysBelow("claims/");
        const claim = claims[n % claims.length];
        const owner = n % 2 ? "endpoints/t0/n0/ghost" : "networks/t0/ghost";
        if (what === "lose" && claim) store.documents.delete(claim);
        if (what === "rob" && claim) store.put({ [claim]: { schema: 1, owner } });
        if (what === "invent") store.put({ [`claims/vni/${100 + n % 9}`]: { schema: 1, owner } });
      }
      repair(store);
      assertEquals(brokenPromises(store.documents), []);
      assertEquals(auditClaims(store.documents), []);
      assertEquals(planRepairs(store.documents), []);
    }),
    runs(150),
  );
});

Deno.test("a repair's checks fail where another client was faster", () => {
  const store = storeWith("c1");
  store.put(leak());
  const [first] = planRepairs(store.documents);
  assert(first);
  store.put({ "endpoints/one/a/gone": { schema: 1 } });
  let conflict = "";
  try {
    store.mustCommit(first.checks, first.writes);
  } catch (error) {
    conflict = String(error);
  }
  assert(conflict.includes("conflict at endpoints/one/a/gone"), conflict);
});

Deno.test("planRepairs() says of documents of an index what is wrong, in the words of the audit", () => {
  const store = storeWith("c1");
  store.put({
    "members/~state/complete": { schema: 1, version: 1 },
    "members/~names/gone/one/a/gone": { schema: 1 },
    "members/~hosts/gone": { schema: 1 },
  });
  const gone = "index document without a record";
  assertEquals(repairs(store), [
    `release members/~hosts/gone: ${gone}`,
    "rebuild members/~names/c1/one/a/c1: index does not match the record endpoints/one/a/c1",
    `release members/~names/gone/one/a/gone: ${gone}`,
  ]);
  assertEquals(
    auditClaims(store.documents).map(({ name, why }) => `${name}: ${why}`).sort(),
    repairs(store).map((line) => line.slice(line.indexOf(" ") + 1)).sort(),
  );
  repair(store);
  assertEquals(repairs(store), []);
});
