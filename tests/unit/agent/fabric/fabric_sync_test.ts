// Uplink and tunnels follow the records: by difference, one change after the other, and what cannot be had
// is logged once and stops nothing else.

import { assert, assertEquals } from "@std/assert";
import { type FabricFlags, FabricSync } from "../../../../lib/agent/fabric/fabric_sync.ts";
import { VtepFault } from "../../../../lib/ovs/tunnel/vtep.ts";
import { Fault, type FaultCode } from "../../../../lib/util/errors.ts";
import { MemoryFabric } from "../../../memory/memory_fabric.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { attachmentOf, documentsOf, network } from "../pods/dynamic_records.ts";

const HOSTS = {
  "hosts/host1": { schema: 1, name: "host1", intf: "eth1", vtepIp: "192.0.2.1" },
  "hosts/host2": { schema: 1, name: "host2", vtepIp: "192.0.2.2" },
};
const VXLAN = { "networks/t/blue": { ...network, encap: "vxlan", tag: 7_000 } };

/** Starts a fabric for host1, which has one pod in network t/blue. */
function start(
  { flags = {}, more = {}, attachments = [attachmentOf("web", "10.9.0.1")] }: {
    readonly flags?: Partial<FabricFlags>;
    readonly more?: Readonly<Record<string, unknown>>;
    readonly attachments?: readonly ReturnType<typeof attachmentOf>[];
  } = {},
) {
  const documents = documentsOf({ attachments, more: { ...HOSTS, ...more } });
  for (const [key, value] of Object.entries(more)) documents.set(key, { value, revision: 5 });
  const [driver, log] = [new MemoryFabric(), new MemoryLog()];
  const defaultRoutes: string[] = [];
  const fabric = new FabricSync({
    ...{ host: "host1", store: { documents }, driver, log },
    flags: { host: "host1", isForced: false, setsArpIgnore: false, ...flags },
    links: { defaultRouteLinks: () => Promise.resolve(defaultRoutes) },
    tags: { tagOf: (_, { encap, tag }) => encap === "vlan" ? tag : 4_094 },
  });
  return {
    ...{ documents, driver, log, fabric, defaultRoutes },
    /** Ensures; returns the changes that were made. */
    ensure: async (options: { readonly isFresh?: boolean } = {}) => {
      driver.recorder.calls.length = 0;
      await fabric.ensure(options);
      return driver.recorder.calls.map(({ method }) => method)
        .filter((method) => method.startsWith("set"));
    },
  };
}

const BOTH = ["setUplink", "setTunnel"];

Deno.test("ensure() sets uplink and overlay as the records say", async () => {
  const { ensure, driver } = start({ more: VXLAN });
  assertEquals(await ensure(), BOTH);
  assertEquals(driver.uplink, { device: "eth1", tags: [] });
  assertEquals(driver.overlay, {
    ...{ localIp: "192.0.2.1", hosts: ["192.0.2.2"] },
    networks: [{ vni: 7_000, localTag: 4_094, members: [] }],
  });
  const vlan = start();
  await vlan.ensure();
  assertEquals(vlan.driver.uplink, { device: "eth1", tags: [100] });
});

Deno.test("ensure() does nothing where nothing has changed, and everything with isFresh", async () => {
  const { ensure, documents } = start();
  assertEquals(await ensure(), BOTH);
  assertEquals(await ensure(), []);
  documents.set("tenants/u", { value: { schema: 1, name: "u" }, revision: 6 });
  assertEquals(await ensure(), []);
  assertEquals(await ensure({ isFresh: true }), BOTH);
  documents.set("networks/t/blue", { value: { ...network, tag: 101 }, revision: 7 });
  assertEquals(await ensure(), BOTH);
});

Deno.test("ensure() changes nothing while the store is empty: it may be lost", async () => {
  const { ensure, documents, driver } = start();
  await ensure();
  const { uplink, overlay } = driver;
  documents.clear();
  documents.set("agents/host1", { value: { schema: 1 }, revision: 1 });
  assertEquals(await ensure({ isFresh: true }), []);
  assertEquals([driver.uplink, driver.overlay], [uplink, overlay]);
});

Deno.test("flags override the record of this host", async () => {
  const { ensure, driver, fabric } = start({ flags: { uplink: "eth7", vtepIp: "192.0.2.7" } });
  await ensure();
  assertEquals([driver.uplink?.device, driver.overlay?.localIp, fabric.uplink], [
    ...["eth7", "192.0.2.7", "eth7"],
  ]);
  assertEquals(start().fabric.uplink, "eth1");
  assertEquals(start({ more: { "hosts/host1": undefined } }).fabric.uplink, undefined);
});

