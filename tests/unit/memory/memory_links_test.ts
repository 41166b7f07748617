// Links in memory keep the contract of the real drivers, record their calls, and fail on demand.

import { assertEquals, assertRejects } from "@std/assert";
import { linksContract } from "../../contract/links_contract.ts";
import { pairFor } from "../../lab/sandbox.ts";
import { memoryBench } from "../../memory/memory_links_bench.ts";
import { MemoryKernel } from "../../memory/memory_kernel.ts";
import { MemoryLinks } from "../../memory/memory_links.ts";

linksContract("memory", memoryBench);

function startLinks() {
  const kernel = new MemoryKernel();
  const links = new MemoryLinks(kernel, "k8contivnet:");
  const netns = "/run/netns/cafe";
  const { inode } = kernel.addNamespace(netns);
  return { kernel, links, spec: pairFor(netns, inode) };
}

Deno.test("MemoryLinks records calls with their arguments", async () => {
  const { links, spec } = startLinks();
  await links.createPair(spec);
  await links.removeLinks([spec.hostEnd]);
  assertEquals(links.recorder.calls, [
    { method: "createPair", args: [spec] },
    { method: "removeLinks", args: [[spec.hostEnd]] },
  ]);
  assertEquals(links.recorder.argsOf("removeLinks"), [[[spec.hostEnd]]]);
});

Deno.test("MemoryLinks fails as often as asked, before or after its work", async () => {
  const { links, spec } = startLinks();
  links.recorder.fail("createPair", new Error("first"), { times: 2 });
  links.recorder.fail("createPair", new Error("lost"), { afterWork: true });
  await assertRejects(() => links.createPair(spec), Error, "first");
  await assertRejects(() => links.createPair(spec), Error, "first");
  assertEquals(await links.hostEnds(), []);
  await assertRejects(() => links.createPair(spec), Error, "lost");
  assertEquals((await links.hostEnds()).length, 1);
  links.recorder.fail("hostEnds", new Error("down"), { times: Infinity });
  for (let n = 0; n < 5; n++) await assertRejects(() => links.hostEnds(), Error, "down");
  links.recorder.heal("hostEnds");
  assertEquals((await links.hostEnds()).length, 1);
});

Deno.test("MemoryLinks holds calls until they are released", async () => {
  const { links, spec } = startLinks();
  const release = links.recorder.hold("createPair");
  let isDone = false;
  const made = links.createPair(spec).then(() => isDone = true);
  await new Promise((done) => setTimeout(done, 5));
  assertEquals([isDone, await links.hostEnds()], [false, []]);
  release();
  await made;
  assertEquals((await links.hostEnds()).length, 1);
});
