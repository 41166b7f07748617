import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { LinkRow, Links } from "../../../../lib/ovs/bridge/link_rows.ts";
import { planNoTunnel, planTunnel } from "../../../../lib/ovs/tunnel/tunnel_rows.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const place = { bridge: "contivBridge", tunnelBridge: "contivTunnel", owner: "h1" };
const desired = { localIp: "192.168.77.1", localTags: [2001] };
const uuid = (name: string) => ["uuid", name];

function bridge(name: string, owner: string, ports: readonly string[] = []) {
  return {
    name,
    "datapath_type": "netdev",
    "fail_mode": "secure",
    protocols: ["set", ["OpenFlow10", "OpenFlow13", "OpenFlow14"]],
    ports: ["set", [name, ...ports].map(uuid)],
    "external_ids": ["map", [["k8contivnet", owner]]],
  };
}

function link(part: Partial<LinkRow> & { name: string }): LinkRow {
  return {
    bridge: "contivTunnel",
    owner: "h1",
    kind: "patch",
    tag: undefined,
    vlanMode: undefined,
    trunks: [],
    type: "patch",
    options: {},
    ofport: 1,
    error: undefined,
    ...part,
  };
}

const patch = link({
  name: "contivPatchTun",
  bridge: "contivBridge",
  vlanMode: "trunk",
  trunks: [2001],
  options: { peer: "contivPatchInt" },
});
const back = link({ name: "contivPatchInt", options: { peer: "contivPatchTun" } });
const options = {
  "remote_ip": "flow",
  key: "flow",
  "local_ip": "192.168.77.1",
  "dst_port": "4789",
};
const tunnel = link({ name: "contivVxlan", kind: "tunnel", type: "vxlan", options });
const right: Links = {
  bridges: [
    bridge("contivBridge", "h1"),
    bridge("contivTunnel", "h1", ["contivPatchInt", "contivVxlan"]),
  ],
  links: [patch, back, tunnel],
};

Deno.test("planTunnel() does nothing when all is right", () => {
  assertEquals(planTunnel(right, desired, place), []);
});

Deno.test("planTunnel() follows a changed tunnel address in the one row that has it", () => {
  const args = planTunnel(right, { ...desired, localIp: "192.168.77.9" }, place).join(" ");
  assertStringIncludes(args, "options:local_ip=192.168.77.9");
  assertEquals(args.match(/ -- |^-- /g)?.length, 1);
});

Deno.test("planTunnel() changes the patch's tags alone when a network came", () => {
  const args = planTunnel(right, { ...desired, localTags: [2002, 2001] }, place).join(" ");
  assertEquals(
    args,
    "-- clear Port contivPatchTun tag -- set Port contivPatchTun vlan_mode=trunk trunks=2001,2002",
  );
});

Deno.test("planTunnel() makes bridge and ports in one transaction, secure from the first moment", () => {
  const args = planTunnel(
    { ...right, links: [], bridges: right.bridges.slice(0, 1) },
    desired,
    place,
  );
  assertEquals(
    args.slice(0, 7).join(" "),
    "--may-exist add-br contivTunnel -- set Bridge contivTunnel",
  );
  assertStringIncludes(args.join(" "), "datapath_type=netdev fail_mode=secure");
  assertEquals(args.filter((word) => word === "add-port").length, 3);
});

const refused = [
  {
    name: "a tag that the uplink carries",
    seen: {
      ...right,
      links: [...right.links, link({ name: "up0", kind: "uplink", trunks: [2001] })],
    },
    want: "the uplink carries VLAN 2001",
  },
  {
    name: "another host's tunnel bridge",
    seen: { ...right, bridges: [right.bridges[0]!, bridge("contivTunnel", "h2")] },
    want: "it belongs to host h2",
  },
  {
    name: "a foreign port in the tunnel's place",
    seen: { ...right, links: [{ ...tunnel, owner: undefined, kind: undefined }] },
    want: "Open vSwitch has a port contivVxlan already",
  },
];
for (const { name, seen, want } of refused) {
  Deno.test(`planTunnel() rejects ${name}`, () => {
    assertThrows(() => planTunnel(seen, desired, place), Fault, want);
  });
}

Deno.test("planNoTunnel() removes ours, and never the uplink", () => {
  const links = [...right.links, link({ name: "up0", kind: "uplink", bridge: "contivBridge" })];
  const args = planNoTunnel({ ...right, links }, place).join(" ");
  assertEquals(args.includes("up0"), false);
  assertStringIncludes(args, "del-br contivTunnel");
});

Deno.test("planNoTunnel() keeps a bridge with a port of another program", () => {
  const guest = bridge("contivTunnel", "h1", ["contivPatchInt", "contivVxlan", "guest"]);
  const seen = { ...right, bridges: [right.bridges[0]!, guest] };
  assertThrows(() => planNoTunnel(seen, place), Fault, "1 of its ports are not ours");
});