Deno.test("an uplink that carries the default route is refused, logged once, and taken when it does no more", async () => {
  const { ensure, driver, log, defaultRoutes } = start();
  defaultRoutes.push("eth0", "eth1");
  assertEquals(await ensure(), ["setTunnel"]);
  assertEquals(await ensure(), []);
  assertEquals(await ensure({ isFresh: true }), ["setTunnel"]);
  assertEquals(driver.uplink, undefined);
  assertEquals(log.lines.length, 1);
  assert(/^error uplink: .*eth1.*default route.*--uplink-force/.test(log.lines[0]!), log.lines[0]);
  defaultRoutes.pop();
  assertEquals(await ensure({ isFresh: true }), BOTH);
  assertEquals(log.lines.slice(1), ["info uplink works again"]);
});

Deno.test("an uplink that carries the default route is taken where the operator forces it", async () => {
  const { ensure, driver, log, defaultRoutes } = start({ flags: { isForced: true } });
  defaultRoutes.push("eth1");
  await ensure();
  assertEquals([driver.uplink?.device, log.lines], ["eth1", []]);
});

/** Whether what failed so is tried again by the next ensure(), as a set-up calls it. */
const FAILURES: readonly (readonly [FaultCode, boolean])[] = [
  ["conflict", false],
  ["usage", false],
  ["not_found", false],
  ["failed", true],
  ["unavailable", true],
  ["timeout", true],
  ["exhausted", true],
];

for (const [code, isRepeated] of FAILURES) {
  Deno.test(`an uplink that fails with ${code} is ${isRepeated ? "" : "not "}tried again by the next set-up, and logged once`, async () => {
    const { ensure, driver, log } = start();
    driver.recorder.fail("setUplink", new Fault(code, "refused"), { times: 2 });
    assertEquals(await ensure(), BOTH, "the overlay is made all the same");
    assertEquals(await ensure(), isRepeated ? BOTH : []);
    assertEquals(log.lines, ["error uplink: refused"]);
  });
}

Deno.test("a problem is logged again when it has become another one", async () => {
  const { ensure, driver, log } = start();
  for (const what of ["busy", "busy", "gone"]) {
    driver.recorder.fail("setUplink", new Fault("failed", what));
    await ensure();
  }
  assertEquals(log.lines, ["error uplink: busy", "error uplink: gone"]);
});

Deno.test("an unusable tunnel address is logged once, with the commands that fix it", async () => {
  const { ensure, driver, log } = start({ more: VXLAN });
  const commands = ["ip address add 192.0.2.1/24 dev br0", "ip link set br0 up"];
  driver.vtepFault = new VtepFault("192.0.2.1", { why: "no link has it", fix: "add it", commands });
  await ensure();
  await ensure({ isFresh: true });
  assertEquals(log.lines.length, 1 + commands.length);
  assert(log.lines[0]!.startsWith("error overlay: "), log.lines[0]);
  for (const [at, command] of commands.entries()) {
    assert(log.lines[at + 1]!.startsWith("info ") && log.lines[at + 1]!.endsWith(command));
  }
  driver.vtepFault = undefined;
  await ensure({ isFresh: true });
  assertEquals(log.lines.at(-1), "info overlay works again");
});

Deno.test("what the commands mean for the host is logged before them", async () => {
  const { ensure, driver, log } = start({ more: VXLAN });
  const parts = { why: "it is on eth1", fix: "run them", commands: ["one", "two"] };
  driver.vtepFault = new VtepFault("192.0.2.1", { ...parts, effect: "all goes by ovs-vswitchd" });
  await ensure();
  assertEquals(log.lines.slice(1), [
    "info all goes by ovs-vswitchd",
    "info to fix it, as root: one",
    "info to fix it, as root: two",
  ]);
});

const ANSWERING = new VtepFault("192.0.2.1", {
  why: "eth1 also answers ARP for it",
  fix: "add --vtep-arp-ignore",
  commands: ["sysctl -w net/ipv4/conf/eth1/arp_ignore=1"],
  answeringNics: ["eth1"],
});

