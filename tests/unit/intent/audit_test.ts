import { assertEquals } from "@std/assert";
import { auditClaims, poolsInUse } from "../../../lib/intent/audit.ts";
import { IntentDatabase } from "./intent_database.ts";

/** A store with two networks of one tenant, and an endpoint in each. */
function filled(): IntentDatabase {
  const store = new IntentDatabase();
  const network = (Name: string) => ({ Name, Endpoints: [{ Container: `${Name}1` }] });
  store.applyFile("add", {
    Tenants: [{
      Name: "t",
      DefaultNetType: "vlan",
      SubnetPool: "11.1.0.0/16",
      AllocSubnetLen: 30,
      Vlans: "10-20",
      Networks: [network("a"), network("b")],
    }],
  });
  return store;
}

const ADDRESS = "claims/ip/t/a/11.1.0.1";

Deno.test("auditClaims() finds nothing after an apply", () => {
  assertEquals(auditClaims(filled().documents), []);
});

const spoils: readonly (readonly [string, (store: IntentDatabase) => void, readonly string[]])[] = [
  [
    "a claim that is gone",
    (store) => store.documents.delete(ADDRESS),
    ["endpoints/t/a/a1: claims/ip/t/a/11.1.0.1 does not exist"],
  ],
  [
    "a claim whose owner is gone",
    (store) => store.put({ "claims/vlan/15": { schema: 1, owner: "networks/t/gone" } }),
    ["claims/vlan/15: its owner networks/t/gone does not exist"],
  ],
  [
    "a claim that its owner does not hold",
    (store) => store.put({ "claims/ip/t/a/11.1.0.2": { schema: 1, owner: "endpoints/t/a/a1" } }),
    ["claims/ip/t/a/11.1.0.2: endpoints/t/a/a1 has another value"],
  ],
  [
    "an address that two have",
    (store) => store.put({ "endpoints/t/a/a2": { ...store.get("endpoints/t/a/a1") } }),
    ["endpoints/t/a/a2: claims/ip/t/a/11.1.0.1 belongs to another record"],
  ],
  [
    "a network that the tenant's list of subnets leaves out",
    (store) => store.put({ "subnets/t": { schema: 1, networks: { "11.1.0.0/30": "a" } } }),
    ["subnets/t: 11.1.0.4/30 of t/b is not listed"],
  ],
  [
    "a listed subnet that is gone",
    (store) => {
      const { networks } = store.get("subnets/t") as { networks: Record<string, string> };
      store.put({ "subnets/t": { schema: 1, networks: { ...networks, "11.1.0.8/30": "c" } } });
    },
    ["subnets/t: 11.1.0.8/30 of t/c does not exist"],
  ],
];
for (const [what, spoil, want] of spoils) {
  Deno.test(`auditClaims() names ${what}`, () => {
    const store = filled();
    spoil(store);
    assertEquals(auditClaims(store.documents).map(({ name, why }) => `${name}: ${why}`), want);
  });
}

Deno.test("auditClaims() names an address that may not be given, and networks that overlap", () => {
  const store = filled();
  store.put({
    "endpoints/t/a/a1": { ...store.get("endpoints/t/a/a1"), address: "11.1.0.3" },
    "networks/t/b": { ...store.get("networks/t/b"), subnet: "11.1.0.0/29" },
  });
  const words = auditClaims(store.documents).map(({ why }) => why);
  assertEquals(words.some((why) => why.includes("broadcast address")), true, words.join());
  assertEquals(words.some((why) => why === "a and b overlap"), true, words.join());
});

Deno.test("poolsInUse() counts what may be chosen and what is taken", () => {
  assertEquals(poolsInUse(filled().documents), [
    { tenant: "t", network: "a", subnet: "11.1.0.0/30", size: 2, used: 1, free: 1, held: [] },
    { tenant: "t", network: "b", subnet: "11.1.0.4/30", size: 2, used: 1, free: 1, held: [] },
  ]);
});

/** The documents of an endpoint that a set-up made. */
function dynamic(heldSince?: number): Record<string, unknown> {
  return {
    "endpoints/t/a/default~web": {
      ...{ schema: 1, tenant: "t", network: "a", container: "default~web", namespace: "default" },
      ...{ address: "11.1.0.2", addressBy: "pool" },
      dynamic: { pod: "web", rule: "a rule", ...(heldSince === undefined ? {} : { heldSince }) },
    },
    "claims/ip/t/a/11.1.0.2": { schema: 1, owner: "endpoints/t/a/default~web" },
  };
}

Deno.test("auditClaims() names an endpoint that a set-up made whose pod is gone, unless it is held", () => {
  const [store, held] = [filled(), filled()];
  store.put(dynamic());
  assertEquals(auditClaims(store.documents), [
    { name: "endpoints/t/a/default~web", why: "its pod is gone, and it is not held" },
  ]);
  held.put(dynamic(1));
  assertEquals(auditClaims(held.documents), []);
});

Deno.test("poolsInUse() shows what is held, for which pod and until when", () => {
  const store = filled();
  store.put({ "networks/t/a": { ...store.get("networks/t/a"), holdAddress: 60 } });
  store.put(dynamic(1_000));
  const [pool] = poolsInUse(store.documents);
  assertEquals([pool?.used, pool?.free], [2, 0]);
  assertEquals(pool?.held, [
    { pod: "default/web", address: "11.1.0.2", until: "1970-01-01T00:01:01.000Z" },
  ]);
});
