// Checks of the kernel, Open vSwitch, tunnels, callers and what others have left.

import { assertEquals, assertMatch } from "@std/assert";
import type { FabricProblem } from "../../../../lib/agent/api/agent_health.ts";
import { OWNER_KEY } from "../../../../lib/ovs/ovsdb/port_rows.ts";
import { VtepFault } from "../../../../lib/ovs/tunnel/vtep.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type Broken, findings, type Healthy, testBroken, testHealthy } from "./broken_machine.ts";
import { changeSettings, contextOf, HEALTH, type Parts } from "./fake_machine.ts";

const PLUGIN = "/opt/cni/bin/k8contivnet";
const EXEC_FOLDER = "/usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet";

/** An exec plugin that is whole, and a kubelet with these flags. */
/** A plugin behind ours, which asks for the warm ports that the agent has. */
function withListed(parts: Parts, type: string): void {
  changeSettings(parts, { ports: "warm" });
  const plugins = [{ type: "k8contivnet", ports: "warm" }, { type }];
  parts.texts["/etc/cni/net.d/10-k8contivnet.conflist"] = JSON.stringify({ plugins });
}

function withKubelet(parts: Parts, ...flags: string[]): void {
  parts.folders["/etc/cni/net.d"] = [];
  parts.folders[EXEC_FOLDER] = ["k8contivnet"];
  parts.files[`${EXEC_FOLDER}/k8contivnet`] = { kind: "file", size: 4e7, mode: 0o755, uid: 0 };
  parts.processes.kubelet = [["/usr/bin/kubelet", ...flags]];
}

/** What the running agent says of its uplink and tunnels. */
function withProblem(parts: Parts, ...fabric: FabricProblem[]): void {
  parts.context = { health: Promise.resolve({ ...HEALTH, fabric }) };
}

const UNUSABLE: FabricProblem = {
  ...{ part: "overlay", state: "failed", fix: "run the commands printed with this: ip link" },
  what: "tunnel address 192.0.2.1 cannot be used: it is on eth2, where the userspace datapath",
};

/** No agent, and Open vSwitch and links as they are without it. */
function withoutAgent(parts: Parts, vtepFault?: VtepFault): void {
  const health = Promise.resolve(new Fault("unavailable", "agent is unreachable"));
  parts.context = { ...parts.context, health };
  parts.machine = { vtepFault: () => Promise.resolve(vtepFault) };
}

/** A VXLAN network. */
function withVxlan(parts: Parts): void {
  parts.database.put({
    "claims/vni/5": { schema: 1, owner: "networks/t/n" },
    "claims/subnet/t/10.0.0.0_24": { schema: 1, owner: "networks/t/n" },
    "networks/t/n": {
      ...{ schema: 1, tenant: "t", name: "n", encap: "vxlan", tag: 5, tagBy: "user" },
      ...{ subnet: "10.0.0.0/24", subnetBy: "user" },
    },
  });
}

/** Pods of a VXLAN network on both hosts, and a tunnel that has carried so many packets. */
function withTunnel(parts: Parts, sent: number, received: number): void {
  withVxlan(parts);
  for (const host of ["h1", "h2"]) {
    parts.database.put({
      [`attachments/${host}/${host}/eth0`]: {
        ...{ schema: 1, host, tenant: "t", network: "n", endpoint: host, sandbox: host },
        ...{ pod: { namespace: "default", name: host }, addresses: [`10.0.0.${host[1]}/24`] },
      },
    });
  }
  const statistics = ["map", [["tx_packets", sent], ["rx_packets", received]]];
  parts.interfaces = [{ name: "contivVxlan", error: ["set", []], statistics }];
}

function onKernelDatapath(parts: Parts): void {
  parts.bridges = parts.bridges.map((row) => ({ ...row, "datapath_type": "system" }));
}

