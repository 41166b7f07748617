// The operator's tool: finds the command, runs it, prints its Fault, or what an interrupt of it leaves.

import { Fault, oneLine } from "../util/errors.ts";
import { VERSION } from "../util/version.ts";
import {
  type CommandLine,
  parseCommandLine,
  refuseArguments,
  refuseOthers,
} from "./command_line.ts";
import { commandNamed, COMMANDS, OTHER_FACES } from "./command_table.ts";
import { COMPLETE } from "./completion_scripts.ts";
import { type LongWork, longWork } from "./long_work.ts";
import { nearest } from "./nearest.ts";
import { processCaller } from "./origin.ts";
import { type Output, printValue, processOutput } from "./output.ts";
import { type Run, runCommand } from "./run_command.ts";
import type { FaceFlags } from "./face_flags.ts";
import type { CommonOptions, Target } from "./shell.ts";

/** Runs one command; returns the exit code: its own, of FAULT_CODES, or of a signal. `faces` have flags, too. */
export async function cliMain(args: readonly string[], faces: FaceFlags = {}): Promise<number> {
  const [name = "help", ...rest] = args;
  if (name === COMPLETE) return await complete(rest, faces);
  let output = processOutput();
  const command = async (run: Run) => {
    const line = parseCommandLine(rest, commandNamed(name)?.formats);
    output = processOutput({
      ...{ wantsColor: line.color, isQuiet: line.isQuiet },
      whileWriting: (write) => run.interrupt.whileWriting(write),
    });
    return await dispatch(name, line, { ...run, output, faces });
  };
  return await runCommand(command, (message) => output.message(`k8contivnet: ${message}`));
}

/** Runs the command `name`; returns its exit code. Faults: usage; those of the command. */
async function dispatch(
  name: string,
  line: CommandLine,
  { output, interrupt, stack, faces }: Run & {
    readonly output: Output;
    readonly faces: FaceFlags;
  },
): Promise<number> {
  if (["help", "-h", "--help", "-help"].includes(name)) return await help(line.args[0], output);
  if (["version", "--version", "-version"].includes(name)) {
    return await version(line.common, output);
  }
  const spec = commandNamed(name);
  if (!spec) throw name.startsWith("-") ? optionFirst(name) : unknownCommand(name);
  if (line.isHelp) return await help(name, output);
  refuseOthers(line, name, spec);
  if (spec.takes === "") refuseArguments(line, name);
  const command = await spec.load();
  const long = longWork(output, interrupt);
  const code = await command.run({
    args: command.takesTail ? line.args : [...line.args, ...line.tail],
    tail: command.takesTail ? line.tail : [],
    options: line.common,
    ...{ output, interrupt, long, faces },
    ...await lazyTarget(line, { stack, long }),
    caller: processCaller(),
    storeOptions: line.storeOptions,
  });
  return code ?? 0;
}

function optionFirst(name: string): Fault {
  const option = oneLine(name, 60);
  return new Fault("usage", `option ${option} stands before the command`, {
    why: "the command is the first word",
    fix: `put options after it: k8contivnet COMMAND ${option.replace(/=.*/, "=…")}`,
  });
}

function unknownCommand(name: string): Fault {
  const others = Object.keys(OTHER_FACES).flatMap((one) => one.split(" "));
  const near = nearest(name, [...Object.keys(COMMANDS), "help", ...others]);
  return new Fault("usage", `"${name.slice(0, 60)}" is not a command`, {
    fix: near ? `did you mean ${near}?` : 'see "k8contivnet help"',
  });
}

/** Answers a shell's completion; what goes wrong there must not be printed into the user's line. */
async function complete(words: readonly string[], faces: FaceFlags): Promise<number> {
  try {
    const { completionLines } = await import("./answer_completion.ts");
    const lines = await completionLines(words, faces);
    if (lines.length > 0) processOutput().data(lines.join("\n"));
    return 0;
  } catch {
    return 1;
  }
}

/** Prints the help of a command, or the overview. Faults: usage. */
async function help(name: string | undefined, output: Output): Promise<number> {
  const spec = name === undefined ? undefined : commandNamed(name);
  const face = name !== undefined && Object.hasOwn(OTHER_FACES, name)
    ? OTHER_FACES[name]
    : undefined;
  if (spec) {
    const { commandHelp } = await import("./command_help.ts");
    output.data(commandHelp(spec, (await spec.load()).usage, output.width));
  } else if (face !== undefined) output.data(`${name}: ${face}`);
  else if (name !== undefined && name !== "help") throw unknownCommand(name);
  else output.data((await import("./overview.ts")).overview(output.width));
  return 0;
}

/** Prints version and build. */
async function version(options: CommonOptions, output: Output): Promise<number> {
  const { os, arch } = Deno.build;
  const facts = { version: VERSION, deno: Deno.version.deno, os, arch, glibc: "2.27 or newer" };
  if (await printValue({ options, output }, facts)) return 0;
  output.data(
    `k8contivnet ${facts.version} (deno ${facts.deno}, ${os} ${arch}, glibc ${facts.glibc})`,
  );
  return 0;
}

/** Opens what answers the command; loaded late, as `intent` and `pods` need neither. */
async function lazyTarget(
  line: CommandLine,
  { stack, long }: { readonly stack: AsyncDisposableStack; readonly long: LongWork },
): Promise<{ readonly target: Target; readonly socket: string }> {
  const { agentSocket, agentTarget, storeTarget } = await import("./agent_or_store.ts");
  const target = line.store
    ? await storeTarget(line.store, line.storeOptions, { stack, long })
    : agentTarget(line.socket, long);
  return { target, socket: agentSocket(line.socket) };
}
