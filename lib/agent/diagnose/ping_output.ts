// Reads the summary that ping(8) prints: of iputils, and of BusyBox. Pure.

/** Answers to ICMP echo requests. */
export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Milliseconds; absent if nothing was received. */
  readonly minMs?: number;
  readonly averageMs?: number;
  readonly maxMs?: number;
  /** The sender has no route to the address: nothing was sent. */
  readonly hasNoRoute?: true;
}

const COUNTS = /^(\d+) packets transmitted, (\d+) (?:packets )?received/m;
const TIMES = /^(?:rtt|round-trip) min\/avg\/max(?:\/mdev)? = ([\d.]+)\/([\d.]+)\/([\d.]+)/m;

/** Returns the result; undefined if the text has no summary. */
export function pingResultOf(text: string): PingResult | undefined {
  const [, sent, received] = COUNTS.exec(text) ?? [];
  if (sent === undefined || received === undefined) return undefined;
  const [, minMs, averageMs, maxMs] = (TIMES.exec(text) ?? []).map(Number);
  const counts = { sent: Number(sent), received: Number(received) };
  if (minMs === undefined || averageMs === undefined || maxMs === undefined) return counts;
  return { ...counts, minMs, averageMs, maxMs };
}
