// Validation of a pair's names, numbers and addresses, before any of them reaches a path, a command line or the
// kernel. Pure but for removalGroup().

import { Fault, oneLine } from "../util/errors.ts";
import { isLinkName } from "../util/names.ts";
import type { PairSpec } from "./links.ts";

/**
 * Group of a host end that has no alias yet: set by the very request that creates the link, so that one left by
 * a killed agent is recognised as ours. The number spells "k8cv".
 */
export const INCOMPLETE_GROUP = 0x6b386376;

/** Returns a group for links that are to be deleted together, one that is not in `taken`. */
export function removalGroup(taken: readonly number[]): number {
  // Random each time, so that no other program's links are in it by convention.
  const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
  const group = (drawn % 0x7fffff00) + 0x80;
  return group === INCOMPLETE_GROUP || taken.includes(group) ? removalGroup(taken) : group;
}

/** Smallest and largest MTU of a veth, in bytes. */
export const MTU_RANGE = { least: 68, most: 65_535 } as const;

// IFALIASZ of <linux/if.h>, less the terminating zero.
const ALIAS_LIMIT = 255;

/** An IPv4 address with its prefix length. */
export interface Cidr {
  readonly address: string;
  readonly prefixLength: number;
}

/** Returns `spec` with its MAC in lower case and its alias cut to what Linux keeps. Faults: usage. */
export function parsePair(spec: PairSpec, aliasPrefix: string): PairSpec {
  checkLinkName("host end", spec.hostEnd);
  checkLinkName("interface", spec.interface);
  checkNetns(spec.netns);
  const alias = parseAlias(spec.alias, aliasPrefix);
  if (!Number.isSafeInteger(spec.netnsInode) || spec.netnsInode <= 0) {
    throw notValid("inode number", String(spec.netnsInode), "it must be a positive integer");
  }
  checkMtu(spec.mtu);
  spec.addresses.forEach(parseCidr);
  if (spec.gateway !== undefined) parseAddress(spec.gateway);
  if (spec.formerGateway !== undefined) parseAddress(spec.formerGateway);
  return { ...spec, mac: parseMac(spec.mac), alias };
}

/** Returns an alias as Linux keeps it. Faults: usage. */
export function parseAlias(alias: string, aliasPrefix: string): string {
  if (alias.startsWith(aliasPrefix) && isPrintable(alias)) return alias.slice(0, ALIAS_LIMIT);
  throw notValid("alias", alias, `it must be printable and begin with "${aliasPrefix}"`);
}

/** Checks an MTU. Faults: usage. */
export function checkMtu(mtu: number): void {
  if (isMtu(mtu)) return;
  throw notValid("MTU", String(mtu), `out of range (${MTU_RANGE.least}-${MTU_RANGE.most})`);
}

/** Reports whether a veth accepts `mtu`. */
export function isMtu(mtu: number): boolean {
  return Number.isInteger(mtu) && mtu >= MTU_RANGE.least && mtu <= MTU_RANGE.most;
}

// Below this a link has no IPv6 settings (RFC 8200, section 5).
const LEAST_IPV6_MTU = 1_280;

/**
 * Reports whether a host end has to be down while its MTU changes: a link that comes to have IPv6 settings
 * again would get an address with them. Otherwise it stays up, and no frame is lost.
 */
export function mustGoDown(from: number, to: number): boolean {
  return from < LEAST_IPV6_MTU && to >= LEAST_IPV6_MTU;
}

/** Checks the name of a link; `what` says which one in the message. Faults: usage. */
export function checkLinkName(what: string, name: string): void {
  // `all` and `default` are folders of /proc/sys/net; a leading dash is a flag to `ip`.
  if (isLinkName(name) && !/^-|^(all|default)$/.test(name)) return;
  throw notValid(`${what} name`, name, "use 1 to 15 letters, digits, _ . -, and no - first");
}

/** Checks the path of a namespace. Faults: usage. */
export function checkNetns(path: string): void {
  const isPath = /^(\/[\w.:@+][\w.:@+-]*)+$/.test(path) && path.length < 4096;
  if (isPath && !path.split("/").some((part) => part === "." || part === "..")) return;
  throw notValid("namespace", path, "it must be an absolute path without ..");
}

/** Checks the prefix of aliases. Faults: usage. */
export function checkAliasPrefix(prefix: string): void {
  if (prefix.length > 0 && prefix.length < 64 && isPrintable(prefix)) return;
  throw notValid("alias prefix", prefix, "use 1 to 63 printable characters");
}

/** Returns the MAC address in lower case. Faults: usage, also for multicast and zero addresses. */
export function parseMac(text: string): string {
  const mac = text.toLowerCase();
  const isMac = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac);
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  if (isMac && !isGroup && mac !== "00:00:00:00:00:00") return mac;
  throw notValid("MAC address", text, "it must be a unicast address such as 02:02:0b:01:00:02");
}

/** Reads `11.1.0.2/24`. Faults: usage. */
export function parseCidr(text: string): Cidr {
  const [address = "", length = "", ...rest] = text.split("/");
  const isLength = /^(\d|[12]\d|3[0-2])$/.test(length);
  if (!isLength || rest.length > 0) {
    throw notValid("address", text, "it must be IPv4 with a prefix length, such as 11.1.0.2/24");
  }
  return { address: parseAddress(address), prefixLength: Number(length) };
}

/** Returns `text`, if it is an IPv4 address. Faults: usage. */
export function parseAddress(text: string): string {
  const octet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  if (new RegExp(`^${octet}(\\.${octet}){3}$`).test(text)) return text;
  throw notValid("address", text, "it must be IPv4, such as 11.1.0.2");
}

/** Returns the address as a 32-bit number. */
export function addressToNumber(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

/** Reports whether `gateway` is in the subnet of one of `addresses`, so that ARP can resolve it. */
export function isOnLink(gateway: string, addresses: readonly string[]): boolean {
  return addresses.map(parseCidr).some(({ address, prefixLength }) => {
    const size = 2 ** (32 - prefixLength);
    const subnetOf = (one: string) => Math.floor(addressToNumber(one) / size);
    return subnetOf(address) === subnetOf(gateway);
  });
}

function isPrintable(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

function notValid(what: string, value: string, why: string): Fault {
  return new Fault("usage", `${what} "${oneLine(value, 60)}" is not valid`, {
    why,
    fix: "correct it where it is configured",
  });
}
