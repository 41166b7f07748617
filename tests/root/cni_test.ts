// The file as a CNI plugin with a real Open vSwitch: what an ADD promises, what CHECK, GC and STATUS say, and
// that nothing is left, whatever is called in whichever order.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { cniIntent } from "../fixtures/cni_intent.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { FILE, type Host, startHost, worldOf } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

/** Starts a host and a runtime on it. */
async function startNode(...flags: string[]) {
  const host = await startHost(cniIntent, ...flags);
  return { host, runtime: runtimeOf(host) };
}

function runtimeOf({ agent: { socket } }: Host, more: object = {}): LabCniRuntime {
  return new LabCniRuntime({ file: FILE, socket, ...more });
}

Deno.test("ADD connects two containers at once, its result is what they have, CHECK agrees, and DEL leaves nothing", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const before = await worldOf(host);
  const [a, b] = [await host.pod("a"), await host.pod("b")];
  const [first] = await Promise.all([a, b].map((pod) => runtime.add({ pod })));
  const [second] = first!.ips[0]!.address === "10.9.0.1/24" ? ["10.9.0.2"] : ["10.9.0.1"];
  assert(await a.reaches(second!), "the first ping");
  const link = (await a.run("ip", "addr", "show", "eth0")).text;
  const inside = first!.interfaces[1]!;
  assertEquals([inside.name, inside.sandbox], ["eth0", `/run/netns/${a.id}`]);
  assertStringIncludes(link, inside.mac!);
  assertStringIncludes(link, first!.ips[0]!.address);
  assertEquals(first!.routes, [{ dst: "0.0.0.0/0", gw: "10.9.0.254" }]);
  assertStringIncludes((await a.run("ip", "route")).text, "default via 10.9.0.254");
  await runtime.check({ pod: a });
  for (const pod of [a, b, a]) await runtime.del({ pod });
  await waitFor("nothing to be left", async () => {
    return JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  });
});

Deno.test("CHECK names what was changed by hand, before the agent has repaired it", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const pod = await host.pod("a");
  await runtime.add({ pod });
  // The agent repairs it within a moment: CHECK may come too late, but not each time.
  let message = "";
  for (let tries = 0; tries < 50 && message === ""; tries++) {
    await pod.run("ip", "addr", "flush", "dev", "eth0");
    message = await runtime.check({ pod }).then(() => "", (error) => String(error.message));
    const isRepaired = () => runtime.check({ pod }).then(() => true, () => false);
    await waitFor("the agent to repair it", isRepaired);
  }
  assertMatch(message, /"code":105.*interface eth0 lacks address 10\.9\.0\.1\/24/);
});

Deno.test("GC releases what its runtime does not list, and STATUS says when no address is left", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const [kept, lost] = [await host.pod("kept"), await host.pod("lost")];
  for (const pod of [kept, lost]) await runtime.add({ pod });
  const valid = [{ containerID: kept.id, ifname: "eth0" }];
  const missing = await runtime.ofNetwork("GC");
  assertEquals([missing.code, missing.json.code], [1, 7]);
  assertEquals((await runtime.ofNetwork("GC", { "cni.dev/valid-attachments": valid })).code, 0);
  assertEquals((await host.agent.attachments()).map(({ sandbox }) => sandbox), [kept.id]);
  await waitFor("its link to be gone", async () => {
    return (await lost.run("ip", "link", "show", "eth0")).code === 1;
  });
  await runtime.check({ pod: kept });
  const tiny = runtimeOf(host, { plugins: [{ type: "k8contivnet", network: "tiny" }] });
  assertEquals(await tiny.ofNetwork("STATUS"), { code: 0, out: "", err: "", json: {} });
  await tiny.add({ pod: lost });
  const { code, json, err } = await tiny.ofNetwork("STATUS");
  assertEquals([code, json.code, err], [1, 50, ""]);
  const full = await assertRejects(() => host.pod("c").then((pod) => tiny.add({ pod })), Error);
  assertStringIncludes(full.message, `"code":100`);
});

Deno.test("several interfaces of one container are several networks", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const storage = runtimeOf(host, {
    name: "storage",
    plugins: [{ type: "k8contivnet", network: "storage" }],
  });
  const [a, b] = [await host.pod("a"), await host.pod("b")];
  for (const pod of [a, b]) {
    await runtime.add({ pod });
    await storage.add({ pod, ifname: "net1" });
  }
  const second = await assertRejects(() => runtime.add({ pod: a, ifname: "net2" }), Error);
  assertStringIncludes(second.message, "this container is in this network already");
  for (const [from, to] of [[a, "10.9.0.2"], [a, "10.9.1.2"], [b, "10.9.1.1"]] as const) {
    assert(await from.reaches(to), to);
  }
  await runtime.del({ pod: a });
  assert(await b.reaches("10.9.1.1"));
  await runtime.check({ pod: b });
  await storage.check({ pod: a, ifname: "net1" });
});

