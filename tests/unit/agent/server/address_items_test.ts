// Who has an address: pods, endpoints, pods that may come back, hosts, or nobody.

import { assertEquals, assertThrows } from "@std/assert";
import { addressItems } from "../../../../lib/agent/server/address_items.ts";
import { recordItems } from "../../../../lib/agent/server/list_items.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR, network } from "../pods/dynamic_records.ts";

const written = (name: string, address: string, more: object = {}) => {
  const { dynamic: _, bound: _bound, ...rest } = endpointOf(name, address);
  return { ...rest, container: name, ...more };
};

// Network t/blue: 10.9.0.0/29 with the gateway 10.9.0.6. Network u/green has the same subnet.
const DOCUMENTS = documentsOf({
  holdAddress: 60,
  endpoints: [
    endpointOf("web", "10.9.0.1"),
    endpointOf("gone", "10.9.0.2", { heldSince: HOUR }),
    written("fixed", "10.9.0.3", { host: "host2" }),
  ],
  attachments: [
    attachmentOf("web", "10.9.0.1", { state: "failed" }),
    attachmentOf("far", "10.9.0.4", { host: "host2", alias: "100.64.0.7" }),
  ],
  more: {
    "networks/u/green": {
      ...network,
      ...{
        tenant: "u",
        name: "green",
        tag: 7,
        reserve: ["10.9.0.5"],
        allocRange: "10.9.0.1-10.9.0.3",
      },
      ...{ gateway: "10.9.0.4", owner: true },
    },
    "tenants/u": {
      ...{ schema: 1, name: "u", defaultNetType: "vlan", subnetPool: "10.20.0.0/16" },
      ...{ allocSubnetLen: 24, gatewayType: "distributed" },
    },
    "claims/ip/t/blue/10.9.0.5": { schema: 1, owner: "endpoints/t/blue/lost" },
    "hosts/host1": { schema: 1, name: "host1", vtepIp: "192.168.2.10" },
    "hostnumbers/host1": { schema: 1, host: "host1", number: 3 },
    "clusters/settings": { schema: 1, serviceCidrs: ["10.96.0.0/12"] },
  },
});

const CASES: readonly [
  address: string,
  ...items: [state: string, network: string, message: string][],
][] = [
  [
    "10.9.0.1",
    [
      "attached",
      "t/blue",
      "pod default/web on host1 has it, on eth0 (failed), by endpoint t/blue/default~web",
    ],
    ["free", "u/green", "it is free"],
  ],
  [
    "10.9.0.2",
    [
      "held",
      "t/blue",
      "it is held for pod default/gone, which is gone since 1970-01-01T01:00:00.000Z, until 1970-01-01T01:01:00.000Z",
    ],
    ["free", "u/green", "it is free"],
  ],
  [
    "10.9.0.3",
    ["endpoint", "t/blue", "endpoint t/blue/fixed has it, and no pod is attached, of host host2"],
    ["free", "u/green", "it is free"],
  ],
  [
    "10.9.0.4",
    [
      "attached",
      "t/blue",
      "pod default/far on host2 has it, on eth0, by endpoint t/blue/default~far",
    ],
    ["kept", "u/green", "it is the gateway, which every host is"],
  ],
  [
    "10.9.0.5",
    [
      "claimed",
      "t/blue",
      "endpoints/t/blue/lost claims it, but has no record with this address; run k8contivnet ipam check",
    ],
    ["kept", "u/green", "it is reserved"],
  ],
  [
    "10.9.0.6",
    ["kept", "t/blue", "it is the gateway, a router of the fabric"],
    ["free", "u/green", "it is free, outside AllocRange 10.9.0.1-10.9.0.3: for IpAddress only"],
  ],
  [
    "10.9.0.7",
    ["kept", "t/blue", "it is the broadcast address of 10.9.0.0/29"],
    ["kept", "u/green", "it is the broadcast address of 10.9.0.0/29"],
  ],
  ["192.168.2.10", ["host", "", "it is the tunnel address (VtepIp) of host host1"]],
  ["100.65.0.3", ["host", "", "pods see host host1 under it (NODE)"]],
  ["100.66.0.3", [
    "host",
    "",
    "host host1 uses it as the source address of translated packets (NAT)",
  ]],
  ["100.65.0.4", ["host", "", "it is in the hosts' range 100.64.0.0/14, and no host has it"]],
  ["100.64.0.7", ["alias", "t/blue", "host host2 knows pod default/far of t/blue by it"]],
  ["100.64.128.7", ["alias", "t/blue", "host host2 knows pod default/far of t/blue by it"]],
  ["10.96.0.1", ["service", "", "it is in ServiceCIDR 10.96.0.0/12: of a service, if any"]],
  ["10.20.7.7", [
    "pool",
    "",
    "it is in the pool 10.20.0.0/16 of tenant u, and in no network's subnet",
  ]],
  ["8.8.8.8", ["outside", "", "it is in no network's subnet"]],
];

for (const [address, ...items] of CASES) {
  Deno.test(`who has ${address}: ${items.map(([state]) => state).join(", ")}`, () => {
    const found = addressItems(DOCUMENTS, address).map((one) => {
      assertEquals(one.address, address);
      return [one.state, one.network ? `${one.tenant}/${one.network}` : "", one.message];
    });
    assertEquals(found, items);
  });
}

Deno.test("an address may have a prefix length; what is not an IPv4 address is refused", () => {
  assertEquals(addressItems(DOCUMENTS, "10.9.0.1/24"), addressItems(DOCUMENTS, "10.9.0.1"));
  for (const text of ["", "10.9.0.256", "10.9.0", "fd00::1", "10.9.0.01", "web"]) {
    assertEquals(assertThrows(() => addressItems(DOCUMENTS, text), Fault).code, "usage", text);
  }
});

Deno.test("a pod that keeps an older address is named beside the endpoint that has it now", () => {
  const documents = documentsOf({
    endpoints: [endpointOf("web", "10.9.0.2"), written("fixed", "10.9.0.1")],
    attachments: [attachmentOf("web", "10.9.0.1")],
  });
  assertEquals(addressItems(documents, "10.9.0.1").map(({ endpoint }) => endpoint), [
    "default~web",
    "fixed",
  ]);
});

Deno.test("an agent says since when a pod of its host has an address; a store does not know", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.setUp(startPod(agent.host, "web"));
  const [item] = await agent.agent.server.listItems("addresses", "10.9.0.1");
  assertEquals([item?.state, item?.pod, item?.host], ["attached", "default/web", "host1"]);
  const [stored] = recordItems(agent.cache.documents, "addresses", "10.9.0.1");
  assertEquals(stored, item);
  const at = "2026-01-01T00:00:00.000Z";
  const event = { at, kind: "attach", host: "host1", pod: "default/web", network: "t/n" };
  const [dated] = addressItems(agent.cache.documents, "10.9.0.1", [
    { ...event, at: "2025-01-01T00:00:00.000Z", address: "10.9.0.1", message: "attached" },
    { ...event, address: "10.9.0.1,10.9.0.8", message: "attached" },
    { ...event, pod: "default/other", address: "10.9.0.1", message: "attached" },
  ]);
  assertEquals([dated?.since, dated?.message.includes(`, since ${at},`)], [at, true]);
});
