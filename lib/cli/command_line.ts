// Parses the arguments of a command by the table of options.

import { parseArgs } from "@std/cli/parse-args";
import type { OpenOptions } from "../store/open_store.ts";
import { Fault } from "../util/errors.ts";
import { plainBooleans } from "../util/read_settings.ts";
import { nearest } from "./nearest.ts";
import {
  COMMON,
  type OptionName,
  OPTIONS,
  type OptionSpec,
  type RepeatableName,
  STORE_OPTIONS,
  type SwitchName,
  type TextName,
} from "./option_table.ts";
import type { CommonOptions } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

/** The parsed command line. */
export interface CommandLine {
  readonly args: readonly string[];
  /** What follows `--`. */
  readonly tail: readonly string[];
  readonly common: CommonOptions;
  readonly socket: string | undefined;
  readonly store: string | undefined;
  readonly storeOptions: OpenOptions;
  readonly color: boolean;
  readonly isQuiet: boolean;
  /** The options that were given. */
  readonly given: readonly OptionName[];
  readonly isHelp: boolean;
}

const SPECS: readonly OptionSpec[] = OPTIONS;
const SWITCHES = SPECS.filter(({ value }) => value === undefined).map(({ name }) => name);
const TEXTS = SPECS.filter(({ value }) => value !== undefined).map(({ name }) => name);
const REPEATABLE = SPECS.filter((one) => one.isRepeatable).map(({ name }) => name);
const ALL_FORMATS = "use table, wide, json, yaml, name or custom-columns=HEAD:FIELD";
const ALIASES = Object.fromEntries(
  SPECS.flatMap(({ name, short }) => short === undefined ? [] : [[name, short]]),
);

/** Values of options by name. */
type Values =
  & { readonly [K in SwitchName]: boolean }
  & { readonly [K in TextName]?: string }
  & { readonly [K in RepeatableName]: readonly string[] }
  & { readonly _: readonly unknown[]; readonly "--": readonly string[] };

/** Parses arguments and options; `formats` is the way out for a format that there is not. Faults: usage. */
export function parseCommandLine(args: readonly string[], formats = ALL_FORMATS): CommandLine {
  const parsed = readValues(args);
  return {
    args: parsed._.map(String),
    tail: parsed["--"],
    common: commonOf(parsed, formats),
    socket: parsed.socket,
    store: parsed.store,
    storeOptions: {
      etcdCa: parsed["etcd-ca"],
      etcdCert: parsed["etcd-cert"],
      etcdKey: parsed["etcd-key"],
      etcdUser: parsed["etcd-user"],
      etcdPasswordFile: parsed["etcd-password-file"],
    },
    color: parsed.color,
    isQuiet: parsed.quiet,
    given: OPTIONS.map(({ name }) => name).filter((name) => isGiven(parsed, name)),
    isHelp: parsed.help,
  };
}

/** A list is empty, a text undefined, and a switch false, if it was not given; colours are the other way round. */
function isGiven(parsed: Values, name: OptionName): boolean {
  const value = parsed[name];
  if (name === "color") return value === false;
  return typeof value === "object" ? value.length > 0 : value !== undefined && value !== false;
}

/** Faults: usage, if an option was given that a command does not take: it would be ignored. */
export function refuseOthers(
  { given }: CommandLine,
  name: string,
  { options }: { readonly options: readonly OptionName[] },
): void {
  const taken: readonly OptionName[] = [...options, ...COMMON, ...STORE_OPTIONS];
  const other = given.find((one) => !taken.includes(one));
  if (other === undefined) return;
  throw new Fault("usage", `${name} has no --${other}`, { fix: `see k8contivnet ${name} -h` });
}

/** Faults: usage, if there are arguments for a command that takes none: they would be ignored. */
export function refuseArguments({ args, tail }: CommandLine, name: string): void {
  const words = [...args, ...tail];
  if (words.length === 0) return;
  throw wrongWords(name, words, { takes: "options only", fix: `see k8contivnet ${name} -h` });
}

/** Faults: usage, if an option that needs a value is the last word, or another option follows it. */
function refuseBare(args: readonly string[]): void {
  for (const [at, word] of args.entries()) {
    const spec = SPECS.find(({ name, short, value }) =>
      value !== undefined && (word === `--${name}` || (short !== undefined && word === `-${short}`))
    );
    const next = args[at + 1];
    if (!spec || (next !== undefined && !/^-./.test(next))) continue;
    throw new Fault("usage", `${word} has no value`, { fix: `${word} ${spec.value}` });
  }
}

function readValues(args: readonly string[]): Values {
  const end = args.indexOf("--");
  const own = plainBooleans(end < 0 ? args : args.slice(0, end), SWITCHES);
  refuseBare(own);
  return parseArgs([...own, ...end < 0 ? [] : args.slice(end)], {
    string: [...TEXTS, "_"],
    boolean: SWITCHES,
    collect: REPEATABLE,
    negatable: ["color"],
    alias: ALIASES,
    default: { color: true },
    "--": true,
    unknown: (arg, key) => {
      if (key === undefined) return;
      const near = nearest(key, SPECS.map(({ name }) => name));
      throw new Fault("usage", `unknown option ${arg.slice(0, 60)}`, {
        fix: near ? `did you mean --${near}?` : "see -h",
      });
    },
  }) as unknown as Values;
}

function commonOf(parsed: Values, formats: string): CommonOptions {
  return {
    ...formatOf(parsed.output ?? "table", formats),
    isFormatGiven: parsed.output !== undefined,
    force: parsed.force,
    strict: parsed.strict,
    prune: parsed.prune,
    dryRun: parsed["dry-run"],
    repair: parsed.repair,
    files: parsed.file,
    namespace: parsed.namespace,
    allNamespaces: parsed["all-namespaces"],
    kubeconfig: parsed.kubeconfig,
    context: parsed.context,
    settings: parsed.settings,
    image: parsed.image,
    etcdSecret: parsed["etcd-secret"],
    tcp: parsed.tcp,
    udp: parsed.udp,
    icmp: parsed.icmp,
    count: parsed.count,
    timeout: parsed.timeout,
    drops: parsed.drops,
    yes: parsed.yes,
    host: parsed.host,
    patch: parsed.patch,
    to: parsed.to,
    detailedExitcode: parsed["detailed-exitcode"],
    watch: parsed.watch,
    selector: parsed.selector,
    sortBy: parsed["sort-by"],
  };
}

const FORMATS = ["table", "wide", "json", "yaml", "name"] as const;

function formatOf(text: string, formats: string): Pick<CommonOptions, "format" | "columns"> {
  const format = FORMATS.find((one) => one === text);
  if (format) return { format, columns: "" };
  const [, columns] = /^custom-columns=(.+)$/.exec(text) ?? [];
  if (columns !== undefined) return { format: "columns", columns };
  throw new Fault("usage", `-o "${text.slice(0, 60)}" is not a format`, {
    fix: formats,
  });
}

/** Returns the option of that name. */
export function optionOf(name: OptionName): OptionSpec {
  return SPECS.find((one) => one.name === name)!;
}
