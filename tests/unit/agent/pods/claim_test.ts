import { assertEquals, assertMatch } from "@std/assert";
import { type Place, planClaim } from "../../../../lib/agent/pods/claim.ts";
import { macOf } from "../../../../lib/ipam/macs.ts";
import type { AttachmentRecord, EndpointRecord } from "../../../../lib/intent/records.ts";

const endpoint: EndpointRecord = {
  schema: 1,
  tenant: "tenant-one",
  network: "orange",
  container: "myPod1",
  address: "11.1.0.1",
  addressBy: "pool",
};
const network = {
  schema: 1,
  tenant: "tenant-one",
  name: "orange",
  encap: "vxlan",
  tag: 10001,
  tagBy: "pool",
  subnet: "11.1.0.0/24",
  subnetBy: "pool",
  gateway: "11.1.0.254",
};
const place: Place = {
  host: "host1",
  sandbox: "0123456789ab",
  netns: "/run/netns/0123456789ab",
  netnsInode: 7,
  pod: { namespace: "default", name: "myPod1" },
};

function documents(more: Record<string, unknown> = {}) {
  const all = {
    "networks/tenant-one/orange": network,
    "endpoints/tenant-one/orange/myPod1": endpoint,
    ...more,
  };
  return new Map(Object.entries(all).map(([key, value]) => [key, { value, revision: 5 }]));
}

let nextId = 0;
const options = {
  newId: () => `id${++nextId}`,
  mtuOf: () => 1450,
  isAliasTaken: (_alias: string) => false,
};
const claim = (docs = documents(), where = place, what = endpoint) =>
  planClaim(docs, where, [{ endpoint: what, interface: "eth0" }], options);

Deno.test("planClaim() binds an endpoint that no pod had to this host, in one commit", () => {
  const { attachments, checks, writes, isNew } = claim();
  assertEquals(isNew, true);
  assertEquals(attachments[0]?.addresses, ["11.1.0.1/24"]);
  assertEquals(attachments[0]?.generation, 1);
  assertEquals(writes.map((write) => write.key), [
    "attachments/host1/0123456789ab/eth0",
    "endpoints/tenant-one/orange/myPod1",
  ]);
  assertEquals(checks, [
    { key: "attachments/host1/0123456789ab/eth0", revision: 0 },
    { key: "endpoints/tenant-one/orange/myPod1", revision: 5 },
    { key: "networks/tenant-one/orange", revision: 5 },
  ]);
});

Deno.test("planClaim() raises the generation of an endpoint that comes from another host", () => {
  const moved = { ...endpoint, bound: { host: "host2", generation: 4 } };
  const { attachments, writes } = claim(documents(), place, moved);
  assertEquals(attachments[0]?.generation, 5);
  const bound = writes.map((write) => (write.value as { bound?: unknown } | undefined)?.bound);
  assertEquals(bound.filter(Boolean), [{ host: "host1", generation: 5 }]);
});

function withAttachment(sandbox: string, state: AttachmentRecord["state"]) {
  const bound = { ...endpoint, bound: { host: "host1", generation: 1 } };
  const before = claim(documents(), { ...place, sandbox }, bound);
  const [one] = before.attachments;
  const docs = documents({
    "endpoints/tenant-one/orange/myPod1": bound,
    [`attachments/host1/${sandbox}/eth0`]: { ...one, state },
  });
  return { docs, bound, one };
}

Deno.test("planClaim() keeps an attachment that is there and right, and writes nothing", () => {
  const { docs, bound, one } = withAttachment(place.sandbox, "ready");
  const again = claim(docs, place, bound);
  assertEquals(again.attachments[0]?.id, one?.id);
  assertEquals(again.isNew, false);
  assertEquals(again.writes, []);
});

Deno.test("planClaim() lets a new infra container take over from the one it replaces", () => {
  const { docs, bound, one } = withAttachment("ffffffffffff", "ready");
  const { stale, writes } = claim(docs, place, bound);
  assertEquals(stale.map((old) => old.id), [one?.id]);
  const gone = writes.filter((write) => write.value === undefined).map((write) => write.key);
  assertEquals(gone, ["attachments/host1/ffffffffffff/eth0"]);
});

Deno.test("planClaim() plans a default route for a pod's first interface only", () => {
  const second = { ...endpoint, container: "other", address: "11.1.0.2" };
  const { attachments } = planClaim(documents(), place, [
    { endpoint, interface: "eth0" },
    { endpoint: second, interface: "net1" },
  ], options);
  assertEquals(attachments.map((one) => one.gateway), ["11.1.0.254", undefined]);
});

Deno.test("macOf() writes the address's bytes behind 02:02", () => {
  assertEquals(macOf("10.1.255.2"), "02:02:0a:01:ff:02");
});

Deno.test("planClaim() gives each pod of an aliased network an alias of its own, and keeps it", () => {
  const aliased = { ...network, aliasedBecause: "other/orange" };
  const docs = documents({ "networks/tenant-one/orange": aliased });
  const [first] = claim(docs).attachments;
  assertMatch(first?.alias ?? "", /^100\.64\./);
  const kept = documents({
    "networks/tenant-one/orange": aliased,
    "attachments/host1/0123456789ab/eth0": first,
  });
  const bound = { ...endpoint, bound: { host: "host1", generation: 1 } };
  assertEquals(claim(kept, place, bound).attachments[0]?.alias, first?.alias);
  assertEquals(claim(documents()).attachments[0]?.alias, undefined);
});
