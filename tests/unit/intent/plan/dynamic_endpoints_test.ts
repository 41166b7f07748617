import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { documentsToIntent } from "../../../../lib/intent/canonical.ts";
import { planIntent } from "../../../../lib/intent/plan.ts";
import type { NetworkRecord } from "../../../../lib/intent/records.ts";
import { parseIntent } from "../../../../lib/intent/schema.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { brokenPromises } from "../check_store.ts";
import { attachment, network, vlanTenant } from "../files.ts";
import { IntentDatabase } from "../intent_database.ts";
import { anyIntent } from "../random_intents.ts";
import { cases, runs } from "../../cases.ts";

/** The documents of an endpoint that a set-up made, with its pod where it is not held. */
function dynamic(path: string, address: string, heldSince?: number): Record<string, unknown> {
  const [tenant = "", net = "", pod = ""] = path.split("/");
  const container = `default~${pod}`;
  const endpoint = {
    ...{ schema: 1, tenant, network: net, container, namespace: "default" },
    ...{ address, addressBy: "pool", bound: { host: "host1", generation: 1 } },
    dynamic: { pod, rule: "a rule", ...(heldSince === undefined ? {} : { heldSince }) },
  };
  // Each pod has its own, or one attachment would overwrite another.
  const sandbox = `${tenant}-${net}-${pod}`;
  return {
    [`endpoints/${tenant}/${net}/${container}`]: endpoint,
    [`claims/ip/${tenant}/${net}/${address}`]: {
      schema: 1,
      owner: `endpoints/${tenant}/${net}/${container}`,
    },
    [`arrivals/${tenant}/${net}`]: { schema: 1 },
    ...(heldSince === undefined
      ? attachment(`${tenant}/${net}/${container}`, { address, sandbox })
      : {}),
  };
}

function storeWith(file: unknown, ...documents: Record<string, unknown>[]): IntentDatabase {
  const store = new IntentDatabase();
  store.applyFile("add", file);
  for (const one of documents) store.put(one);
  return store;
}

const SMALL = { SubnetCIDR: "10.0.0.0/29" }; // six addresses
const file = vlanTenant([network("a", ["c"], SMALL)]);
const changes = (store: IntentDatabase, mode: "add" | "replace" | "delete", change: unknown) =>
  store.applyFile(mode, change).operations.map(({ verb, kind, name }) => `${verb} ${kind} ${name}`);

Deno.test("no apply touches an endpoint that a set-up made", () => {
  const store = storeWith(file, dynamic("one/a/web", "10.0.0.2"));
  const before = store.get("endpoints/one/a/default~web");
  assertEquals(changes(store, "add", file), []);
  assertEquals(changes(store, "replace", file), []);
  assertEquals(changes(store, "replace", vlanTenant([network("a", ["d"], SMALL)])), [
    "delete endpoint one/a/c",
    "create endpoint one/a/d",
  ]);
  assertEquals(store.get("endpoints/one/a/default~web"), before);
  assertEquals(brokenPromises(store.documents), []);
  assertEquals(store.get("endpoints/one/a/d")?.address, "10.0.0.1");
});

Deno.test("a network is not deleted under an endpoint that a set-up made, which it names, unless forced", () => {
  const store = storeWith(file, dynamic("one/a/web", "10.0.0.2"));
  for (const mode of ["replace", "delete"] as const) {
    const change = mode === "replace" ? vlanTenant([]) : vlanTenant([{ Name: "a" }]);
    const fault = assertThrows(() => store.applyFile(mode, change), Fault);
    assertEquals(fault.code, "conflict");
    assertStringIncludes(fault.message, "network one/a is not deleted: it has endpoints ");
    assertStringIncludes(fault.message, "default~web");
  }
  store.applyFile("replace", vlanTenant([]), { force: true });
  assertEquals(store.keysBelow("endpoints/"), []);
  assertEquals(store.keysBelow("claims/"), []);
  assertEquals(store.keysBelow("arrivals/"), []);
});

Deno.test("a network's subnet does not move under a pod of such an endpoint", () => {
  const store = storeWith(vlanTenant([network("a")]), dynamic("one/a/web", "11.1.0.1"));
  const fault = assertThrows(
    () => store.applyFile("add", vlanTenant([network("a", [], SMALL)])),
    Fault,
  );
  assertStringIncludes(fault.message, "network one/a keeps its SubnetCIDR");
});

