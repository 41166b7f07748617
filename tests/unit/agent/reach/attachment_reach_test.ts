import { assertEquals } from "@std/assert";
import { reachOfAttachment } from "../../../../lib/agent/reach/attachment_reach.ts";
import type { NetworkRecord } from "../../../../lib/intent/records.ts";

const NETWORK: NetworkRecord = {
  ...{ schema: 1, tenant: "t", name: "blue", encap: "vxlan", tag: 10, tagBy: "intent" },
  ...{ subnet: "10.1.1.0/24", subnetBy: "intent", gateway: "10.1.1.254" },
  ...{ gatewayType: "distributed", reach: ["services"], owner: true },
};

function documentsWith(more: Record<string, unknown> = {}) {
  const all = { "hostnumbers/host1": { schema: 1, host: "host1", number: 3 }, ...more };
  return new Map(Object.entries(all).map(([key, value]) => [key, { value, revision: 1 }]));
}

const REACH = { gateway: "10.1.1.254", hostMac: "02:02:64:41:00:03", hasServices: true };

Deno.test("reachOfAttachment() has the gateway with the MAC of the pod's host", () => {
  assertEquals(reachOfAttachment(documentsWith(), { host: "host1" }, NETWORK), REACH);
});

Deno.test("reachOfAttachment() follows the tenant's words, and the alias of an aliased network", () => {
  const { owner: _, reach: __, ...rest } = NETWORK;
  const aliased = { ...rest, aliasedBecause: "u/blue" };
  const tenant = {
    ...{ schema: 1, name: "t", defaultNetType: "vxlan", subnetPool: "10.0.0.0/8" },
    ...{ allocSubnetLen: 24, reach: ["outside"] },
  };
  const documents = documentsWith({ "tenants/t": tenant });
  assertEquals(reachOfAttachment(documents, { host: "host1", alias: "100.64.0.2" }, aliased), {
    ...REACH,
    alias: { address: "100.64.0.2", hairpin: "100.64.128.2" },
  });
});

Deno.test("reachOfAttachment() has none with an external gateway, without a number, or without the alias", () => {
  const { owner: _, ...external } = NETWORK;
  const none: readonly [string, NetworkRecord][] = [
    ["host1", external],
    ["host2", NETWORK],
    ["host1", { ...external, aliasedBecause: "u/blue" }],
  ];
  for (const [host, network] of none) {
    assertEquals(reachOfAttachment(documentsWith(), { host }, network), undefined);
  }
});
