// Checks a call of a runtime: environment and configuration, in the order of the reference implementation (containernetworking/cni
// pkg/skel/skel.go and pkg/utils/utils.go of 1.1 to 1.3): first which variables are missing, then their values, then
// the configuration.
//
// A DEL of names that the reference implementation takes, and no ADD of this plugin, is a success: nothing can be
// there, and a runtime repeats a DEL that fails, for ever.

import { isLinkName, isName, LONG_NAME_LIMIT } from "../util/names.ts";
import { parseArgs } from "./cni_args.ts";
import { CNI_CODES, type CniArgs, type CniCall, CniError, type CniInput } from "./cni_types.ts";
import { quoted } from "./json_fields.ts";
import { isReferenceName, parseConfig } from "./parse_config.ts";

type Command = CniCall["command"];
type Variable = "CNI_CONTAINERID" | "CNI_NETNS" | "CNI_IFNAME" | "CNI_PATH";

/** The variables that each command needs. DEL is also called when the namespace is gone. */
const NEEDED: Readonly<Record<Command, readonly Variable[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
  GC: ["CNI_PATH"],
  STATUS: ["CNI_PATH"],
};

/** Longest path of Linux: PATH_MAX with its NUL. */
const PATH_LIMIT = 4095;

/** Checks a call of every command but VERSION. Errors: codes 1, 2, 4, 5, 6, 7. */
export function parseCall(input: CniInput): CniCall {
  const command = parseCommand(input.command);
  requireVariables(command, input);
  const isAttachment = command !== "GC" && command !== "STATUS";
  const config = () => parseConfig(command, input.config);
  if (!isAttachment) {
    return { command, containerId: "", netns: "", ifname: "", args: {}, config: config() };
  }
  return {
    command,
    containerId: parseContainerId(command, input.containerId),
    netns: unlessDel(command, () => parseNetns(input.netns), ""),
    ifname: parseIfname(command, input.ifname),
    args: unlessDel<CniArgs>(command, () => parseArgs(input.args), {}),
    config: config(),
  };
}

function parseCommand(text: string): Command {
  const command = Object.keys(NEEDED).find((one): one is Command => one === text);
  if (command) return command;
  throw invalid(
    text === "" ? "CNI_COMMAND is not set" : `CNI_COMMAND ${quoted(text)} is unknown`,
    `known are VERSION, ${Object.keys(NEEDED).join(", ")}`,
  );
}

/** Throws an error that names all variables that are missing. */
function requireVariables(command: Command, input: CniInput): void {
  const values: Readonly<Record<Variable, string>> = {
    CNI_CONTAINERID: input.containerId,
    CNI_NETNS: input.netns,
    CNI_IFNAME: input.ifname,
    CNI_PATH: input.path,
  };
  const missing = NEEDED[command].filter((name) => values[name] === "");
  if (missing.length === 0) return;
  throw invalid(
    `${missing.join(", ")} must be set for ${command}`,
    "the runtime must pass these environment variables",
  );
}

function parseContainerId(command: Command, id: string): string {
  if (isName(id, LONG_NAME_LIMIT) || command === "DEL" && isReferenceName(id)) return id;
  throw invalid(
    `CNI_CONTAINERID ${quoted(id)} is not valid`,
    "it must begin with a letter or digit, have only letters, digits, _ . -, no .., and at most " +
      `${LONG_NAME_LIMIT} characters`,
  );
}

/** Reports whether the reference implementation takes this for the name of an interface (pkg/utils of 1.3). */
function isReferenceIfname(name: string): boolean {
  return new TextEncoder().encode(name).length <= 15 && !/[/:\s]|^\.\.?$/u.test(name);
}

function parseNetns(path: string): string {
  if (path === "") return path;
  if (/^\/\P{Cc}*$/u.test(path) && path.length <= PATH_LIMIT) return path;
  throw invalid(
    `CNI_NETNS ${quoted(path)} is not valid`,
    `it must be the absolute path of a network namespace, of at most ${PATH_LIMIT} characters`,
  );
}

/** Names that a container's interface cannot have: one exists, the others are files of /proc/sys/net. */
const RESERVED: readonly string[] = ["lo", "all", "default"];

function parseIfname(command: Command, name: string): string {
  const isValid = isLinkName(name) && !name.startsWith("-") && !RESERVED.includes(name);
  if (isValid || command === "DEL" && isReferenceIfname(name)) return name;
  throw invalid(
    `CNI_IFNAME ${quoted(name)} is not valid`,
    RESERVED.includes(name)
      ? "this name is reserved"
      : "it must have 1 to 15 letters, digits, _ . -, not begin with -, and not be . or ..",
  );
}

/** Returns what `parse` returns; for a DEL, which goes by container id and interface, `none` where it is not valid. */
function unlessDel<T>(command: Command, parse: () => T, none: T): T {
  try {
    return parse();
  } catch (error) {
    if (command === "DEL" && error instanceof CniError) return none;
    throw error;
  }
}

function invalid(what: string, why: string): CniError {
  return new CniError(CNI_CODES.invalidEnvironment, what, why);
}
