// Kinds of repairs, by how the event log's lines begin. Pure.

const WORDS: readonly (readonly [kind: string, words: string])[] = [
  ["port", "port reconciled"],
  ["pod_interface", "pod interface reconciled"],
  ["stray_port", "stray port"],
  ["claim", "claim repaired"],
  ["endpoint", "endpoint restored"],
  ["attachment", "attachment restored"],
  ["network_change", "pod follows"],
  ["flows", "flows "],
];

/** All kinds. */
export const REPAIRS: readonly string[] = [...WORDS.map(([kind]) => kind), "other"];

/** Returns the kind of the repair that a line reports. */
export function repairKindOf(message: string): string {
  return WORDS.find(([, words]) => message.startsWith(words))?.[0] ?? "other";
}
