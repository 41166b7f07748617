// The one file's cache: filled once by the first start, repaired after a kill, refused where
// another user could have put something into it, and emptied of old programs.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  DIST,
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
import { waitFor } from "../lab/wait.ts";
import { run } from "../lab/run.ts";

const OTHER = 61234;

/** Starts `file` with its cache in `dir`. */
function startIn(dir: unknown, file = `${dir}/file`, ...words: string[]) {
  return start([file, ...words], { env: { K8CONTIVNET_CACHE: `${dir}/cache` } });
}

/** Returns the names in the cache of `dir`, but the lock's. */
async function cached(dir: unknown): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(`${dir}/cache`)) names.push(name);
  return names.filter((name) => name !== ".lock").sort();
}

/** Returns `count` starts at once of the built file, the first that this cache sees. */
async function firstStarts(dir: unknown, count: number, prepare = ":"): Promise<string[]> {
  const { code, out, err } = await mounted(
    `${prepare}; export K8CONTIVNET_CACHE=$1/cache
     for n in $(seq ${count}); do
       { code=0; ${DIST} help >$1/out$n 2>$1/err$n </dev/null || code=$?; echo $code >$1/code$n; } &
     done; wait; cat $1/err* $1/code*`,
    `${dir}`,
  );
  assertEquals({ code, err }, { code: 0, err: "" });
  return out.trim().split("\n");
}

Deno.test("eight first starts at once all work, and leave one program", async () => {
  await using dir = await tempDir();
  assertEquals(await firstStarts(dir, 8), Array(8).fill("0"));
  assertEquals(await cached(dir), [keyOf(await readHeader())]);
});

Deno.test("eight first starts at once also work on a host without flock", async () => {
  await using dir = await tempDir();
  const prepare = "mount --bind /dev/null $(command -v flock)";
  assertEquals(await firstStarts(dir, 8, prepare), Array(8).fill("0"));
  const key = keyOf(await readHeader());
  assertEquals(await cached(dir), [key]);
  const tree = await listTree(`${dir}/cache/${key}`);
  assertEquals(tree.filter((line) => line.includes(".new.") || line.includes(".broken")), []);
});

Deno.test("the cache is closed to others, whatever the umask was", async () => {
  await using dir = await tempDir();
  const { key } = await writeVariant(`${dir}/file`, ":");
  const env = { K8CONTIVNET_CACHE: `${dir}/cache/deep` };
  await start(["/bin/sh", "-c", `umask 0; exec "$0"`, `${dir}/file`], { env });
  const name = await programName();
  assertEquals(await listTree(`${dir}/cache`), [
    "600 deep/.lock",
    `600 deep/${key}/app/main.js`,
    "700 deep",
    `700 deep/${key}`,
    `700 deep/${key}/app`,
    `700 deep/${key}/${name}`,
  ]);
});

Deno.test("a first start that is killed is healed by the next", async () => {
  await using dir = await tempDir();
  // While its program is tried, the start waits for a file; by then all is unpacked beside.
  const probe = `[ -e ${dir}/go ] || exec sleep 60; exit 0`;
  const { key } = await writeVariant(`${dir}/file`, "echo works", probe);
  const child = new Deno.Command("setsid", {
    args: [`${dir}/file`],
    env: { K8CONTIVNET_CACHE: `${dir}/cache` },
  }).spawn();
  await waitFor("the program to be tried", async () => {
    const left = await cached(dir).catch(() => []);
    return left.length === 1 && (await listTree(`${dir}/cache/${left[0]}`)).length > 2;
  });
  await run("kill", ["-9", "--", `-${child.pid}`]);
  await child.status;
  assertMatch((await cached(dir)).join(), /^\.new\./);
  await Deno.writeTextFile(`${dir}/go`, "");
  assertEquals(await startIn(dir), { code: 0, out: "works\n", err: "" });
  assertEquals(await cached(dir), [key]);
});

Deno.test("a cache that lost a file is healed", async () => {
  await using dir = await tempDir();
  const { key } = await writeVariant(`${dir}/file`, "echo works");
  await startIn(dir);
  await Deno.remove(`${dir}/cache/${key}/${await programName()}`);
  assertEquals(await startIn(dir), { code: 0, out: "works\n", err: "" });
  assertEquals(await cached(dir), [key]);
});

Deno.test("a damaged file says so in one sentence and starts nothing", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/file`, "echo must not run");
  await Deno.writeFile(`${dir}/file`, new Uint8Array(1), { append: true });
  const ended = await startIn(dir);
  assertEquals({ code: ended.code, out: ended.out }, { code: 1, out: "" });
  assertMatch(ended.err, /^k8contivnet: \S+\/file is damaged: [^\n]+\n$/);
  assertEquals(await cached(dir), []);
});

Deno.test("a file that is replaced while it starts runs as the new one", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/old`, "echo old");
  await writeVariant(`${dir}/file`, `echo new "$@" "\${K8CONTIVNET_AGAIN-}"`);
  const [, script = ""] = await unpackWords([], `${dir}/old`);
  const env = { K8CONTIVNET_CACHE: `${dir}/cache` };
  // The old launcher's script at work on a path that has the new file by now.
  const ended = await start(["/bin/sh", "-c", script, `${dir}/file`, "a b"], { env });
  assertEquals(ended, { code: 0, out: "new a b \n", err: "" });
});