/** A tunnel address on the loopback, which packets leave by another link. */
function withLoopbackAddress(parts: Parts): void {
  const own = [{ local: "192.0.2.1", prefixlen: 32 }];
  const lo = { ifname: "lo", mtu: 65_536, flags: ["LOOPBACK", "UP"], "addr_info": own };
  parts.links = [lo, { ifname: "eth1", mtu: 9000, operstate: "UP", flags: ["UP"] }];
  const { machine } = contextOf(parts);
  parts.machine = {
    run: (...words) => {
      if (words.includes("route")) return Promise.resolve('[{"dev":"eth1"}]');
      const isTooLong = words.includes("65508");
      return isTooLong ? Promise.reject(new Error("too long")) : machine.run(...words);
    },
  };
}

const BROKEN: readonly Broken[] = [
  [
    "a running pod that has lost its endpoint",
    (p) => p.context = { health: Promise.resolve({ ...HEALTH, withoutEndpoint: 1 }) },
    "warning without-endpoint",
    /^1 running pod has lost its endpoint, and has no network; list them: .*state=unmatched; apply/,
  ],
  [
    "running pods that have lost their endpoints",
    (p) => p.context = { health: Promise.resolve({ ...HEALTH, withoutEndpoint: 2 }) },
    "warning without-endpoint",
    /^2 running pods have lost their endpoints, and have no network; /,
  ],
  ["a kernel without veth", (p) => p.missingKinds = ["veth"], "failed link-kinds", /modprobe veth/],
  [
    "a kernel without macvlan for warm ports",
    (p) => {
      p.missingKinds = ["macvlan"];
      changeSettings(p, { ports: "warm" });
    },
    "warning link-kinds",
    /no macvlan.*; modprobe macvlan .*--ports plain/,
  ],
  [
    "bandwidth behind ours, whose pods are on warm ports",
    (p) => withListed(p, "bandwidth"),
    "warning cni-ports",
    /10-k8contivnet.conflist has bandwidth behind ours.*; write "ports": "plain" for k8contivnet/,
  ],
  [
    "a kernel without VXLAN",
    (p) => {
      p.missingKinds = ["vxlan"];
      onKernelDatapath(p);
    },
    "failed tunnel-kind",
    /no VXLAN.*; modprobe vxlan .*--datapath netdev/,
  ],
  [
    "a nearly full table of the host's connections",
    (p) => p.kernel["net/netfilter/nf_conntrack_count"] = "65000",
    "warning conntrack",
    /65000 of 65536; sysctl -w net.netfilter.nf_conntrack_max=131072/,
  ],
  [
    "an agent that has nearly all the files open that it may",
    (p) => p.openFiles["1"] = { used: 1_000, most: 1_024 },
    "failed open-files",
    /the agent: 1000 of at most 1024; raise LimitNOFILE/,
  ],
  [
    "an ovs-vswitchd that may open few files",
    (p) => p.openFiles["/ovs/ovs-vswitchd.pid"] = { used: 1_020, most: 1_024 },
    "failed open-files",
    /ovs-vswitchd: 1020 of .*LimitNOFILE of ovs-vswitchd/,
  ],
  [
    "a host on which no more files can be opened",
    (p) => p.openFiles.all = { used: 1_000, most: 1_000 },
    "failed open-files",
    /all processes: .*; sysctl -w fs.file-max=2000/,
  ],
  [
    "a host that is too busy to count an agent's open files",
    (p) => {
      const late = new Fault("timeout", "sh did not end within 5000 ms");
      p.machine = {
        openFiles: (process) => process === 1 ? Promise.reject(late) : Promise.resolve(undefined),
      };
    },
    "warning open-files",
    /of the agent are not known: sh did not end.*; see what the machine is busy with/,
  ],
  [
    "a host on which no more folders can be followed",
    (p) => p.machine = { tryWatching: () => Promise.reject(new Error("Too many open files")) },
    "warning inotify",
    /no inotify watch is available, .*: Too many open files; sysctl -w fs.inotify.max_user_instances/,
  ],
  [
    "a database socket of another user",
    (p) => p.files["/ovs/db.sock"] = { kind: "socket", size: 0, mode: 0o600, uid: 1000 },
    "failed ovsdb",
    /user 1000: somebody else may answer/,
  ],
  [
    "a database socket that is open to all",
    (p) => p.files["/ovs/db.sock"] = { kind: "socket", size: 0, mode: 0o666, uid: 0 },
    "failed ovsdb",
    /open to all users; chmod o-w/,
  ],
  [
    "a bridge that an agent with another --bridge has left",
    (p) => p.bridges.push({ name: "old", "external_ids": ["map", [["k8contivnet", "h1"]]] }),
    "warning left-bridge",
    /bridge old .*; ovs-vsctl del-br old/,
  ],
  [
    "another host with this host's tunnel address",
    (p) => p.database.put({ "hosts/h2": { schema: 1, name: "h2", vtepIp: "192.0.2.1" } }),
    "failed vtep",
    /^host h2 has the same tunnel address 192\.0\.2\.1; each host/,
  ],
  [
    "another way out to a tunnel address, with a strict filter of reverse paths",
    (p) => {
      const { machine } = contextOf(p);
      p.machine = {
        run: (...words) =>
          words.includes("route") ? Promise.resolve('[{"dev":"eth1"}]') : machine.run(...words),
      };
    },
    "failed tunnel-route",
    /to h2 .* leave by eth1, .* on eth2: .*rp_filter=1.*; ip route replace 192\.0\.2\.2 dev eth2/,
  ],
  [
    "a packet filter that drops tunnels' packets",
    (p) => {
      onKernelDatapath(p);
      p.machine = {
        tunnelFilters: ({ device }) =>
          Promise.resolve([{ what: `${device}: dropped`, fix: "accept it", isSure: true }]),
      };
    },
    "failed tunnel-filter",
    /eth2: dropped; accept it/,
  ],
  [
    "a packet filter that may drop tunnels' packets, which may arrive by any link",
    (p) => {
      onKernelDatapath(p);
      withLoopbackAddress(p);
      p.machine = {
        ...p.machine,
        tunnelFilters: ({ device }) =>
          Promise.resolve([{ what: `${device}: may drop`, fix: "accept it", isSure: false }]),
      };
    },
    "warning tunnel-filter",
    /undefined: may drop; accept it/,
  ],
  [
    "a packet filter that cannot be read",
    (p) => {
      onKernelDatapath(p);
      const fault = new Fault("unavailable", "nft is not installed", { fix: "run ./install.sh" });
      p.machine = { tunnelFilters: () => Promise.reject(fault) };
    },
    "warning tunnel-filter",
    /not known whether the packet filter drops UDP port 4789: nft is not installed; run/,
  ],
  [
    "a tunnel that nobody answers",
    (p) => withTunnel(p, 500, 0),
    "warning tunnel-silent",
    /sent 500 packets and received none, though h2 .*; let firewalls .* UDP port 4789/,
  ],
  [
    "a host that does not route",
    (p) => {
      p.links = [...p.links, { ifname: "contivHost", mtu: 1500 }];
      p.kernel["net/ipv4/ip_forward"] = "0";
    },
    "failed forwarding",
    /IP forwarding is off \(net\.ipv4\.ip_forward = 0\).*; sysctl -w net\/ipv4\/ip_forward=1/,
  ],
  [
    "a link to a plugin that is gone",
    (p) => {
      p.files[PLUGIN] = undefined;
      p.linkTargets[PLUGIN] = "/old/k8contivnet";
    },
    "failed cni-plugin",
    /leads to \/old\/k8contivnet, which does not exist; install it again/,
  ],
  [
    "a plugin of which the end is missing",
    (p) => p.checksums[PLUGIN] = "0".repeat(64),
    "failed cni-plugin",
    /incomplete or damaged: 42000000 bytes/,
  ],
  [
    "a file in the plugin's place that is something else",
    (p) => p.machine = { head: () => Promise.resolve("#!/bin/sh\nexit 0\n") },
    "failed cni-plugin",
    /incomplete or damaged/,
  ],
  [
    "a kubelet that does not use the exec plugin",
    (p) => withKubelet(p, "--network-plugin=kubenet"),
    "warning kubelet-flags",
    /--network-plugin=kubenet .*; start it with --network_plugin=k8contivnet/,
  ],
  [
    "a kubelet that looks for plugins elsewhere",
    (p) => withKubelet(p, "--network_plugin", "k8contivnet", "--network-plugin-dir=/plugins/"),
    "failed kubelet-flags",
    /looks for \/plugins\/k8contivnet\/k8contivnet, which does not exist/,
  ],
  [
    "a kubelet that reads configurations elsewhere",
    (p) => p.processes.kubelet = [["kubelet", "--network-plugin=cni", "--cni-conf-dir=/cni"]],
    "failed kubelet-flags",
    /the kubelet reads configurations in \/cni; ours .*--cni-conf-dir=\/etc\/cni\/net.d/,
  ],
  [
    "a containerd that reads configurations elsewhere",
    (p) => p.texts["/etc/containerd/config.toml"] = '[a]\n  conf_dir = "/var/cni"\n',
    "failed runtime-folder",
    /containerd reads configurations in \/var\/cni/,
  ],
  [
    "links that another plugin has left",
    (p) =>
      p.links = [...p.links, { ifname: "flannel.1", mtu: 1450 }, { ifname: "flannel.2", mtu: 9 }],
    "warning leftovers",
    /flannel are left.*: flannel\.1, flannel\.2; ip link delete flannel\.1/,
  ],
];

