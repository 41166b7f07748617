// CNI calls through the launcher with standard inputs of all kinds, and in all surroundings: each call has one answer,
// and neither processes nor files are left.

import { assert, assertEquals } from "@std/assert";
import { callOf } from "../unit/cni/cni_cases.ts";
import {
  assertCniError,
  beginCni,
  callCni,
  FACE,
  FACE_RETRY,
  openCniDoor,
  SHELLS,
  waitUntilNothingIsLeft,
} from "../lab/cni_door.ts";
import { mounted, start } from "../lab/one_file.ts";

const ADD = callOf("ADD");
const STATUS = callOf("STATUS");
const DONE = { code: 0, out: "{}\n", err: "" };

Deno.test("a runtime that writes a byte now and then gets its answer", async () => {
  await using door = await openCniDoor(({ config }) => ({
    exit: 0,
    output: JSON.stringify(config),
  }));
  const slowly = async (config: string, shell: readonly string[]) => {
    const call = beginCni(door, ADD, shell);
    for (const byte of config) {
      await call.write(byte);
      await new Promise((done) => setTimeout(done, 100));
    }
    await call.close();
    assertEquals(await call.ended, { code: 0, out: `${JSON.stringify(config)}\n`, err: "" });
  };
  const configs = ['{"a":"bcdefghij"}', '{\n"a":"b",\n"c":1}\n'];
  await Promise.all(SHELLS.flatMap((shell) => configs.map((config) => slowly(config, shell))));
  await waitUntilNothingIsLeft(door);
});

Deno.test("standard input that does not end is an error after some seconds, with nothing left", async () => {
  await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
  const calls = SHELLS.flatMap((shell) =>
    ["", "{", "{\n", "{\n}"].map((config) => ({ config, call: beginCni(door, STATUS, shell) }))
  );
  for (const { config, call } of calls) await call.write(config);
  for (const { call } of calls) {
    assertCniError(await call.ended, 5, "standard input did not end in 10 s");
    await call.close();
  }
  assertEquals(door.calls, []);
  await waitUntilNothingIsLeft(door);
});

Deno.test("standard input that is longer than the door takes is whole for the face", async () => {
  await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
  const long = (byte: string) =>
    start(
      [
        "/bin/sh",
        "-c",
        `head -c 1500000 </dev/zero | tr '\\0' '${byte}' | "$0" | wc -c`,
        door.file,
      ],
      { env: { ...door.env, CNI_COMMAND: "STATUS", PATH: "/usr/bin:/bin" } },
    );
  for (const byte of ["x", "\\n", "\\0"]) {
    assertEquals((await long(byte)).out.trim(), `${FACE.length + 1_500_000}`);
  }
  assertEquals(door.calls, []);
  await waitUntilNothingIsLeft(door);
});

for (const shell of SHELLS) {
  const by = shell.join(" ") || "the file";
  Deno.test(`${by}: NUL bytes on standard input have one answer`, async () => {
    await using door = await openCniDoor((input) => ({
      exit: 0,
      output: JSON.stringify(input.config),
    }));
    for (const config of ["\0", '{"a":1}\0', '{"a"\0:1}', '{\0\n"a":1}\0\n', "\0".repeat(70_000)]) {
      const { code, out, err } = await callCni(door, { ...ADD, config }, { shell });
      assertEquals([code, err], [0, ""]);
      assertEquals(JSON.parse(out), config);
    }
    await waitUntilNothingIsLeft(door);
  });
}

/** Standard inputs of other kinds than a pipe, and what the face gets of them; undefined if it cannot read them. */
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
  "a terminal": ['script -qec "$*" /dev/null </dev/null | tr -d "\\r"', undefined],
};
for (const [what, [script, want]] of Object.entries(INPUTS)) {
  Deno.test(`standard input is ${what}: one answer`, async () => {
    await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
    await Deno.writeTextFile(`${door.dir}/config`, "config\n");
    await Deno.writeTextFile(`${door.dir}/lines`, "first\nsecond\n");
    for (const shell of SHELLS) {
      const ended = await start(["/bin/sh", "-c", script, door.dir, ...shell, door.file], {
        env: { ...door.env, CNI_COMMAND: "STATUS", PATH: "/usr/bin:/bin" },
      });
      if (want === undefined) assert(!ended.out.includes("{}"));
      else assertEquals([ended.out, ended.err], [FACE + want, ""], shell.join(" "));
    }
    assertEquals(door.calls, []);
    await waitUntilNothingIsLeft(door);
  });
}

