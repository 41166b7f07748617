// What goes wrong with links: sandboxes that vanish, names that are taken, values that can be no
// such thing. Whatever it is, nothing is left behind and the agent stays in its own namespace.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Links, PairSpec } from "../../lib/net/links.ts";
import { openLinks } from "../../lib/net/open_links.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { run } from "../../lib/util/run.ts";
import { randomHex } from "../lab/pod.ts";
import { inodeOf, linkHere, linksHere, makeSandbox } from "../lab/sandbox.ts";
import { waitFor } from "../lab/wait.ts";

const own = ownNamespace();

for (const driver of ["netlink", "ip"] as const) {
  const links = openLinks({ driver, aliasPrefix: "k8contivnet:" });

  Deno.test(`${driver}: a sandbox that is not there is not found`, async () => {
    const netns = `/run/netns/net-${randomHex(12)}`;
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec({ netns });
    await refused(links, () => links.createPair(spec), "not_found", netns);
    await refused(links, () => links.ensurePodSide(spec), "not_found", netns);
    await refused(links, () => links.podLinks(netns), "not_found", netns);
    const dead = `/proc/${await deadPid()}/ns/net`;
    await refused(links, () => links.createPair({ ...spec, netns: dead }), "not_found", dead);
    await refused(links, () => links.podLinks(dead), "not_found", dead);
  });

  Deno.test(`${driver}: a path that is no network namespace is not found`, async () => {
    const dir = await Deno.makeTempDir();
    const file = `/run/netns/net-${randomHex(12)}`;
    await Deno.writeTextFile(file, "");
    await run("mkfifo", [`${dir}/fifo`]);
    try {
      const paths = [file, dir, `${dir}/fifo`, "/dev/null", "/proc/1/ns/mnt", `${file}/below`];
      for (const netns of paths) {
        await using sandbox = await makeSandbox();
        const netnsInode = await inodeOf(netns).catch(() => 1);
        const spec = sandbox.spec({ netns, netnsInode });
        await refused(links, () => links.createPair(spec), "not_found", netns);
        await refused(links, () => links.ensurePodSide(spec), "not_found", netns);
        await refused(links, () => links.podLinks(netns), "not_found", netns);
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
      await Deno.remove(file);
    }
  });

  Deno.test(`${driver}: a namespace that has another's place is not touched`, async () => {
    await using sandbox = await makeSandbox();
    await using other = await makeSandbox();
    const spec = sandbox.spec({ netnsInode: other.inode });
    await refused(links, () => links.createPair(spec), "not_found", String(other.inode));
    await refused(links, () => links.ensurePodSide(spec), "not_found", String(other.inode));
    assertEquals(await sandbox.link(), undefined);
  });

  Deno.test(`${driver}: a taken interface is named, and the pair undone`, async () => {
    await using sandbox = await makeSandbox();
    const first = sandbox.spec();
    await links.createPair(first);
    // The kernel gives it a link-local address, and news of its carrier, a moment later.
    await waitFor("the link to settle", async () => (await sandbox.link())?.ipv6.length === 1);
    const before = await sandbox.link();
    const second = sandbox.spec();
    const fault = await refused(links, () => links.createPair(second), "conflict", "eth0");
    assert(fault.fix?.includes("ip link delete eth0"), fault.message);
    assertEquals(await linkHere(second.hostEnd), undefined);
    assertEquals(await sandbox.link(), before);
    await links.removeLinks([first.hostEnd]);
  });

  Deno.test(`${driver}: a taken host end is named, and stays as it is`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await run("ip", ["link", "add", "name", spec.hostEnd, "type", "veth", "peer", "name", "far0"]);
    const before = await linkHere(spec.hostEnd);
    const { hostEnd } = spec;
    const fault = await refused(links, () => links.createPair(spec), "conflict", hostEnd);
    assert(fault.fix?.includes(`ip link delete ${hostEnd}`), fault.message);
    assertEquals([await linkHere(hostEnd), await sandbox.link()], [before, undefined]);
    await run("ip", ["link", "del", "dev", hostEnd]);
  });

  Deno.test(`${driver}: a sandbox's own default route is kept, and the pair undone`, async () => {
    await using sandbox = await makeSandbox();
    const [first, second] = [sandbox.spec(), sandbox.spec({ interface: "net1" })];
    await links.createPair(first);
    const taken = { ...second, addresses: ["12.1.0.2/24"], gateway: "12.1.0.1" };
    await refused(links, () => links.createPair(taken), "conflict", "12.1.0.1");
    assertEquals([await linkHere(taken.hostEnd), await sandbox.link("net1")], [
      undefined,
      undefined,
    ]);
    await links.createPair({ ...taken, gateway: undefined });
    await refused(links, () => links.ensurePodSide(taken), "conflict", "12.1.0.1");
    const routes = await sandbox.run("ip", "route", "show", "default");
    assertEquals(routes.trim(), "default via 11.1.0.1 dev eth0");
    await links.removeLinks([first.hostEnd, taken.hostEnd]);
  });

  Deno.test(`${driver}: two links that are no pair are not repaired`, async () => {
    await using sandbox = await makeSandbox();
    await using other = await makeSandbox();
    const [spec, elsewhere] = [sandbox.spec(), other.spec()];
    await links.createPair(spec);
    await links.createPair(elsewhere);
    const before = [await sandbox.link(), await other.link()];
    const crossed = { ...spec, hostEnd: elsewhere.hostEnd };
    await refused(links, () => links.ensurePodSide(crossed), "conflict", "no pair");
    const gone = { ...spec, interface: "net7" };
    await refused(links, () => links.ensurePodSide(gone), "conflict", "net7");
    const never = { ...spec, hostEnd: "cvnever" };
    await refused(links, () => links.ensurePodSide(never), "conflict", "cvnever");
    assertEquals([await sandbox.link(), await other.link()], before);
    await links.removeLinks([spec.hostEnd, elsewhere.hostEnd]);
  });

  Deno.test(`${driver}: a sandbox deleted in the middle is not found, and nothing stays`, async () => {
    const before = (await linksHere()).length;
    for (let round = 0; round < 12; round++) {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec();
      // Later in each round: before, among and after the steps of the making.
      const made = links.createPair(spec).then(() => undefined, (error: unknown) => error);
      await turns(driver === "ip" ? round * 20 : round);
      await run("ip", ["netns", "del", sandbox.name]);
      const outcome = await made;
      if (outcome !== undefined) {
        assert(outcome instanceof Fault, String(outcome));
        assertEquals(outcome.code, "not_found", outcome.message);
      }
      await waitFor(`${spec.hostEnd} to be gone`, async () => {
        return (await linkHere(spec.hostEnd)) === undefined;
      });
      await refused(links, () => links.podLinks(spec.netns), "not_found", spec.netns);
      assertEquals(ownNamespace(), own);
    }
    assertEquals((await linksHere()).length, before);
  });

  const hostile: [string, Partial<PairSpec>][] = [
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
    ["alias of somebody else", { alias: "somebody:x" }],
    ["alias with a line end", { alias: "k8contivnet:x\ny" }],
    ["relative namespace", { netns: "run/netns/x" }],
    ["namespace with ..", { netns: "/run/netns/../../etc/passwd" }],
    ["namespace that is a flag", { netns: "/run/netns/-all" }],
    ["namespace with a zero", { netns: "/run/netns/a\0b" }],
    ["namespace with a shell's words", { netns: "/run/netns/$(id)" }],
    ["inode of nothing", { netnsInode: 0 }],
    ["inode that is no number", { netnsInode: NaN }],
    ["MTU too small", { mtu: 67 }],
    ["MTU too large", { mtu: 65_536 }],
    ["MTU with a fraction", { mtu: 1400.5 }],
    ["MAC of a group", { mac: "01:00:5e:00:00:01" }],
    ["MAC of nobody", { mac: "00:00:00:00:00:00" }],
    ["MAC with a line", { mac: "02:02:0b:01:00:02\nup" }],
    ["address without a length", { addresses: ["11.1.0.2"] }],
    ["address with a long length", { addresses: ["11.1.0.2/33"] }],
    ["address beyond 255", { addresses: ["11.1.0.256/24"] }],
    ["address of another family", { addresses: ["2001:db8::1/64"] }],
    ["address with a line end", { addresses: ["11.1.0.2/24\nlink del eth0"] }],
    ["gateway with a flag", { gateway: "11.1.0.1 dev lo" }],
  ];
  for (const [what, parts] of hostile) {
    Deno.test(`${driver}: ${what} is refused before anything is made`, async () => {
      await using sandbox = await makeSandbox();
      const before = await linksHere();
      const spec = sandbox.spec(parts);
      for (const call of [() => links.createPair(spec), () => links.ensurePodSide(spec)]) {
        const fault = await assertRejects(call, Fault);
        assertEquals(fault.code, "usage", fault.message);
        assert(fault.message.length <= 200 && !/[\n\0]/.test(fault.message), fault.message);
      }
      assertEquals([await linksHere(), await sandbox.link()], [before, undefined]);
    });
  }

  Deno.test(`${driver}: hostile names in the other calls reach no command either`, async () => {
    for (const netns of ["x", "/run/netns/../x", "/run/a b", "/run/netns/-all", "/a\0"]) {
      const fault = await assertRejects(() => links.podLinks(netns), Fault);
      assertEquals(fault.code, "usage", netns);
    }
    for (const address of ["", "11.1.0", "11.1.0.1 dev lo", "11.1.0.1/24", "::1"]) {
      const fault = await assertRejects(() => links.linkMtu(address), Fault);
      assertEquals(fault.code, "usage", address);
    }
    const before = await linksHere();
    await links.removeLinks(["", "-all", "lo\nlo", "../lo", "cv; rm"]);
    assertEquals(await linksHere(), before);
  });
}

/** Sees that `call` is refused with `code` and words about `about`, and that we are where we were. */
async function refused(
  links: Links,
  call: () => Promise<unknown>,
  code: FaultCode,
  about: string,
): Promise<Fault> {
  const before = (await links.hostEnds()).length;
  const fault = await assertRejects(call, Fault, about);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
  assertEquals(ownNamespace(), own);
  assertEquals((await links.hostEnds()).length, before);
  return fault;
}

function ownNamespace(): string {
  return Deno.readLinkSync("/proc/thread-self/ns/net");
}

async function deadPid(): Promise<number> {
  const child = new Deno.Command("true").spawn();
  await child.status;
  return child.pid;
}

async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await new Promise((next) => setTimeout(next, 0));
}
