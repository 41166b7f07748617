// Runtimes in memory keep the contract of the real ones, and share their namespaces with the links.

import { assertEquals, assertRejects } from "@std/assert";
import { Fault } from "../../../lib/util/errors.ts";
import {
  namespacesContract,
  type RuntimesBench,
  runtimesContract,
} from "../../contract/runtimes_contract.ts";
import { pairFor } from "../../lab/sandbox.ts";
import { MemoryKernel } from "../../memory/memory_kernel.ts";
import { MemoryLinks } from "../../memory/memory_links.ts";
import { MemoryRuntimes } from "../../memory/memory_runtimes.ts";

runtimesContract("memory", () => startBench({ hasDocker: true }));
namespacesContract("memory", () => startBench({ hasDocker: false }));

async function startBench(options: { hasDocker: boolean }): Promise<RuntimesBench> {
  const kernel = new MemoryKernel();
  const runtimes = new MemoryRuntimes(kernel, options);
  const done = async (_: void) => await undefined;
  return await {
    runtimes,
    impatient: runtimes,
    startContainer: async (container) => await runtimes.start(container),
    killContainer: (id) => done(runtimes.kill(id)),
    restartContainer: (id) => done(runtimes.restart(id)),
    renameContainer: (id, name) => done(runtimes.rename(id, name)),
    placeOf: async (id) => {
      const { netnsInode, pid = 0 } = (await runtimes.findSandbox(id))!;
      return { netnsInode, pid };
    },
    addNamespace: (name, which) => {
      const netns = `/run/netns/${name}`;
      if (which === "host") return done(kernel.nameNamespace(netns, kernel.host));
      return done(void kernel.addNamespace(netns));
    },
    deleteNamespace: (name) => done(kernel.deleteNamespace(`/run/netns/${name}`)),
    silence: (how) => {
      const code = how === "hang" ? "timeout" : "unavailable";
      return done(runtimes.breakOff(new Fault(code, "Docker does not answer")));
    },
    answer: () => done(runtimes.reopen()),
    [Symbol.asyncDispose]: () => done(),
  };
}

Deno.test("MemoryRuntimes and MemoryLinks share the namespaces of one kernel", async () => {
  const kernel = new MemoryKernel();
  const runtimes = new MemoryRuntimes(kernel);
  const links = new MemoryLinks(kernel, "k8contivnet:");
  const id = runtimes.start({ name: "k8s_POD_web_default_u-1_0" });
  const { netns, netnsInode } = (await runtimes.findSandbox(id))!;
  await links.createPair(pairFor(netns, netnsInode));
  runtimes.restart(id);
  assertEquals(await links.hostEnds(), []);
  await assertRejects(() => links.podLinks(netns, netnsInode), Fault, "is gone");
  assertEquals(await links.podLinks(netns), []);
  assertEquals(runtimes.recorder.calls, [{ method: "findSandbox", args: [id, undefined] }]);
});