Deno.test("fifty containers at once are added, and deleted at once, in parallel with their ADD", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const before = await worldOf(host);
  const pods = await Promise.all([...Array(50).keys()].map((n) => host.pod(`p${n}`)));
  const results = await Promise.all(pods.map((pod) => runtime.add({ pod })));
  const addresses = results.map(({ ips }) => ips[0]?.address);
  assertEquals(new Set(addresses).size, 50);
  await Promise.all(pods.map((pod) => runtime.del({ pod })));
  // A runtime that gives up deletes while the ADD runs.
  await Promise.all(
    pods.slice(0, 10).flatMap((pod) => [
      runtime.add({ pod }).catch(() => {}),
      runtime.del({ pod }),
    ]),
  );
  await Promise.all(pods.slice(0, 10).map((pod) => runtime.del({ pod })));
  await waitFor("nothing to be left", async () => {
    return JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  });
});

Deno.test("without an agent ADD says when to try again, and DEL leaves a note that the next agent handles", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const before = await worldOf(host);
  const pod = await host.pod("a");
  await runtime.add({ pod });
  await host.agent.stop("SIGKILL");
  const env = { CNI_COMMAND: "STATUS" };
  const status = await runtime.raw(env, { type: "k8contivnet", cniVersion: "1.1.0" });
  assertEquals([status.code, status.json.code, status.err], [1, 50, ""]);
  const adding = await runtime.raw(
    {
      ...{ CNI_COMMAND: "ADD", CNI_CONTAINERID: "c9", CNI_NETNS: `/run/netns/${pod.id}` },
      ...{ CNI_IFNAME: "eth9", K8CONTIVNET_SETUP_SECONDS: "1" },
    },
    { type: "k8contivnet" },
  );
  assertEquals([adding.code, adding.json.code], [1, 11]);
  await runtime.del({ pod });
  await host.agent.start();
  await waitFor("the note to be handled", async () => {
    return JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  });
});

Deno.test("an agent killed while it adds leaves nothing that the next ADD or DEL does not mend", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const before = await worldOf(host);
  for (let round = 0; round < 6; round++) {
    const pod = await host.pod(`p${round}`);
    const adding = runtime.add({ pod }).then(() => true, () => false);
    await new Promise((done) => setTimeout(done, 4 * round));
    await host.agent.stop("SIGKILL");
    await host.agent.start();
    if (await adding) await runtime.check({ pod });
    else await runtime.add({ pod });
    await runtime.del({ pod });
  }
  await waitFor("nothing to be left", async () => {
    return JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  });
});

Deno.test("a namespace that is a file, a link, gone, the host's or another's process is refused, or taken as what it is", async () => {
  const { host, runtime } = await startNode();
  await using _ = host;
  const before = await worldOf(host);
  const pod = await host.pod("a");
  const call = (command: string, netns: string) =>
    runtime.raw({
      ...{ CNI_COMMAND: command, CNI_CONTAINERID: pod.id, CNI_NETNS: netns, CNI_IFNAME: "eth0" },
    }, { type: "k8contivnet" });
  const file = `${host.dir}/file`;
  await Deno.writeTextFile(file, "");
  for (
    const [netns, code] of [
      ...[[file, 4], [host.dir, 4], ["/run/netns/none", 4], ["relative", 4], ["/run/../run/x", 4]],
      ...[["/proc/self/ns/net", 4], ["/proc/1/ns/net", 8], ["/proc/1/ns/mnt", 4]],
    ] as const
  ) {
    const { code: exit, json } = await call("ADD", `${netns}`);
    assertEquals([exit, json.code], [1, code], `${netns}: ${JSON.stringify(json)}`);
    assertEquals((await call("DEL", `${netns}`)).code, 0, `${netns}`);
  }
  const link = `${host.dir}/link`;
  await Deno.symlink(`/run/netns/${pod.id}`, link);
  assertEquals((await call("ADD", link)).code, 0);
  assertEquals((await call("DEL", "")).code, 0);
  await waitFor("nothing to be left", async () => {
    return JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  });
});
