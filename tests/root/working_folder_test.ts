// Calls from a working folder that was deleted, detached, unreadable, or longer than PATH_MAX: a kubelet that was started
// in such a folder calls the plugin there. It reads standard output and error together, so a word from any shell beside
// the JSON of `status` costs the pod its address.

import { assertEquals, assertMatch } from "@std/assert";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { type Ended, start, tempDir, writeVariant } from "../lab/one_file.ts";
import { randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

/** How `sh` gets into a folder of each kind, below the folder $1 that is there. */
const FOLDERS: Readonly<Record<string, string>> = {
  deleted: 'mkdir "$1/gone"; cd "$1/gone"; rmdir "$1/gone"',
  "deleted, with its parent": 'mkdir -p "$1/up/gone"; cd "$1/up/gone"; rm -r "$1/up"',
  detached: 'mkdir -p "$1/m"; mount -t tmpfs tmpfs "$1/m"; cd "$1/m"; umount -l "$1/m"',
  unreadable: 'mkdir -p "$1/closed"; chmod 0 "$1/closed"; cd "$1/closed"',
  "longer than PATH_MAX": `n=$(printf %0200d 0); cd "$1"; i=0
    while [ $i -lt 25 ]; do mkdir -p $n; cd -P $n; i=$((i+1)); done`,
};

/** The PWD with which a caller's environment comes: none, as a kubelet's, or what was right once. */
const PWDS: Readonly<Record<string, string>> = { "no PWD": "env -u PWD", "an old PWD": "env" };

/** Runs `words` in a folder of a kind. */
function startIn(
  kind: string,
  dir: string,
  words: readonly string[],
  { pwd = "env -u PWD", env = {} as Record<string, string> } = {},
): Promise<Ended> {
  const script = `${FOLDERS[kind]}; shift; exec ${pwd} -u OLDPWD "$@"`;
  return start(["/bin/sh", "-ec", script, "sh", dir, ...words], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", PWD: "/", ...env },
  });
}

const NOTHING = { code: 0, out: "", err: "" };

/** Returns the environment of a kubelet's calls to this host. */
function kubeletEnv({ agent }: Host, way: string): Record<string, string> {
  return {
    K8CONTIVNET_SOCKET: agent.socket,
    K8CONTIVNET_CACHE: Deno.env.get("K8CONTIVNET_CACHE") ?? "/run/k8contivnet-cache",
    ...way === "launcher" ? {} : { K8CONTIVNET_DOOR: "none" },
  };
}

for (const kind of Object.keys(FOLDERS)) {
  for (const way of ["launcher", "exec face"]) {
    Deno.test(`${way}: a kubelet whose working folder is ${kind} sets up, reads a clean status, and tears down`, async () => {
      await using host = await startHost(intentOf(1));
      const pod = await host.pod("pod0");
      for (const [what, pwd] of Object.entries(PWDS)) {
        const call = (verb: string) => {
          const words = [FILE, verb, pod.namespace, pod.name, pod.id];
          return startIn(kind, host.dir, words, { pwd, env: kubeletEnv(host, way) });
        };
        assertEquals(await call("setup"), NOTHING, what);
        const out = '{"apiVersion":"v1beta1","kind":"PodNetworkStatus","ip":"10.9.0.1"}';
        assertEquals(await call("status"), { ...NOTHING, out }, what);
        assertEquals(await call("teardown"), NOTHING, what);
        assertEquals(await call("status"), NOTHING, what);
      }
    });
  }

  Deno.test(`an agent started in a folder that is ${kind} serves, as do the other faces`, async () => {
    await using host = await startHost(intentOf(1));
    await host.agent.stop();
    const enter = `${FOLDERS[kind]}; shift; exec env -u PWD "$@"`;
    host.agent.agentPrefix = ["/bin/sh", "-ec", enter, "sh", host.dir];
    await host.agent.start();
    await host.agent.setup(await host.pod("pod0"));
    const env = kubeletEnv(host, "launcher");
    const listed = await startIn(kind, host.dir, [FILE, "get", "attachments"], { env });
    assertEquals([listed.code, listed.err], [0, ""]);
    assertMatch(listed.out, /pod0/);
    const init = await startIn(kind, host.dir, [FILE, "init"], { env });
    assertEquals(init, NOTHING);
    const netdcli = await startIn(kind, host.dir, [FILE, "netdcli", "-help"], { env });
    assertEquals([netdcli.code, netdcli.err], [0, ""]);
  });

  Deno.test(`the first start in a folder that is ${kind} unpacks the file, and a start after it finds the program`, async () => {
    await using dir = await tempDir();
    await writeVariant(`${dir}/file`, "echo works");
    const env = { K8CONTIVNET_CACHE: `${dir}/cache` };
    for (const round of ["cold", "warm"]) {
      const ended = await startIn(kind, `${dir}`, [`${dir}/file`, "get"], { env });
      assertEquals(ended, { ...NOTHING, out: "works\n" }, round);
    }
  });
}

Deno.test("the agent that was stopped gets a note from a kubelet whose working folder was deleted", async () => {
  await using host = await startHost(intentOf(1));
  const pod = await host.pod("pod0");
  await host.agent.setup(pod);
  await host.agent.stop();
  const words = [FILE, "teardown", pod.namespace, pod.name, pod.id];
  const ended = await startIn("deleted", host.dir, words, { env: kubeletEnv(host, "launcher") });
  assertEquals(ended, NOTHING);
  await host.agent.start();
  await waitFor("the teardown", async () => (await host.agent.attachments()).length === 0);
});

Deno.test("a relative path finds no other file when the working folder was deleted", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/file`, 'cat "$1" 2>/dev/null || echo missing');
  const env = { K8CONTIVNET_CACHE: `${dir}/cache` };
  const ended = await startIn("deleted", `${dir}`, [`${dir}/file`, "etc/passwd"], { env });
  assertEquals(ended, { ...NOTHING, out: "missing\n" });
});

Deno.test("a relative path finds its file in a folder that is there, whatever PWD says", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/file`, 'cat "$1"; pwd');
  await Deno.writeTextFile(`${dir}/intent.json`, "{}\n");
  const env = { K8CONTIVNET_CACHE: `${dir}/cache`, PWD: `/${randomHex(8)}` };
  const ended = await start([`${dir}/file`, "intent.json"], { env, cwd: `${dir}` });
  assertEquals(ended, { ...NOTHING, out: `{}\n${await Deno.realPath(`${dir}`)}\n` });
});
