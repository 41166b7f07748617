// Faults of the original that show on one host, by their numbers: each test fails on what it did.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { intents } from "../fixtures/intents.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Host, intentOf, startHost, worldOf } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

/** Sets up pods of these names; returns them. */
async function setUp({ agent, pod }: Host, ...names: string[]): Promise<Pod[]> {
  const pods = [];
  for (const name of names) {
    pods.push(await pod(name));
    await agent.setup(pods.at(-1)!);
  }
  return pods;
}

/** Writes a document into the host's folder and hands it to netdcli; returns its words. */
async function netdcli({ agent, dir }: Host, flag: string, document: unknown): Promise<string> {
  const file = await Deno.makeTempFile({ dir, suffix: ".json" });
  const text = typeof document === "string" ? document : JSON.stringify(document);
  await Deno.writeTextFile(file, text);
  const { code, err } = await agent.call("netdcli", flag, file);
  if (code !== 0) throw new Error(`netdcli ${flag} ended with ${code}: ${err}`);
  return err;
}

/** Returns the names of our links here: host ends of pods. */
async function hostEnds(): Promise<string[]> {
  const links = JSON.parse(await run("ip", ["-j", "link"])) as { ifname: string }[];
  return links.map(({ ifname }) => ifname).filter((name) => name.startsWith("cv"));
}

/** Returns when no link is on its way out any more: links go a moment after the answer. */
async function countLinks(count: number): Promise<void> {
  await waitFor(`${count} links of ours`, async () => (await hostEnds()).length === count);
}

Deno.test("an agent that starts with endpoints attached serves them, and the next one", async () => {
  await using host = await startHost(intentOf(3));
  const [one] = await setUp(host, "pod0", "pod1");
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await host.agent.stop(signal);
    await host.agent.start();
    assert(await one!.reaches("10.9.0.2"));
  }
  const [third] = await setUp(host, "pod2");
  assert(await third!.reaches("10.9.0.1"));
});

Deno.test("setup never says 0 while the pod has no network, and says it when the first ping is answered", async () => {
  await using host = await startHost(intentOf(2));
  await setUp(host, "pod0");
  const pod = await host.pod("pod1");
  const words = ["setup", pod.namespace, pod.name, pod.id];
  await host.ovs.killVswitchd();
  const early = await host.agent.callWith({ K8CONTIVNET_SETUP_SECONDS: "2" }, ...words);
  assert([5, 6].includes(early.code), `setup ended with ${early.code}: ${early.err}`);
  assert(!(await pod.run("ip", "link", "show", "eth0")).text.includes("eth0:"));
  await host.ovs.startVswitchd();
  await host.agent.setup(pod);
  assert(await pod.reaches("10.9.0.1"));
});

Deno.test("setting an endpoint again and again leaves it one port", async () => {
  await using host = await startHost(intentOf(2));
  const [pod] = await setUp(host, "pod0");
  const before = await worldOf(host);
  for (let n = 0; n < 3; n++) {
    await host.agent.setup(pod!);
    await netdcli(host, "-add-cfg", intentOf(2));
    await netdcli(host, "-host-bindings-cfg", [{ Container: "pod0", Host: "host1" }]);
  }
  assertEquals(await worldOf(host), before);
});

Deno.test("teardown takes the pod's link, its port, its flows and its record, and adds nothing", async () => {
  await using host = await startHost(intentOf(2));
  const [_, pod] = await setUp(host, "pod0", "pod1");
  const both = await worldOf(host);
  assertEquals((await host.agent.verb("teardown", pod!)).code, 0);
  await countLinks(1);
  const { text } = await pod!.run("ip", "-br", "address", "show", "scope", "global");
  assertEquals(text.trim(), "");
  const one = await worldOf(host);
  for (const kind of ["ports", "links", "attachments"] as const) {
    assertEquals(one[kind].length, both[kind].length - 1, kind);
    assert(one[kind].every((name) => both[kind].includes(name)), kind);
  }
  assert(one.flows.length < both.flows.length);
});

Deno.test("attaching and detaching leave no name of a namespace behind", async () => {
  await using host = await startHost(intentOf(3));
  const names = async () => (await run("ls", ["/run/netns"])).split("\n").sort();
  const pods = [await host.pod("pod0"), await host.pod("pod1"), await host.pod("pod2")];
  const before = await names();
  for (const pod of pods) await host.agent.setup(pod);
  assertEquals(await names(), before);
  for (const pod of pods) assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  assertEquals(await names(), before);
});

const REPEATED = ["multipleVlans", "mixedTenants", "multipleVxlans", "lateBindings"] as const;

