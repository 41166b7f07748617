// Paths at which no network namespace is, on a real kernel; the other faults of links are in the
// contract of links. Whatever it is, nothing is left behind and the agent stays in its own namespace.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Links } from "../../lib/net/links.ts";
import { openLinks } from "../../lib/net/open_links.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { run } from "../lab/run.ts";
import { randomHex } from "../lab/pod.ts";
import { inodeOf, makeSandbox } from "../lab/sandbox.ts";

const own = ownNamespace();

for (const driver of ["netlink", "ip"] as const) {
  const links = openLinks({ driver, aliasPrefix: "k8contivnet:" });

  Deno.test(`${driver}: the namespace of a process that ended is not found`, async () => {
    await using sandbox = await makeSandbox();
    const dead = `/proc/${await deadPid()}/ns/net`;
    const spec = sandbox.spec({ netns: dead });
    await refused(links, () => links.createPair(spec), "not_found", dead);
    await refused(links, () => links.ensurePodSide(spec), "not_found", dead);
    await refused(links, () => links.podLinks(dead), "not_found", dead);
  });

  Deno.test(`${driver}: a path that is not a network namespace is not found`, async () => {
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
}

/** Checks that `call` is refused with `code` and names `about`, and that we are in our own namespace. */
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
