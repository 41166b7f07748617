// How the agent reads a launcher's configuration: it stays in the pipe, and nothing is executed for a launcher that is gone.

import { assertEquals } from "@std/assert";
import { CONFIG_LIMIT } from "../../lib/cni/config_limit.ts";
import type { CniAnswer } from "../../lib/agent/api/pod_requests.ts";
import { answerCniCall } from "../../lib/agent/server/cni_door.ts";
import {
  filesOf,
  type OpenPipe,
  type PipeLook,
  type ProcessFiles,
} from "../../lib/agent/server/process_files.ts";
import { waitFor } from "../lab/wait.ts";

const DONE: CniAnswer = { exit: 0, output: "{}" };

/** What a look into a pipe finds, the last one again and again; `gone` ends the launcher, or makes it give up. */
type Look = PipeLook | "gone";

const bytes = (text: string) => new TextEncoder().encode(text);

function launcherWith(looks: readonly Look[], environment = "CNI_COMMAND=ADD\0"): ProcessFiles {
  const left = [...looks];
  let isHeld = true;
  const pipe: OpenPipe = {
    isHeld: () => isHeld,
    copy() {
      const look = left.length > 1 ? left.shift()! : left[0]!;
      if (look !== "gone") return look;
      isHeld = false;
      return "later";
    },
    [Symbol.dispose]() {},
  };
  return { environment: () => environment, openPipe: () => pipe };
}

/** Answers one call; returns the lines and the configurations that arrived. */
async function answered(launcher: ProcessFiles, answer = DONE) {
  const configs: string[] = [];
  const place = { door: "/nowhere", reply: "1000000001" };
  const lines = await answerCniCall(place, launcher, ({ config }) => {
    configs.push(config);
    return Promise.resolve(answer);
  });
  return { lines, configs };
}

const NOTHING = { lines: undefined, configs: [] };

const cases: readonly {
  readonly name: string;
  readonly launcher: ProcessFiles;
  readonly answer?: CniAnswer;
  readonly want: Awaited<ReturnType<typeof answered>>;
}[] = [
  {
    name: "a configuration that is there",
    launcher: launcherWith([bytes('{"a":1}')]),
    want: { lines: "0 print\nprintf '%s\\n' '{}'; return", configs: ['{"a":1}'] },
  },
  {
    name: "a configuration that is written slowly",
    launcher: launcherWith(["later", "later", bytes("{}")]),
    want: { lines: "0 print\nprintf '%s\\n' '{}'; return", configs: ["{}"] },
  },
  {
    name: "an empty configuration",
    launcher: launcherWith([bytes("")]),
    want: { lines: "0 print\nprintf '%s\\n' '{}'; return", configs: [""] },
  },
  {
    name: "a call to be repeated by the face",
    launcher: launcherWith([bytes("{}")]),
    answer: { exit: 1, output: "", isTransient: true },
    want: { lines: undefined, configs: ["{}"] },
  },
  {
    name: "a configuration with another agent's socket",
    launcher: launcherWith([bytes(String.raw`{"\u0073ocket":"/run/other"}`)]),
    want: NOTHING,
  },
  {
    name: "a pipe that cannot hold the configuration",
    launcher: launcherWith(["later", "filling", "full"]),
    want: NOTHING,
  },
  {
    name: "a configuration that cannot be copied",
    launcher: launcherWith(["later", "never"]),
    want: NOTHING,
  },
  {
    name: "a launcher that gives up or is killed while it is read",
    launcher: launcherWith(["later", "gone", bytes("{}")]),
    want: NOTHING,
  },
  {
    name: "variables that the face must judge",
    launcher: launcherWith([bytes("{}")], "CNI_COMMAND=ADD\0CNI_ARGS=a b\0"),
    want: NOTHING,
  },
  {
    name: "a standard input that is not a pipe",
    launcher: { environment: () => "CNI_COMMAND=ADD\0", openPipe: () => undefined },
    want: NOTHING,
  },
];
for (const { name, launcher, answer, want } of cases) {
  Deno.test(`answerCniCall(): ${name}`, async () => {
    assertEquals(await answered(launcher, answer), want);
  });
}

/** A process with a pipe as its file 8, of which this has the writing end. */
async function startHolder() {
  const child = new Deno.Command("sh", {
    args: ["-c", "exec 8<&0 && exec sleep 100"],
    stdin: "piped",
  }).spawn();
  const pipe = await waitFor("its pipe", () => filesOf(child.pid).openPipe(8));
  const writer = child.stdin.getWriter();
  return {
    pipe,
    write: (text: string) => writer.write(bytes(text)),
    close: () => writer.close(),
    [Symbol.asyncDispose]: async () => {
      pipe[Symbol.dispose]();
      child.kill("SIGKILL");
      await child.status;
      await writer.close().catch(() => {});
    },
  };
}

for (const length of [0, 1, 4_097, 65_536, 100_000, 1_000_000]) {
  Deno.test(`copy() finds ${length} bytes once they are complete, each time anew`, async () => {
    await using holder = await startHolder();
    const text = Array.from({ length }, (_, n) => n % 10).join("");
    const [half, rest] = [text.slice(0, length / 2), text.slice(length / 2)];
    const writing = holder.write(half);
    const look = () => holder.pipe.copy(CONFIG_LIMIT);
    assertEquals(typeof look(), "string");
    const all = writing.then(() => holder.write(rest)).then(() => holder.close());
    const copy = await waitFor("the end", () => {
      const found = look();
      return typeof found !== "string" && found;
    });
    await all;
    for (const found of [copy, look()]) {
      assertEquals(new TextDecoder().decode(found as Uint8Array) === text, true);
    }
  });
}

Deno.test("copy() says that a pipe cannot hold all of it", async () => {
  await using holder = await startHolder();
  void holder.write("x".repeat(CONFIG_LIMIT + 65_536)).catch(() => {});
  await waitFor("too much", () => holder.pipe.copy(CONFIG_LIMIT) === "full");
});

Deno.test("copy() finds more than the limit in a pipe that holds it: never", async () => {
  await using holder = await startHolder();
  await holder.write("x".repeat(4_097));
  await holder.close();
  await waitFor("the end", () => holder.pipe.copy(4_097) !== "later");
  assertEquals([holder.pipe.copy(4_096), holder.pipe.copy(4_097)], [
    "never",
    bytes("x".repeat(4_097)),
  ]);
});

Deno.test("copy() says when a pipe with room for two pages is filling, and enlarges it", async () => {
  // 1031 is F_SETPIPE_SZ.
  const script =
    `use POSIX; $| = 1; pipe(my $r, my $w); fcntl($r, 1031, 8192) or die; POSIX::dup2(fileno($r), 8);
    close $r; syswrite $w, "x" x 8192; print "ready"; syswrite $w, "y" x 8192; close $w; sleep 100`;
  const child = new Deno.Command("perl", { args: ["-e", script], stdout: "piped" }).spawn();
  try {
    await child.stdout.getReader().read();
    using pipe = filesOf(child.pid).openPipe(8)!;
    const copy = await waitFor("the end", () => {
      const look = pipe.copy(CONFIG_LIMIT);
      return typeof look !== "string" && look;
    });
    assertEquals(copy, bytes("x".repeat(8_192) + "y".repeat(8_192)));
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});
