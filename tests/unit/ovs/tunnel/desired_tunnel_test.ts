import { assertEquals, assertThrows } from "@std/assert";
import {
  type Member,
  parseTunnel,
  vtepsOf,
  withoutOwn,
} from "../../../../lib/ovs/tunnel/desired_tunnel.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const localIp = "192.168.77.1";
const member: Member = { ip: "10.5.5.2", mac: "02:02:0a:05:05:02", vtep: "192.168.77.2" };
const network = { vni: 1001, localTag: 2001, members: [member] };

const bad = [
  { name: "a VNI of zero", part: { vni: 0 }, why: "VNI is out of range (1-16777215)" },
  { name: "a VNI of 25 bits", part: { vni: 0x100_0000 }, why: "VNI is out of range (1-16777215)" },
  { name: "a tag of no VLAN", part: { localTag: 4095 }, why: "access tag 4095 is out of range" },
  {
    name: "an invalid address",
    member: { ip: "10.5.5" },
    why: "not a valid IPv4 address of a member",
  },
  {
    name: "a VTEP with trailing text",
    member: { vtep: "1.2.3.4 drop" },
    why: "not a valid VTEP of a member",
  },
  { name: "a multicast MAC", member: { mac: "01:00:5e:00:00:01" }, why: "not a unicast MAC" },
];
for (const { name, part, member: wrong, why } of bad) {
  Deno.test(`parseTunnel() rejects ${name}`, () => {
    const networks = [{ ...network, ...part, members: [{ ...member, ...wrong }] }];
    assertThrows(() => parseTunnel({ localIp, hosts: [], networks }), Fault, why);
  });
}

const twice = [
  { name: "two networks with one VNI", networks: [network, { ...network, localTag: 2002 }] },
  { name: "two networks with one tag", networks: [network, { ...network, vni: 1002 }] },
  { name: "an address twice", networks: [{ ...network, members: [member, member] }] },
  {
    name: "a MAC on two hosts",
    networks: [{ ...network, members: [member, { ...member, ip: "10.5.5.3", vtep: "1.2.3.4" }] }],
  },
];
for (const { name, networks } of twice) {
  Deno.test(`parseTunnel() rejects ${name}`, () => {
    assertEquals(
      assertThrows(() => parseTunnel({ localIp, hosts: [], networks }), Fault).code,
      "usage",
    );
  });
}

Deno.test("parseTunnel() writes MACs as Open vSwitch does", () => {
  const members = [{ ...member, mac: "02:02:0A:05:05:02" }];
  const { networks } = parseTunnel({ localIp, hosts: [], networks: [{ ...network, members }] });
  assertEquals(networks[0]?.members[0]?.mac, "02:02:0a:05:05:02");
});

Deno.test("withoutOwn() leaves out and returns members that claim this host's own address", () => {
  const thief = { ...member, ip: "10.5.5.9", mac: "02:02:0a:05:05:09", vtep: localIp };
  const { networks, own } = withoutOwn({
    localIp,
    hosts: [],
    networks: [{ ...network, members: [member, thief] }],
  });
  assertEquals(own, [thief]);
  assertEquals(vtepsOf(networks), ["192.168.77.2"]);
});
