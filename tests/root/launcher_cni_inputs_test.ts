// CNI calls through the launcher with standard inputs of all kinds, and in all surroundings: each call has one answer.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CONFIG_LIMIT } from "../../lib/cni/config_limit.ts";
import { callOf } from "../unit/cni/cni_cases.ts";
import { assertCniError, beginCni, callCni, FACE, startLauncherLab } from "../lab/launcher.ts";
import { HEADER_SIZE, mounted, start } from "../lab/one_file.ts";

const ADD = callOf("ADD");
const STATUS = callOf("STATUS");
const DONE = { code: 0, out: "{}\n", err: "" };

Deno.test("a runtime that writes a byte now and then gets its answer", async () => {
  await using lab = await startLauncherLab(({ config }) => ({
    exit: 0,
    output: JSON.stringify(config),
  }));
  const slowly = async (config: string) => {
    const call = beginCni(lab, ADD);
    for (const byte of config) {
      await call.write(byte);
      await new Promise((done) => setTimeout(done, 100));
    }
    await call.close();
    assertEquals(await call.ended, { code: 0, out: `${JSON.stringify(config)}\n`, err: "" });
  };
  const configs = ['{"a":"bcdefghij"}', '{\n"a":"b",\n"c":1}\n'];
  await Promise.all(configs.map(slowly));
});

Deno.test("standard input that does not end is an error after some seconds", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const calls = ["", "{", "{\n", "{\n}"]
    .map((config) => ({ config, call: beginCni(lab, STATUS) }));
  for (const { config, call } of calls) await call.write(config);
  for (const { call } of calls) {
    assertCniError(await call.ended, 5, "standard input did not end in 10 s");
    await call.close();
  }
  assertEquals(lab.calls, []);
});

Deno.test("of a standard input that is too long the face gets enough to see that", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const long = (byte: string) =>
    start(
      [
        "/bin/sh",
        "-c",
        `head -c 3000000 </dev/zero | tr '\\0' '${byte}' | "$0" | wc -c`,
        lab.file,
      ],
      { env: { ...lab.env, CNI_COMMAND: "STATUS", PATH: "/usr/bin:/bin" } },
    );
  for (const byte of ["x", "\\n", "\\0"]) {
    const length = Number((await long(byte)).out) - FACE.length;
    assert(length > CONFIG_LIMIT && length < 2 * CONFIG_LIMIT, `${length}`);
  }
  assertEquals(lab.calls, []);
});

Deno.test("NUL bytes on standard input have one answer", async () => {
  await using lab = await startLauncherLab((input) => ({
    exit: 0,
    output: JSON.stringify(input.config),
  }));
  for (const config of ["\0", '{"a":1}\0', '{"a"\0:1}', '{\0\n"a":1}\0\n', "\0".repeat(70_000)]) {
    const { code, out, err } = await callCni(lab, { ...ADD, config });
    assertEquals([code, err], [0, ""]);
    assertEquals(JSON.parse(out), config);
  }
});

/** Standard inputs of other kinds than a pipe, and the configuration that arrives; undefined: the face has to say why not. */
const INPUTS: Readonly<Record<string, readonly [string, string | undefined]>> = {
  "a file": ['"$@" <"$0/config"', "config\n"],
  "a file that is read from its middle": [
    '{ read -r _; "$@"; } <"$0/lines"',
    "second\n",
  ],
  "/dev/null": ['"$@" </dev/null', ""],
  "a FIFO": ['mkfifo "$0/fifo"; printf 5 >"$0/fifo" & "$@" <"$0/fifo"; rm "$0/fifo"', "5"],
  "a folder": ['"$@" </', undefined],
  "open for writing only": ['"$@" 0>"$0/written"', undefined],
  "closed": ['"$@" <&-', undefined],
  "closed, as are output and error": ['"$@" <&- >&- 2>&-', undefined],
  "there, and output is closed": ['echo "{}" | "$@" >&-', undefined],
};
for (const [what, [script, want]] of Object.entries(INPUTS)) {
  Deno.test(`standard input is ${what}: one answer`, async () => {
    await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
    await Deno.writeTextFile(`${lab.dir}/config`, "config\n");
    await Deno.writeTextFile(`${lab.dir}/lines`, "first\nsecond\n");
    const ended = await start(["/bin/sh", "-c", script, lab.dir, lab.file], {
      env: { ...lab.env, CNI_COMMAND: "STATUS", PATH: "/usr/bin:/bin" },
    });
    if (want === undefined) assert(!ended.out.includes("{}"), ended.out);
    else assertEquals([ended.out, ended.err], ["{}\n", ""]);
    assertEquals(lab.calls.map(({ config }) => config), want === undefined ? [] : [want]);
  });
}

