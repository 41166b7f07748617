// A rule of a contiv policy as a line for people: `allow in tcp 8000 from group app, priority 100`. Pure.

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
  const { Action, Direction, Protocol, Port, Priority } = rule;
  const sides = SIDES.filter(([key]) => rule[key] !== undefined)
    .map(([key, words]) => `${words} ${rule[key]}`);
  const anyone = Direction === "out" ? "to any" : "from any";
  const others = Object.entries(rule)
    .filter(([key]) => !PLACED.has(key) && !SIDES.some(([side]) => side === key))
    .map(([key, value]) => `, ${key} ${JSON.stringify(value)}`);
  const words = [
    ...[Action ?? "deny", Direction ?? "in and out"],
    Protocol === undefined ? "any protocol" : `${Protocol}${Port ? ` ${Port}` : ""}`,
    ...sides.length > 0 ? sides : [anyone],
  ].join(" ");
  const priority = Priority === undefined || Priority === 1 ? "" : `, priority ${Priority}`;
  return oneLine(`${words}${priority}${others.join("")}`, Infinity);
}
