// Rules in records that this version does not support. They were validated when they were applied, by the
// version that applied them, which may have been a newer one. An unknown field may restrict what is
// allowed. Pure.

const KNOWN = new Set([
  ...["Id", "Priority", "Direction", "Protocol", "Port", "Action"],
  ...["From", "To"].flatMap((side) => [`${side}Group`, `${side}Network`, `${side}IpAddress`]),
]);
const PROTOCOL = /^(tcp|udp|icmp|igmp|\d{1,3})$/;

/** Returns what is not supported in a rule; undefined if everything is. */
export function whyUnsupported(rule: Readonly<Record<string, unknown>>): string | undefined {
  const { Direction, Action, Priority = 1, Port = 0, Protocol } = rule;
  const unknown = Object.keys(rule).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) return `has a field ${unknown}`;
  if (Direction !== "in" && Direction !== "out") return "has no known Direction";
  if (Action !== "allow" && Action !== "deny") return "has no known Action";
  if (!isWhole(Priority, 1, 100)) return "has no known Priority";
  const isProtocol = typeof Protocol === "string" && PROTOCOL.test(Protocol) &&
    !(Number(Protocol) > 255);
  if (Protocol !== undefined && !isProtocol) return "has no known Protocol";
  if (!isWhole(Port, 0, 65_535)) return "has no known Port";
  if (Port !== 0 && Protocol !== "tcp" && Protocol !== "udp") return "has a Port of no protocol";
  const [far, near] = Direction === "in" ? ["From", "To"] : ["To", "From"];
  const sides = Object.keys(rule).filter((key) => /^(From|To)/.test(key));
  if (sides.some((key) => key.startsWith(near!))) return `has a ${near} side`;
  if (sides.some((key) => typeof rule[key] !== "string")) return `has no known ${far} side`;
  return sides.length > 1 ? `has more than one ${far} side` : undefined;
}

function isWhole(value: unknown, first: number, last: number): boolean {
  return Number.isInteger(value) && first <= Number(value) && Number(value) <= last;
}
