// Our file called by the real libcni: by Debian's cnitool, as old as containerd 1.6's and as new as 1.1.0 of CNI,
// and by calls with what cnitool cannot say. And our rules beside those of the reference implementation.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { CniInput } from "../../../lib/cni/cni_types.ts";
import { cniIntent } from "../../fixtures/cni_intent.ts";
import { assertNothingLeft, type Host, startHost, worldOf } from "../../lab/host.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { callOf, type CniCase, cniCases } from "../../unit/cni/cni_cases.ts";
import { CNITOOL_CACHE, Libcni, type LibcniCall, netnsOf, toolIdOf } from "../lab/libcni.ts";

/** Versions as the installer writes them: libcni 1.1 cannot read results of 1.1.0, and takes the first key. */
const BOTH = { cniVersion: "1.0.0", cniVersions: ["0.4.0", "1.0.0", "1.1.0"] };
const listOf = (versions: object, plugin: object = {}, ...more: object[]) => ({
  ...versions,
  plugins: [{ type: "k8contivnet", ...plugin }, ...more],
});
const LISTS = {
  pods: listOf(BOTH),
  storage: listOf(BOTH, { network: "storage" }),
  tiny: listOf({ cniVersion: "1.1.0" }, { network: "tiny" }),
  chain: listOf(
    { cniVersion: "1.0.0" },
    {},
    { type: "tuning", sysctl: { "net.ipv4.conf.eth0.arp_filter": "1" } },
    { type: "portmap", snat: true, capabilities: { portMappings: true } },
  ),
};

