import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { planBindings } from "../../../lib/intent/plan.ts";
import { parseBindings } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { attachment, network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";

/** A store with pod c attached to network one/a at 11.1.0.1 on host1. */
function withLivePod(): IntentDatabase {
  const store = new IntentDatabase();
  store.applyFile("add", { ...host, ...vlanTenant([network("a", ["c"])]) });
  store.put(attachment("one/a/c"));
  return store;
}

const host = { Hosts: [{ Name: "host1", Intf: "eth2" }] };

const held: readonly (readonly [string, object, string])[] = [
  ["tag", vlanTenant([network("a", ["c"], { PktTag: 20 })]), "network one/a keeps its PktTag"],
  [
    "type",
    vlanTenant([network("a", ["c"], { PktTagType: "vxlan" })], { Vxlans: "1-9" }),
    "network one/a keeps its PktTagType, PktTag",
  ],
  [
    "subnet",
    vlanTenant([network("a", ["c"], { SubnetCIDR: "10.0.0.0/24" })]),
    "network one/a keeps its SubnetCIDR",
  ],
  [
    "address",
    vlanTenant([network("a", [{ Container: "c", IpAddress: "11.1.0.9" }])]),
    "endpoint one/a/c keeps its IpAddress",
  ],
  [
    "address, which becomes the gateway",
    vlanTenant([network("a", ["c"], { DefaultGw: "11.1.0.1" })]),
    "endpoint one/a/c keeps its IpAddress",
  ],
  [
    "tag, as the tenant's range leaves it",
    vlanTenant([], { Vlans: "20-28" }),
    "network one/a keeps its PktTag",
  ],
];

for (const [what, file, says] of held) {
  Deno.test(`a live pod keeps its ${what}, and the plan names the pod`, () => {
    const store = withLivePod();
    const fault = assertThrows(() => store.applyFile("add", file), Fault);
    assertEquals(fault.code, "conflict");
    assertEquals(
      fault.message,
      `${says}: attached: default/c on host1; delete these pods first`,
    );
    store.documents.delete("attachments/host1/0123456789ab/eth0");
    store.applyFile("add", file);
  });
}

Deno.test("what a live pod has yields to no fixed value, even where the file lists both", () => {
  const store = withLivePod();
  const refusal = (file: object) => assertThrows(() => store.applyFile("add", file), Fault).message;
  const c2 = { Container: "c2", IpAddress: "11.1.0.1" };
  assertStringIncludes(
    refusal(vlanTenant([network("a", ["c", c2])])),
    "address 11.1.0.1 of one/a/c2 is taken: one/a/c has it",
  );
  assertStringIncludes(
    refusal(vlanTenant([network("a", ["c"]), network("b", [], { PktTag: 11 })])),
    "VLAN 11 of one/b is taken: one/a has it",
  );
  const block = { SubnetCIDR: "11.1.0.0/25" };
  assertStringIncludes(
    refusal(vlanTenant([network("a", ["c"]), network("b", [], block)])),
    "it overlaps 11.1.0.0/24 of one/a",
  );
});

Deno.test("what does not cut a live pod off may change under it", () => {
  const store = withLivePod();
  const more = { Mtu: 1400, DefaultGw: "11.1.0.254", PktTag: 11, SubnetCIDR: "11.1.0.0/24" };
  const fixed = { Container: "c", IpAddress: "11.1.0.1", Host: "host1" };
  const plan = store.applyFile("add", vlanTenant([network("a", [fixed], more)]));
  assertEquals(plan.operations.map(({ verb, name }) => `${verb} ${name}`), [
    "update one/a",
    "update one/a/c",
  ]);
});

Deno.test("a description comes, changes and goes under a live pod, and only the network is written", () => {
  const store = withLivePod();
  for (const Description of ["front ends", "back ends", undefined]) {
    const plan = store.applyFile("add", vlanTenant([network("a", ["c"], { Description })]));
    assertEquals(plan.operations.map(({ verb, name }) => `${verb} ${name}`), ["update one/a"]);
    assertEquals(store.get("networks/one/a")?.description, Description);
  }
});

Deno.test("an endpoint with a live pod may be deleted, and the plan says that it detaches the pod", () => {
  const store = withLivePod();
  const plan = store.applyFile("delete", {
    Tenants: [{ Name: "one", Networks: [network("a", ["c"])] }],
  });
  assertEquals(plan.operations[0]?.lines, ["detaches default/c on host1"]);
});

Deno.test("a pod whose endpoint goes in the same plan holds nothing", () => {
  const store = withLivePod();
  store.applyFile("replace", { ...host, ...vlanTenant([network("a", [], { PktTag: 20 })]) });
  assertEquals(store.get("networks/one/a")?.tag, 20);
});

Deno.test("the address of a pod that is about to go waits until it has gone", () => {
  const store = withLivePod();
  store.applyFile("replace", { ...host, ...vlanTenant([network("a", ["d"])]) });
  assertEquals(store.get("endpoints/one/a/d")?.address, "11.1.0.2");
});

Deno.test("an endpoint that is deleted and made anew finds its live pod's address again", () => {
  const store = withLivePod();
  store.applyFile("add", vlanTenant([network("a", ["b"])]));
  const one = { Tenants: [{ Name: "one", Networks: [network("a", ["b", "c"])] }] };
  store.applyFile("delete", one);
  store.applyFile("add", one);
  assertEquals(store.get("endpoints/one/a/c")?.address, "11.1.0.1");
  assertEquals(store.get("endpoints/one/a/b")?.address, "11.1.0.2");
});

Deno.test("everything may go at once under live pods", () => {
  const store = withLivePod();
  store.applyFile("replace", {});
  assertEquals([...store.documents.keys()], ["attachments/host1/0123456789ab/eth0"]);
});

Deno.test("a host is not deleted under a pod that stays, unless forced", () => {
  const store = withLivePod();
  const file = vlanTenant([network("a", ["c"])]);
  const fault = assertThrows(() => store.applyFile("replace", file), Fault);
  assertEquals(fault.code, "conflict");
  assertStringIncludes(fault.message, "host host1 is not deleted: attached: default/c on host1");
  store.applyFile("replace", file, { force: true });
  assertEquals(store.keysBelow("hosts/"), []);
});

Deno.test("a network is not deleted under a pod that no endpoint names, unless forced", () => {
  const store = withLivePod();
  store.put(attachment("one/a/stranger", { sandbox: "abcdefabcdef", address: "11.1.0.7" }));
  const fault = assertThrows(() => store.applyFile("replace", host), Fault);
  assertStringIncludes(fault.message, "network one/a is not deleted: attached: default/stranger");
  store.applyFile("replace", host, { force: true });
  assertEquals(store.keysBelow("networks/"), []);
});

Deno.test("a live pod whose endpoint is pinned elsewhere is warned of, once", () => {
  const store = withLivePod();
  const bindings = parseBindings(`[{"Container":"c","Host":"host2"}]`);
  const plan = planBindings(store.documents, bindings);
  assertEquals(plan.warnings, ["one/a/c now belongs on host2, and default/c on host1 has it"]);
  assertEquals(plan.operations[0]?.lines, ["pinned to: none → host2"]);
  store.apply(plan);
  assertEquals(planBindings(store.documents, bindings).warnings, []);
});
