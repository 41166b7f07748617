// Sandboxes without a container runtime: named namespaces, given paths, processes.

import { assert, assertEquals } from "@std/assert";
import { openRuntimes } from "../../lib/runtimes/open_runtimes.ts";
import { run } from "../lab/run.ts";
import { startNamespacesBench } from "../contract/docker_bench.ts";
import { namespacesContract } from "../contract/runtimes_contract.ts";
import { randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const runtimes = openRuntimes({ docker: "none" });

namespacesContract("a real host", startNamespacesBench);

Deno.test("the host's own namespace is recognised by the path of a process", async () => {
  for (const pid of [1, Deno.pid]) {
    assertEquals((await runtimes.findSandbox("x", `/proc/${pid}/ns/net`))?.isHostNetwork, true);
  }
});

Deno.test("what only resembles a namespace is not one", async () => {
  const id = randomHex(12);
  const path = `/run/netns/${id}`;
  await Deno.writeTextFile(path, "");
  try {
    assertEquals(await runtimes.findSandbox(id), undefined);
    assertEquals(await runtimes.findSandbox("x", path), undefined);
    const { ino } = await Deno.stat(path);
    assertEquals(await runtimes.isAlive({ netns: path, netnsInode: ino ?? 0 }), false);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a process's namespace is alive as long as that very process", async () => {
  const process = sleeper();
  const netns = `/proc/${process.pid}/ns/net`;
  const found = await waitFor("the process's namespace", async () => {
    const seen = await runtimes.findSandbox("x", netns);
    return seen && !seen.isHostNetwork ? seen : undefined;
  });
  assertEquals(found.pid, process.pid);
  assert(found.startTime !== undefined && found.startTime > 0);
  assert(await runtimes.isAlive(found));
  // The process id given to another one: another start, mostly another namespace.
  assertEquals(await runtimes.isAlive({ ...found, startTime: found.startTime + 1 }), false);
  assertEquals(await runtimes.isAlive({ ...found, netnsInode: found.netnsInode + 1 }), false);
  await process.end();
  assertEquals(await runtimes.isAlive(found), false);
  assertEquals(await runtimes.findSandbox("x", netns), undefined);
});

Deno.test("a name given to another namespace is not the recorded sandbox", async () => {
  const first = await nameNamespace("add");
  const found = await runtimes.findSandbox(first.id);
  assert(found && await runtimes.isAlive(found));
  const process = sleeper(); // another namespace, so that the inode numbers differ
  await waitFor(
    "the process's namespace",
    async () =>
      (await runtimes.findSandbox("x", `/proc/${process.pid}/ns/net`))?.isHostNetwork === false,
  );
  await run("ip", ["netns", "del", first.id]);
  await run("ip", ["netns", "attach", first.id, String(process.pid)]);
  assertEquals(await runtimes.isAlive(found), false);
  await process.end();
  await run("ip", ["netns", "del", first.id]);
});

Deno.test("sandboxes are found with the packed file's permissions, not only with -A", async () => {
  await using named = await nameNamespace("add");
  const find = new URL("../../lib/runtimes/open_runtimes.ts", import.meta.url).href;
  const script = `import { openRuntimes } from "${find}";
    const runtimes = openRuntimes({ docker: "none" });
    const [id, pid] = Deno.args;
    const named = await runtimes.findSandbox(id);
    const process = await runtimes.findSandbox("x", "/proc/" + pid + "/ns/net");
    console.log(named.isRunning, await runtimes.isAlive(named), process.isHostNetwork);`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, script);
  try {
    const flags = ["run", "--no-lock", "--allow-read", "--allow-run=nsenter"];
    const words = [...flags, file, named.id, String(Deno.pid)];
    assertEquals(await run(Deno.execPath(), words, { limitMs: 20_000 }), "true true true");
  } finally {
    await Deno.remove(file);
  }
});

async function nameNamespace(...words: string[]): Promise<{ id: string } & AsyncDisposable> {
  const id = randomHex(64);
  const [verb = "add", ...rest] = words;
  await run("ip", ["netns", verb, id, ...rest]);
  const dispose = async () => void await run("ip", ["netns", "del", id]);
  return { id, [Symbol.asyncDispose]: dispose };
}

function sleeper(): { pid: number; end(): Promise<void> } {
  const child = new Deno.Command("unshare", { args: ["--net", "sleep", "60"] }).spawn();
  const end = async () => {
    child.kill("SIGKILL");
    await child.status;
  };
  return { pid: child.pid, end };
}
