// What every driver of links promises when something is wrong: sandboxes that vanish, names that are
// taken, values that cannot be right. Whatever it is, nothing is left behind.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { PairSpec } from "../../lib/net/links.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import type { LinksBench } from "./links_bench.ts";
import type { Declare } from "./links_contract.ts";

/** Declares the tests. */
export function faultsContract(promise: Declare): void {
  declareGone(promise);
  declareTaken(promise);
  declareHostile(promise);
}

function declareGone(promise: Declare): void {
  promise("a sandbox that is not there is not found", async (bench) => {
    const { links } = bench;
    const netns = `/run/netns/net-${randomHex(12)}`;
    await using sandbox = await bench.makeSandbox();
    const spec = sandbox.spec({ netns });
    await refused(bench, () => links.createPair(spec), "not_found", netns);
    await refused(bench, () => links.ensurePodSide(spec), "not_found", netns);
    await refused(bench, () => links.podLinks(netns), "not_found", netns);
  });

  promise("another namespace at the place of a sandbox is not touched", async (bench) => {
    const { links } = bench;
    await using sandbox = await bench.makeSandbox();
    await using other = await bench.makeSandbox();
    const spec = sandbox.spec({ netnsInode: other.inode });
    const wanted = String(other.inode);
    await refused(bench, () => links.createPair(spec), "not_found", wanted);
    await refused(bench, () => links.ensurePodSide(spec), "not_found", wanted);
    await refused(bench, () => links.podLinks(spec.netns, other.inode), "not_found", wanted);
    await refused(bench, () => links.podGateways(spec.netns, other.inode), "not_found", wanted);
    assertEquals(await sandbox.links(), []);
  });

  promise("a sandbox deleted in the middle is not found, and nothing stays", async (bench) => {
    const { links, host } = bench;
    const before = (await host.links()).length;
    for (let round = 0; round < 12; round++) {
      await using sandbox = await bench.makeSandbox();
      const spec = sandbox.spec();
      // Later in each round: before, among and after the steps of the making.
      const made = links.createPair(spec).then(() => undefined, (error: unknown) => error);
      await turns(round * bench.turnsPerStep);
      await sandbox.delete();
      const outcome = await made;
      if (outcome !== undefined) {
        assert(outcome instanceof Fault, String(outcome));
        assertEquals(outcome.code, "not_found", outcome.message);
      }
      await waitFor(`${spec.hostEnd} to be gone`, async () => {
        return (await host.link(spec.hostEnd)) === undefined;
      });
      await refused(bench, () => links.podLinks(spec.netns), "not_found", spec.netns);
    }
    assertEquals((await host.links()).length, before);
  });
}

function declareTaken(promise: Declare): void {
  promise("a taken interface is named, and the pair undone", async (bench) => {
    const { links, host } = bench;
    await using sandbox = await bench.makeSandbox();
    const first = sandbox.spec();
    await links.createPair(first);
    await sandbox.settled("eth0");
    const before = await sandbox.links();
    const second = sandbox.spec();
    const fault = await refused(bench, () => links.createPair(second), "conflict", "eth0");
    assert(fault.fix?.includes("ip link delete eth0"), fault.message);
    assertEquals(await host.link(second.hostEnd), undefined);
    assertEquals(await sandbox.links(), before);
    await links.removeLinks([first.hostEnd]);
  });

  promise("a taken host end is named, and stays as it is", async (bench) => {
    const { links, host } = bench;
    await using sandbox = await bench.makeSandbox();
    const spec = sandbox.spec();
    const { hostEnd } = spec;
    await host.addLink({ name: hostEnd });
    const before = await host.link(hostEnd);
    const fault = await refused(bench, () => links.createPair(spec), "conflict", hostEnd);
    assert(fault.fix?.includes(`ip link delete ${hostEnd}`), fault.message);
    assertEquals([await host.link(hostEnd), await sandbox.links()], [before, []]);
    await host.deleteLink(hostEnd);
  });

  promise("a sandbox's own default route is kept, and the pair undone", async (bench) => {
    const { links, host } = bench;
    await using sandbox = await bench.makeSandbox();
    const [first, second] = [sandbox.spec(), sandbox.spec({ interface: "net1" })];
    await links.createPair(first);
    const taken = { ...second, addresses: ["12.1.0.2/24"], gateway: "12.1.0.1" };
    await refused(bench, () => links.createPair(taken), "conflict", "12.1.0.1");
    const left = [await host.link(taken.hostEnd), await sandbox.link("net1")];
    assertEquals(left, [undefined, undefined]);
    await links.createPair({ ...taken, gateway: undefined });
    await refused(bench, () => links.ensurePodSide(taken), "conflict", "12.1.0.1");
    assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.1 dev eth0");
    await links.removeLinks([first.hostEnd, taken.hostEnd]);
  });

  promise("two links that are not a pair are not repaired", async (bench) => {
    const { links } = bench;
    await using sandbox = await bench.makeSandbox();
    await using other = await bench.makeSandbox();
    const [spec, elsewhere] = [sandbox.spec(), other.spec()];
    await links.createPair(spec);
    await links.createPair(elsewhere);
    for (const one of [sandbox, other]) await one.settled("eth0");
    const before = [await sandbox.links(), await other.links()];
    const crossed = { ...spec, hostEnd: elsewhere.hostEnd };
    await refused(bench, () => links.ensurePodSide(crossed), "conflict", "not a pair");
    const gone = { ...spec, interface: "net7" };
    await refused(bench, () => links.ensurePodSide(gone), "conflict", "net7");
    const never = { ...spec, hostEnd: "cvnever" };
    await refused(bench, () => links.ensurePodSide(never), "conflict", "cvnever");
    assertEquals([await sandbox.links(), await other.links()], before);
    await links.removeLinks([spec.hostEnd, elsewhere.hostEnd]);
  });
}

