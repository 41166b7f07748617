// Parses the JSON output of `ip -j`. Pure.

import { Fault } from "../../util/errors.ts";
import type { LinkFields } from "../link_fields.ts";

/** One link of `ip -j address` or `ip -j link`. */
export interface IpLink extends LinkFields {
  /** A number, or its name in /etc/iproute2/group. */
  readonly group: string;
  /** IPv4 addresses with prefix length. */
  readonly addresses: readonly string[];
}

/** One route of `ip -j route`. */
export interface IpRoute {
  readonly gateway: string | undefined;
  /** Undefined for a multipath route. */
  readonly interface: string | undefined;
  /** All links of its next hops. */
  readonly interfaces: readonly string[];
  readonly metric: number;
}

type Row = Readonly<Record<string, unknown>>;

/** Parses the output of `ip -j link` or `ip -j address`. Faults: failed. */
export function parseIpLinks(json: string): IpLink[] {
  // Links that a filter excludes appear as empty objects.
  return parseRows(json).filter((row) => typeof row.ifname === "string").map(rowToLink);
}

/** Parses the output of `ip -j route`. Faults: failed. */
export function parseIpRoutes(json: string): IpRoute[] {
  const deviceOf = ({ dev }: Row) => typeof dev === "string" ? [dev] : [];
  return parseRows(json).map((row) => ({
    gateway: typeof row.gateway === "string" ? row.gateway : undefined,
    interface: deviceOf(row)[0],
    interfaces: [row, ...rowsIn(row, "nexthops")].flatMap(deviceOf),
    metric: numberIn(row, "metric"),
  }));
}

function rowToLink(row: Row): IpLink {
  const flags = Array.isArray(row.flags) ? row.flags : [];
  const mac = textIn(row, "address");
  const name = textIn(row, "ifname");
  return {
    index: numberIn(row, "ifindex"),
    name,
    mac: /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) ? mac : "",
    mtu: numberIn(row, "mtu"),
    isUp: flags.includes("UP"),
    isLoopback: flags.includes("LOOPBACK"),
    alias: textIn(row, "ifalias"),
    group: textIn(row, "group"),
    peerIndex: typeof row.link_index === "number" ? row.link_index : undefined,
    addresses: rowsIn(row, "addr_info").filter((one) => one.family === "inet")
      .map((one) => `${textIn(one, "local")}/${numberIn(one, "prefixlen")}`),
  };
}

function parseRows(json: string): Row[] {
  // Without any link or route to show, `ip -j` of some versions prints nothing at all.
  if (json.trim() === "") return [];
  try {
    const rows: unknown = JSON.parse(json);
    if (Array.isArray(rows)) return rows.filter(isRow);
  } catch {
    // Reported below.
  }
  throw new Fault("failed", "the output of ip -j is not a list", { fix: "see iproute2's version" });
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null;
}

function rowsIn(row: Row, key: string): Row[] {
  const value = row[key];
  return Array.isArray(value) ? value.filter(isRow) : [];
}

function textIn(row: Row, key: string): string {
  const value = row[key];
  return typeof value === "string" ? value : "";
}

function numberIn(row: Row, key: string): number {
  const value = row[key];
  return typeof value === "number" ? value : 0;
}
