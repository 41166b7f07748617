import { assertEquals } from "@std/assert";
import { judgeVtep, type VtepFacts } from "../../../../lib/ovs/tunnel/vtep.ts";

const address = "192.168.77.1";
const link = (name: string, isUp = true) => ({
  link: { name, isUp, mtu: 1_600, master: undefined },
  prefix: 24,
});
const underlay = {
  name: "br0",
  datapath: "netdev",
  isForPods: false,
  ports: ["br0", "nic0", "in0"],
  nics: ["nic0"],
};
const good: VtepFacts = {
  address,
  datapath: "netdev",
  place: link("br0"),
  gateways: [],
  bridge: underlay,
  answeringNics: [],
};
const MOVE = [
  "ip address del 192.168.77.1/24 dev nic0",
  "ip address add 192.168.77.1/24 dev br0",
];

const cases: {
  name: string;
  facts: Partial<VtepFacts>;
  why: string;
  commands?: string[];
  /** The device whose connections the commands send through ovs-vswitchd. */
  moved?: string;
  isWarning?: boolean;
}[] = [
  { name: "nothing of an address as it should be", facts: {}, why: "" },
  {
    name: "nothing of an address on the NIC where the kernel has the datapath",
    facts: { datapath: "system", place: link("nic0"), bridge: undefined },
    why: "",
  },
  {
    name: "that no link has it",
    facts: { place: undefined, bridge: undefined },
    why: "no link of this host has it",
  },
  {
    name: "that its link is down",
    facts: { place: link("br0", false) },
    why: "link br0 is down",
    commands: ["ip link set br0 up"],
  },
  {
    name: "that it stands on the NIC beside its bridge",
    facts: { place: link("nic0"), gateways: [{ to: "default", gateway: "192.168.77.254" }] },
    why: "it is on nic0, where the userspace datapath cannot use it",
    moved: "nic0",
    commands: [
      "ip link set nic0 up",
      "sysctl -w net/ipv4/conf/nic0/arp_ignore=1",
      "ip link set br0 up",
      ...MOVE,
      "ip route replace default via 192.168.77.254 dev br0",
    ],
  },
  {
    name: "that it stands on a NIC without a bridge",
    facts: { place: link("nic0"), bridge: undefined },
    why: "it is on nic0, where the userspace datapath cannot use it",
    moved: "nic0",
    commands: [
      "ovs-vsctl --may-exist add-br contivUnderlay -- set Bridge contivUnderlay" +
      " datapath_type=netdev fail_mode=standalone -- --may-exist add-port contivUnderlay nic0" +
      " -- set Interface contivUnderlay mtu_request=1600",
      "ip link set nic0 up",
      "sysctl -w net/ipv4/conf/nic0/arp_ignore=1",
      "ip link set contivUnderlay up",
      "ip address del 192.168.77.1/24 dev nic0",
      "ip address add 192.168.77.1/24 dev contivUnderlay",
    ],
  },
  {
    name: "that it stands on another port of the switch",
    facts: { place: link("in0") },
    why: "it is on in0, where the userspace datapath cannot use it",
    moved: "in0",
    commands: [
      "ip link set br0 up",
      "ip address del 192.168.77.1/24 dev in0",
      "ip address add 192.168.77.1/24 dev br0",
    ],
  },
  {
    name: "that it stands on the pods' own bridge",
    facts: { place: link("nic0"), bridge: { ...underlay, isForPods: true } },
    why: "it is on nic0, a port of br0, which is for pods only",
  },
  {
    name: "that its bridge has the kernel's datapath",
    facts: { bridge: { ...underlay, datapath: "system" } },
    why: "bridge br0 has datapath system, not netdev",
    moved: "br0",
    commands: ["ovs-vsctl set Bridge br0 datapath_type=netdev"],
  },
  {
    name: "that its bridge has no NIC",
    facts: { bridge: { ...underlay, nics: [] } },
    why: "bridge br0 has no NIC as a port",
  },
  {
    name: "that the NIC answers, too",
    facts: { answeringNics: ["nic0"] },
    why: "nic0 also answers ARP for it, beside br0: hosts that take that answer do not reach it",
    commands: ["sysctl -w net/ipv4/conf/nic0/arp_ignore=1"],
    isWarning: true,
  },
  {
    name: "that its link is down, where the NIC answers, too",
    facts: { place: link("br0", false), answeringNics: ["nic0"] },
    why: "link br0 is down",
    commands: ["sysctl -w net/ipv4/conf/nic0/arp_ignore=1", "ip link set br0 up"],
  },
];

for (const { name, facts, why, commands = [], moved, isWarning = false } of cases) {
  Deno.test(`judgeVtep() says ${name}`, () => {
    const fault = judgeVtep({ ...good, ...facts });
    assertEquals(fault?.why ?? "", why);
    assertEquals(fault?.commands ?? [], commands);
    const [, device] =
      / own connections over (\S+) through ovs-vswitchd; .*\(VtepIp\).* ethtool -K /
        .exec(fault?.effect ?? "") ?? [];
    assertEquals(device, moved);
    assertEquals(fault?.isWarning ?? false, isWarning);
    assertEquals(/may lose frames/.test(fault?.message ?? ""), isWarning);
    assertEquals((fault?.message ?? "").length <= 200, true);
  });
}
