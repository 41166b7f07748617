// What the links of warm ports promise. Run on the real kernel (tests/root/warm_links_test.ts) and in memory.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { PairSpec } from "../../lib/net/links.ts";
import type { WarmLinks } from "../../lib/net/warm_links.ts";
import { Fault } from "../../lib/util/errors.ts";
import { randomHex } from "../lab/pod.ts";
import type { BenchNamespace, BenchSandbox, LinksBench } from "./links_bench.ts";

/** A driver of warm links, and the world around it. */
export interface WarmBench extends Pick<LinksBench, "links" | "host" | "makeSandbox"> {
  readonly warm: WarmLinks;
  /** The holding namespace. */
  readonly holding: BenchNamespace;
  /** Moves a link from one sandbox to another, as a pod with NET_ADMIN does. */
  moveLink(name: string, from: BenchSandbox, to: BenchSandbox): Promise<void>;
}

type Step = (bench: WarmBench) => Promise<void>;

const PAIRS = { alias: "k8contivnet:warm tenant-one/orange", mtu: 1400, checksumOffload: false };
const newName = () => `cw${randomHex(11)}`;

/** Creates one pair; returns its name. */
async function onePair({ warm }: WarmBench): Promise<string> {
  const name = newName();
  await warm.createPairs([name], PAIRS);
  return name;
}

async function attach({ warm }: WarmBench, spec: PairSpec): Promise<void> {
  await warm.attachPod(spec);
}

/** Declares the tests of the contract; `start` makes a bench. */
export function warmLinksContract(name: string, start: () => Promise<WarmBench>): void {
  const promise = (words: string, step: Step) =>
    Deno.test(`${name}: ${words}`, async () => {
      const bench = await start();
      try {
        await step(bench);
      } finally {
        await bench.links.removeLinks((await bench.links.hostEnds()).map((end) => end.name));
        bench.warm.close();
      }
    });
  declarePairs(promise);
  declarePods(promise);
  declareRemoval(promise);
}

type Declare = (words: string, step: Step) => void;

function declarePairs(promise: Declare): void {
  promise("whether the kernel has macvlan is asked without a trace", async (bench) => {
    assertEquals([await bench.warm.isSupported(), await bench.warm.isSupported()], [true, true]);
    assertEquals(await bench.holding.links(), []);
  });

  promise("pairs are created at once, up at both ends and free", async (bench) => {
    const { warm, host, holding, links } = bench;
    const names = Array.from({ length: 20 }, newName).sort();
    await warm.createPairs(names, PAIRS);
    for (const name of names) {
      const [outer, inner] = [await host.link(name), await holding.link(name)];
      assert(outer && inner);
      assertEquals([outer.peerIndex, inner.peerIndex], [inner.index, outer.index]);
      assertEquals([outer.mtu, inner.mtu, outer.alias], [1400, 1400, PAIRS.alias]);
      assert(outer.flags.includes("LOWER_UP") && inner.flags.includes("LOWER_UP"));
      assertEquals([outer.ipv6, inner.ipv6, outer.group], [[], [], "default"]);
    }
    const inner = (await warm.innerEnds()).filter((end) => names.includes(end.name));
    assertEquals(inner.map((end) => [end.mtu, end.isOccupied]), names.map(() => [1400, false]));
    assertEquals((await links.hostEnds()).map((end) => end.name).sort(), names);
    await warm.createPairs([], PAIRS);
  });

  promise("of pairs whose names are taken none is created", async (bench) => {
    const { warm, host } = bench;
    const [taken, free] = [await onePair(bench), newName()];
    const fault = await assertRejects(() => warm.createPairs([free, taken], PAIRS), Fault);
    assertEquals(fault.code, "conflict");
    assert(await host.link(taken));
    assertEquals(await host.link(free), undefined);
  });

  promise("values that are not valid are refused", async ({ warm }) => {
    for (
      const [names, parts] of [[["a/b"], {}], [["-x"], {}], [[newName()], { mtu: 1 }]] as const
    ) {
      await assertRejects(() => warm.createPairs(names, { ...PAIRS, ...parts }), Fault);
    }
  });

  promise("a removed pair is gone at both ends", async (bench) => {
    const { links, holding } = bench;
    const name = await onePair(bench);
    await links.removeLinks([name]);
    assertEquals(await holding.link(name), undefined);
  });
}