Deno.test("a held address gives way: to its network's end, to a fixed address, to a full pool", () => {
  const held = dynamic("one/a/gone", "10.0.0.2", 1_000);
  assertEquals(changes(storeWith(file, held), "replace", vlanTenant([])), [
    "delete endpoint one/a/c",
    "delete endpoint one/a/default~gone",
    "delete network one/a",
  ]);
  const fixed = { Container: "d", IpAddress: "10.0.0.2" };
  const store = storeWith(file, held);
  assertEquals(changes(store, "add", vlanTenant([network("a", ["c", fixed], SMALL)])), [
    "delete endpoint one/a/default~gone",
    "create endpoint one/a/d",
  ]);
  assertEquals(brokenPromises(store.documents), []);
  const full = storeWith(file, held, dynamic("one/a/later", "10.0.0.3", 2_000));
  const many = vlanTenant([network("a", ["c", "d", "e", "f", "g"], SMALL)]);
  assertEquals(changes(full, "add", many).slice(0, 1), ["delete endpoint one/a/default~gone"]);
  assertEquals(full.get("endpoints/one/a/default~later")?.address, "10.0.0.3");
  assertEquals(brokenPromises(full.documents), []);
});

Deno.test("a held address stays where nothing wants it", () => {
  const store = storeWith(file, dynamic("one/a/gone", "10.0.0.2", 1_000));
  assertEquals(changes(store, "replace", vlanTenant([network("a", ["c", "d"], SMALL)])), [
    "create endpoint one/a/d",
  ]);
  assertEquals(store.get("endpoints/one/a/d")?.address, "10.0.0.3");
});

Deno.test("a plan that was made before a pod arrived does not delete or move its network", () => {
  const cases = [
    ["replace", vlanTenant([])],
    ["add", vlanTenant([network("a", [], { DefaultGw: "10.0.0.2", ...SMALL })])],
  ] as const;
  for (const [mode, change] of cases) {
    const store = storeWith(vlanTenant([network("a", [], SMALL)]));
    const { intent } = parseIntent(JSON.stringify(change));
    const plan = planIntent(store.documents, { mode, intent });
    store.put(dynamic("one/a/web", "10.0.0.2"));
    const error = assertThrows(() => store.apply(plan), Error);
    assertStringIncludes(error.message, "conflict at arrivals/one/a");
  }
});

/** Returns a store's networks, each with a free address of its own. */
function roomIn(store: IntentDatabase): [path: string, address: string][] {
  return store.keysBelow("networks/").flatMap((key) => {
    const { tenant, name, subnet } = store.get(key) as unknown as NetworkRecord;
    const base = subnet.split("/")[0]?.split(".") ?? [];
    const last = Number(base[3]) + 5;
    const address = [...base.slice(0, 3), last].join(".");
    const isFree = !store.documents.has(`claims/ip/${tenant}/${name}/${address}`);
    return isFree ? [[`${tenant}/${name}`, address]] : [];
  });
}

Deno.test("planIntent() leads from any intent to any other around the endpoints of living pods", () => {
  let done = 0;
  fc.assert(
    fc.property(anyIntent, anyIntent, fc.nat(10), (from, to, heldSince) => {
      const store = storeWith(from);
      const rooms = roomIn(store);
      for (const [n, [path, address]] of rooms.entries()) {
        store.put(dynamic(`${path}/pod${n}`, address, n % 2 === 0 ? undefined : heldSince));
      }
      const isLive = (key: string) =>
        (store.get(key)?.dynamic as { heldSince?: number } | undefined)?.heldSince === undefined &&
        key.includes("~");
      const live = store.keysBelow("endpoints/").filter(isLive);
      const addresses = live.map((key) => store.get(key)?.address);
      try {
        store.applyFile("replace", to);
      } catch (error) {
        if (error instanceof Fault && ["conflict", "exhausted"].includes(error.code)) return;
        throw error;
      }
      done++;
      assertEquals(brokenPromises(store.documents), []);
      assertEquals(live.map((key) => store.get(key)?.address), addresses);
      const said = documentsToIntent(store.documents).tenants.flatMap(({ networks }) => networks)
        .flatMap(({ endpoints }) => endpoints.map(({ container }) => container));
      assertEquals(said.filter((one) => one.includes("~")), []);
      assertEquals(store.applyFile("replace", to).operations, []);
    }),
    runs(100),
  );
  assertEquals(done > cases(10), true, `${done} pairs went through`);
});