Deno.test("an upgrade in place starts the new program and removes old ones, but one", async () => {
  await using dir = await tempDir();
  const keys: string[] = [];
  for (const version of ["1", "2", "3"]) {
    const { key } = await writeVariant(`${dir}/file`, `echo ${version}`);
    keys.push(key);
    assertEquals((await startIn(dir)).out, `${version}\n`);
  }
  assertEquals(await cached(dir), keys.slice(1).sort());
});

Deno.test("an upgrade removes no program that still runs", async () => {
  await using dir = await tempDir();
  const hold = `cp /bin/sleep "\${0%/*}/app/hold"; exec "\${0%/*}/app/hold" 60`;
  const first = await writeVariant(`${dir}/file`, hold);
  const env = { K8CONTIVNET_CACHE: `${dir}/cache` };
  const running = new Deno.Command(`${dir}/file`, { env }).spawn();
  try {
    await waitFor("the old program to run", async () => {
      const exe = await Deno.readLink(`/proc/${running.pid}/exe`);
      return exe.endsWith("/app/hold");
    });
    for (const version of ["2", "3", "4"]) {
      await writeVariant(`${dir}/file`, `echo ${version}`);
      await startIn(dir);
    }
    assert((await cached(dir)).includes(first.key), "the running program is there");
    assertEquals((await cached(dir)).length, 3);
  } finally {
    running.kill("SIGKILL");
    await running.status;
  }
  await writeVariant(`${dir}/file`, "echo 5");
  await startIn(dir);
  assertEquals((await cached(dir)).length, 2, "the old program is gone once it ended");
});

/** What is wrong with a warm cache at `dir/cache`, how it comes to be, and the message then. */
const spoilt: readonly (readonly [what: string, spoil: string, says: RegExp])[] = [
  ["is owned by another user", `chown ${OTHER} $1/cache`, /is owned by another user/],
  [
    "has a program folder of another user",
    `chown ${OTHER} $1/cache/$2`,
    /is owned by another user/,
  ],
  ["has a program of another user", `chown ${OTHER} $1/cache/$2/$3`, /is owned by another user/],
  ["is a link", "mv $1/cache $1/real; ln -s real $1/cache", /is a symbolic link/],
  [
    "is empty and others may write it",
    "rm -r $1/cache/$2; chmod 707 $1/cache",
    /other users may write to/,
  ],
  [
    "is empty and its group may write it",
    "rm -r $1/cache/$2; chmod 770 $1/cache",
    /other users may write to/,
  ],
  [
    "is empty and lies where everybody may rename it",
    "rm -r $1/cache/$2; chmod 777 $1",
    /all users may write to/,
  ],
];

for (const [what, spoil, says] of spoilt) {
  Deno.test(`a cache that ${what} is refused in one sentence`, async () => {
    await using dir = await tempDir();
    const { key } = await writeVariant(`${dir}/file`, "echo must not run");
    await startIn(dir);
    await run("sh", ["-ec", spoil, "sh", `${dir}`, key, await programName()]);
    const { code, out, err } = await startIn(dir);
    assertEquals({ code, out }, { code: 1, out: "" });
    assertMatch(err, says);
    assertMatch(err, /^k8contivnet: [^\n]{20,200}\n$/);
  });
}

Deno.test("a cache folder that is not an absolute path is refused", async () => {
  const { code, err } = await start([DIST, "help"], { env: { K8CONTIVNET_CACHE: "here" } });
  assertEquals(code, 1);
  assertMatch(err, /^k8contivnet: cache folder "here" is not an absolute path; [^\n]+\n$/);
});

const places: readonly (readonly [what: string, options: string, says: RegExp])[] = [
  ["that is full", "size=5m", /failed; check that it has 200 MB of free space/],
  ["where programs may not run", "noexec", /programs may not run in .*; set K8CONTIVNET_CACHE/],
];

for (const [what, options, says] of places) {
  Deno.test(`a place ${what} is reported in one sentence, and nothing is left there`, async () => {
    await using dir = await tempDir();
    await Deno.mkdir(`${dir}/cache`);
    const { code, out, err } = await mounted(
      `mount -t tmpfs -o mode=700,${options} tmpfs $1/cache; export K8CONTIVNET_CACHE=$1/cache
       code=0; ${DIST} help || code=$?; echo $code; ls -A $1/cache`,
      `${dir}`,
    );
    assertEquals({ code, out }, { code: 0, out: "1\n.lock\n" });
    assertMatch(err.trim().split("\n").at(-1) ?? "", says);
    assertEquals(err.trim().split("\n").length, 1, err);
  });
}

Deno.test("a read-only cache that is warm works", async () => {
  await using dir = await tempDir();
  await writeVariant(`${dir}/file`, "echo works");
  await startIn(dir);
  const ended = await mounted(
    `mount --bind $1/cache $1/cache; mount -o remount,ro,bind $1/cache
     K8CONTIVNET_CACHE=$1/cache exec $1/file`,
    `${dir}`,
  );
  assertEquals(ended, { code: 0, out: "works\n", err: "" });
});
