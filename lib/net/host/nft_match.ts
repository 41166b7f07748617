// Whether a packet of a tunnel, which arrives as UDP over IPv4 at one port, meets a condition of the packet filter.
// What depends on more than that, such as on addresses, is met perhaps. Pure.

/** The packet, and what its table has. */
export interface TunnelPacket {
  /** The link by which it arrives; undefined if that may be any but the loopback. */
  readonly device: string | undefined;
  readonly port: number;
  /** Elements of the table's sets and maps, by their names. */
  readonly elements: ReadonlyMap<string, readonly unknown[]>;
}

/** Whether it is met. */
export type Answer = "yes" | "maybe" | "no";

/** An object of `nft -j`. */
export type NftValue = Readonly<Record<string, unknown>>;

const OPPOSITE: Readonly<Record<Answer, Answer>> = { yes: "no", maybe: "maybe", no: "yes" };
/** Headers that the packet may have. */
const HEADERS: readonly unknown[] = ["ether", "vlan", "ip", "udp", "th"];

/** Answers a `match`, such as `udp dport 4789`. */
export function answerMatch({ op, left, right }: NftValue, packet: TunnelPacket): Answer {
  const { protocol } = partOf(left, "payload");
  // A condition on another header is met by no packet without it, whatever it compares.
  if (protocol !== undefined && !HEADERS.includes(protocol)) return "no";
  const answer = answerValue(left, right, packet);
  if (op === "==" || op === "in") return answer;
  return op === "!=" ? OPPOSITE[answer] : "maybe";
}

/** Answers whether the packet has, as `left`, one of the values of `right`. */
export function answerValue(left: unknown, right: unknown, packet: TunnelPacket): Answer {
  const is = valueTest(left, packet);
  const answer = (value: unknown): Answer => {
    if (Array.isArray(value)) return anyOf(value.map(answer));
    if (typeof value === "string" && value.startsWith("@")) {
      return anyOf(packet.elements.get(value.slice(1))?.map(answer) ?? ["maybe"]);
    }
    const { set, elem } = objectOf(value);
    if (set !== undefined) return answer(set);
    return elem === undefined ? is(value) : answer(objectOf(elem).val);
  };
  return answer(right);
}

/** Returns all answers as one. */
export function anyOf(answers: readonly Answer[]): Answer {
  return answers.includes("yes") ? "yes" : answers.includes("maybe") ? "maybe" : "no";
}

/** Reports whether a `match` or the key of a verdict map looks at the packet's port. */
export function isAboutPort(left: unknown): boolean {
  const { protocol, field } = partOf(left, "payload");
  return field === "dport" && (protocol === "udp" || protocol === "th");
}

/** Returns what answers whether the packet has a single value. */
function valueTest(left: unknown, { device, port }: TunnelPacket): (value: unknown) => Answer {
  const [meta, payload] = [partOf(left, "meta").key, partOf(left, "payload")];
  const isOf = (...known: readonly unknown[]) => (value: unknown): Answer =>
    known.includes(value) ? "yes" : "no";
  if (isAboutPort(left)) return (value) => portAnswer(value, port);
  if (meta === "l4proto" || (payload.protocol === "ip" && payload.field === "protocol")) {
    return isOf("udp", 17);
  }
  if (meta === "nfproto") return isOf("ipv4", 2);
  if (meta === "protocol" || (payload.protocol === "ether" && payload.field === "type")) {
    return isOf("ip", 0x0800);
  }
  if (meta === "pkttype") return isOf("host", "unicast");
  if (meta === "iif" || meta === "iifname") return (value) => linkAnswer(value, device);
  const { result, flags } = partOf(left, "fib");
  if (result === "type" && String(flags) === "daddr") return isOf("local");
  const ct = partOf(left, "ct").key;
  // Each direction of a tunnel has ports of its own: neither is the answer to the other, to the kernel.
  if (ct === "state") return (value) => value === "new" || value === "untracked" ? "maybe" : "no";
  if (ct === "status") return (value) => value === "confirmed" ? "maybe" : "no";
  return () => "maybe";
}

function portAnswer(value: unknown, port: number): Answer {
  const { range } = objectOf(value);
  if (typeof value === "number") return value === port ? "yes" : "no";
  const [from, to] = Array.isArray(range) ? range : [];
  if (typeof from !== "number" || typeof to !== "number") return "maybe";
  return from <= port && port <= to ? "yes" : "no";
}

function linkAnswer(value: unknown, device: string | undefined): Answer {
  if (typeof value !== "string") return "maybe";
  if (device === undefined) return value === "lo" ? "no" : "maybe";
  const isIt = value.endsWith("*") ? device.startsWith(value.slice(0, -1)) : device === value;
  return isIt ? "yes" : "no";
}

function partOf(left: unknown, name: string): NftValue {
  return objectOf(objectOf(left)[name]);
}

/** Returns a value as an object; one without anything if it is none. */
export function objectOf(value: unknown): NftValue {
  return typeof value === "object" && value !== null ? value as NftValue : {};
}
