// Warm ports' links on the real kernel: their contract, and what only a kernel has: the holding namespace's
// name, checksums, events.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { openLinkEvents, openLinks, openWarmLinks } from "../../lib/net/open_links.ts";
import { Fault } from "../../lib/util/errors.ts";
import { kernelBench, namespaceOf } from "../contract/kernel_links_bench.ts";
import { type WarmBench, warmLinksContract } from "../contract/warm_links_contract.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { randomHex } from "../lab/pod.ts";
import { run } from "../lab/run.ts";
import { inodeOf, makeSandbox, seenLinks } from "../lab/sandbox.ts";
import { waitFor } from "../lab/wait.ts";

const ALIAS = { aliasPrefix: "k8contivnet:" };
const HOLDING = `hold-${randomHex(6)}`;
const NETNS = `/run/netns/${HOLDING}`;
const PAIRS = { alias: "k8contivnet:warm", mtu: 1400, checksumOffload: false };
const inHolding = (cmd: string, ...args: string[]) =>
  run("nsenter", [`--net=${NETNS}`, cmd, ...args]);

async function bench(): Promise<WarmBench> {
  const warm = openWarmLinks({ driver: "netlink" }, { ...ALIAS, holding: HOLDING });
  await warm.innerEnds();
  return {
    ...kernelBench("netlink"),
    warm,
    holding: namespaceOf(inHolding, () => seenLinks(inHolding)),
    moveLink: async (name, from, to) => {
      await run("nsenter", [`--net=${from.netns}`, "ip", "link", "set", name, "netns", to.netns]);
    },
  };
}

warmLinksContract("netlink", bench);

Deno.test("the driver ip refuses warm ports, and says what to use", () => {
  assertThrows(
    () => openWarmLinks({ driver: "ip" }, { ...ALIAS, holding: HOLDING }),
    Fault,
    "--ports plain",
  );
});

Deno.test("a holding namespace outlives its process, and its deleted name comes back", async () => {
  const { warm, links } = await bench();
  const name = `cw${randomHex(11)}`;
  await warm.createPairs([name], PAIRS);
  const inode = await inodeOf(NETNS);
  warm.close();
  const second = openWarmLinks({ driver: "netlink" }, { ...ALIAS, holding: HOLDING });
  assert((await second.innerEnds()).some((end) => end.name === name));
  await run("ip", ["netns", "delete", HOLDING]);
  assert((await second.innerEnds()).some((end) => end.name === name));
  assertEquals(await inodeOf(NETNS), inode);
  // Another namespace in its place has to go, too.
  await run("ip", ["netns", "delete", HOLDING]);
  await run("ip", ["netns", "add", HOLDING]);
  await Promise.all([second.innerEnds(), second.innerEnds()]);
  assertEquals(await inodeOf(NETNS), inode);
  await links.removeLinks([name]);
  second.close();
  await run("ip", ["netns", "delete", HOLDING]);
});

Deno.test("what a reboot leaves of the holding namespace's name is replaced", async () => {
  await Deno.mkdir("/run/netns", { recursive: true });
  await run("ip", ["netns", "delete", HOLDING]).catch(() => {});
  await Deno.writeTextFile(NETNS, "");
  const { warm } = await bench();
  assertEquals(await warm.innerEnds(), []);
  warm.close();
});

Deno.test("an inner end sums checksums in software, whatever its pod sets", async () => {
  const { warm, links } = await bench();
  await using sandbox = await makeSandbox();
  const spec = sandbox.spec({ hostEnd: `cw${randomHex(11)}` });
  const summing = async () =>
    /^tx-checksumming: (\w+)/m.exec(await inHolding("ethtool", "-k", spec.hostEnd))?.[1];
  await warm.createPairs([spec.hostEnd], PAIRS);
  assertEquals(await summing(), "off");
  await warm.attachPod(spec);
  await warm.ensurePodSide(spec);
  await sandbox.run("ethtool", "-K", "eth0", "tx", "on");
  assertEquals(await summing(), "off");
  await inHolding("ethtool", "-K", spec.hostEnd, "tx", "on");
  await warm.ensurePodSide(spec);
  assertEquals(await summing(), "off");
  await links.removeLinks([spec.hostEnd]);
  warm.close();
});

