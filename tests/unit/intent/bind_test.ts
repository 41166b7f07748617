import { assertEquals, assertThrows } from "@std/assert";
import { intents } from "../../fixtures/intents.ts";
import { chooseEndpoints, matchesSwapped } from "../../../lib/intent/bind.ts";
import { planBindings } from "../../../lib/intent/plan.ts";
import { parseBindings } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";

const SANDBOX = "0123456789abcdef".repeat(4);

const pod = (name: string, more: object = {}) => ({
  host: "host1",
  namespace: "default",
  pod: name,
  sandbox: SANDBOX,
  ...more,
});

function storeWith(file: unknown, bindings?: readonly object[]): IntentDatabase {
  const store = new IntentDatabase();
  store.applyFile("add", file);
  if (bindings) {
    store.apply(planBindings(store.documents, parseBindings(JSON.stringify(bindings))));
  }
  return store;
}

const chosen = (store: IntentDatabase, placement: ReturnType<typeof pod>, taken: string[] = []) =>
  chooseEndpoints(store.documents, placement, { taken })
    .map(({ endpoint, interface: name }) => `${endpoint.tenant}/${endpoint.network} ${name}`);

Deno.test("chooseEndpoints() returns the endpoints of a pod's name, in order, with interface names", () => {
  const store = storeWith(intents.multipleEndpoints);
  assertEquals(chosen(store, pod("myContainer2")), [
    "tenant-one/orange eth0",
    "tenant-one/purple net1",
  ]);
  assertEquals(chosen(store, pod("myContainer1")), ["tenant-one/orange eth0"]);
  assertEquals(chosen(store, pod("nobody")), []);
});

Deno.test("chooseEndpoints() names interfaces past those that are taken or given", () => {
  const nets = ["a", "b", "d", "e"].map((name) =>
    network(name, [{ Container: "c", ...(name === "e" ? { Interface: "net1" } : {}) }])
  );
  const store = storeWith(vlanTenant(nets));
  assertEquals(chosen(store, pod("c")), ["one/a eth0", "one/b net2", "one/d net3", "one/e net1"]);
  assertEquals(chosen(store, pod("c"), ["eth0", "net2"]), [
    "one/a net3",
    "one/b net4",
    "one/d net5",
    "one/e net1",
  ]);
});

Deno.test("chooseEndpoints() faults where two endpoints want one interface name", () => {
  const same = [{ Container: "c", Interface: "data" }];
  const store = storeWith(vlanTenant([network("a", same), network("b", same)]));
  assertEquals(assertThrows(() => chosen(store, pod("c")), Fault).code, "conflict");
});

Deno.test("chooseEndpoints() says where a pod belongs that was placed on another host", () => {
  const store = storeWith(intents.oneHostVlan);
  const fault = assertThrows(() => chosen(store, pod("myContainer1", { host: "host2" })), Fault);
  assertEquals(fault.code, "conflict");
  assertEquals(
    fault.message,
    "pod default/myContainer1 is not connected on host2: " +
      "its endpoint tenant-one/orange/myContainer1 belongs on host1; " +
      'place the pod on host1, or "k8contivnet bind myContainer1 host2"',
  );
});

Deno.test("chooseEndpoints() lets a pin beat the intent's host", () => {
  const store = storeWith(intents.oneHostVlan, [{ Container: "myContainer1", Host: "host2" }]);
  assertEquals(chosen(store, pod("myContainer1", { host: "host2" })).length, 1);
  assertThrows(() => chosen(store, pod("myContainer1")), Fault, "belongs on host2");
});

Deno.test("one container name on two hosts means two containers, each with what is pinned there", () => {
  const nets = ["host1", "host2", "host2"].map((Host, n) =>
    network(`n${n}`, [{ Container: "web", Host }])
  );
  const store = storeWith(vlanTenant([...nets, network("n3", ["web"])]));
  assertEquals(chosen(store, pod("web")), ["one/n0 eth0", "one/n3 net1"]);
  assertEquals(chosen(store, pod("web", { host: "host2" })), [
    "one/n1 eth0",
    "one/n2 net1",
    "one/n3 net2",
  ]);
  assertThrows(() => chosen(store, pod("web", { host: "host3" })), Fault, "belongs on host1");
});

const namespaces: readonly (readonly [string, object, string, number])[] = [
  ["no namespace anywhere serves default", {}, "default", 1],
  ["no namespace anywhere serves no other", {}, "shop", 0],
  ["the tenant's namespaces are served", { Namespaces: ["shop"] }, "shop", 1],
  ["the tenant's namespaces are all that is served", { Namespaces: ["shop"] }, "default", 0],
  ["a tenant of no namespaces serves none", { Namespaces: [] }, "default", 0],
];

