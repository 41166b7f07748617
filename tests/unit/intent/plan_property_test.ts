import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { documentsToIntent } from "../../../lib/intent/canonical.ts";
import type { Intent, TenantAttributes } from "../../../lib/intent/intent.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { brokenOnTheWay, brokenPromises } from "./check_store.ts";
import { IntentDatabase } from "./intent_database.ts";
import { anyIntent } from "./random_intents.ts";
import { cases, runs } from "../cases.ts";

const read = (text: string): Intent => parseIntent(text).intent;

const byName = <T extends { readonly name: string }>(list: readonly T[]): T[] =>
  [...list].sort((a, b) => a.name < b.name ? -1 : 1);

/** What the store should say after `intent` replaced all: tenants keep what the file leaves out. */
function expected(intent: Intent, before: Intent): Intent {
  const known = new Map(before.tenants.map(({ networks: _, ...one }) => [one.name, one]));
  const tenants = intent.tenants.map((tenant) => {
    const merged: TenantAttributes = { ...known.get(tenant.name), ...tenant };
    const networks = tenant.networks.map((network) => ({
      ...network,
      encap: network.encap ?? merged.defaultNetType ?? "vlan",
      endpoints: [...network.endpoints].sort((a, b) => a.container < b.container ? -1 : 1),
    }));
    return { ...merged, networks: byName(networks) };
  });
  const { serviceCidrs = before.serviceCidrs, hostRange = before.hostRange } = intent;
  return {
    ...serviceCidrs === undefined ? {} : { serviceCidrs },
    ...hostRange === undefined ? {} : { hostRange },
    hosts: byName(intent.hosts),
    tenants: byName(tenants),
    hostBindings: [],
  };
}

function storeWith(text: string): IntentDatabase {
  const store = new IntentDatabase();
  store.applyFile("replace", text);
  return store;
}

/** Plans and applies; false where the pools of the new intent have no room left beside what stays. */
function replace(store: IntentDatabase, text: string, limits = {}): boolean {
  try {
    const plan = planIntent(store.documents, { mode: "replace", intent: read(text) });
    store.apply(plan, { limits, after: () => assertEquals(brokenOnTheWay(store.documents), []) });
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === "exhausted") return false;
    throw error;
  }
}

Deno.test("planIntent() leads from any intent to any other, and then has nothing to do", () => {
  let short = 0;
  fc.assert(
    fc.property(anyIntent, anyIntent, fc.constantFrom(1, Infinity), (from, to, groups) => {
      const store = storeWith(from);
      if (!replace(store, to, { groups })) return void short++;
      assertEquals(brokenPromises(store.documents), []);
      assertEquals(documentsToIntent(store.documents), expected(read(to), read(from)));
      const again = planIntent(store.documents, { mode: "replace", intent: read(to) });
      assertEquals(again.operations, []);
    }),
    runs(500),
  );
  assertEquals(short <= 2, true, `${short} pairs were short of room`);
});

Deno.test("planIntent() leads on from wherever a crash between two commits has left the store", () => {
  fc.assert(
    fc.property(anyIntent, anyIntent, fc.nat(20), (from, to, stopAfter) => {
      const store = storeWith(from);
      const before = read(from);
      const change = { mode: "replace", intent: read(to) } as const;
      try {
        store.apply(planIntent(store.documents, change), { limits: { groups: 1 }, stopAfter });
      } catch (error) {
        if (error instanceof Fault && error.code === "exhausted") return;
        throw error;
      }
      store.apply(planIntent(store.documents, change));
      assertEquals(brokenPromises(store.documents), []);
      const [is, want] = [documentsToIntent(store.documents), expected(change.intent, before)];
      assertEquals(is, want);
      assertEquals(planIntent(store.documents, change).operations, []);
    }),
    runs(200),
  );
});

Deno.test("planIntent() adds any intent to any other so that adding it again changes nothing", () => {
  let refused = 0;
  fc.assert(
    fc.property(anyIntent, anyIntent, (first, second) => {
      const store = storeWith(first);
      const change = { mode: "add", intent: read(second) } as const;
      const before = JSON.stringify([...store.documents]);
      try {
        store.apply(planIntent(store.documents, change));
      } catch (error) {
        // What the first one says of things that the second does not list stands against it.
        if (!(error instanceof Fault)) throw error;
        refused++;
        return assertEquals(JSON.stringify([...store.documents]), before);
      }
      assertEquals(brokenPromises(store.documents), []);
      assertEquals(planIntent(store.documents, change).operations, []);
    }),
    runs(150),
  );
  // A quarter of them, and of the few of a short run sometimes more.
  assertEquals(refused < cases(75), true, `${refused} pairs were refused`);
});

Deno.test("planIntent() deletes what it created and leaves nothing behind, not one claim", () => {
  fc.assert(
    fc.property(anyIntent, (text) => {
      const store = storeWith(text);
      const intent = read(text);
      const tenants = intent.tenants;
      const without = (depth: 1 | 2) =>
        tenants.map((one) => ({
          ...one,
          networks: depth === 1 ? [] : one.networks.map((net) => ({ ...net, endpoints: [] })),
        }));
      const steps = [
        { ...intent, hosts: [], tenants: tenants.filter(({ networks }) => networks.length > 0) },
        { ...intent, hosts: [], tenants: without(2).filter(({ networks }) => networks.length > 0) },
        { ...intent, tenants: without(1) },
        { ...intent, hosts: [], tenants: [] },
      ];
      for (const step of steps) {
        store.apply(planIntent(store.documents, { mode: "delete", intent: step }));
        assertEquals(brokenPromises(store.documents), []);
      }
      assertEquals([...store.documents.keys()], []);
    }),
    runs(50),
  );
});