Deno.test("a set-up causes no event in the host's namespace, and the pod's are still noticed", async () => {
  const { warm, links } = await bench();
  await using sandbox = await makeSandbox();
  const spec = sandbox.spec({ hostEnd: `cw${randomHex(11)}` });
  await warm.createPairs([spec.hostEnd], PAIRS);
  // The kernel reports the carrier of new links a moment later.
  await waitFor("the outer end's carrier", async () => {
    return (await run("ip", ["link", "show", spec.hostEnd])).includes("state UP");
  });
  await using monitor = await startMonitor();
  await warm.attachPod(spec);
  await warm.ensurePodSide(spec);
  const events = openLinkEvents(openLinks({ driver: "netlink", ...ALIAS }))!;
  await sandbox.run("ip", "address", "del", spec.addresses[0]!, "dev", "eth0");
  await waitFor("the removal of the address to be noticed", () => {
    return events.take().some((one) => one.kind === "address" && one.address === "11.1.0.2");
  });
  await warm.detachPod(spec);
  assertEquals(await monitor.lines(), []);
  await links.removeLinks([spec.hostEnd]);
  [events, warm].forEach((one) => one.close());
});

Deno.test("a pod's interface announces itself when it comes up again, and not at set-up", async () => {
  const { warm, links } = await bench();
  await using sandbox = await makeSandbox();
  const spec = sandbox.spec({ hostEnd: `cw${randomHex(11)}` });
  await warm.createPairs([spec.hostEnd], PAIRS);
  await using seen = await sniff(HOLDING, spec.hostEnd, "arp");
  await warm.attachPod(spec);
  for (const state of ["down", "up"]) await sandbox.run("ip", "link", "set", "eth0", state);
  // What it asks last is heard last.
  await sandbox.run("ping", "-c1", "-W1", "-q", "11.1.0.77").catch(() => {}); // nobody answers
  await seen.hears("who-has 11.1.0.77");
  const announced = seen.lines().filter((line) => line.includes("who-has 11.1.0.2 tell"));
  assertEquals(announced.length, 1, announced.join("\n"));
  await links.removeLinks([spec.hostEnd]);
  warm.close();
});

Deno.test("an interface that an interrupted set-up left is completed, and its pod's changes are noticed", async () => {
  const { warm, links } = await bench();
  await using sandbox = await makeSandbox();
  const spec = sandbox.spec({ hostEnd: `cw${randomHex(11)}` });
  await warm.createPairs([spec.hostEnd], PAIRS);
  const end = ["link", spec.hostEnd, "name", "eth0", "netns", sandbox.name];
  await inHolding("ip", "link", "add", ...end, "type", "macvlan", "mode", "passthru");
  await warm.attachPod(spec);
  const seen = await sandbox.link("eth0");
  assertEquals([seen?.mac, seen?.ipv4], [spec.mac, spec.addresses]);
  const events = openLinkEvents(openLinks({ driver: "netlink", ...ALIAS }))!;
  await sandbox.run("ip", "address", "del", spec.addresses[0]!, "dev", "eth0");
  await waitFor("the removal of the address to be noticed", () => {
    return events.take().some((one) => one.kind === "address" && one.address === "11.1.0.2");
  });
  await links.removeLinks([spec.hostEnd]);
  [events, warm].forEach((one) => one.close());
});

/** Prints link events of this namespace, of links that are called cw…. */
async function startMonitor() {
  const file = await Deno.makeTempFile();
  const child = new Deno.Command("sh", { args: ["-c", `exec ip -o monitor link >${file}`] })
    .spawn();
  const read = async () => await Deno.readTextFile(file);
  const marker = `cvm${randomHex(8)}`;
  const mark = async () => {
    await run("ip", ["link", "add", marker, "type", "veth", "peer", "name", `${marker}x`]);
    await run("ip", ["link", "del", marker]);
  };
  await waitFor("the monitor to print", async () => {
    await mark();
    return (await read()).includes(marker);
  });
  return {
    lines: async () => (await read()).split("\n").filter((line) => / cw[0-9a-f]{11}@/.test(line)),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(file);
    },
  };
}