const HOSTILE: readonly [string, Partial<PairSpec>][] = [
  ["host end with a path", { hostEnd: "../../x" }],
  ["host end of 16 characters", { hostEnd: "cv01234567890123" }],
  ["empty host end", { hostEnd: "" }],
  ["host end that is a flag", { hostEnd: "-batch" }],
  ["host end that is a folder of /proc", { hostEnd: "all" }],
  ["host end that is a pattern", { hostEnd: "cv%d" }],
  ["interface with a blank", { interface: "eth0 up" }],
  ["interface with a line end", { interface: "eth0\nlink" }],
  ["interface with a zero", { interface: "eth\0" }],
  ["interface that is a flag", { interface: "--help" }],
  ["interface of other letters", { interface: "éth0" }],
  ["alias of another owner", { alias: "somebody:x" }],
  ["alias with a line end", { alias: "k8contivnet:x\ny" }],
  ["relative namespace", { netns: "run/netns/x" }],
  ["namespace with ..", { netns: "/run/netns/../../etc/passwd" }],
  ["namespace that is a flag", { netns: "/run/netns/-all" }],
  ["namespace with a zero", { netns: "/run/netns/a\0b" }],
  ["namespace with a shell command", { netns: "/run/netns/$(id)" }],
  ["inode 0", { netnsInode: 0 }],
  ["inode that is not a number", { netnsInode: NaN }],
  ["MTU too small", { mtu: 67 }],
  ["MTU too large", { mtu: 65_536 }],
  ["MTU with a fraction", { mtu: 1400.5 }],
  ["MAC of a group", { mac: "01:00:5e:00:00:01" }],
  ["MAC of zeros", { mac: "00:00:00:00:00:00" }],
  ["MAC with a line end", { mac: "02:02:0b:01:00:02\nup" }],
  ["address without a prefix length", { addresses: ["11.1.0.2"] }],
  ["address with a prefix too long", { addresses: ["11.1.0.2/33"] }],
  ["address beyond 255", { addresses: ["11.1.0.256/24"] }],
  ["address of another family", { addresses: ["2001:db8::1/64"] }],
  ["address with a line end", { addresses: ["11.1.0.2/24\nlink del eth0"] }],
  ["gateway with a flag", { gateway: "11.1.0.1 dev lo" }],
];

function declareHostile(promise: Declare): void {
  for (const [what, parts] of HOSTILE) {
    promise(`${what} is refused before anything is made`, async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const before = await host.links();
      const spec = sandbox.spec(parts);
      for (const call of [() => links.createPair(spec), () => links.ensurePodSide(spec)]) {
        const fault = await assertRejects(call, Fault);
        assertEquals(fault.code, "usage", fault.message);
        assert(fault.message.length <= 200 && !/[\n\0]/.test(fault.message), fault.message);
      }
      assertEquals([await host.links(), await sandbox.links()], [before, []]);
    });
  }

  promise("hostile names in the other calls are refused too", async ({ links, host }) => {
    for (const netns of ["x", "/run/netns/../x", "/run/a b", "/run/netns/-all", "/a\0"]) {
      const fault = await assertRejects(() => links.podLinks(netns), Fault);
      assertEquals(fault.code, "usage", netns);
    }
    for (const address of ["", "11.1.0", "11.1.0.1 dev lo", "11.1.0.1/24", "::1"]) {
      const fault = await assertRejects(() => links.linkMtus(["127.0.0.1", address]), Fault);
      assertEquals(fault.code, "usage", address);
    }
    const before = await host.links();
    await links.removeLinks(["", "-all", "lo\nlo", "../lo", "cv; rm"]);
    assertEquals(await host.links(), before);
  });
}

/** Checks that `call` is refused with `code`, names `about`, and leaves no link behind. */
export async function refused(
  { links, checkOwnNamespace }: LinksBench,
  call: () => Promise<unknown>,
  code: FaultCode,
  about: string,
): Promise<Fault> {
  const before = (await links.hostEnds()).length;
  const fault = await assertRejects(call, Fault, about);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
  checkOwnNamespace?.();
  assertEquals((await links.hostEnds()).length, before);
  return fault;
}

async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await new Promise((next) => setTimeout(next, 0));
}