Deno.test("a tunnel address for which the NIC answers ARP, too, is a warning that says what may be lost, as tunnels work", async () => {
  const { ensure, driver, log } = start({ more: VXLAN });
  driver.vtepFault = ANSWERING;
  await ensure();
  assertEquals(log.lines, [
    "warn overlay: tunnel address 192.0.2.1 may lose frames: eth1 also answers ARP for it; " +
    "add --vtep-arp-ignore",
    "info to fix it, as root: sysctl -w net/ipv4/conf/eth1/arp_ignore=1",
  ]);
  assertEquals(driver.recorder.argsOf("setArpIgnore"), []);
});

Deno.test("with --vtep-arp-ignore the agent silences the NIC itself, and reports no problem", async () => {
  const { ensure, driver, log } = start({ more: VXLAN, flags: { setsArpIgnore: true } });
  driver.vtepFault = ANSWERING;
  await ensure();
  assertEquals(driver.recorder.argsOf("setArpIgnore"), [[["eth1"]]]);
  assertEquals(log.lines, [
    "info arp_ignore set to 1, as the NIC answered ARP for the tunnel address link=eth1 address=192.0.2.1",
  ]);
});

Deno.test("a NIC that cannot be silenced is reported once, and tunnels keep their warning", async () => {
  const { ensure, driver, log } = start({ more: VXLAN, flags: { setsArpIgnore: true } });
  driver.vtepFault = ANSWERING;
  driver.recorder.fail("setArpIgnore", new Fault("failed", "sysctl failed"), { times: 2 });
  await ensure();
  await ensure({ isFresh: true });
  assertEquals(log.lines.map((line) => line.split(":")[0]), [
    "error arp_ignore",
    "warn overlay",
    "info to fix it, as root",
  ]);
});

Deno.test("with --vtep-arp-ignore no other fault of the tunnel address changes the host", async () => {
  const { ensure, driver, log } = start({ more: VXLAN, flags: { setsArpIgnore: true } });
  driver.vtepFault = new VtepFault("192.0.2.1", { why: "no link has it", fix: "add it" });
  await ensure();
  assertEquals(driver.recorder.argsOf("setArpIgnore"), []);
  assert(log.lines[0]!.startsWith("error overlay: tunnel address 192.0.2.1 cannot be used"));
});

Deno.test("without a VXLAN network here the tunnel address is not checked", async () => {
  const { ensure, driver, log } = start();
  driver.vtepFault = new VtepFault("192.0.2.1", { why: "no link has it", fix: "add it" });
  await ensure();
  assertEquals([driver.recorder.argsOf("checkVtep"), log.lines], [[], []]);
});

for (
  const [what, report, part] of [
    [
      "that is another host's too",
      { unreachable: [], own: [{ ip: "10.9.0.9", mac: "02:02:0a:09:00:09", vtep: "192.0.2.1" }] },
      "192.0.2.1 is also another host's",
    ],
    [
      "of another host that does not answer",
      { unreachable: ["192.0.2.2", "192.0.2.3"], own: [] },
      "192.0.2.2, 192.0.2.3 does not answer",
    ],
  ] as const
) {
  Deno.test(`a tunnel address ${what} is logged once; all others are served`, async () => {
    const { ensure, driver, log } = start({ more: VXLAN });
    driver.report = report;
    await ensure();
    await ensure({ isFresh: true });
    assertEquals(log.lines.length, 1);
    assert(log.lines[0]!.includes(part), log.lines[0]);
    assert(driver.overlay);
  });
}

Deno.test("problems of each part are known until they end, with the commands that fix them", async () => {
  const { ensure, driver, fabric, defaultRoutes } = start({ more: VXLAN });
  driver.vtepFault = new VtepFault("192.0.2.1", {
    ...{ why: "no link has it", fix: "run the commands printed with this" },
    commands: ["ip link set br0 up", "ip address add 192.0.2.1/24 dev br0"],
  });
  defaultRoutes.push("eth1");
  await ensure();
  assertEquals(fabric.problems, [{
    ...{ part: "uplink", state: "failed" },
    what: "uplink eth1 refused: it carries the default route",
    fix: "give another --uplink or add --uplink-force",
  }, {
    ...{ part: "overlay", state: "failed" },
    what: "tunnel address 192.0.2.1 cannot be used: no link has it",
    fix:
      "run the commands printed with this: ip link set br0 up && ip address add 192.0.2.1/24 dev br0",
  }]);
  defaultRoutes.pop();
  driver.vtepFault = ANSWERING;
  await ensure({ isFresh: true });
  assertEquals(fabric.problems, [{
    ...{ part: "overlay", state: "warning" },
    what: "tunnel address 192.0.2.1 may lose frames: eth1 also answers ARP for it",
    fix: "add --vtep-arp-ignore: sysctl -w net/ipv4/conf/eth1/arp_ignore=1",
  }]);
  assertEquals(fabric.problem, undefined);
  driver.vtepFault = undefined;
  await ensure({ isFresh: true });
  assertEquals(fabric.problems, []);
});

