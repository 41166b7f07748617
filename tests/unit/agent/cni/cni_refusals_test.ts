// Host ports of an aliased pod would lead strangers to another pod.

import { assertEquals, assertThrows } from "@std/assert";
import { refuseHostPorts } from "../../../../lib/agent/cni/cni_refusals.ts";
import type { EndpointRecord, NetworkRecord } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const view = (more: Partial<NetworkRecord>) => ({
  host: "host1",
  documents: new Map([["networks/u/red", {
    revision: 1,
    value: {
      schema: 1,
      tenant: "u",
      name: "red",
      encap: "vlan",
      tag: 7,
      subnet: "10.1.0.0/24",
      ...more,
    },
  }]]),
});

const REQUEST = {
  ...{ pod: { namespace: "two", name: "web" }, sandbox: "c1", interface: "eth0", config: "pods" },
  hostPorts: [8080, 8081],
};
const CHOICE = {
  endpoint: {
    tenant: "u",
    network: "red",
    container: "web",
    address: "10.1.0.1",
  } as EndpointRecord,
  interface: "eth0",
};

Deno.test("a hostPort of a pod in an aliased network is refused, with the reason", () => {
  const aliased = view({ aliasedBecause: "t/blue" });
  const fault = assertThrows(() => refuseHostPorts(aliased, REQUEST, CHOICE), Fault);
  assertEquals([fault.code, fault.what, fault.why], [
    "conflict",
    "pod two/web cannot have hostPort 8080",
    "u/red is aliased: for hosts, its addresses are those of t/blue",
  ]);
  refuseHostPorts(aliased, { ...REQUEST, hostPorts: [] }, CHOICE);
  refuseHostPorts(view({ owner: true }), REQUEST, CHOICE);
});