Deno.test("standard input is a socket: it is read to its end", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const script = `use Socket; socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die;
    syswrite $a, '{"a":1}'; close $a; open STDIN, "<&", $b or die; close $b; exec @ARGV;`;
  const ended = await start(["/usr/bin/perl", "-e", script, "--", lab.file], {
    env: { ...lab.env, CNI_COMMAND: "STATUS" },
  });
  assertEquals(ended, DONE);
  assertEquals(lab.calls.map(({ config }) => config), ['{"a":1}']);
});

/** How a person calls it at a terminal: with nothing at hand, or with a configuration and Ctrl-D. */
const TYPED: Readonly<Record<string, string>> = { "nothing": "", "a line": "{}\n" };
for (const [what, typed] of Object.entries(TYPED)) {
  Deno.test(`standard input is a terminal at which ${what} is typed: one answer`, async () => {
    await using lab = await startLauncherLab(() => ({ exit: 0, output: '{"a":1}' }));
    const script = `{ printf '${typed}\\004'; sleep 2; } | script -qec "stty -echo; $0" /dev/null`;
    const { out } = await start(["/bin/sh", "-c", script, lab.file], {
      env: { ...lab.env, CNI_COMMAND: "STATUS", PATH: "/usr/bin:/bin" },
    });
    assertStringIncludes(out, '{"a":1}\r\n');
    assertEquals(lab.calls.map(({ config }) => config), [typed]);
  });
}

/** Surroundings in which the agent is asked. */
const PLACES: Readonly<Record<string, string>> = {
  "umask 777": 'umask 777; "$@"',
  "umask 0": 'umask 0; "$@"',
  "a working folder that was deleted": 'mkdir "$0/gone"; cd "$0/gone"; rmdir "$0/gone"; "$@"',
  "ignored signals": 'trap "" TERM PIPE INT HUP CHLD; "$@"',
  "other files open": 'exec 3<"$0/config" 6<"$0/config" 7>"$0/7" 8>"$0/8" 9>"$0/9"; "$@"',
};
for (const [what, script] of Object.entries(PLACES)) {
  Deno.test(`${what}: the agent answers`, async () => {
    await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
    await Deno.writeTextFile(`${lab.dir}/config`, "config\n");
    for (const config of [STATUS.config, '{\n"a":1}\n']) {
      const ended = await start(["/bin/sh", "-c", script, lab.dir, lab.file], {
        env: { ...lab.env, CNI_COMMAND: "STATUS", PATH: "/usr/bin:/bin" },
        stdin: config,
      });
      assertEquals(ended, DONE);
      assertEquals(lab.calls.pop()?.config, config);
    }
  });
}

Deno.test("on a file system that is read-only or full, the agent answers", async () => {
  await using lab = await startLauncherLab(() => ({ exit: 0, output: "{}" }));
  const variables = `export K8CONTIVNET_SOCKET=${lab.socket} CNI_COMMAND=STATUS TMPDIR=$1/full
    export K8CONTIVNET_CACHE=${lab.dir}/cache; mkdir -p $1/full; mount -t tmpfs -o size=4k tmpfs $1/full
    head -c 9999 /dev/zero >$1/full/x || :; cd $1/full; mount --bind $1 $1; mount -o remount,ro,bind $1`;
  const ended = await mounted(`${variables}; printf '{"a":1}' | $2`, lab.dir, lab.file);
  assertEquals([ended.code, ended.out], [0, "{}\n"], ended.err);
});

Deno.test("a cache that cannot be used is an error in JSON", async () => {
  await using lab = await startLauncherLab();
  await Deno.mkdir(`${lab.dir}/open`, { mode: 0o777 });
  await Deno.chmod(`${lab.dir}/open`, 0o777);
  await Deno.truncate(lab.file, HEADER_SIZE);
  const caches: Readonly<Record<string, string>> = {
    'no\\"where"\n': "is not an absolute path",
    [`${lab.dir}/open`]: "other users may write to",
    "/proc/1/cache": "cannot be created",
    [`${lab.dir}/new`]: "is damaged: its checksum is not",
  };
  for (const [cache, words] of Object.entries(caches)) {
    for (const { command } of [ADD, STATUS]) {
      const ended = await start([lab.file], {
        env: { ...lab.env, K8CONTIVNET_CACHE: cache, CNI_COMMAND: command },
      });
      assertCniError(ended, 5, words);
      assertEquals(ended.err === "", command === "STATUS", ended.err);
    }
  }
});
