// Own stand-in for parseArgs of @std/cli: same name, same options, same results. Its types are
// plainer: names with dots and aliases come out as `unknown`.

/** What the words of a command line may mean. Names are given without dashes. */
export interface ParseOptions<
  B extends string = string,
  S extends string = string,
  C extends string = string,
  N extends string = string,
  D extends Record<string, unknown> = Record<string, unknown>,
  DD extends boolean = boolean,
> {
  /** Puts what follows `--` under `"--"` instead of `_`. @default false */
  "--"?: DD;
  /** Other names of a name; all get the value. */
  alias?: Record<string, string | readonly string[]>;
  /** Flags without a value, false when absent; `true`: every `--name` without `=`. */
  boolean?: boolean | B | readonly B[];
  /** Flags that may be repeated: their values come as an array. */
  collect?: C | readonly C[];
  /** Values of flags that were not given. */
  default?: D;
  /** Flags that `--no-name` sets to false. */
  negatable?: N | readonly N[];
  /** Leaves everything after the first word that is no flag unread. @default false */
  stopEarly?: boolean;
  /** Flags whose value stays text, also where it looks like a number. */
  string?: S | readonly S[];
  /** Is asked about each word that no option names; `false` drops the word. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type One<K, V, C, N, D> =
  | (K extends C ? V[] : V)
  | (K extends N ? false : never)
  | (K extends keyof D ? D[K] : never);

type Sure<S extends string, C extends string, D> = Extract<S, C | keyof D>;

/** What parseArgs gives: values by name, and in `_` the words that are no flags. */
export type Args<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  N extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
  DD extends boolean = false,
> =
  & { [name: string]: unknown }
  & { [K in B]: One<K, boolean, C, N, D> }
  & { [K in Sure<S, C, D>]: One<K, string, C, N, D> }
  & { [K in Exclude<S, Sure<S, C, D>>]?: One<K, string, C, N, D> }
  & { [K in Exclude<C, B | S>]: One<K, unknown, C, N, D> }
  & { _: (string | number)[] }
  & (true extends DD ? { "--": string[] } : unknown);

interface Rules {
  readonly aliases: ReadonlyMap<string, ReadonlySet<string>>;
  readonly booleans: ReadonlySet<string>;
  readonly allBooleans: boolean;
  readonly strings: ReadonlySet<string>;
  readonly collected: ReadonlySet<string>;
  readonly negatable: ReadonlySet<string>;
  readonly stopEarly: boolean;
  readonly unknown: ((arg: string, key?: string, value?: unknown) => unknown) | undefined;
}

/** One flag as read; `took` says that the next word was its value. */
interface Given {
  readonly key: string;
  readonly value: string | boolean;
  readonly took?: boolean;
  /** `--no-name` replaces what was collected. */
  readonly replaces?: boolean;
}

type Tree = Record<string, unknown>;

/** Reads `args` as flags and words. Text that looks like a number becomes one, unless `string`. */
export function parseArgs<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  N extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
  DD extends boolean = false,
>(
  args: readonly string[],
  options: ParseOptions<B, S, C, N, D, DD> = {},
): Args<B, S, C, N, D, DD> {
  const rules = rulesFrom(options as ParseOptions);
  const end = args.indexOf("--");
  const rest = end < 0 ? [] : args.slice(end + 1);
  const words: (string | number)[] = [];
  const result: Tree = { _: words };
  readWords(end < 0 ? args : args.slice(0, end), rules, result, words);
  fillIn(result, options.default ?? {}, rules);
  if (options["--"]) result["--"] = rest;
  else words.push(...rest);
  return result as Args<B, S, C, N, D, DD>;
}

function rulesFrom(options: ParseOptions): Rules {
  const aliases = aliasGroups(options.alias ?? {});
  const named = (names: string | readonly string[] = []) => {
    const list = (typeof names === "string" ? [names] : names).filter((name) => name !== "");
    return new Set(list.flatMap((name) => [name, ...aliases.get(name) ?? []]));
  };
  const { boolean, string, collect, negatable, stopEarly = false, unknown } = options;
  return {
    aliases,
    booleans: named(typeof boolean === "boolean" ? [] : boolean),
    allBooleans: boolean === true,
    strings: named(string),
    collected: named(collect),
    negatable: named(negatable),
    stopEarly,
    unknown,
  };
}

function aliasGroups(alias: Record<string, string | readonly string[]>): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const [name, others] of Object.entries(alias)) {
    if (others === undefined) throw new TypeError("Alias value must be defined");
    const group = [name, ...(typeof others === "string" ? [others] : others)];
    for (const member of group) {
      groups.set(member, new Set(group.filter((other) => other !== member)));
    }
  }
  return groups;
}

