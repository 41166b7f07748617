// A change of one flow as planFlows() writes it, cut into its words. Pure. What ovs-ofctl prints and our
// own flows never have (limits of time, flags, a default priority) is not understood: such a line is
// somebody else's.

/** A change of one flow, in words. */
export interface FlowWords {
  readonly command: "add" | "delete_strict";
  readonly cookie: bigint;
  readonly table: number;
  readonly priority: number;
  readonly match: readonly string[];
  readonly actions: readonly string[];
}

// A deletion names the whole cookie, an addition sets it; `table` is not printed where it is 0.
const LINE = new RegExp(
  "^(?:(?<add>add) cookie=0x(?<set>[0-9a-f]{1,16})|delete_strict cookie=0x(?<has>[0-9a-f]{1,16})/-1)," +
    " (?:table=(?<table>\\d{1,3}), )?priority=(?<priority>\\d{1,5})(?:,(?<match>[^ ]+))?" +
    "(?: actions=(?<actions>[^ ]+))?$",
);
/** Number of tables: 254 is the switch's own, and what is for it is refused. */
export const TABLES = 254;
const PRIORITIES = 0x1_0000;

/** Returns the words of a line; undefined where it is not one of ours. */
export function flowWordsOf(line: string): FlowWords | undefined {
  const { add, set, has, table = "0", priority, match = "", actions } = LINE.exec(line)?.groups ??
    {};
  const cookie = set ?? has;
  if (cookie === undefined || (add === undefined) !== (actions === undefined)) return undefined;
  const numbers = {
    table: numberOf(table, TABLES),
    priority: numberOf(priority ?? "", PRIORITIES),
  };
  if (numbers.table === undefined || numbers.priority === undefined) return undefined;
  return {
    command: add ? "add" : "delete_strict",
    cookie: BigInt(`0x${cookie}`),
    table: numbers.table,
    priority: numbers.priority,
    match: match === "" ? [] : match.split(","),
    actions: actions === undefined ? [] : actionsOf(actions),
  };
}

/** Commas within brackets are an action's own. */
function actionsOf(text: string): string[] {
  return text.match(/[^,(]+(?:\([^)]*\))?/g) ?? [];
}

/** Returns a number as ovs-ofctl writes it, where it is less than `limit`; 010 would be 8 for it. */
export function numberOf(text: string, limit: number): number | undefined {
  const isNumber = /^(?:0x[0-9a-f]+|0|[1-9]\d*)$/.test(text);
  const value = Number(text);
  return isNumber && value < limit ? value : undefined;
}
