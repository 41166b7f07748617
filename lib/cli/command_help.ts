// The help of one command: its text, and the options that it takes besides those of all commands.

import type { CommandSpec } from "./command_table.ts";
import { COMMON, OPTIONS, type OptionSpec } from "./option_table.ts";
import { wrapped } from "./wrapped.ts";

/** Columns of an option's names. */
const NAMES = 26;

/** Returns the text, for a terminal of `width` columns. */
export function commandHelp(
  { options, meanings = {} }: Pick<CommandSpec, "options" | "meanings">,
  usage: string,
  width: number,
): string {
  const own: readonly string[] = options;
  const lines = OPTIONS.filter(({ name }) => own.includes(name))
    .map((spec) => optionLine({ ...spec, help: meanings[spec.name] ?? spec.help }));
  const common = `  of all commands: ${COMMON.map(commonName).join(", ")} (see k8contivnet help)`;
  return wrapped([`k8contivnet ${usage}`, "", "options:", ...lines, common].join("\n"), width);
}

function optionLine({ name, short, value, help, isRepeatable }: OptionSpec): string {
  const names = `${short === undefined ? "    " : `-${short}, `}--${name}`;
  const left = value === undefined ? names : `${names} ${value}`;
  return `  ${left.padEnd(NAMES)}  ${help}${isRepeatable ? "; repeatable" : ""}`;
}

function commonName(name: typeof COMMON[number]): string {
  return { output: "-o FORMAT", quiet: "-q", help: "-h", color: "--no-color" }[name as string] ??
    `--${name}`;
}
