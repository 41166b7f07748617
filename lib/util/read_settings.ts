// Reads booleans, durations and choices of flags, environment and configuration files, all in the same way. It accepts
// what people know from Go's tools (strconv.ParseBool, time.ParseDuration) and from systemd.time(7) and its booleans.
// Imports next to nothing, as a pod's setup waits for it. Pure.

import { parseDuration } from "./durations.ts";
import { Fault, oneLine } from "./errors.ts";

const TRUE = new Set(["1", "t", "true", "y", "yes", "on"]);
const FALSE = new Set(["0", "f", "false", "n", "no", "off"]);

/** Returns a boolean in any case of letters; `what` names the setting. Faults: usage. */
export function readBoolean(what: string, text: string): boolean {
  const value = text.trim().toLowerCase();
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw new Fault("usage", `${what} "${oneLine(text, 40)}" is neither true nor false`, {
    fix: "use true or false, yes or no, on or off, 1 or 0",
  });
}

/**
 * Returns the arguments with each `--NAME=TEXT` of the boolean flags `names` as `--NAME=true` or `--NAME=false`:
 * parseArgs() takes all text but "false" for true, also "no". Faults: usage.
 */
export function plainBooleans(args: readonly string[], names: readonly string[]): string[] {
  return args.map((arg) => {
    const [, name = "", text = ""] = /^--([a-z-]+)=(.*)$/s.exec(arg) ?? [];
    return names.includes(name) ? `--${name}=${readBoolean(`--${name}`, text)}` : arg;
  });
}

/** Go's unit for each other name of systemd.time(7), and the number of those in it. */
const UNITS = new Map<string, readonly [number, string]>([
  ["nsec", [1, "ns"]],
  ["usec", [1, "us"]],
  ["μs", [1, "us"]],
  ["msec", [1, "ms"]],
  ["sec", [1, "s"]],
  ["second", [1, "s"]],
  ["seconds", [1, "s"]],
  ["min", [1, "m"]],
  ["minute", [1, "m"]],
  ["minutes", [1, "m"]],
  ["hr", [1, "h"]],
  ["hour", [1, "h"]],
  ["hours", [1, "h"]],
  ["d", [24, "h"]],
  ["day", [24, "h"]],
  ["days", [24, "h"]],
  ["w", [168, "h"]],
  ["week", [168, "h"]],
  ["weeks", [168, "h"]],
]);

/**
 * Returns the seconds of a duration from `least` to `most`: seconds (`90`), as in Go (`1m30s`), or as in systemd
 * (`1min 30s`, `2 days`). `what` names the setting. Faults: usage.
 */
export function readSeconds(
  what: string,
  text: string,
  { least = 0, most }: { readonly least?: number; readonly most: number },
): number {
  const seconds = secondsIn(text);
  if (seconds === undefined) {
    throw new Fault("usage", `${what} "${oneLine(text, 40)}" is not a valid duration`, {
      fix: "use seconds, such as 90, or 90s, 1m30s, 1min 30s",
    });
  }
  if (seconds >= least && seconds <= most) return seconds;
  throw new Fault("usage", `${what} "${oneLine(text, 40)}" is out of range (${least}-${most} s)`, {
    fix: "use another number of seconds",
  });
}

function secondsIn(text: string): number | undefined {
  const plain = text.trim().replace(/^\+/, "");
  // Plain numbers as before: also 1e3 and .5.
  if (/^[\d.]+(e\d{1,2})?$/i.test(plain) && Number.isFinite(Number(plain))) return Number(plain);
  const parts = plain.replace(/(\d|\.)\s+(?=[a-zµμ])/gi, "$1").split(/\s+/).map((part) =>
    part.replace(/(\d+\.?\d*|\.\d+)([a-zµμ]+)/g, (all, number, unit) => {
      const [factor, base] = UNITS.get(unit) ?? [];
      return factor === undefined ? all : `${Number(number) * factor}${base}`;
    })
  );
  try {
    return parseDuration(parts.join(""));
  } catch {
    return undefined;
  }
}

/** Returns the choice that `text` names in any case of letters; `what` names the setting. Faults: usage. */
export function readChoice(what: string, text: string, choices: readonly string[]): string {
  const value = text.trim().toLowerCase();
  const choice = choices.find((one) => one === value);
  if (choice !== undefined) return choice;
  throw new Fault("usage", `${what} "${oneLine(text, 40)}" is not valid`, {
    fix: `use one of ${choices.join(", ")}`,
  });
}
