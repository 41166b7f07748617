import { assert, assertEquals } from "@std/assert";
import { isBelow } from "../../../../lib/agent/doctor/check_switch.ts";
import { examine, settledHealth } from "../../../../lib/agent/doctor/examine_host.ts";
import { doctorLines } from "../../../../lib/cli/doctor.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { fakeShell } from "../../cli/fake_shell.ts";
import { type Broken, findings, testBroken } from "./broken_machine.ts";
import { contextOf, HEALTH, healthyParts, NOW, presence } from "./fake_machine.ts";

Deno.test("doctor has no complaint about a healthy host", async () => {
  const checks = await findings();
  assertEquals(checks.filter(({ state }) => state !== "ok"), []);
  assert(checks.length > 15, `${checks.length} checks`);
  assertEquals(new Set(checks.map(({ id }) => id)).size, checks.length);
});

const EXEC = "/usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet/k8contivnet";
const CERTIFICATE = "/pki/ca.pem";

const BROKEN: readonly Broken[] = [
  ["no root", (p) => p.machine = { uid: 1000 }, "warning root", /user 1000.*sudo/],
  [
    "a missing command",
    (p) => p.commands["ovs-ofctl"] = "ovs-ofctl is not installed",
    "failed commands",
    /ovs-ofctl; install openvswitch-switch/,
  ],
  [
    "no ethtool",
    (p) => p.commands.ethtool = "ethtool is not installed",
    "warning commands",
    /ethtool.*; install ethtool/,
  ],
  [
    "a full disk",
    (p) => p.free = { bytes: 1000, inodes: 1e6 },
    "failed disk",
    /disk is full: 0 MB.*; free space/,
  ],
  [
    "a disk without inodes",
    (p) => p.free = { bytes: 1e9, inodes: 3 },
    "failed disk",
    /3 files free/,
  ],
  [
    "a disk that is nearly full",
    (p) => p.free = { bytes: 5e7, inodes: 1e6 },
    "warning disk",
    /47 MB/,
  ],
  [
    "a state folder of others",
    (p) => p.files["/state"] = { kind: "folder", size: 0, mode: 0o777, uid: 12 },
    "failed disk",
    /user 12, mode 777; chown/,
  ],
  ["a clock of 1970", (p) => p.machine = { nowMs: () => 5 }, "failed clock", /1970.*chrony/],
  [
    "no Open vSwitch",
    (p) => p.files["/ovs/db.sock"] = undefined,
    "failed ovsdb",
    /no Open vSwitch.*install and start/,
  ],
  [
    "a file in place of the socket",
    (p) => p.files["/ovs/db.sock"] = { kind: "file", size: 1, mode: 0o600, uid: 0 },
    "failed ovsdb",
    /not a socket/,
  ],
  [
    "a dead ovsdb-server",
    (p) =>
      p.machine = {
        rows: () => Promise.reject(new Fault("unavailable", "OVSDB refused", { fix: "start it" })),
      },
    "failed ovsdb",
    /OVSDB refused; start it/,
  ],
  [
    "an old Open vSwitch",
    (p) => p.root = { ...p.root, "ovs_version": "2.5.0" },
    "failed ovs-version",
    /2\.5\.0: it lacks.*install 3\.1/,
  ],
  [
    "an untried Open vSwitch",
    (p) => p.root = { ...p.root, "ovs_version": "2.17.9" },
    "warning ovs-version",
    /2\.17\.9/,
  ],
  [
    "a dead ovs-vswitchd",
    (p) => p.commands["ovs-ofctl -O"] = "no",
    "failed openflow",
    /does not answer at \/ovs\/br\.mgmt; systemctl/,
  ],
  [
    "an ovs-vswitchd that hangs",
    (p) => p.root = { ...p.root, "next_cfg": 12 },
    "failed vswitchd",
    /5 changes behind/,
  ],
  [
    "a nearly full table of connections",
    (p) => p.connections = 2_900_000,
    "warning connections",
    /2900000 of at most 3000000.*ct-set-maxconns 6000000/,
  ],
  [
    "a bridge of somebody else",
    (p) => p.bridges = [{ name: "br", "external_ids": ["map", []] }],
    "failed bridge",
    /somebody else; .*del-br br/,
  ],
  [
    "a bridge of another host",
    (p) =>
      p.bridges = [...p.bridges, {
        name: "contivTunnel",
        "external_ids": ["map", [["k8contivnet", "h9"]]],
      }],
    "failed bridge",
    /contivTunnel belongs to host h9/,
  ],
  [
    "a port whose link is gone",
    (p) => p.interfaces = [{ name: "cv2", error: "No such device" }],
    "failed interfaces",
    /cv2 \(No such device\); .*del-port/,
  ],
  [
    "a store that is unreachable",
    (p) =>
      p.machine = {
        openStore: () => Promise.reject(new Fault("unavailable", "etcd at h:1 is unreachable")),
      },
    "failed store",
    /etcd at h:1 is unreachable; see whether/,
  ],
  [
    "an etcd without space",
    (p) =>
      p.machine = {
        openStore: () =>
          Promise.reject(
            new Fault("failed", "etcd refused", { why: "mvcc: database space exceeded" }),
          ),
      },
    "failed store",
    /defragment/,
  ],
  [
    "a host that is silent",
    (p) =>
      p.database.put({
        "agents/h2": presence("h2", { at: new Date(NOW - 600_000).toISOString() }),
      }),
    "warning silent-host",
    /h2 wrote.*gc --host h2/,
  ],
  [
    "a host whose clock is ahead",
    (p) =>
      p.database.put({ "agents/h2": presence("h2", { at: new Date(NOW + 90_000).toISOString() }) }),
    "warning clock-skew",
    /h2 is 90 s ahead/,
  ],
  [
    "claims without records",
    (p) => p.database.put({ "claims/vlan/9": { schema: 1, owner: "networks/t/n" } }),
    "failed records",
    /1 records.*ipam check/,
  ],
  [
    "one address twice",
    (p) => {
      for (const [id, host] of [["a", "h1"], ["b", "h2"]]) {
        p.database.put({
          [`attachments/${host}/${id}/eth0`]: {
            ...{ schema: 1, host, tenant: "t", network: "n", endpoint: id, sandbox: id },
            ...{ pod: { namespace: "default", name: id }, addresses: ["10.0.0.1/24"] },
          },
        });
      }
    },
    "failed addresses",
    /10\.0\.0\.1 of t\/n is used by default\/a on h1 and default\/b on h2/,
  ],
  [
    "a certificate that is not there",
    (p) =>
      p.context = { settings: { ...contextOf(p).settings, storeOptions: { etcdCa: CERTIFICATE } } },
    "failed etcd-ca",
    /certificate/,
  ],
  [
    "an uplink that does not exist",
    (p) => p.context = { settings: { ...contextOf(p).settings, uplink: "eth7" } },
    "failed uplink",
    /eth7 does not exist; correct Intf/,
  ],
  [
    "an uplink that is down",
    (p) =>
      p.machine = {
        run: (...words) =>
          Promise.resolve(
            words.join(" ") === "ip -j addr"
              ? '[{"ifname":"eth1","mtu":1500,"operstate":"DOWN","flags":[]}]'
              : "",
          ),
      },
    "failed uplink",
    /eth1 is down; ip link set/,
  ],
  [
    "a tunnel address of nobody",
    (p) => p.context = { settings: { ...contextOf(p).settings, vtepIp: "192.0.2.9" } },
    "failed vtep",
    /does not have its tunnel address 192\.0\.2\.9/,
  ],
  [
    "a hop with a small MTU",
    (p) => p.commands["ping -n -q -c1 -W1 -Mdo -I 192.0.2.1 -s 8972"] = "no",
    "failed mtu",
    /packets of 9000 bytes do not reach h2 \(192\.0\.2\.2\), small ones do/,
  ],
  [
    "a peer that does not answer",
    (p) => p.commands.ping = "no",
    "warning mtu",
    /h2 .* does not answer pings/,
  ],
  [
    "a Docker that does not answer",
    (p) => p.machine = { ask: () => Promise.reject(new Error()) },
    "failed docker",
    /does not answer at \/docker\.sock/,
  ],
  [
    "a dead agent",
    (p) =>
      p.context = {
        health: Promise.resolve(
          new Fault("unavailable", "agent at /run/a.sock is unreachable", {
            why: "nothing listens there",
          }),
        ),
      },
    "failed agent",
    /nothing listens there; systemctl restart/,
  ],
  [
    "a socket of another user",
    (p) => p.files["/run/a.sock"] = { kind: "socket", size: 0, mode: 0o600, uid: 1000 },
    "failed socket",
    /user 1000: somebody else answers/,
  ],
  [
    "a socket that is open to all",
    (p) => p.files["/run/a.sock"] = { kind: "socket", size: 0, mode: 0o666, uid: 0 },
    "failed socket",
    /open to all users; chmod/,
  ],
  [
    "an agent of another version",
    (p) => p.context = { version: "2.0.0" },
    "warning agent-version",
    /1\.0\.0, this file 2\.0\.0; restart/,
  ],
  [
    "an agent without its store",
    (p) => p.context = { health: Promise.resolve({ ...HEALTH, storeAway: "etcd is away" }) },
    "failed agent-store",
    /etcd is away/,
  ],
  [
    "an agent without Open vSwitch",
    (p) => p.context = { health: Promise.resolve({ ...HEALTH, openflow: "down" }) },
    "failed agent-ovs",
    /OpenFlow down/,
  ],
  [
    "policies that are not in force",
    (p) => p.context = { health: Promise.resolve({ ...HEALTH, policies: "refused" }) },
    "failed policies",
    /not in force: refused/,
  ],
  [
    "set-ups that are not recorded",
    (p) => p.context = { health: Promise.resolve({ ...HEALTH, held: 3 }) },
    "warning pending-writes",
    /3 set-ups/,
  ],
  [
    "an exec plugin of half its length",
    (p) => {
      p.folders["/usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet"] = [
        "k8contivnet",
        "k8contivnet.new",
      ];
      p.checksums[EXEC] = "b".repeat(64);
      p.files[EXEC] = {
        kind: "file",
        size: 7,
        mode: 0o755,
        uid: 0,
      };
    },
    "failed kubelet",
    /incomplete or damaged: 7 bytes; install it again/,
  ],
  [
    "a plugin that is not executable",
    (p) => p.files["/opt/cni/bin/k8contivnet"] = { kind: "file", size: 4e7, mode: 0o644, uid: 0 },
    "failed cni-plugin",
    /not executable; chmod 0755/,
  ],
  [
    "a plugin that others may change",
    (p) => p.files["/opt/cni/bin/k8contivnet"] = { kind: "file", size: 4e7, mode: 0o777, uid: 0 },
    "failed cni-plugin",
    /may be changed by others/,
  ],
  [
    "a missing plugin",
    (p) => p.files["/opt/cni/bin/k8contivnet"] = undefined,
    "failed cni-plugin",
    /does not exist; install/,
  ],
  [
    "another plugin that comes first",
    (p) => {
      p.folders["/etc/cni/net.d"]!.unshift("05-other.conf");
      p.texts["/etc/cni/net.d/05-other.conf"] = '{"type":"bridge"}';
    },
    "failed cni-order",
    /runtimes use 05-other\.conf, which comes before our 10-k8contivnet/,
  ],
  [
    "two configurations of ours",
    (p) => {
      p.folders["/etc/cni/net.d"]!.push("20-k8contivnet.conf");
      p.texts["/etc/cni/net.d/20-k8contivnet.conf"] = '{"type":"k8contivnet"}';
    },
    "failed cni-order",
    /two configurations are ours/,
  ],
  [
    "a configuration that is empty",
    (p) => p.texts["/etc/cni/net.d/10-k8contivnet.conflist"] = "",
    "failed cni-config",
    /it is empty/,
  ],
  [
    "a configuration that is half written",
    (p) => p.texts["/etc/cni/net.d/10-k8contivnet.conflist"] = '{"plugins":[',
    "failed cni-config",
    /cannot be read/,
  ],
];