function readWords(args: readonly string[], rules: Rules, result: Tree, words: unknown[]): void {
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (/^-./s.test(arg)) {
      const given = arg.startsWith("--") && arg.length > 2
        ? [longFlag(arg.slice(2), args[at + 1], rules)]
        : shortFlags(arg.slice(1), args[at + 1], rules);
      for (const flag of given) put(result, flag, arg, rules);
      if (given.at(-1)?.took) at++;
      continue;
    }
    if (rules.unknown?.(arg) !== false) {
      words.push(rules.strings.has("_") ? arg : numberFrom(arg));
    }
    if (!rules.stopEarly) continue;
    words.push(...args.slice(at + 1));
    return;
  }
}

function longFlag(text: string, next: string | undefined, rules: Rules): Given {
  const negated = text.startsWith("no-") && text.length > 3;
  const body = negated ? text.slice(3) : text;
  const equals = body.indexOf("=", 1);
  if (equals > 0) { // `--no-x=v` sets x, as the original does
    const key = body.slice(0, equals);
    const value = body.slice(equals + 1);
    return { key, value: rules.booleans.has(key) ? value !== "false" : value };
  }
  if (negated && rules.negatable.has(body)) return { key: body, value: false, replaces: true };
  const takes = !rules.allBooleans && !isBoolean(text, rules) && !next?.startsWith("-");
  return withNext(text, next, takes, rules);
}

/** Flags of one dash: `-abc`, `-n5`, `-o=file`, `-ofile.txt`, `-o file`. */
function shortFlags(text: string, next: string | undefined, rules: Rules): Given[] {
  const flags: Given[] = [];
  const last = text.length - 1;
  for (let at = 0; at < last; at++) {
    const key = text.charAt(at);
    const rest = text.slice(at + 1);
    if (rest === "-") return [...flags, { key, value: "-" }];
    const value = attached(key, rest);
    if (value !== undefined) return [...flags, { key, value }];
    flags.push({ key, value: rules.strings.has(key) ? "" : true });
  }
  const key = text.charAt(last);
  if (key === "-") return flags;
  const takes = !isBoolean(key, rules) && !/^--?[^-]/.test(next ?? "");
  return [...flags, withNext(key, next, takes, rules)];
}

/** The value that sticks to a letter; undefined where `rest` is further letters. */
function attached(key: string, rest: string): string | undefined {
  if (rest === "=") return "";
  if (/[A-Za-z]/.test(key)) {
    const value = /=(.+)/.exec(rest)?.[1];
    if (value !== undefined) return value;
    if (/\d(\.\d*)?(e-?\d+)?$/.test(rest)) return rest;
  }
  return rest.length > 1 && /^\W/.test(rest) ? rest : undefined;
}

function withNext(key: string, next: string | undefined, takes: boolean, rules: Rules): Given {
  if (next && takes) return { key, value: next, took: true };
  if (next === "true" || next === "false") return { key, value: next === "true", took: true };
  return { key, value: rules.strings.has(key) ? "" : true };
}

function isBoolean(key: string, { booleans, aliases }: Rules): boolean {
  if (booleans.has(key)) return true;
  return [...aliases.get(key) ?? []].some((alias) => booleans.has(alias));
}

function put(result: Tree, { key, value, replaces }: Given, arg: string, rules: Rules): void {
  const { aliases, booleans, strings, collected, allBooleans, unknown } = rules;
  const known = [aliases, booleans, strings, collected].some((names) => names.has(key)) ||
    (allBooleans && /^--[^=]+$/.test(arg));
  if (!known && unknown?.(arg, key, value) === false) return;
  const kept = typeof value === "string" && !strings.has(key) ? numberFrom(value) : value;
  for (const name of [key, ...aliases.get(key) ?? []]) {
    setAt(result, name.split("."), kept, !replaces && collected.has(key));
  }
}

function setAt(tree: Tree, path: readonly string[], value: unknown, collect = false): void {
  const [name = "", ...deeper] = path;
  // A name from a command line must not reach a prototype.
  if (name === "__proto__" || (name === "constructor" && typeof tree[name] === "function")) return;
  if (deeper.length > 0) return setAt((tree[name] ??= {}) as Tree, deeper, value, collect);
  const before = tree[name];
  if (!collect) tree[name] = value;
  else if (Array.isArray(before)) before.push(value);
  else tree[name] = before ? [before, value] : [value];
}

function hasAt(tree: unknown, path: readonly string[]): boolean {
  const [name, ...deeper] = path;
  if (name === undefined) return true;
  return typeof tree === "object" && tree !== null && Object.hasOwn(tree, name) &&
    hasAt((tree as Tree)[name], deeper);
}

function fillIn(result: Tree, defaults: Record<string, unknown>, rules: Rules): void {
  const lacks = (name: string) => !hasAt(result, name.split("."));
  for (const [name, value] of Object.entries(defaults)) {
    if (!lacks(name)) continue;
    for (const each of [name, ...rules.aliases.get(name) ?? []]) {
      setAt(result, each.split("."), value);
    }
  }
  for (const name of rules.booleans) {
    if (lacks(name)) setAt(result, name.split("."), rules.collected.has(name) ? [] : false);
  }
  for (const name of rules.strings) {
    if (lacks(name) && rules.collected.has(name)) setAt(result, name.split("."), []);
  }
}

function numberFrom(text: string): string | number {
  return /\S/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}
