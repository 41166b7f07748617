// What comes next on a command line, from the tables of commands and options. Pure but for the names that it is given.

import {
  commandNamed,
  COMMANDS,
  type CommandSpec,
  type NameKind,
  OTHER_FACES,
  type Words,
} from "./command_table.ts";
import type { FaceFlag, FaceFlags } from "./face_flags.ts";
import { COMMON, OPTIONS, type OptionSpec } from "./option_table.ts";

/** A word that can come next. */
export interface Candidate {
  readonly value: string;
  /** Empty where there is none. */
  readonly help: string;
}

/** What can come next. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** The shell completes names of files. */
  readonly isFile: boolean;
}

/** Returns the names of a kind that the agent knows; `of` is a kind of `get`. */
export type NameSource = (
  kind: NameKind,
  of: { readonly items: string; readonly namespace: string | undefined },
) => Promise<readonly Candidate[]>;

const NOTHING: Completion = { candidates: [], isFile: false };
const FILES: Completion = { candidates: [], isFile: true };

const SPECS: readonly OptionSpec[] = OPTIONS;
const FORMATS = ["table", "wide", "json", "yaml", "name", "custom-columns="];
const MOST = 500;

/** What words are completed from. */
export interface CompletionSources {
  readonly names: NameSource;
  readonly faces?: FaceFlags;
}

/** Returns what can come in place of the last of `words`, which follow the program's name. */
export async function completeWords(
  words: readonly string[],
  { names, faces = {} }: CompletionSources,
): Promise<Completion> {
  const [name = "", ...rest] = joinEquals(words);
  if (rest.length === 0) return startingWith(name, plain(commandWords()));
  if (name === "help") return startingWith(rest.at(-1) ?? "", plain(Object.keys(COMMANDS)));
  const flags = Object.hasOwn(faces, name) ? await faces[name]?.() : undefined;
  if (flags) return completeFlags(flags, rest);
  const spec = commandNamed(name);
  return spec ? await completeArguments(spec, rest, names) : NOTHING;
}

const FLAG = /^--?[a-z][a-z-]*$/;

/** Bash takes `--output=json` for three words: `--output`, `=`, `json`. */
export function joinEquals(words: readonly string[]): string[] {
  const joined: string[] = [];
  for (const [at, word] of words.entries()) {
    const isValue = at > 1 && words[at - 1] === "=" && FLAG.test(words[at - 2] ?? "");
    const isEquals = word === "=" && FLAG.test(joined.at(-1) ?? "");
    if (isValue || isEquals) joined[joined.length - 1] += word;
    else joined.push(word);
  }
  return joined;
}

function commandWords(): string[] {
  const others = Object.keys(OTHER_FACES).filter((one) => /^[a-z]+$/.test(one));
  return [...Object.keys(COMMANDS), ...others, "help"];
}

async function completeArguments(
  spec: CommandSpec,
  words: readonly string[],
  names: NameSource,
): Promise<Completion> {
  const [last = ""] = words.slice(-1);
  const before = words.slice(0, -1);
  const { args, pending, isTail, namespace } = read(before);
  const given = { items: args[0] ?? "", namespace };
  if (isTail) return FILES;
  if (pending) return startingWith(last, await valuesOf(pending, given, names));
  const [, option, value] = /^--?([a-z-]+)=(.*)$/s.exec(last) ?? [];
  if (option !== undefined && value !== undefined) {
    return startingWith(value, await valuesOf(optionNamed(option), given, names));
  }
  if (last.startsWith("-")) return startingWith(last, plainOptions(spec));
  const list = spec.words ?? ["nothing"];
  const next = list[Math.min(args.length, list.length - 1)] ?? "nothing";
  return startingWith(last, await wordsOf(next, given, names));
}

/** Completes the flags of another face, which may be typed with one dash, and their values. */
function completeFlags(flags: readonly FaceFlag[], words: readonly string[]): Completion {
  const [before = "", last = ""] = words.length > 1 ? words.slice(-2) : ["", ...words];
  const [, joined, typed = ""] = /^--?([a-z-]+)=(.*)$/s.exec(last) ?? [];
  const flagAt = (word: string) => flags.find(({ name }) => name === word.replace(/^--?/, ""));
  const pending = joined === undefined ? /^-/.test(before) && flagAt(before) : flagAt(joined);
  if (pending && pending.value !== "") {
    return startingWith(joined === undefined ? last : typed, flagValues(pending));
  }
  if (!last.startsWith("-")) return FILES;
  const dashes = /^-[a-z]/.test(last) ? "-" : "--";
  return startingWith(last, flags.map(({ name, help }) => ({ value: `${dashes}${name}`, help })));
}

function flagValues({ value }: FaceFlag): readonly Candidate[] | "files" {
  if (/^[a-z|]+$/.test(value)) return plain(value.split("|"));
  return ["FILE", "PATH", "DIR"].includes(value) ? "files" : [];
}

type Given = Parameters<NameSource>[1];

/** Reads the words before the last: arguments, and the option whose value comes next. */
function read(words: readonly string[]) {
  const args: string[] = [];
  let [pending, isTail]: [OptionSpec | undefined, boolean] = [undefined, false];
  let namespace: string | undefined;
  for (const word of words) {
    if (pending) {
      if (pending.name === "namespace") namespace = word;
      pending = undefined;
    } else if (word === "--") isTail = true;
    else if (word.startsWith("-") && word.length > 1) {
      const [name = "", value] = word.replace(/^-+/, "").split("=");
      const option = optionNamed(name);
      if (option?.name === "namespace" && value !== undefined) namespace = value;
      if (option?.value !== undefined && value === undefined) pending = option;
    } else args.push(word);
  }
  return { args, pending, isTail, namespace };
}

function optionNamed(name: string): OptionSpec | undefined {
  return SPECS.find((one) => one.name === name || one.short === name);
}

function plainOptions(spec: CommandSpec): Candidate[] {
  const names: readonly string[] = [...spec.options, ...COMMON];
  return SPECS.filter(({ name }) => names.includes(name)).map(({ name, help }) => ({
    value: name === "color" ? "--no-color" : `--${name}`,
    help: help.replace(/^--no-color: /, ""),
  }));
}

async function valuesOf(
  option: OptionSpec | undefined,
  given: Given,
  names: NameSource,
): Promise<readonly Candidate[] | "files"> {
  if (option?.value === "FILE" || option?.value === "PATH") return "files";
  if (option?.name === "output") return plain(FORMATS);
  if (option?.name === "host") return await names("hosts", given);
  if (option?.name === "to") return await names("revisions", given);
  if (option?.name === "namespace") return await names("namespaces", given);
  return [];
}

async function wordsOf(
  words: Words,
  given: Given,
  names: NameSource,
): Promise<readonly Candidate[] | "files"> {
  if (words === "nothing") return [];
  if (words === "files") return "files";
  return typeof words === "string" ? await names(words, given) : plain(words);
}

function plain(words: readonly string[]): Candidate[] {
  return words.map((value) => ({
    value,
    help: commandNamed(value)?.summary ?? "",
  }));
}

// Leaves out names that a shell would interpret: anybody may have chosen them.
const SAFE = /^[\w-][\w.~/:=-]{0,252}$/;

/** Returns the candidates that go on from what is typed. */
function startingWith(typed: string, found: readonly Candidate[] | "files"): Completion {
  if (found === "files") return FILES;
  const unique = new Map(
    found.filter(({ value }) => value.startsWith(typed) && SAFE.test(value))
      .map((one) => [one.value, one]),
  );
  return { candidates: [...unique.values()].slice(0, MOST), isFile: false };
}