/** How many other findings follow from what is broken. */
const CONSEQUENCES: Readonly<Record<string, number>> = {
  "a missing command": 1,
  "a clock of 1970": 1,
  "an uplink that is down": 1,
  "an exec plugin of half its length": 1,
};

testBroken(BROKEN, CONSEQUENCES);

Deno.test("doctor ends in time and says so if a group hangs, and goes on if one throws", async () => {
  const { ok, checks } = await examine(contextOf(healthyParts()), {
    limitMs: 50,
    checks: [
      ["slow", () => new Promise(() => {})],
      ["wrong", () => Promise.reject(new Error("a bug"))],
      ["fine", () => Promise.resolve([{ id: "x", group: "fine", state: "ok", message: "all" }])],
    ],
  });
  assertEquals(ok, false);
  assertEquals(checks.map(({ group, state, id }) => [group, state, id]), [
    ["slow", "failed", "limit"],
    ["wrong", "failed", "limit"],
    ["fine", "ok", "x"],
  ]);
  assertEquals(doctorLines(fakeShell([], {}).output, checks).slice(0, 2), [
    "slow",
    "  failed   checks did not end within 50 ms; see what of it hangs, and run it again",
  ]);
});

Deno.test("isBelow() compares versions by their numbers", () => {
  assertEquals(isBelow("2.9.0", "2.11.0"), true);
  assertEquals(isBelow("3.1.0", "3.1.0"), false);
  assertEquals(isBelow("3.10.1", "3.9.9"), false);
  assertEquals(isBelow("2.11.0-pre1", "2.11.1"), true);
});

Deno.test("an agent that is connecting to Open vSwitch is asked again, one that stays away is reported", async () => {
  const pause = () => Promise.resolve();
  const down = { ...HEALTH, openflow: "down" as const };
  let asked = 0;
  const settling = await settledHealth(() => Promise.resolve(++asked < 3 ? down : HEALTH), pause);
  assertEquals([settling, asked], [HEALTH, 3]);
  assertEquals(await settledHealth(() => Promise.resolve(down), pause), down);
  const gone = new Fault("unavailable", "gone");
  assertEquals(await settledHealth(() => Promise.reject(gone), pause), gone);
});
