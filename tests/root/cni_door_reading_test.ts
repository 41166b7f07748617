// How the agent reads a launcher's configuration: whatever happens, it is whole at the launcher, in a file, or known
// to be lost.

import { assertEquals } from "@std/assert";
import type { CniAnswer } from "../../lib/agent/api/pod_requests.ts";
import { answerCniCall } from "../../lib/agent/server/cni_door.ts";
import type { OpenPipe, ProcessFiles } from "../../lib/agent/server/process_files.ts";

const DONE: CniAnswer = { exit: 0, output: "{}" };

/** What a pipe has, part for part; `gone` ends the launcher, `given up` is a launcher that does not wait. */
type Part = string | "later" | "end" | "gone" | "given up";

interface Launcher extends ProcessFiles {
  isAwaited: boolean;
  /** How many parts were taken from the pipe. */
  read: number;
}

function launcherWith(parts: readonly Part[], environment = "CNI_COMMAND=ADD\0"): Launcher {
  const left = [...parts];
  let isHeld = true;
  const pipe: OpenPipe = {
    isHeld: () => isHeld,
    read() {
      const part = left.shift() ?? "later";
      if (part === "gone") isHeld = false;
      if (part === "given up") launcher.isAwaited = false;
      if (part === "gone" || part === "given up") return "later";
      if (part === "later" || part === "end") return part;
      launcher.read++;
      return new TextEncoder().encode(part);
    },
    [Symbol.dispose]() {},
  };
  const launcher: Launcher = {
    ...{ isAwaited: true, read: 0 },
    environment: () => environment,
    openPipe: () => pipe,
  };
  return launcher;
}

/** Answers one call; returns the lines, the configurations that arrived, and the files that are left. */
async function answered(launcher: Launcher, answer = DONE) {
  const door = await Deno.makeTempDir();
  try {
    const configs: string[] = [];
    const place = { door, reply: "1000000001", isAwaited: () => launcher.isAwaited };
    const lines = await answerCniCall(place, launcher, ({ config }) => {
      configs.push(config);
      return Promise.resolve(answer);
    });
    const left: Record<string, string> = {};
    for await (const { name } of Deno.readDir(door)) {
      left[name.split(".")[1]!] = await Deno.readTextFile(`${door}/${name}`);
    }
    return { lines, configs, left };
  } finally {
    await Deno.remove(door, { recursive: true });
  }
}

const cases: readonly {
  readonly name: string;
  readonly launcher: Launcher;
  readonly answer?: CniAnswer;
  readonly want: Awaited<ReturnType<typeof answered>>;
}[] = [
  {
    name: "a configuration in one part",
    launcher: launcherWith(['{"a":1}', "end"]),
    want: { lines: "0 {}", configs: ['{"a":1}'], left: { in: '{"a":1}' } },
  },
  {
    name: "a configuration in parts with pauses",
    launcher: launcherWith(["later", "{", "later", "later", "}", "end"]),
    want: { lines: "0 {}", configs: ["{}"], left: { in: "{}" } },
  },
  {
    name: "an empty configuration",
    launcher: launcherWith(["end"]),
    want: { lines: "0 {}", configs: [""], left: { in: "" } },
  },
  {
    name: "a call to be repeated: the configuration stays",
    launcher: launcherWith(["{}", "end"]),
    answer: { exit: 1, output: "", isTransient: true },
    want: { lines: undefined, configs: ["{}"], left: { in: "{}" } },
  },
  {
    name: "a configuration with another agent's socket",
    launcher: launcherWith([String.raw`{"\u0073ocket":"/run/other"}`, "end"]),
    want: {
      ...{ lines: undefined, configs: [] },
      left: { in: String.raw`{"\u0073ocket":"/run/other"}` },
    },
  },
  {
    name: "a launcher that has given up before it is read: nothing is left",
    launcher: launcherWith(["given up", "{}", "end"]),
    want: { lines: undefined, configs: [], left: {} },
  },
  {
    name: "a launcher that gives up while it is read: it learns that",
    launcher: launcherWith(["{", "given up", "}", "end"]),
    want: { lines: undefined, configs: [], left: { part: "" } },
  },
  {
    name: "a launcher that is killed while it is read: nothing is left",
    launcher: launcherWith(["{", "gone", "}", "end"]),
    want: { lines: undefined, configs: [], left: {} },
  },
  {
    name: "variables that the face must judge: nothing is read",
    launcher: launcherWith(["{}", "end"], "CNI_COMMAND=ADD\0CNI_ARGS=a b\0"),
    want: { lines: undefined, configs: [], left: {} },
  },
];
for (const { name, launcher, answer, want } of cases) {
  Deno.test(`answerCniCall(): ${name}`, async () => {
    assertEquals(await answered(launcher, answer), want);
  });
}

Deno.test("answerCniCall(): a launcher that does not wait is not read", async () => {
  const launcher = launcherWith(["{}", "end"]);
  launcher.isAwaited = false;
  assertEquals(await answered(launcher), { lines: undefined, configs: [], left: {} });
  assertEquals(launcher.read, 0);
});

Deno.test("answerCniCall(): a configuration above 1 MiB is an error, and not executed", async () => {
  const launcher = launcherWith(Array.from({ length: 20 }, () => "x".repeat(65_536)));
  const { lines, configs } = await answered(launcher);
  const [first = "", words] = lines?.split("\n") ?? [];
  assertEquals([JSON.parse(first.slice(2)).code, first[0], configs, launcher.read], [
    5,
    "1",
    [],
    17,
  ]);
  assertEquals(words?.startsWith("the network configuration on standard input is too long"), true);
});