for (const name of REPEATED) {
  Deno.test(`the same -cfg a second time changes nothing: ${name}`, async () => {
    await using host = await startHost(JSON.parse(intents[name]));
    await setUp(host, "myContainer1", "myContainer2");
    await netdcli(host, "-cfg", intents[name]);
    const before = await worldOf(host);
    assertEquals(await netdcli(host, "-cfg", intents[name]), "");
    await host.agent.stop();
    await host.agent.start();
    assertEquals(await worldOf(host), before);
  });
}

Deno.test("eight netdcli at once assign no address twice, by the agent and on the store itself", async () => {
  await using host = await startHost(intentOf(0));
  const part = (run: number) => ({
    Tenants: [{
      Name: "t",
      Networks: [{
        Name: "blue",
        Endpoints: Array.from({ length: 5 }, (_, n) => ({ Container: `run${run}-${n}` })),
      }],
    }],
  });
  const store = ["-store", `sqlite:${host.agent.stateDir}/store.db`];
  const runs = Array.from({ length: 8 }, async (_, at) => {
    const file = `${host.dir}/part${at}.json`;
    await Deno.writeTextFile(file, JSON.stringify(part(at)));
    const words = ["netdcli", "-add-cfg", ...at % 2 === 0 ? [] : store, file];
    const { code, err } = await host.agent.call(...words);
    assertEquals(code, 0, err);
  });
  await Promise.all(runs);
  const addresses = await waitFor("40 endpoints", async () => {
    const { out } = await host.agent.call("get", "endpoints", "-o", "json");
    const items = JSON.parse(out) as { address: string }[];
    return items.length === 40 && items.map(({ address }) => address);
  });
  assertEquals(new Set(addresses).size, 40);
});

const SPELLINGS = [["-host-label=edge-7"], ["--host-label", "edge-7"], ["-host-label", "edge-7"]];

for (const words of SPELLINGS) {
  Deno.test(`the host's label is what the agent was started with: ${words.join(" ")}`, async () => {
    await using host = await startHost(intentOf(1), ...words);
    // The original's scratch file, as another user may have left it for a shell to read.
    const before = await Deno.stat("/tmp/netdcli.cfg").catch(() => undefined);
    await setUp(host, "pod0");
    assertEquals((await host.agent.attachments()).map((item) => item.host), ["edge-7"]);
    const after = await Deno.stat("/tmp/netdcli.cfg").catch(() => undefined);
    assertEquals(after?.mtime, before?.mtime);
  });
}

/** Names that look the same when joined: net-1-pod twice, and net11.92.0.2 twice. */
const SIMILAR = {
  Tenants: [
    tenantOf("one", "11-20", [["net", ["1-pod", "a-very-long-pod-name-that-fills-a-link-name"]]]),
    tenantOf("two", "21-30", [["net-1", ["pod"]], ["net1", ["1.92.0.2"]], ["net", ["11.92.0.2"]]]),
  ],
};

function tenantOf(name: string, vlans: string, networks: [string, string[]][]): unknown {
  return tenantWith({
    Name: name,
    Vlans: vlans,
    Networks: networks.map(([Name, pods]) => ({
      Name,
      Endpoints: pods.map((Container) => ({ Container })),
    })),
  });
}

Deno.test("link names fit the kernel and are never the same, whatever the intent's names", async () => {
  await using host = await startHost(SIMILAR);
  const names = ["1-pod", "a-very-long-pod-name-that-fills-a-link-name", "pod", "1.92.0.2"];
  await setUp(host, ...names, "11.92.0.2");
  const ends = await hostEnds();
  assertEquals(new Set(ends).size, 5);
  assert(ends.every((name) => name.length <= 15), ends.join());
  const items = await host.agent.attachments();
  assertEquals(items.map(({ state }) => state), Array(5).fill("ready"));
});

Deno.test("the same container name in two tenants means both networks for the pod", async () => {
  await using host = await startHost({
    Tenants: [
      tenantOf("one", "11-20", [["net", ["pod", "peer1"]]]),
      tenantOf("two", "21-30", [["net", ["pod", "peer2"]]]),
    ],
  });
  await setUp(host, "pod");
  const items = await host.agent.attachments();
  assertEquals(items.map(({ tenant }) => tenant).sort(), ["one", "two"]);
  assertNotEquals(items[0]?.interface, items[1]?.interface);
  assertNotEquals(items[0]?.vlan, items[1]?.vlan);
});

Deno.test("a pod that is named but cannot be served never gets 0", async () => {
  await using host = await startHost(intentOf(1));
  await netdcli(host, "-host-bindings-cfg", [{ Container: "pod0", Host: "host9" }]);
  const pod = await host.pod("pod0");
  const { code, err } = await host.agent.verb("setup", pod);
  assertEquals(code, 4);
  assertStringIncludes(err, "host9");
});
