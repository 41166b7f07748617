// Decodes the replies of the kernel about links, addresses and routes. Pure.

import {
  AF,
  IFA,
  IFF,
  IFLA,
  IFLA_INFO,
  RT_TABLE_MAIN,
  RTA,
  RTM,
  RTN_UNICAST,
} from "./constants.ts";
import type { LinkFields } from "../link_fields.ts";
import { decodeAttributes, decodeNumber, decodeText, type Message } from "./encoding.ts";

/** One link as the kernel reports it. */
export interface KernelLink extends LinkFields {
  readonly group: number;
  /** `veth`, `macvlan`; empty for a device. */
  readonly kind: string;
  /** How many users have set it to receive all frames. */
  readonly promiscuity: number;
}

/** One IPv4 address as the kernel reports it. */
export interface KernelAddress {
  readonly linkIndex: number;
  /** With prefix length. */
  readonly cidr: string;
}

/** One default route of the main table. */
export interface KernelRoute {
  /** Undefined for a multipath route. */
  readonly linkIndex: number | undefined;
  /** All links of its next hops. */
  readonly linkIndexes: readonly number[];
  readonly gateway: string | undefined;
  readonly metric: number;
}

/** Returns the links among `messages`. */
export function decodeLinks(messages: readonly Message[]): KernelLink[] {
  return messages.filter(({ type }) => type === RTM.newLink).map(({ body }) => {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const flags = view.getUint32(8, true);
    const found = decodeAttributes(body, 16);
    const text = (type: number) => decodeText(found.get(type) ?? new Uint8Array());
    const info = decodeAttributes(found.get(IFLA.linkInfo) ?? new Uint8Array(), 0);
    return {
      index: view.getInt32(4, true),
      name: text(IFLA.name),
      mac: bytesToMac(found.get(IFLA.address)),
      mtu: decodeNumber(found.get(IFLA.mtu)) ?? 0,
      isUp: (flags & IFF.up) !== 0,
      isLoopback: (flags & IFF.loopback) !== 0,
      alias: text(IFLA.alias),
      group: decodeNumber(found.get(IFLA.group)) ?? 0,
      peerIndex: decodeNumber(found.get(IFLA.link)),
      kind: decodeText(info.get(IFLA_INFO.kind) ?? new Uint8Array()),
      promiscuity: decodeNumber(found.get(IFLA.promiscuity)) ?? 0,
    };
  });
}

/** Returns the IPv4 addresses among `messages`. */
export function decodeAddresses(messages: readonly Message[]): KernelAddress[] {
  return messages.filter(({ type, body }) => type === RTM.newAddress && body[0] === AF.inet)
    .map(({ body }) => {
      const found = decodeAttributes(body, 8);
      const bytes = found.get(IFA.local) ?? found.get(IFA.address);
      const linkIndex = decodeNumber(body.subarray(4)) ?? 0;
      return { linkIndex, cidr: `${bytesToAddress(bytes)}/${body[1]}` };
    });
}

/** Returns the default routes among `messages`, IPv4 and IPv6, of the main table, or of all tables. */
export function decodeDefaultRoutes(
  messages: readonly Message[],
  { allTables = false } = {},
): KernelRoute[] {
  return messages.filter(({ type, body }) => {
    return type === RTM.newRoute && body[1] === 0 && body[7] === RTN_UNICAST;
  }).map(({ body }) => ({ table: body[4], found: decodeAttributes(body, 12) }))
    .filter(({ table, found }) =>
      (allTables || (decodeNumber(found.get(RTA.table)) ?? table) === RT_TABLE_MAIN) &&
      !found.has(RTA.destination)
    )
    .map(({ found }) => {
      const gateway = found.get(RTA.gateway);
      const linkIndex = decodeNumber(found.get(RTA.outLink));
      const hops = hopLinks(found.get(RTA.multipath) ?? new Uint8Array());
      return {
        linkIndex,
        linkIndexes: linkIndex === undefined ? hops : [linkIndex],
        gateway: gateway?.length === 4 ? bytesToAddress(gateway) : undefined,
        metric: decodeNumber(found.get(RTA.priority)) ?? 0,
      };
    });
}

function bytesToMac(bytes: Uint8Array | undefined): string {
  if (bytes?.length !== 6) return "";
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Returns an IPv4 address in dotted notation. */
export function bytesToAddress(bytes: Uint8Array | undefined): string {
  return [...bytes ?? []].join(".");
}

/** Reads a list of struct rtnexthop: length, flags, weight, link index. */
function hopLinks(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const links: number[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < 8) break;
    links.push(view.getInt32(at + 4, true));
    at += (length + 3) & ~3;
  }
  return links;
}
