// The operator's tool: finds the command, runs it, prints its Fault.

import { Fault, FAULT_CODES, faultFrom } from "../util/errors.ts";
import { VERSION } from "../util/version.ts";
import { type CommandLine, parseCommandLine } from "./command_line.ts";
import { COMMANDS, OTHER_FACES } from "./command_table.ts";
import { COMPLETE } from "./completion_scripts.ts";
import { nearest } from "./nearest.ts";
import { processCaller } from "./origin.ts";
import { type Output, printValue, processOutput } from "./output.ts";
import { overview } from "./overview.ts";
import type { CommonOptions, Target } from "./shell.ts";

/** Runs one command; returns the exit code: its own, or of FAULT_CODES. */
export async function cliMain(args: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = args;
  if (name === COMPLETE) return await complete(rest);
  await using stack = new AsyncDisposableStack();
  try {
    return await dispatch(name, rest, stack);
  } catch (error) {
    const fault = faultFrom(error);
    processOutput(false).message(`k8contivnet: ${fault.message}`);
    return FAULT_CODES[fault.code].exit;
  }
}

/** Runs the command `name`; returns its exit code. Faults: usage; those of the command. */
async function dispatch(
  name: string,
  args: readonly string[],
  stack: AsyncDisposableStack,
): Promise<number> {
  const line = parseCommandLine(args);
  const output = processOutput(line.color);
  if (["help", "-h", "--help", "-help"].includes(name)) return await help(line.args[0], output);
  if (["version", "--version", "-version"].includes(name)) {
    return await version(line.common, output);
  }
  const spec = COMMANDS[name];
  if (!spec) throw unknownCommand(name);
  if (line.isHelp) return await help(name, output);
  const command = await spec.load();
  const code = await command.run({
    args: command.takesTail ? line.args : [...line.args, ...line.tail],
    tail: command.takesTail ? line.tail : [],
    options: line.common,
    output,
    ...await lazyTarget(line, stack),
    caller: processCaller(),
    storeOptions: line.storeOptions,
  });
  return code ?? 0;
}

function unknownCommand(name: string): Fault {
  const others = Object.keys(OTHER_FACES).flatMap((one) => one.split(" "));
  const near = nearest(name, [...Object.keys(COMMANDS), "help", ...others]);
  return new Fault("usage", `"${name.slice(0, 60)}" is not a command`, {
    fix: near ? `did you mean ${near}?` : 'see "k8contivnet help"',
  });
}

/** Answers a shell's completion; what goes wrong there must not be printed into the user's line. */
async function complete(words: readonly string[]): Promise<number> {
  try {
    const { completionLines } = await import("./answer_completion.ts");
    const lines = await completionLines(words);
    if (lines.length > 0) processOutput(false).data(lines.join("\n"));
    return 0;
  } catch {
    return 1;
  }
}

/** Prints the help of a command, or the overview. */
async function help(name: string | undefined, output: Output): Promise<number> {
  const spec = name === undefined ? undefined : COMMANDS[name];
  output.data(spec ? `k8contivnet ${(await spec.load()).usage}` : overview());
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
  stack: AsyncDisposableStack,
): Promise<{ readonly target: Target; readonly socket: string }> {
  const { agentSocket, agentTarget, storeTarget } = await import("./agent_or_store.ts");
  const target = line.store
    ? await storeTarget(line.store, line.storeOptions, stack)
    : agentTarget(line.socket);
  return { target, socket: agentSocket(line.socket) };
}
