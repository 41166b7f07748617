// The one file as it is started: by which shell, from where, what reaches the program, what it costs.
// Runs in the lab as root; what is mounted over is so in a mount namespace of the one test.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  DIST,
  type Ended,
  keyOf,
  listTree,
  mounted,
  programName,
  readHeader,
  start,
  tempDir,
  unpackWords,
  writeVariant,
} from "../lab/one_file.ts";

const SHELLS: readonly (readonly string[])[] = [
  ["/bin/dash"],
  ["/bin/bash"],
  ["/bin/busybox", "ash"],
];

/** Returns the paths of `names` on this machine's PATH. */
function pathsOf(...names: string[]): string[] {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.flatMap((folder) => names.map((name) => `${folder}/${name}`)).filter((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

function assertWorked({ code, out, err }: Ended, words: string): void {
  assertEquals({ code, err }, { code: 0, err: "" });
  assertStringIncludes(out, words);
}

Deno.test("the file needs no environment, no Deno, no Node and no network", async () => {
  const hidden = [Deno.execPath(), ...pathsOf("deno", "node", "npm")];
  const ended = await mounted(
    `mount -t tmpfs tmpfs /var/cache
     for each in "$@"; do mount --bind /dev/null "$each"; done
     exec unshare --net env -i ${DIST} help`,
    ...new Set(hidden),
  );
  assertWorked(ended, "k8contivnet");
});

Deno.test("root's cache is /var/cache/k8contivnet", async () => {
  const { key } = await inVarCache(`ls -A /var/cache/k8contivnet`);
  assert(key, "the folder with the program's key is there");
});

Deno.test("root's cache is /run/k8contivnet/cache where /var/cache is read-only", async () => {
  const { key, out } = await inVarCache(
    `ls -A /run/k8contivnet/cache; ls -A /var/cache`,
    "mount -o remount,ro /var/cache; mount -t tmpfs tmpfs /run",
  );
  assert(key, "the folder with the program's key is there");
  assertEquals(out.includes("k8contivnet\n"), false, "nothing was made in /var/cache");
});

async function inVarCache(look: string, prepare = ":"): Promise<{ key: boolean; out: string }> {
  await using dir = await tempDir();
  const { key } = await writeVariant(`${dir}/file`, ":");
  const { code, out, err } = await mounted(
    `mount -t tmpfs tmpfs /var/cache; ${prepare}; env -i $1 a; env -i $1 b; ${look}`,
    `${dir}/file`,
  );
  assertEquals({ code, err }, { code: 0, err: "" });
  return { key: out.split("\n").includes(key), out };
}

Deno.test("a user without root and without HOME has a private cache in /tmp", async () => {
  await using dir = await tempDir();
  await Deno.chmod(`${dir}`, 0o755);
  const { key } = await writeVariant(`${dir}/file`, "echo works");
  const ended = await mounted(
    `setpriv --reuid=61234 --regid=61234 --clear-groups env -i "$1" a
     ls /tmp/k8contivnet-61234; rm -r /tmp/k8contivnet-61234`,
    `${dir}/file`,
  );
  assertWorked(ended, `works\n${key}`);
});

Deno.test("XDG_CACHE_HOME and HOME say where the cache of a user is", async () => {
  await using dir = await tempDir();
  await Deno.chmod(`${dir}`, 0o755);
  for (const folder of ["xdg", "home"]) {
    await Deno.mkdir(`${dir}/${folder}`);
    await Deno.chown(`${dir}/${folder}`, 61234, 61234);
  }
  const { key } = await writeVariant(`${dir}/file`, ":");
  const home = { HOME: `${dir}/home` };
  const start1 = await start([`${dir}/file`], { env: home, uid: 61234 });
  const start2 = await start([`${dir}/file`], {
    env: { ...home, XDG_CACHE_HOME: `${dir}/xdg` },
    uid: 61234,
  });
  assertEquals([start1.err, start2.err], ["", ""]);
  assert((await Deno.stat(`${dir}/home/.cache/k8contivnet/${key}`)).isDirectory);
  assert((await Deno.stat(`${dir}/xdg/k8contivnet/${key}`)).isDirectory);
});

for (const shell of SHELLS) {
  Deno.test(`${shell.join(" ")} unpacks the program and runs it, and forks nothing when it is there`, async () => {
    await using dir = await tempDir();
    // The next process number of a fresh namespace shows how many were used up before: the shell
    // is 1 and becomes the program, so that the program's first child is 2.
    await writeVariant(`${dir}/file`, `/bin/sh -c 'echo $$'`);
    const env = { K8CONTIVNET_CACHE: `${dir}/cache` };
    const words = await unpackWords(shell, `${dir}/file`);
    assertEquals((await start(words, { env })).code, 0);
    const fresh = ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc"];
    const ended = await start([...fresh, ...words], { env });
    assertEquals(ended, { code: 0, out: "2\n", err: "" });
  });
}

Deno.test("the file works from a read-only folder and through a link, whose name it hands on", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/file`, `echo "$K8CONTIVNET_ARGV0"`);
  const ended = await mounted(
    `mkdir $1/ro; mount -t tmpfs tmpfs $1/ro; cp $1/file $1/ro/k8contivnet
     ln -s k8contivnet $1/ro/netdcli; mount -o remount,ro $1/ro
     export K8CONTIVNET_CACHE=$1/cache
     $1/ro/netdcli; $1/ro/k8contivnet; cd $1/ro; ./netdcli; PATH=$1/ro:$PATH netdcli`,
    `${dir}`,
  );
  const [netdcli, file] = [`${dir}/ro/netdcli`, `${dir}/ro/k8contivnet`];
  assertEquals(ended, { code: 0, err: "", out: `${netdcli}\n${file}\n./netdcli\n${netdcli}\n` });
});

Deno.test("words, standard input, exit code and umask reach the program, cold and warm", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/file`, `printf '<%s>' "$@"; cat; umask; exit 3`);
  const words = ["a b", "", "$(id)", "*", "-x", "ö\n"];
  const script = `umask 027; exec "$@"`;
  for (const round of ["cold", "warm"]) {
    const ended = await start(["/bin/sh", "-c", script, "sh", `${dir}/file`, ...words], {
      env: { K8CONTIVNET_CACHE: `${dir}/cache` },
      stdin: "asked",
    });
    const out = words.map((word) => `<${word}>`).join("") + "asked0027\n";
    assertEquals(ended, { code: 3, out, err: "" }, round);
  }
});

Deno.test("the program's environment is the caller's but for what the header says", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/file`, "env");
  const env = { K8CONTIVNET_CACHE: `${dir}/cache`, PATH: "/usr/bin:/bin", k8c: "1", key: "v" };
  await start([`${dir}/file`], { env });
  const { out } = await start([`${dir}/file`], { env });
  const names = out.trim().split("\n").map((line) => line.split("=")[0]).filter((name) =>
    name !== "PWD" && name !== "_" && name !== "SHLVL" && name !== "OLDPWD"
  );
  assertEquals(names.toSorted(), [
    "DENO_DIR",
    "DENO_DISABLE_NODE_SHIM",
    "DENO_NO_PACKAGE_JSON",
    "DENO_NO_UPDATE_CHECK",
    "K8CONTIVNET_ARGV0",
    "K8CONTIVNET_BUILD",
    "K8CONTIVNET_CACHE",
    "K8CONTIVNET_GLIBC",
    "PATH",
    "k8c",
    "key",
  ]);
  assertMatch(out, /^PATH=\/usr\/bin:\/bin$/m);
});

Deno.test("the program gets a list of permissions, and never all of them", async () => {
  const header = await readHeader();
  if (await programName() !== "deno") return; // then they are inside the compiled program
  const words = /exec "\$k8c_dir\/deno" (.*) "\$k8c_dir\/app\/main.js"/.exec(header)?.[1] ?? "";
  assertStringIncludes(words, "--no-prompt");
  assertStringIncludes(words, "--allow-run=ip,");
  assertEquals(/(^| )(-A|--allow-all|--allow-run)( |$)/.test(words), false);
});

Deno.test("the warm file finds its code cache and writes nothing beside its folder", async () => {
  await using dir = await tempDir();
  for (const name of ["home", "tmp", "cwd"]) await Deno.mkdir(`${dir}/${name}`);
  const env = { K8CONTIVNET_CACHE: `${dir}/cache`, HOME: `${dir}/home`, TMPDIR: `${dir}/tmp` };
  const call = (more = {}) =>
    start([DIST, "help"], { env: { ...env, ...more }, cwd: `${dir}/cwd` });
  await call();
  await call();
  const before = await listTree(`${dir}`);
  const { err } = await call({ DENO_LOG: "debug" });
  if (await programName() === "deno") {
    assertMatch(err, /V8 code cache hit for ES module: file:\S+\/app\/main\.js/);
  }
  assertEquals(await listTree(`${dir}`), before, "the third start makes no new file");
  const key = keyOf(await readHeader());
  const beside = before.filter((line) =>
    !/ (home|tmp|cwd|cache|cache\/\.lock)$/.test(line) && !line.includes(` cache/${key}`)
  );
  assertEquals(beside, [], "all files are below the program's folder");
});

Deno.test("a host with busybox and glibc alone runs the file", async () => {
  await using dir = await tempDir();
  const ended = await inBusyboxRoot(`${dir}`, true);
  assertWorked(ended, "k8contivnet");
});

Deno.test("a host without glibc gets one sentence that says so", async () => {
  await using dir = await tempDir();
  const { code, out, err } = await inBusyboxRoot(`${dir}`, false);
  assertEquals({ code, out }, { code: 1, out: "" });
  assertMatch(err, /^k8contivnet: this host's C library .* glibc 2\.\d+ or newer is needed\n$/);
});

/** Runs the built file in a root that has busybox, and this machine's C library if `glibc`. */
function inBusyboxRoot(root: string, glibc: boolean): Promise<Ended> {
  return mounted(
    `mkdir -p $1/bin $1/tmp $1/dev $1/var/cache $1/proc $1/etc; cp /bin/busybox $1/bin
     cp ${DIST} $1/k8contivnet; touch $1/dev/null $1/dev/urandom
     for each in null urandom; do mount --bind /dev/$each $1/dev/$each; done
     chroot $1 /bin/busybox --install -s /bin
     ${glibc ? `ldd ${Deno.execPath()} | grep -o '/[^ ]*' | xargs -I{} cp --parents -L {} $1` : ":"}
     [ ${glibc} = false ] || mount -t proc proc $1/proc
     exec chroot $1 /bin/env -i /k8contivnet help`,
    root,
  );
}

Deno.test("a C library that is too old gets one sentence that says so", async () => {
  await using dir = await tempDir();
  const probe = "echo \"./deno: version 'GLIBC_2.99' not found (required by ./deno)\" >&2; exit 1";
  await writeVariant(`${dir}/file`, "echo must not run", probe);
  const ended = await start([`${dir}/file`], { env: { K8CONTIVNET_CACHE: `${dir}/cache` } });
  assertEquals({ code: ended.code, out: ended.out }, { code: 1, out: "" });
  assertMatch(ended.err, /^k8contivnet: this host's C library is too old [^\n]*\n$/);
  assertEquals(await listTree(`${dir}/cache`), ["600 .lock"], "nothing is left of the attempt");
});