Deno.test("hosts that do not answer are a warning, as they may be down, and an error in the log", async () => {
  const { ensure, driver, fabric } = start({ more: VXLAN });
  driver.report = { unreachable: ["192.0.2.2"], own: [] };
  await ensure();
  assertEquals(fabric.problems.map(({ part, state }) => [part, state]), [["overlay", "warning"]]);
  assert(fabric.problem?.includes("192.0.2.2 does not answer"), fabric.problem);
});

const UNLISTED =
  "host host1 is not in the intent: pods of VXLAN networks here do not reach other " +
  'hosts; add it to "Hosts" with its VtepIp, or start the agent with the right --host-label';

for (const flags of [{}, { vtepIp: "192.0.2.1" }]) {
  Deno.test(`a host that is not in the intent is a warning, logged once, ${flags.vtepIp ? "also with --vtep-ip, " : ""}until it is there`, async () => {
    const { ensure, documents, log, fabric } = start({ more: VXLAN, flags });
    documents.delete("hosts/host1");
    await ensure();
    await ensure({ isFresh: true });
    assertEquals(log.lines, [`warn overlay: ${UNLISTED}`]);
    assertEquals([fabric.problems[0]?.state, fabric.problem], ["warning", undefined]);
    documents.set("hosts/host1", { value: HOSTS["hosts/host1"], revision: 8 });
    await ensure();
    assertEquals(log.lines.slice(1), ["info overlay works again"]);
  });
}

for (
  const [what, more] of [
    ["without a VXLAN network", {}],
    ["where no host has a tunnel address", {
      ...VXLAN,
      "hosts/host2": { schema: 1, name: "host2", intf: "eth1" },
    }],
  ] as const
) {
  Deno.test(`a host may be missing from an intent ${what}`, async () => {
    const { ensure, documents, log } = start({ more });
    documents.delete("hosts/host1");
    await ensure();
    assertEquals(log.lines, []);
  });
}

Deno.test("changes are made one after the other", async () => {
  const { fabric, driver, documents } = start();
  const release = driver.recorder.hold("setUplink");
  const turn = () => new Promise((done) => setTimeout(done));
  const first = fabric.ensure();
  await turn();
  documents.set("networks/t/blue", { value: { ...network, tag: 101 }, revision: 7 });
  const second = fabric.ensure();
  await turn();
  assertEquals(driver.recorder.argsOf("setUplink").length, 1);
  release();
  await Promise.all([first, second]);
  const devices = driver.recorder.argsOf("setUplink").map(([uplink]) => uplink);
  assertEquals(devices, [{ device: "eth1", tags: [100] }, { device: "eth1", tags: [101] }]);
});

// ---- drift

Deno.test("drift is reported once: when the number of flows is another than after the last change", async () => {
  const { fabric, ensure, driver } = start();
  assertEquals(await fabric.hasDrifted(), false, "nothing is installed yet");
  driver.counts = "3 4";
  await ensure();
  assertEquals(await fabric.hasDrifted(), false);
  driver.counts = "3 0";
  assertEquals([await fabric.hasDrifted(), await fabric.hasDrifted()], [true, false]);
  driver.counts = "3 4";
  await ensure({ isFresh: true });
  assertEquals(await fabric.hasDrifted(), false);
});

Deno.test("a host without uplink and overlay has no flows that could drift: they are not counted", async () => {
  const { fabric, ensure, driver } = start({ more: { "hosts/host1": undefined } });
  await ensure();
  driver.counts = "9 9";
  assertEquals(await fabric.hasDrifted(), false);
  assertEquals(driver.recorder.argsOf("flowCounts"), []);
});

Deno.test("where flows cannot be counted, or not all was installed, nothing is taken for drift", async () => {
  for (const method of ["flowCounts", "setTunnel"] as const) {
    const { fabric, ensure, driver } = start();
    driver.recorder.fail(method, new Fault("timeout", "no answer"));
    await ensure();
    driver.counts = "9 9";
    assertEquals(await fabric.hasDrifted(), false);
  }
});