testBroken(BROKEN);

/** What keeps pods from other hosts. */
const CUT_OFF: readonly Broken[] = [
  [
    "a tunnel address that the agent cannot use",
    (p) => withProblem(p, UNUSABLE),
    "failed overlay",
    /^tunnel address 192\.0\.2\.1 cannot be used: it is on eth2, .*; run the commands .*: ip link/,
  ],
  [
    "a tunnel address that loses frames",
    (p) => withProblem(p, { ...UNUSABLE, state: "warning", what: "it may lose frames" }),
    "warning overlay",
    /^it may lose frames; run/,
  ],
  [
    "an uplink that the agent refuses",
    (p) => withProblem(p, { ...UNUSABLE, part: "uplink", what: "uplink eth1 refused" }),
    "failed uplink",
    /^uplink eth1 refused; run/,
  ],
  [
    "a tunnel address of nobody, which the agent reports, too",
    (p) => {
      withProblem(p, UNUSABLE);
      p.links = p.links.slice(0, 1);
    },
    "failed vtep",
    /this host does not have its tunnel address 192\.0\.2\.1/,
  ],
  [
    "a tunnel address that cannot be used, without an agent",
    (p) => {
      withVxlan(p);
      const fix = { why: "it is on eth2", fix: "run the commands", commands: ["ip link", "ip a"] };
      withoutAgent(p, new VtepFault("192.0.2.1", fix));
    },
    "failed overlay",
    /^tunnel address 192\.0\.2\.1 cannot be used: it is on eth2; run the commands: ip link && ip a$/,
  ],
  [
    "a host that is not in the intent, without an agent",
    (p) => {
      withVxlan(p);
      changeSettings(p, { host: "h3" });
      p.bridges = p.bridges.map((row) => ({
        ...row,
        "external_ids": ["map", [[OWNER_KEY, "h3"]]],
      }));
      withoutAgent(p);
    },
    "warning overlay",
    /^host h3 is not in the intent: pods of VXLAN networks here do not reach other hosts; add it to "Hosts"/,
  ],
];