Deno.test("standard input is a socket: it is read to its end", async () => {
  await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
  const script = `use Socket; socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die;
    syswrite $a, '{"a":1}'; close $a; open STDIN, "<&", $b or die; close $b; exec @ARGV;`;
  for (const shell of SHELLS) {
    const ended = await start(["/usr/bin/perl", "-e", script, "--", ...shell, door.file], {
      env: { ...door.env, CNI_COMMAND: "STATUS" },
    });
    assertEquals(ended, { code: 7, out: `${FACE}{"a":1}`, err: "" }, shell.join(" "));
  }
});

/** Surroundings in which the door works. */
const PLACES: Readonly<Record<string, string>> = {
  "umask 777": 'umask 777; "$@"',
  "umask 0": 'umask 0; "$@"',
  "a working folder that was deleted":
    'mkdir "$0/gone"; cd "$0/gone"; rmdir "$0/gone"; "$@" 2>"$0/err"; code=$?; grep -v getcwd "$0/err"; exit $code',
  "ignored signals": 'trap "" TERM PIPE INT HUP CHLD; "$@"',
  "other files open": 'exec 3<"$0/config" 6<"$0/config" 7>"$0/7" 8>"$0/8" 9>"$0/9"; "$@"',
};
for (const [what, script] of Object.entries(PLACES)) {
  Deno.test(`${what}: the door answers`, async () => {
    await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
    await Deno.writeTextFile(`${door.dir}/config`, "config\n");
    for (const shell of SHELLS) {
      for (const config of [STATUS.config, '{\n"a":1}\n']) {
        const ended = await start(["/bin/sh", "-c", script, door.dir, ...shell, door.file], {
          env: { ...door.env, CNI_COMMAND: "STATUS", PATH: "/usr/bin:/bin" },
          stdin: config,
        });
        assertEquals(ended, DONE, shell.join(" "));
        assertEquals(door.calls.pop()?.config, config);
      }
    }
    await waitUntilNothingIsLeft(door);
  });
}

for (const shell of SHELLS) {
  Deno.test(`${shell.join(" ") || "the file"}: a door on a read-only or full file system`, async () => {
    await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
    const words = [door.dir, ...shell, door.file];
    const variables = `export K8CONTIVNET_SOCKET=${door.socket} CNI_COMMAND=STATUS
      export K8CONTIVNET_CACHE=${door.dir}/cache; dir=$1; shift`;
    const readOnly = `${variables}; mount --bind $dir $dir; mount -o remount,ro,bind $dir
      printf '{"a":1}' | "$@" || echo " $?"`;
    assertEquals(await mounted(readOnly, ...words), {
      ...{ code: 0, err: "" },
      out: `${FACE}{"a":1} 7\n`,
    });
    const full = `${variables}; cp -a $dir/agent.sock.door $dir/copy
      mount -t tmpfs -o size=8k,mode=700 tmpfs $dir/agent.sock.door
      cp -a $dir/copy/* $dir/agent.sock.door
      head -c 100000 /dev/zero | tr '\\0' x | "$@" || echo " $?"
      ls $dir/agent.sock.door | grep -v '^free[.]'`;
    assertEquals(await mounted(full, ...words), {
      ...{ code: 0, err: "" },
      out: `${FACE_RETRY}${"x".repeat(100_000)} 7\nagent\nask\n`,
    });
    assertEquals(door.calls, []);
  });
}

for (const shell of SHELLS) {
  Deno.test(`${shell.join(" ") || "the file"}: a cache that cannot be used is an error in JSON`, async () => {
    await using door = await openCniDoor();
    await Deno.mkdir(`${door.dir}/open`, { mode: 0o777 });
    await Deno.chmod(`${door.dir}/open`, 0o777);
    await Deno.writeTextFile(
      `${door.dir}/file`,
      (await Deno.readTextFile(door.file)).slice(0, 20_480),
    );
    await Deno.chmod(`${door.dir}/file`, 0o755);
    const caches: Readonly<Record<string, string>> = {
      'no\\"where"\n': "is not an absolute path",
      [`${door.dir}/open`]: "other users may write to",
      "/proc/1/cache": "cannot be created",
      [`${door.dir}/new`]: "is damaged: its checksum is not",
    };
    for (const [cache, words] of Object.entries(caches)) {
      for (const { command } of [ADD, STATUS]) {
        const ended = await start([...shell, door.file], {
          env: { ...door.env, K8CONTIVNET_CACHE: cache, CNI_COMMAND: command },
        });
        assertCniError(ended, 5, words);
        assertEquals(ended.err === "", command === "STATUS", ended.err);
      }
    }
  });
}
