// Paths at which no network namespace is, on a real kernel; the other faults of links are in the
// contract of links. Whatever it is, nothing is left behind and the agent stays in its own namespace.

import { kernelBench } from "../contract/kernel_links_bench.ts";
import { refused } from "../contract/links_faults_contract.ts";
import { run } from "../lab/run.ts";
import { randomHex } from "../lab/pod.ts";
import { inodeOf, makeSandbox } from "../lab/sandbox.ts";

for (const driver of ["netlink", "ip"] as const) {
  const bench = kernelBench(driver);
  const { links } = bench;

  Deno.test(`${driver}: the namespace of a process that ended is not found`, async () => {
    await using sandbox = await makeSandbox();
    const dead = `/proc/${await deadPid()}/ns/net`;
    const spec = sandbox.spec({ netns: dead });
    await refused(bench, () => links.createPair(spec), "not_found", dead);
    await refused(bench, () => links.ensurePodSide(spec), "not_found", dead);
    await refused(bench, () => links.podLinks(dead), "not_found", dead);
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
        await refused(bench, () => links.createPair(spec), "not_found", netns);
        await refused(bench, () => links.ensurePodSide(spec), "not_found", netns);
        await refused(bench, () => links.podLinks(netns), "not_found", netns);
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
      await Deno.remove(file);
    }
  });
}

async function deadPid(): Promise<number> {
  const child = new Deno.Command("true").spawn();
  await child.status;
  return child.pid;
}