function declarePods(promise: Declare): void {
  promise("a pod's interface has what its spec says", async (bench) => {
    const { warm, holding, host, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec({ hostEnd: await onePair(bench) });
    await warm.attachPod(spec);
    const seen = await sandbox.link("eth0");
    await warm.attachPod(spec);
    await warm.ensurePodSide(spec);
    assertEquals(await sandbox.link("eth0"), seen);
    const pod = await sandbox.link("eth0");
    assert(pod);
    assertEquals([pod.mac, pod.ipv4, pod.mtu], [spec.mac, spec.addresses, 1400]);
    assert(pod.flags.includes("UP"));
    assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.1 dev eth0");
    const occupied = (await warm.innerEnds()).filter((end) => end.isOccupied);
    assertEquals(occupied.map((end) => end.name), [spec.hostEnd]);
    assertEquals((await host.link(spec.hostEnd))?.alias, PAIRS.alias);
    assert(await holding.link(spec.hostEnd));
  });

  promise("what was changed by hand is repaired", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec({ hostEnd: await onePair(bench) });
    await attach(bench, spec);
    const seen = async () => ({ ...await sandbox.link("eth0"), ipv6: undefined });
    const before = await seen();
    await sandbox.changeLink({ name: "eth0", mac: "02:00:00:00:00:09", mtu: 900 });
    await sandbox.removeAddresses("eth0", spec.addresses);
    await sandbox.changeLink({ name: "eth0", isUp: false });
    await warm.ensurePodSide(spec);
    await warm.ensurePodSide(spec);
    assertEquals(await seen(), before);
    assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.1 dev eth0");
  });

  promise("MTU and default route follow the spec", async (bench) => {
    const { warm, host, holding, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec({ hostEnd: await onePair(bench) });
    await attach(bench, spec);
    for (const mtu of [1300, 1450, 68, 1400]) {
      await warm.ensurePodSide({ ...spec, mtu });
      const ends = [host.link(spec.hostEnd), holding.link(spec.hostEnd), sandbox.link("eth0")];
      assertEquals((await Promise.all(ends)).map((end) => end?.mtu), [mtu, mtu, mtu]);
      assertEquals((await host.link(spec.hostEnd))?.ipv6, []);
    }
    await warm.ensurePodSide({ ...spec, gateway: undefined, formerGateway: "11.1.0.1" });
    assertEquals(await sandbox.defaultRoute(), "");
  });

  promise("an inner end takes one pod only", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using one = await makeSandbox();
    await using two = await makeSandbox();
    const hostEnd = await onePair(bench);
    await attach(bench, one.spec({ hostEnd }));
    const fault = await assertRejects(() => warm.attachPod(two.spec({ hostEnd })), Fault, hostEnd);
    assertEquals(fault.code, "conflict");
    assertEquals(await two.links(), []);
    await assertRejects(() => warm.ensurePodSide(two.spec({ hostEnd })), Fault);
  });

  promise("an interface's name that is taken is refused, and nothing is left", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    await sandbox.addLink({ name: "eth0" });
    const spec = sandbox.spec({ hostEnd: await onePair(bench) });
    const fault = await assertRejects(() => warm.attachPod(spec), Fault, "eth0");
    assertEquals(fault.code, "conflict");
    await attach(bench, { ...spec, interface: "net1", addresses: [], gateway: undefined });
  });

  promise("another default route is refused, and nothing is left", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    await sandbox.addLink({ name: "eth9", isUp: true, addresses: ["11.1.0.9/24"] });
    await sandbox.setDefaultRoute("11.1.0.1");
    const spec = sandbox.spec({ hostEnd: await onePair(bench) });
    const fault = await assertRejects(() => warm.attachPod(spec), Fault, "another default route");
    assertEquals([fault.code, await sandbox.link("eth0")], ["conflict", undefined]);
    await attach(bench, { ...spec, gateway: undefined });
  });

  promise("a sandbox that is gone is reported", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec({ hostEnd: await onePair(bench) });
    const other = await assertRejects(() => warm.attachPod({ ...spec, netnsInode: 7 }), Fault);
    await sandbox.delete();
    const gone = await assertRejects(() => warm.attachPod(spec), Fault);
    assertEquals([other.code, gone.code], ["not_found", "not_found"]);
    assertEquals(
      (await warm.innerEnds()).find((end) => end.name === spec.hostEnd)?.isOccupied,
      false,
    );
  });

  promise("a pair that is gone is reported", async (bench) => {
    const { warm, links, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    const hostEnd = await onePair(bench);
    await links.removeLinks([hostEnd]);
    const fault = await assertRejects(() => warm.attachPod(sandbox.spec({ hostEnd })), Fault);
    assertEquals(fault.code, "conflict");
  });
}

function declareRemoval(promise: Declare): void {
  promise("a detached interface is gone, and its port serves the next pod", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using one = await makeSandbox();
    await using two = await makeSandbox();
    const hostEnd = await onePair(bench);
    for (const sandbox of [one, two, one]) {
      const spec = sandbox.spec({ hostEnd });
      await attach(bench, spec);
      await warm.detachPod(spec);
      await warm.detachPod(spec);
      assertEquals(await sandbox.links(), []);
    }
  });

  promise("a port whose pod's namespace was destroyed is free", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using other = await makeSandbox();
    const hostEnd = await onePair(bench);
    {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec({ hostEnd });
      await attach(bench, spec);
      await sandbox.delete();
      await warm.detachPod(spec);
    }
    await attach(bench, other.spec({ hostEnd }));
  });

  promise("a port whose pod has moved its interface away is not free", async (bench) => {
    const { warm, links, moveLink, makeSandbox } = bench;
    await using one = await makeSandbox();
    await using two = await makeSandbox();
    const spec = one.spec({ hostEnd: await onePair(bench) });
    await attach(bench, spec);
    await moveLink("eth0", one, two);
    await two.changeLink({ name: "eth0", isUp: true });
    const fault = await assertRejects(() => warm.detachPod(spec), Fault, spec.hostEnd);
    assertEquals(fault.code, "conflict");
    await assertRejects(() => warm.attachPod(spec), Fault, spec.hostEnd);
    await links.removeLinks([spec.hostEnd]);
    assertEquals(await two.links(), []);
  });

  promise("a port that is gone is not free", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    const gone = () => warm.detachPod(sandbox.spec({ hostEnd: newName() }));
    assertEquals((await assertRejects(gone, Fault)).code, "conflict");
  });

  promise("twenty pods are detached and attached side by side", async (bench) => {
    const { warm, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    const names = Array.from({ length: 20 }, newName);
    await warm.createPairs(names, PAIRS);
    const specs = names.map((hostEnd, at) =>
      sandbox.spec({ hostEnd, interface: `net${at}`, addresses: [], gateway: undefined })
    );
    for (let round = 0; round < 2; round++) {
      await Promise.all(specs.map((spec) => attach(bench, spec)));
      assertEquals((await sandbox.links()).length, 20);
      await Promise.all(specs.map((spec) => warm.detachPod(spec)));
      assertEquals(await sandbox.links(), []);
    }
  });
}
