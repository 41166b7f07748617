import { assertEquals } from "@std/assert";
import { planFabric } from "../../../../lib/agent/fabric/plan_fabric.ts";

const network = (tenant: string, name: string, encap: string, tag: number) => ({
  [`networks/${tenant}/${name}`]: { schema: 1, tenant, name, encap, tag, subnet: "11.1.0.0/24" },
});
const host = (name: string, parts: Record<string, unknown>) => ({
  [`hosts/${name}`]: { schema: 1, name, ...parts },
});

/** An attachment of `tenant/name`'s endpoint `c` on a host, and the endpoint as it is bound. */
function attached(
  on: string,
  [tenant, name, c]: readonly [string, string, string],
  n: number,
  { generation = 1, bound }: {
    readonly generation?: number;
    readonly bound?: { readonly host: string; readonly generation: number };
  } = {},
) {
  const address = `11.1.0.${n}`;
  return {
    [`attachments/${on}/${c}-${on}/eth0`]: {
      host: on,
      sandbox: `${c}-${on}`,
      tenant,
      network: name,
      endpoint: c,
      pod: { namespace: "default", name: c },
      addresses: [`${address}/24`],
      mac: `02:02:0b:01:00:0${n}`,
      generation,
    },
    [`endpoints/${tenant}/${name}/${c}`]: {
      tenant,
      network: name,
      container: c,
      address,
      bound: bound ?? { host: on, generation },
    },
  };
}

const plan = (parts: readonly Record<string, unknown>[], options = {}) => {
  const all = Object.assign({}, ...parts);
  const documents = new Map(
    Object.entries(all).map(([key, value]) => [key, { value, revision: 1 }]),
  );
  return planFabric(documents, { host: "h1", ...options }, () => 4_094);
};

const cluster = [
  host("h1", { intf: "eth2", vtepIp: "192.168.2.11" }),
  host("h2", { vtepIp: "192.168.2.12" }),
  host("h3", { vtepIp: "192.168.2.13" }),
  network("t", "blue", "vxlan", 10_001),
  network("t", "red", "vxlan", 10_002),
  network("t", "edge", "vlan", 30),
  network("t", "dmz", "vlan", 12),
];

Deno.test("planFabric() wants nothing of a host that has neither uplink nor tunnel address", () => {
  assertEquals(plan([host("h1", {})]), { uplink: undefined, overlay: undefined });
});

Deno.test("planFabric() lets the uplink carry the VLANs of this host's pods, and no others", () => {
  const parts = [
    ...cluster,
    attached("h1", ["t", "edge", "a"], 1),
    attached("h1", ["t", "blue", "b"], 2),
    attached("h2", ["t", "dmz", "c"], 3),
  ];
  assertEquals(plan(parts).uplink, { device: "eth2", tags: [30] });
  const both = [...parts, attached("h1", ["t", "dmz", "d"], 4)];
  assertEquals(plan(both).uplink, { device: "eth2", tags: [12, 30] });
  assertEquals(plan(cluster).uplink, { device: "eth2", tags: [] });
});

Deno.test("planFabric() names who lives elsewhere in the networks that have a pod here", () => {
  const parts = [
    ...cluster,
    attached("h1", ["t", "blue", "a"], 1),
    attached("h2", ["t", "blue", "b"], 2),
    attached("h3", ["t", "blue", "c"], 3),
    attached("h2", ["t", "red", "d"], 4),
  ];
  assertEquals(plan(parts).overlay, {
    localIp: "192.168.2.11",
    hosts: ["192.168.2.12", "192.168.2.13"],
    networks: [{
      vni: 10_001,
      localTag: 4_094,
      members: [
        { ip: "11.1.0.2", mac: "02:02:0b:01:00:02", vtep: "192.168.2.12" },
        { ip: "11.1.0.3", mac: "02:02:0b:01:00:03", vtep: "192.168.2.13" },
      ],
    }],
  });
});

Deno.test("planFabric() forwards to the newest place of an endpoint that has moved", () => {
  const now = { host: "h3", generation: 2 };
  const parts = [
    ...cluster,
    attached("h1", ["t", "blue", "a"], 1),
    attached("h2", ["t", "blue", "b"], 2, { bound: now }),
    attached("h3", ["t", "blue", "b"], 2, { generation: 2, bound: now }),
  ];
  const members = plan(parts).overlay?.networks[0]?.members;
  assertEquals(members?.map(({ vtep }) => vtep), ["192.168.2.13"]);
});

Deno.test("planFabric() takes the operator's words before the intent's", () => {
  const desired = plan(cluster, { uplink: "bond0", vtepIp: "10.0.0.1" });
  assertEquals([desired.uplink?.device, desired.overlay?.localIp], ["bond0", "10.0.0.1"]);
});

Deno.test("planFabric() leaves out hosts without a tunnel address, and lets the switch see one with this host's own", () => {
  const parts = [
    ...cluster,
    host("h2", { intf: "eth2" }),
    host("h3", { vtepIp: "192.168.2.11" }),
    attached("h1", ["t", "blue", "a"], 1),
    attached("h2", ["t", "blue", "b"], 2),
    attached("h3", ["t", "blue", "c"], 3),
  ];
  const members = plan(parts).overlay?.networks[0]?.members;
  assertEquals(members?.map(({ vtep }) => vtep), ["192.168.2.11"]);
  assertEquals(plan(parts).overlay?.hosts, []);
});
