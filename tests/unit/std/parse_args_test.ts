import { assertEquals, assertThrows } from "@std/assert";
import { parseArgs, type ParseOptions } from "@std/cli/parse-args";

interface Case {
  readonly name: string;
  readonly args: string;
  readonly options?: ParseOptions;
  readonly want: Record<string, unknown>;
}

const cases: readonly Case[] = [
  { name: "returns words in _", args: "a b", want: { _: ["a", "b"] } },
  { name: "makes numbers of words that look so", args: "7 0x10 1e3", want: { _: [7, 16, 1000] } },
  {
    name: "leaves words as text on request",
    args: "7",
    options: { string: "_" },
    want: { _: ["7"] },
  },
  { name: "reads - as a word", args: "-", want: { _: ["-"] } },
  { name: "reads --name value and --name=value", args: "--a x --b=y", want: { a: "x", b: "y" } },
  { name: "keeps text after the first =", args: "--a=b=c", want: { a: "b=c" } },
  { name: "returns an empty value", args: "--a=", want: { a: "" } },
  { name: "makes a number of a value", args: "--mtu 1450", want: { mtu: 1450 } },
  {
    name: "keeps a string's digits",
    args: "--id 007 -s",
    options: { string: ["id", "s"] },
    want: { id: "007", s: "" },
  },
  { name: "does not take a flag as value", args: "--a --b", want: { a: true, b: true } },
  {
    name: "leaves the word after a boolean alone",
    args: "--force x",
    options: { boolean: "force" },
    want: { force: true, _: ["x"] },
  },
  {
    name: "reads true and false after a boolean",
    args: "--a false --b=false -c true",
    options: { boolean: ["a", "b", "c", "d"] },
    want: { a: false, b: false, c: true, d: false },
  },
  {
    name: "takes every bare --name as boolean when all are",
    args: "--a x",
    options: { boolean: true },
    want: { a: true, _: ["x"] },
  },
  { name: "reads -abc as three flags", args: "-abc", want: { a: true, b: true, c: true } },
  { name: "reads a number that sticks to a letter", args: "-n5", want: { n: 5 } },
  { name: "reads -o=file and -o./file", args: "-o=f -p./f", want: { o: "f", p: "./f" } },
  { name: "reads -o file", args: "-o json", want: { o: "json" } },
  { name: "reads --no-x as a name", args: "--no-color", want: { "no-color": true } },
  {
    name: "negates what may be negated",
    args: "--no-color",
    options: { boolean: "color", negatable: "color", default: { color: true } },
    want: { color: false },
  },
  {
    name: "takes the last of a repeated flag",
    args: "--a 1 --a 2",
    want: { a: 2 },
  },
  {
    name: "collects the values of a repeated flag",
    args: "--intent a --intent=b",
    options: { string: "intent", collect: "intent" },
    want: { intent: ["a", "b"] },
  },
  {
    name: "returns an empty list for a collected flag that is absent",
    args: "",
    options: { string: "intent", collect: "intent" },
    want: { intent: [] },
  },
  {
    name: "sets the value of all aliases",
    args: "-f x",
    options: { string: "file", alias: { file: ["f", "path"] } },
    want: { f: "x", file: "x", path: "x" },
  },
  {
    name: "returns defaults, for aliases too",
    args: "",
    options: { default: { o: "table" }, alias: { o: "output" } },
    want: { o: "table", output: "table" },
  },
  {
    name: "puts words after -- in _ unread",
    args: "a -- --b 7",
    want: { _: ["a", "--b", "7"] },
  },
  {
    name: "keeps words after -- apart on request",
    args: "a -- --b",
    options: { "--": true },
    want: { _: ["a"], "--": ["--b"] },
  },
  {
    name: "stops at the first word on request",
    args: "-a get --b x",
    options: { stopEarly: true, boolean: "a" },
    want: { a: true, _: ["get", "--b", "x"] },
  },
  { name: "nests a name with dots", args: "--a.b=1", want: { a: { b: 1 } } },
  { name: "reaches no prototype", args: "--__proto__.x=1 --constructor.y=1", want: {} },
];

for (const { name, args, options, want } of cases) {
  Deno.test(`parseArgs() ${name}`, () => {
    const got = parseArgs(args === "" ? [] : args.split(" "), options ?? {});
    assertEquals<unknown>({ ...got }, { _: [], ...want });
  });
}

Deno.test("parseArgs() asks about unknown words only, and drops those that are refused", () => {
  const asked: unknown[] = [];
  const got = parseArgs(["--known", "v", "--other=1", "word"], {
    string: "known",
    unknown: (...words) => {
      asked.push(words);
      return false;
    },
  });
  assertEquals<unknown>({ ...got }, { _: [], known: "v" });
  assertEquals(asked, [["--other=1", "other", "1"], ["word"]]);
});

Deno.test("parseArgs() throws when an alias has no value", () => {
  const alias = { a: undefined } as unknown as Record<string, string>;
  assertThrows(() => parseArgs([], { alias }), TypeError);
});

Deno.test("parseArgs() types what was declared", () => {
  const got = parseArgs(["--o=x", "--s=1", "--", "z"], {
    boolean: ["h"],
    string: ["o", "s", "t"],
    collect: ["s"],
    default: { t: "u" },
    "--": true,
  });
  const typed: {
    h: boolean;
    o: string | undefined;
    s: string[];
    t: string;
    rest: string[];
    free: unknown;
  } = { h: got.h, o: got.o, s: got.s, t: got.t, rest: got["--"], free: got.free };
  assertEquals(typed, { h: false, o: "x", s: ["1"], t: "u", rest: ["z"], free: undefined });
});