// Without an agent, that is a finding, too.
testBroken(CUT_OFF, {
  "a tunnel address that cannot be used, without an agent": 1,
  "a host that is not in the intent, without an agent": 1,
});

Deno.test("what the agent reports of a tunnel address stands in place of what is ok with it", async () => {
  const ids = (await findings((p) => withProblem(p, UNUSABLE))).map(({ id }) => id);
  assertEquals([ids.includes("overlay"), ids.includes("vtep"), ids.includes("uplink")], [
    ...[true, false, true],
  ]);
});

Deno.test("doctor says what watches are good for", async () => {
  const item = (await findings()).find(({ id }) => id === "inotify");
  assertMatch(item?.message ?? "", /^inotify watches are available: .* see changes .* at once$/);
});

Deno.test("without an agent and VXLAN networks, a tunnel address is not examined", async () => {
  const fault = new VtepFault("192.0.2.1", { why: "it is on eth2", fix: "move it" });
  const wrong = (await findings((p) => withoutAgent(p, fault))).filter(({ state }) =>
    state !== "ok"
  );
  assertEquals(wrong.map(({ id }) => id), ["agent"]);
});

Deno.test("a plugin that several links lead to is read once; on a slow disk its checksum is not compared", async () => {
  const sums: string[] = [];
  const read = async (change: (parts: Parts) => void) =>
    (await findings((parts) => {
      withKubelet(parts, "--network_plugin=k8contivnet");
      parts.folders["/etc/cni/net.d"] = ["10-k8contivnet.conflist"];
      const checksum = (path: string) => {
        sums.push(path);
        return Promise.reject(new Fault("timeout", `reading ${path} takes long`));
      };
      parts.machine = { checksum };
      change(parts);
    })).filter(({ id }) => id === "kubelet" || id === "cni-plugin");
  const exec = `${EXEC_FOLDER}/k8contivnet`;
  const items = await read((parts) => {
    for (const path of [PLUGIN, exec]) parts.files[path] = { ...parts.files[path]!, inode: "1:2" };
  });
  assertEquals(sums.length, 1);
  const slow = "its checksum was not compared: reading it is slow";
  assertEquals(items.map(({ state, message }) => [state, message]), [
    ["ok", `${exec} is installed; ${slow}`],
    ["ok", `${PLUGIN} is installed; ${slow}`],
  ]);
  await read(() => {});
  assertEquals(sums.length, 3);
});

