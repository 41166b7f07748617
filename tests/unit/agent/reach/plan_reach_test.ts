import { assertEquals } from "@std/assert";
import { planFabric } from "../../../../lib/agent/fabric/plan_fabric.ts";
import { planReach } from "../../../../lib/agent/reach/plan_reach.ts";
import type { Documents, NetworkRecord } from "../../../../lib/intent/records.ts";

type Parts = Record<string, unknown>;

const network = (tenant: string, name: string, more: Parts = {}): Parts => ({
  [`networks/${tenant}/${name}`]: {
    ...{ schema: 1, tenant, name, encap: "vxlan", tag: 10_001, subnet: "11.1.0.0/24" },
    ...{ gateway: "11.1.0.254", gatewayType: "distributed", owner: true },
    ...more,
  },
});

const host = (name: string, number: number, vtepIp?: string): Parts => ({
  [`hosts/${name}`]: { schema: 1, name, ...vtepIp === undefined ? {} : { vtepIp } },
  [`hostnumbers/${name}`]: { schema: 1, host: name, number },
});

const pod = (on: string, place: string, n: number, more: Parts = {}): Parts => {
  const [tenant, name] = place.split("/");
  return {
    [`attachments/${on}/${place.replace("/", "-")}${n}/eth0`]: {
      ...{ schema: 1, host: on, sandbox: `${tenant}${n}`, tenant, network: name },
      ...{ endpoint: `c${n}`, pod: { namespace: "default", name: `c${n}` } },
      ...{ addresses: [`11.1.0.${n}/24`], mac: `02:02:0b:01:00:0${n}`, generation: 1 },
      ...more,
    },
    [`endpoints/${tenant}/${name}/c${n}`]: {
      ...{ tenant, network: name, container: `c${n}`, address: `11.1.0.${n}` },
      bound: { host: on, generation: 1 },
    },
  };
};

function documentsOf(...parts: readonly Parts[]): Documents {
  const all = Object.entries(Object.assign({}, ...parts));
  return new Map(all.map(([key, value]) => [key, { value, revision: 1 }]));
}

const view = {
  host: "h1",
  tagOf: (one: NetworkRecord) => one.tenant === "full" ? undefined : 4_000,
  mtuOf: () => 1_450,
};

Deno.test("planReach() has nothing to do without a distributed gateway", () => {
  const old = documentsOf(
    network("t", "n", { gatewayType: undefined, owner: undefined }),
    host("h1", 1),
    pod("h1", "t/n", 1),
  );
  assertEquals(planReach(old, view), undefined);
  assertEquals(planReach(new Map(), view), undefined);
});

Deno.test("planReach() waits for the host's number", () => {
  assertEquals(planReach(documentsOf(network("t", "n"), host("h2", 2)), view), undefined);
});

Deno.test("planReach() returns hosts, networks, and the pods here and elsewhere", () => {
  const documents = documentsOf(
    { "tenants/t": { ...tenant, reach: ["outside"] } },
    network("t", "n"),
    host("h1", 1, "192.0.2.1"),
    host("h2", 258, "192.0.2.2"),
    host("h3", 3),
    pod("h1", "t/n", 2),
    pod("h1", "t/n", 1),
    pod("h2", "t/n", 3),
  );
  assertEquals(planReach(documents, view), {
    self: {
      ...{ name: "h1", node: "100.65.0.1", nat: "100.66.0.1", mac: "02:02:64:41:00:01" },
      vtep: "192.0.2.1",
    },
    others: [
      {
        ...{ name: "h2", node: "100.65.1.2", nat: "100.66.1.2", mac: "02:02:64:41:01:02" },
        vtep: "192.0.2.2",
      },
      {
        ...{ name: "h3", node: "100.65.0.3", nat: "100.66.0.3", mac: "02:02:64:41:00:03" },
        vtep: undefined,
      },
    ],
    networks: [{
      id: "t/n",
      tag: 4_000,
      vni: 10_001,
      subnet: "11.1.0.0/24",
      gateway: "11.1.0.254",
      aliasedBecause: undefined,
      reach: new Set(["outside"] as const),
      routedTo: [],
      natOutgoing: true,
      mtu: 1_450,
      local: [
        { address: "11.1.0.1", mac: "02:02:0b:01:00:01", alias: undefined },
        { address: "11.1.0.2", mac: "02:02:0b:01:00:02", alias: undefined },
      ],
      remote: [{ address: "11.1.0.3", mac: "02:02:0b:01:00:03", host: "h2" }],
    }],
    serviceCidrs: [],
    aliasRange: "100.64.0.0/16",
  });
});