/** Starts a host whose folder has all lists. */
async function startLibcni(): Promise<{ host: Host; libcni: Libcni }> {
  const host = await startHost(cniIntent);
  try {
    const libcni = await Libcni.make(host);
    for (const [name, list] of Object.entries(LISTS)) await libcni.configure(name, list);
    return { host, libcni };
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

const addressOf = (address: string) => address.split("/")[0]!;

const textOf = (name: keyof typeof LISTS) => JSON.stringify({ name, ...LISTS[name] });

for (const [version, cniVersion] of [["1.1", "1.0.0"], ["1.3", "1.1.0"]] as const) {
  Deno.test(`cnitool ${version} adds, checks and deletes in version ${cniVersion}, on one network and on two`, async () => {
    const { host, libcni } = await startLibcni();
    await using _ = host;
    const before = await worldOf(host);
    const [a, b] = [await host.pod("a"), await host.pod("b")];
    const [first, second] = [
      await libcni.add(version, "pods", a),
      await libcni.add(version, "pods", b),
    ];
    assertEquals([first.cniVersion, first.ips.length], [cniVersion, 1]);
    assertEquals(first.routes, [{ dst: "0.0.0.0/0", gw: "10.9.0.254" }]);
    const inside = first.interfaces[first.ips[0]!.interface]!;
    assertEquals([inside.name, inside.sandbox], ["eth0", netnsOf(a)]);
    assertEquals(inside.mtu !== undefined, cniVersion === "1.1.0");
    const link = (await a.run("ip", "addr", "show", "eth0")).text;
    assertStringIncludes(link, `link/ether ${inside.mac}`);
    assertStringIncludes(link, `inet ${first.ips[0]!.address}`);
    const ports = async () => (await host.ovs.vsctl("list-ports", "contivBridge")).split("\n");
    assert((await ports()).includes(first.interfaces[0]!.name));
    assert(await a.reaches(addressOf(second.ips[0]!.address)));

    const id = await toolIdOf(a);
    const cached = JSON.parse(await Deno.readTextFile(`${CNITOOL_CACHE}/pods-${id}-eth0`));
    assertEquals(cached.result, first);
    const check = await libcni.tool(version, "check", "pods", a);
    assertEquals(check, { code: 0, out: "", err: "" });

    const net1 = { ifname: "net1" };
    const [, other] = [
      await libcni.add(version, "storage", a, net1),
      await libcni.add(version, "storage", b, net1),
    ];
    assertMatch(other.ips[0]!.address, /^10\.9\.1\./);
    assert(await a.reaches(addressOf(other.ips[0]!.address)));
    assertEquals((await libcni.tool(version, "check", "storage", a, net1)).code, 0);

    // The second DEL comes without prevResult.
    for (let time = 0; time < 2; time++) {
      const deleted = await libcni.tool(version, "del", "pods", a);
      assertEquals(deleted, { code: 0, out: "", err: "" });
    }
    assert(!(await ports()).includes(first.interfaces[0]!.name));
    assertEquals((await a.run("ip", "link", "show", "eth0")).code, 1);
    assert(await a.reaches(addressOf(other.ips[0]!.address)), "its other network stays");
    const late = await libcni.tool(version, "check", "pods", a);
    assertEquals([late.code, late.err.includes("CHECK got no prevResult")], [1, true], late.err);
    for (const pod of [a, b]) {
      assertEquals((await libcni.tool(version, "del", "pods", pod)).code, 0);
      assertEquals((await libcni.tool(version, "del", "storage", pod, net1)).code, 0);
    }
    await assertNothingLeft(host, before);
  });

  Deno.test(`cnitool ${version} runs a list with Debian's tuning and portmap behind ours`, async () => {
    const { host, libcni } = await startLibcni();
    await using _ = host;
    const before = await worldOf(host);
    const [a, b] = [await host.pod("a"), await host.pod("b")];
    const portMappings = [{ hostPort: 8090, containerPort: 80, protocol: "tcp" }];
    const options = { runtimeConfig: { portMappings } };
    const { cniVersion, ips } = await libcni.add(version, "chain", a, options);
    const address = addressOf(ips[0]!.address);
    assertEquals(cniVersion, "1.0.0");
    const rules = () => run("iptables-save", ["-t", "nat"]);
    assertStringIncludes(await rules(), `--to-destination ${address}:80`);
    assertMatch((await a.run("sysctl", "net.ipv4.conf.eth0.arp_filter")).text, /= 1/);
    await libcni.add(version, "pods", b);
    assert(await b.reaches(address));
    assertEquals((await libcni.tool(version, "del", "chain", a, options)).code, 0);
    assertEquals((await libcni.tool(version, "del", "pods", b)).code, 0);
    assert(!(await rules()).includes(address));
    await assertNothingLeft(host, before);
  });
}

Deno.test("GC of libcni removes what its list does not have, and without a list only what libcni has recorded", async () => {
  const { host, libcni } = await startLibcni();
  await using _ = host;
  const before = await worldOf(host);
  const [kept, lost, other] = [await host.pod("kept"), await host.pod("lost"), await host.pod("o")];
  const rt = ({ id }: typeof kept) => ({ containerId: id, netns: `/run/netns/${id}` });
  const add = async (pod: typeof kept, ifname: string, name: keyof typeof LISTS) => {
    const added = await libcni.call({ command: "ADD", list: textOf(name), ifname, ...rt(pod) });
    assertEquals(added.error, undefined);
  };
  for (const pod of [kept, lost, other]) await add(pod, "eth0", "pods");
  await add(lost, "net1", "storage");
  await libcni.forget();
  const attached = async () =>
    (await host.agent.attachments()).map((one) => `${one.interface} ${one.sandbox}`).sort();
  const valid = [kept, other].map(({ id }) => ({ containerID: id, ifname: "eth0" }));
  const collected = await libcni.call({ command: "GC", list: textOf("pods"), valid });
  assertEquals(collected, { called: 1 });
  const left = [`eth0 ${kept.id}`, `eth0 ${other.id}`, `net1 ${lost.id}`].sort();
  assertEquals(await attached(), left);
  await waitFor("its link to be gone", async () => {
    return (await lost.run("ip", "link", "show", "eth0")).code === 1;
  });
  const [address] = (await host.agent.attachments()).find((one) => one.sandbox === other.id)!
    .addresses;
  assert(await kept.reaches(addressOf(address!)));

  // cnitool passes no list: it deletes what it has recorded itself, and the plugin refuses the rest.
  const tool = await host.pod("tool");
  await libcni.add("1.3", "pods", tool);
  const { code, err } = await libcni.tool("1.3", "gc", "pods", tool);
  assertEquals(code, 1);
  assertStringIncludes(err, "GC got no cni.dev/valid-attachments");
  assertEquals(await attached(), left);

  // A nil list of Go is null: it may be empty, or missing by mistake. The containers run.
  const nil = await libcni.call({ command: "GC", list: textOf("pods"), validNil: true });
  assertEquals(nil, { called: 1 });
  assertEquals(await attached(), left);

  // An empty list of libcni is an empty list; of another network it concerns nothing here.
  for (const name of ["storage", "pods"] as const) {
    const emptied = await libcni.call({ command: "GC", list: textOf(name), valid: [] });
    assertEquals(emptied, { called: 1 });
  }
  assertEquals(await attached(), []);
  await assertNothingLeft(host, before);
});

Deno.test("STATUS of libcni: ready, full, without Open vSwitch, without agent; and libcni's check of versions", async () => {
  const { host, libcni } = await startLibcni();
  await using _ = host;
  const pod = await host.pod("a");
  const status = async (name: keyof typeof LISTS) => {
    const { called, error } = await libcni.call({ command: "STATUS", list: textOf(name) });
    return [called, error?.code ?? 0, error?.msg ?? ""];
  };
  const tool = (name: keyof typeof LISTS) => libcni.tool("1.3", "status", name, pod);
  const becomes = (what: string, code: number) =>
    waitFor(what, async () => (await status("pods"))[1] === code);
  // An agent answers from its start on, also while it connects to ovs-vswitchd.
  await becomes("the agent to be connected to ovs-vswitchd", 0);
  for (const name of ["pods", "storage", "tiny"] as const) {
    assertEquals(await status(name), [1, 0, ""]);
    assertEquals(await tool(name), { code: 0, out: "", err: "" });
    const valid = await libcni.call({ command: "VALIDATE", list: textOf(name) });
    assertEquals([valid.called, valid.error], [1, undefined]);
  }
  assertEquals(await status("chain"), [0, 0, ""], "libcni asks no list of 1.0.0");
  await libcni.add("1.3", "tiny", pod);
  assertEquals(await status("tiny"), [1, 50, "no address is left in t/tiny"]);
  assertEquals(await status("pods"), [1, 0, ""]);
  assertEquals((await tool("tiny")).code, 1);
  const full = await libcni.tool("1.3", "add", "tiny", await host.pod("b"));
  assertEquals(full.code, 1);
  assertStringIncludes(full.err, "tiny");
  await libcni.tool("1.3", "del", "tiny", pod);
  assertEquals(await status("tiny"), [1, 0, ""]);

  await host.ovs.stopVswitchd();
  await becomes("ovs-vswitchd to be missed", 51);
  assertEquals(await status("pods"), [1, 51, "ovs-vswitchd is unreachable"]);
  assertStringIncludes((await tool("pods")).err, "ovs-vswitchd is unreachable");
  await host.ovs.startVswitchd();
  await becomes("ovs-vswitchd to be seen again", 0);
  await host.agent.stop();
  assertEquals((await status("pods"))[1], 50);
  assertEquals((await tool("pods")).code, 1);
  await host.agent.start();
  await becomes("the agent to be back", 0);
});

/** No environment can have a NUL. */
const cases = cniCases.filter(({ input }) => !Object.values(input).join().includes("\0"));

/** Returns the call of a row as libcni can make it; undefined if its configuration cannot be in a list. */
function callOfRow(
  { input: { command, containerId, netns, ifname, args, config, path } }: CniCase,
) {
  try {
    const plugin = JSON.parse(config);
    const { name, cniVersion } = plugin;
    const pairs = args === "" ? [] : args.split(";").map((pair) => pair.split("="));
    if (typeof name !== "string" || !pairs.every((pair) => pair.length === 2)) return undefined;
    if (typeof cniVersion !== "string" || path === "") return undefined;
    const call: LibcniCall = {
      ...{ command, containerId, netns, ifname },
      args: pairs as [string, string][],
      list: JSON.stringify({ name, cniVersion, plugins: [plugin] }),
    };
    return call;
  } catch {
    return undefined;
  }
}

Deno.test("each call of the table that libcni can make has through libcni the answer that it has without", async () => {
  const { host, libcni } = await startLibcni();
  await using _ = host;
  let [answered, refused] = [0, 0];
  for (const row of cases) {
    const call = callOfRow(row);
    if (!call || !["ADD", "DEL", "CHECK", "GC", "STATUS"].includes(call.command)) continue;
    const { called, error } = await libcni.call(call);
    if (called === 0) {
      // Of what libcni refuses by itself, we accept only deletions.
      refused++;
      assert(row.code !== 0 || call.command === "DEL", row.name);
      continue;
    }
    answered++;
    if (row.code === 0) {
      const { code, out } = await libcni.callFile(row.input);
      const direct = code === 0 ? undefined : JSON.parse(out);
      assertEquals([error?.code, error?.msg], [direct?.code, direct?.msg], row.name);
    } else {
      assertEquals(error?.code, row.code, row.name);
      assertStringIncludes(`${error?.msg}; ${error?.details}`, row.message, row.name);
    }
  }
  assert(answered > 80 && refused > 10, `${answered} answered, ${refused} refused by libcni`);
});

/** Rows that we accept and the reference implementation does not. */
const MORE_ACCEPTED: readonly string[] = [
  // Forms of results do not contradict each other; a list's version may change while its containers run.
  "CHECK in 0.4.0",
  "a prevResult of 0.3.1 in a configuration of 1.0.0",
  // libcni up to 1.2.2 has no other key.
  "GC with the older key alone",
  // CRI-O's list of no pods: it releases what has no namespace.
  "GC with null as list",
  "GC with null as both lists, as libcni sends a nil one",
];

/** The codes of the reference implementation that ours stand for where both refuse. */
const SAME_AS: Readonly<Record<number, readonly number[]>> = {
  // A type that is wrong is a decoder's error there, and a key that is named here.
  7: [6, 7],
  6: [6, 7],
  5: [6],
};

Deno.test("what the reference implementation refuses, we refuse with its code, and every DEL that it accepts of an attachment", async () => {
  const { host, libcni } = await startLibcni();
  await using _ = host;
  const codeOf = ({ code, out }: { code: number; out: string }) =>
    code === 0 ? 0 : Number(JSON.parse(out).code);
  for (const { name, input, code } of cases) {
    const theirs = codeOf(await libcni.callReference(input));
    if (MORE_ACCEPTED.includes(name)) assertEquals([code, theirs], [0, 7], name);
    else if (theirs !== 0) assert((SAME_AS[code] ?? [code]).includes(theirs), `${name}: ${theirs}`);
    // The key "socket" is ours: a DEL with a wrong one finds no agent.
    else if (input.command === "DEL" && !name.includes("socket")) assertEquals(code, 0, name);
  }
  const del = (changes: Partial<CniInput>) => ({ ...callOf("DEL"), ...changes });
  for (
    const input of [
      ...[
        del({}),
        del({ netns: "" }),
        del({ netns: "relative" }),
        del({ args: "K8S_POD_NAME=../a" }),
      ],
      callOf("DEL", { network: 5, runtimeConfig: { mac: 2 }, prevResult: { ips: [{}] } }),
    ]
  ) {
    assertEquals(codeOf(await libcni.callReference(input)), 0, input.config);
    assertEquals(codeOf(await libcni.callFile(input)), 0, input.config);
  }
});
