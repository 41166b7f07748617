// A command's shell without a process: what it prints is kept, and the target answers from the test.

import { Interrupt } from "../../../lib/cli/interrupt.ts";
import { FLAGS } from "../../../lib/faces/netplugin_flags.ts";
import { longWork } from "../../../lib/cli/long_work.ts";
import { type CommonOptions, type Shell, type Target } from "../../../lib/cli/shell.ts";

const OPTIONS: CommonOptions = {
  ...{ format: "table", force: false, strict: false, prune: false, dryRun: false, repair: false },
  ...{ files: [], namespace: undefined, allNamespaces: false, kubeconfig: undefined },
  ...{ context: undefined, tcp: undefined, udp: undefined, icmp: false, host: undefined },
  ...{ patch: false, to: undefined, detailedExitcode: false },
  ...{
    columns: "",
    count: undefined,
    timeout: undefined,
    drops: false,
    yes: false,
    watch: false,
    selector: undefined,
    sortBy: undefined,
    settings: undefined,
    image: undefined,
    etcdSecret: undefined,
  },
};

/** A shell and what its command has printed, line by line. */
export interface FakeShell extends Shell {
  readonly stdout: string[];
  readonly stderr: string[];
  /** What it has printed as bytes. */
  readonly stdoutBytes: number[];
}

/** Returns a shell whose target has only the methods of `target`. */
export function fakeShell(
  words: readonly string[],
  target: Partial<Target>,
  options: Partial<CommonOptions> = {},
): FakeShell {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const stdoutBytes: number[] = [];
  const interrupt = new Interrupt({ add: () => {}, remove: () => {} });
  return {
    args: words,
    tail: [],
    options: { ...OPTIONS, ...options },
    output: {
      data: (text) => void stdout.push(...text.split("\n")),
      message: (line) => void stderr.push(line),
      note: (line) => void stderr.push(line),
      bytes: (bytes) => void stdoutBytes.push(...bytes),
      hasColor: false,
      ...{ isTerminal: false, width: 80 },
      isClosed: () => false,
    },
    interrupt,
    long: longWork({ width: 80 }, interrupt),
    target: target as Target,
    socket: "/none/agent.sock",
    caller: { by: "ada", host: "desk" },
    faces: { netplugin: () => Promise.resolve(FLAGS) },
    storeOptions: {},
    stdout,
    stderr,
    stdoutBytes,
  };
}