for (const [name, tenant, namespace, count] of namespaces) {
  Deno.test(`${name}`, () => {
    const store = storeWith(vlanTenant([network("a", ["c"])], tenant));
    assertEquals(chosen(store, pod("c", { namespace })).length, count);
  });
}

Deno.test("an endpoint's own namespace is the only one it serves", () => {
  const own = [{ Container: "c", Namespace: "shop" }];
  const store = storeWith(vlanTenant([network("a", own)], { Namespaces: ["default"] }));
  assertEquals(chosen(store, pod("c", { namespace: "shop" })).length, 1);
  assertEquals(chosen(store, pod("c")).length, 0);
});

const ids: readonly (readonly [string, string, number])[] = [
  ["the whole id", SANDBOX, 1],
  ["its first twelve digits", SANDBOX.slice(0, 12), 1],
  ["eleven digits, which are too few", SANDBOX.slice(0, 11), 0],
  ["another id", "f".repeat(64), 0],
];

for (const [name, AttachUUID, count] of ids) {
  Deno.test(`a sandbox is found by AttachUUID in any namespace: ${name}`, () => {
    const store = storeWith(vlanTenant([network("a", [{ Container: "myPod1", AttachUUID }])]));
    assertEquals(chosen(store, pod("other", { namespace: "elsewhere" })).length, count);
    // Looked at because of its name, in a namespace that is not served: only the id counts.
    assertEquals(chosen(store, pod("myPod1", { namespace: "elsewhere" })).length, count);
    const bound = storeWith(vlanTenant([network("a", ["myPod1"])]), [
      { Container: "myPod1", Host: "host1", AttachUUID },
    ]);
    assertEquals(chosen(bound, pod("other", { namespace: "elsewhere" })).length, count);
  });
}

for (const [length, count] of [[12, 1], [11, 0], [4, 0]] as const) {
  Deno.test(`a sandbox known by ${length} digits of its id ${count ? "is" : "is not"} the bound one`, () => {
    const bound = { Container: "myPod1", AttachUUID: SANDBOX };
    const store = storeWith(vlanTenant([network("a", [bound])]));
    const sandbox = SANDBOX.slice(0, length);
    assertEquals(chosen(store, pod("other", { namespace: "elsewhere", sandbox })).length, count);
    assertEquals(chosen(store, pod("myPod1", { namespace: "elsewhere", sandbox })).length, count);
  });
}

Deno.test("a new infra container of the same pod is found by the pod's name, whatever the old id", () => {
  const store = storeWith(vlanTenant([network("a", ["myPod1"])]), [
    { Container: "myPod1", Host: "host1", AttachUUID: "f".repeat(64) },
  ]);
  assertEquals(chosen(store, pod("myPod1")).length, 1);
});

Deno.test("AttachUUID may be a container's name, in the namespaces that are served", () => {
  const named = [{ Container: "myPod1", AttachUUID: "myContainer1" }];
  const store = storeWith(vlanTenant([network("a", named)]));
  assertEquals(chosen(store, pod("myContainer1")).length, 1);
  assertEquals(chosen(store, pod("myContainer1", { namespace: "shop" })).length, 0);
});

Deno.test("a pin without an id clears the intent's", () => {
  const store = storeWith(vlanTenant([network("a", [{ Container: "c", AttachUUID: SANDBOX }])]), [
    { Container: "c", Host: "host1" },
  ]);
  assertEquals(chosen(store, pod("other")).length, 0);
});

const swaps: readonly (readonly [string, object, boolean])[] = [
  ["default as the pod and the pod as the namespace", { namespace: "c", pod: "default" }, true],
  ["the right order", { namespace: "default", pod: "c" }, false],
  ["a stranger", { namespace: "default", pod: "x" }, false],
  ["one word for both", { namespace: "c", pod: "c" }, false],
  [
    "a sandbox that is bound by its id",
    { namespace: "d", pod: "default", sandbox: "f".repeat(64) },
    false,
  ],
];

for (const [name, placement, want] of swaps) {
  Deno.test(`matchesSwapped() says ${want} of ${name}`, () => {
    const bound = { Container: "d", AttachUUID: "f".repeat(64) };
    const store = storeWith(vlanTenant([network("a", ["c", bound])]));
    assertEquals(matchesSwapped(store.documents, pod("c", placement)), want);
  });
}

Deno.test("matchesSwapped() returns no fault where the pod belongs on another host", () => {
  const store = storeWith(intents.oneHostVlan);
  const swapped = pod("default", { namespace: "myContainer1", host: "host9" });
  assertEquals(matchesSwapped(store.documents, swapped), true);
});
