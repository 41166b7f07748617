import { assertEquals, assertThrows } from "@std/assert";
import type { LinkRow } from "../../../../lib/ovs/bridge/link_rows.ts";
import { planHostPort, planNoHostPort } from "../../../../lib/ovs/reach/host_port.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const place = { bridge: "contivBridge", owner: "h1" };
const bridges = [{ name: "contivBridge", external_ids: ["map", [["k8contivnet", "h1"]]] }];
const row: LinkRow = {
  ...{ name: "contivHost", bridge: "contivBridge", owner: "h1", kind: "host", type: "internal" },
  ...{ tag: undefined, vlanMode: "trunk", trunks: [4_095], options: {}, ofport: 5 },
  error: undefined,
};
const desired = { name: "contivHost", mac: "02:02:64:41:00:01", mtu: 1_450 };
const right = { mac: desired.mac, mtu: 1_450 };
const ADD = "-- add-port contivBridge contivHost vlan_mode=trunk trunks=4095" +
  ' external_ids:k8contivnet="h1" external_ids:k8contivnet-kind=host' +
  ' -- set Interface contivHost type=internal mac="02:02:64:41:00:01" mtu_request=1450';

const cases: { name: string; links: LinkRow[]; now?: typeof right; want: string }[] = [
  { name: "does nothing when all is right", links: [row], want: "" },
  { name: "adds the port outside of all VLANs from its first moment", links: [], want: ADD },
  {
    name: "follows the MTU",
    ...{ links: [row], now: { ...right, mtu: 1_500 } },
    want: '-- set Interface contivHost mac="02:02:64:41:00:01" mtu_request=1450',
  },
  {
    name: "repairs a port that would get what is flooded",
    links: [{ ...row, vlanMode: undefined, trunks: [], tag: 7 }],
    want: "-- clear Port contivHost tag -- set Port contivHost vlan_mode=trunk trunks=4095",
  },
  {
    name: "makes a port again that could not be opened",
    links: [{ ...row, error: "could not open network device contivHost (File exists)" }],
    want: `-- del-port contivHost ${ADD}`,
  },
  {
    name: "brings it back from another bridge",
    links: [{ ...row, bridge: "br0" }],
    want: `-- del-port contivHost ${ADD}`,
  },
];

for (const { name, links, now = right, want } of cases) {
  Deno.test(`planHostPort() ${name}`, () => {
    assertEquals(planHostPort({ bridges, links }, { desired, now }, place).join(" "), want);
  });
}

Deno.test("planHostPort() refuses another's port, and names that would reach a command", () => {
  const plan = (links: readonly LinkRow[], more = {}) => () =>
    planHostPort({ bridges, links }, { desired: { ...desired, ...more }, now: right }, place);
  assertThrows(plan([{ ...row, owner: undefined }]), Fault, "already");
  assertThrows(plan([{ ...row, kind: "uplink" }]), Fault, "already");
  assertThrows(plan([], { name: "two words" }), Fault, "not a valid link name");
  assertThrows(plan([], { mac: "01:00:5e:00:00:01" }), Fault, "not a unicast MAC");
  assertThrows(plan([], { mtu: 1.5 }), Fault, "out of range");
});

Deno.test("planNoHostPort() removes our port to the host only", () => {
  const links = [row, { ...row, name: "up0", kind: "uplink" }, { ...row, name: "x", owner: "h2" }];
  assertEquals(planNoHostPort({ links }, place).join(" "), "-- --if-exists del-port contivHost");
});