const tenant = {
  ...{ schema: 1, name: "t", defaultNetType: "vxlan" },
  ...{ subnetPool: "11.1.0.0/16", allocSubnetLen: 24 },
};

Deno.test("planReach() shows aliases, and settings of the cluster", () => {
  const model = planReach(
    documentsOf(
      network("t", "n", { owner: undefined, aliasedBecause: "s/n", encap: "vlan", tag: 7 }),
      host("h1", 1),
      pod("h1", "t/n", 1, { alias: "10.0.0.9" }),
      {
        "clusters/settings": {
          schema: 1,
          hostRange: "10.0.0.0/22",
          serviceCidrs: ["10.96.0.0/12"],
        },
      },
    ),
    view,
  );
  assertEquals(model?.self.node, "10.0.1.1");
  assertEquals(model?.serviceCidrs, ["10.96.0.0/12"]);
  assertEquals(model?.aliasRange, "10.0.0.0/24");
  const [one] = model?.networks ?? [];
  assertEquals([one?.vni, one?.aliasedBecause], [undefined, "s/n"]);
  assertEquals(one?.local[0]?.alias, { address: "10.0.0.9", hairpin: "10.0.0.137" });
});

Deno.test("planReach() takes this host's tunnel address from its flags, and no alias in an owner's network", () => {
  const model = planReach(
    documentsOf(
      network("t", "n"),
      host("h1", 1, "192.0.2.1"),
      host("h2", 2, "192.0.2.2"),
      pod("h1", "t/n", 1, { alias: "100.64.0.9" }),
    ),
    { ...view, vtepIp: "192.0.2.9" },
  );
  assertEquals([model?.self.vtep, model?.others[0]?.vtep], ["192.0.2.9", "192.0.2.2"]);
  assertEquals(model?.networks[0]?.local[0]?.alias, undefined);
});

Deno.test("planReach() routes within a tenant by one side's wish, across tenants by both", () => {
  const routed = (more: Record<string, Parts> = {}) =>
    planReach(
      documentsOf(
        network("t", "a", { reachNetworks: ["b", "s/c", "gone"] }),
        network("t", "b", { subnet: "11.1.1.0/24", ...more["t/b"] }),
        network("s", "c", { subnet: "11.1.2.0/24", ...more["s/c"] }),
        host("h1", 1),
      ),
      view,
    )?.networks.map(({ id, routedTo }) => `${id}: ${routedTo}`);
  assertEquals(routed(), ["s/c: ", "t/a: t/b", "t/b: t/a"]);
  assertEquals(
    routed({ "s/c": { reachNetworks: ["t/a"] } }),
    ["s/c: t/a", "t/a: s/c,t/b", "t/b: t/a"],
  );
  const external = { gatewayType: "external", owner: undefined };
  assertEquals(routed({ "t/b": external }), ["s/c: ", "t/a: "]);
});

Deno.test("planReach() leaves out networks without a tag, and pods that have moved", () => {
  const documents = documentsOf(
    network("full", "n", { subnet: "11.2.0.0/24" }),
    network("t", "n"),
    host("h1", 1),
    pod("h2", "t/n", 1, { generation: 2 }),
    pod("h1", "t/n", 1),
  );
  const { networks = [] } = planReach(documents, view) ?? {};
  assertEquals(networks.map(({ id }) => id), ["t/n"]);
  assertEquals([networks[0]?.local.length, networks[0]?.remote.length], [1, 0]);
});

Deno.test("planFabric() has every network with a distributed gateway, also without a pod here", () => {
  const documents = documentsOf(
    { "hosts/h1": { name: "h1", intf: "eth2", vtepIp: "192.0.2.1" } },
    { "hosts/h2": { name: "h2", vtepIp: "192.0.2.2" } },
    network("t", "n"),
    network("t", "v", { encap: "vlan", tag: 30, subnet: "11.1.1.0/24" }),
    network("t", "x", { tag: 10_002, owner: undefined, subnet: "11.1.2.0/24" }),
    pod("h2", "t/n", 3),
  );
  const { uplink, overlay } = planFabric(documents, { host: "h1" }, view.tagOf);
  assertEquals([uplink?.tags, uplink?.distributedTags], [[30], [30]]);
  assertEquals(overlay?.networks, [{
    vni: 10_001,
    localTag: 4_000,
    isDistributed: true,
    members: [{ ip: "11.1.0.3", mac: "02:02:0b:01:00:03", vtep: "192.0.2.2" }],
  }]);
});
