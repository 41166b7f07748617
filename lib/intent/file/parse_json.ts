// JSON text to a value, with errors that JSON.parse does not report: line and column of every mistake, and a key
// that occurs twice in one object, of which it silently takes the last.

import { Fault, oneLine } from "../../util/errors.ts";

const BLANK = /[ \t\r\n]*/y;
const TOKEN = new RegExp(
  [
    "[{}\\[\\]:,]",
    // Of JSON's strings: what is not below the blank, and is neither a quote nor a backslash.
    /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/.source,
    "true|false|null",
    "-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?",
  ].join("|"),
  "y",
);

/** The token that may come next: `value*` and `key*` also allow the closing bracket. */
type Expected = "value" | "value*" | "key" | "key*" | "colon" | "more" | "end";

const WORDS: Readonly<Record<Expected, string>> = {
  value: "a value",
  "value*": "a value or ]",
  key: "a key in double quotes",
  "key*": "a key in double quotes or }",
  colon: "a colon",
  more: "a comma or a closing bracket",
  end: "the end",
};

/** An open `{` with the keys seen in it so far, or an open `[`. */
type Open = { readonly keys: Set<string> } | "[";

/**
 * Returns the value of a JSON text; `what` is its name in messages.
 * Faults: usage, with line and column.
 */
export function parseJson(what: string, source: string): unknown {
  const text = source.replace(/^\uFEFF/, "");
  if (text.trim() === "") {
    throw new Fault("usage", `${what} is empty`, { fix: 'write "{}" for an empty intent' });
  }
  scan(what, text);
  return JSON.parse(text);
}

function scan(what: string, text: string): void {
  const open: Open[] = [];
  let expected: Expected = "value";
  let at = 0;
  while (true) {
    BLANK.lastIndex = at;
    BLANK.test(text);
    at = BLANK.lastIndex;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined && at === text.length && expected === "end") return;
    const next: ReturnType<typeof step> = token === undefined
      ? undefined
      : step(open, expected, token);
    if (next === undefined) throw notJson(what, text, at, `expected ${WORDS[expected]}`);
    if (next === "twice") {
      throw new Fault("usage", `${what} is not valid JSON at ${placeOf(text, at)}`, {
        why: `key ${oneLine(token ?? "", 40)} occurs twice in one object`,
        fix: "leave one out",
      });
    }
    expected = next;
    at = TOKEN.lastIndex;
  }
}

/** Returns what may follow `token`; undefined where the token itself is not allowed. */
function step(open: Open[], expected: Expected, token: string): Expected | "twice" | undefined {
  const inside = open.at(-1);
  switch (expected) {
    case "value*":
    case "value":
      if (token === "]" && expected === "value*") return close(open);
      if (token === "{") return enter(open, { keys: new Set() }, "key*");
      if (token === "[") return enter(open, "[", "value*");
      return /^[}\]:,]$/.test(token) ? undefined : after(open);
    case "key*":
    case "key":
      if (token === "}" && expected === "key*") return close(open);
      return token.startsWith('"') && typeof inside === "object"
        ? addKey(inside.keys, token)
        : undefined;
    case "colon":
      return token === ":" ? "value" : undefined;
    case "more":
      if (token === ",") return inside === "[" ? "value" : "key";
      return token === (inside === "[" ? "]" : "}") ? close(open) : undefined;
    case "end":
      return undefined;
  }
}

function addKey(keys: Set<string>, token: string): Expected | "twice" {
  const key: string = JSON.parse(token);
  if (keys.has(key)) return "twice";
  keys.add(key);
  return "colon";
}

function enter(open: Open[], one: Open, expected: Expected): Expected {
  open.push(one);
  return expected;
}

function close(open: Open[]): Expected {
  open.pop();
  return after(open);
}

function after(open: Open[]): Expected {
  return open.length > 0 ? "more" : "end";
}

function notJson(what: string, text: string, at: number, why: string): Fault {
  const found = at < text.length
    ? `found ${quoted(oneLine(text.slice(at, at + 12), 12))}`
    : "found the end of the text";
  return new Fault("usage", `${what} is not valid JSON at ${placeOf(text, at)}`, {
    why: `${why}, ${found}`,
    fix: 'compare with "k8contivnet intent example"',
  });
}

function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

/** What has double quotes of its own gets no others. */
function quoted(text: string): string {
  return text.includes('"') ? text : `"${text}"`;
}