const HEALTHY: readonly Healthy[] = [
  ["a kernel without macvlan that needs none", (p) => p.missingKinds = ["macvlan", "vxlan"]],
  ["a kubelet with the exec plugin", (p) => withKubelet(p, "--network_plugin=k8contivnet")],
  ["a kubelet that knows no plugins", (p) => p.processes.kubelet = [["kubelet", "--v=2"]]],
  ["Open vSwitch with a user of its own", (p) => {
    p.files["/ovs/db.sock"] = { kind: "socket", size: 0, mode: 0o750, uid: 997 };
    p.texts["/etc/passwd"] = "root:x:0:0\nopenvswitch:x:997:997::/:/bin/false\n";
  }],
  [
    "a bridge of another agent on the same switch",
    (p) => p.bridges.push({ name: "other", "external_ids": ["map", [["k8contivnet", "h5"]]] }),
  ],
  ["a tunnel that carries packets both ways", (p) => withTunnel(p, 500, 400)],
  ["a tunnel address on the loopback, with another way out", withLoopbackAddress],
  ["a tunnel that has hardly been used", (p) => withTunnel(p, 190, 0)],
  ["flannel behind ours in the folder", (p) => {
    p.links = [...p.links, { ifname: "flannel.1", mtu: 1450 }];
    p.folders["/etc/cni/net.d"]!.push("20-flannel.conf");
    p.texts["/etc/cni/net.d/20-flannel.conf"] = '{"type":"flannel"}';
  }],
  ["portmap behind ours, whose pods are on warm ports", (p) => withListed(p, "portmap")],
  ["bandwidth behind ours, with plain ports", (p) => {
    withListed(p, "bandwidth");
    changeSettings(p, { ports: "plain" });
  }],
  ["a plugin of somebody else that runtimes use", (p) => {
    p.links = [...p.links, { ifname: "cni0", mtu: 1450 }];
    p.folders["/etc/cni/net.d"] = ["10-bridge.conf"];
    p.texts["/etc/cni/net.d/10-bridge.conf"] = '{"type":"bridge"}';
  }],
];

testHealthy(HEALTHY);
