// A rule of a contiv policy as a line for people: `allow in tcp 8000 from group app, priority 100`, or without a
// protocol `deny all from any`. Pure.

import { oneLine } from "../util/errors.ts";

/** A rule as it is stored: with the keys of the user's file, and perhaps those of a later version. */
export type WrittenRule = Readonly<Record<string, unknown>>;

/** Keys that the text has at a place of its own. */
const PLACED = new Set(["Id", "Action", "Direction", "Protocol", "Port", "Priority"]);

/** The words for the other side, by key. */
const SIDES: readonly (readonly [key: string, words: string])[] = [
  ...[["FromGroup", "from group"], ["FromNetwork", "from network"], [
    "FromIpAddress",
    "from",
  ]] as const,
  ...[["ToGroup", "to group"], ["ToNetwork", "to network"], ["ToIpAddress", "to"]] as const,
];

/** Returns a rule without its Id as text; a key that this version does not know follows at the end. */
export function ruleText(rule: WrittenRule): string {
  const { Action, Protocol, Port, Priority } = rule;
  const what = Protocol === undefined ? "all" : `${Protocol}${Port ? ` ${Port}` : ""}`;
  const others = Object.entries(rule)
    .filter(([key]) => !PLACED.has(key) && !SIDES.some(([side]) => side === key))
    .map(([key, value]) => `, ${key} ${JSON.stringify(value)}`);
  const words = [
    Action ?? "deny",
    ...Protocol === undefined ? [what, ...unsaidDirection(rule)] : [directionOf(rule), what],
    ...sidesOf(rule),
  ].join(" ");
  const priority = Priority === undefined || Priority === 1 ? "" : `, priority ${Priority}`;
  return oneLine(`${words}${priority}${others.join("")}`, Infinity);
}

function directionOf({ Direction }: WrittenRule): string {
  return String(Direction ?? "in and out");
}

/** Returns the words for the other side, or for any. */
function sidesOf(rule: WrittenRule): string[] {
  const sides = SIDES.filter(([key]) => rule[key] !== undefined)
    .map(([key, words]) => `${words} ${rule[key]}`);
  if (sides.length > 0) return sides;
  return [rule.Direction === "out" ? "to any" : "from any"];
}

/** Returns the direction, unless the words for the other side say it: `deny all from any`. */
function unsaidDirection(rule: WrittenRule): string[] {
  const begin = { in: "from ", out: "to " }[directionOf(rule)];
  const isSaid = begin !== undefined && sidesOf(rule).every((side) => side.startsWith(begin));
  return isSaid ? [] : [directionOf(rule)];
}
