// What a pair may be told: names, numbers and addresses, checked before any of them touches a
// path, a command line or the kernel.

import { Fault, oneLine } from "../util/errors.ts";
import { isLinkName } from "../util/names.ts";
import type { PairSpec } from "./links.ts";

/**
 * Group of a host end that has no alias yet: set by the very call that makes the link, so that one
 * left by a killed agent is known as ours. The number spells "k8cv".
 */
export const HALF_MADE_GROUP = 0x6b386376;

/** Returns a group for links that are to be deleted together: one that none of `taken` is. */
export function removalGroup(taken: readonly number[]): number {
  // Drawn afresh each time, so that no link of anybody's is in it by habit.
  const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
  const group = (drawn % 0x7fffff00) + 0x80;
  return group === HALF_MADE_GROUP || taken.includes(group) ? removalGroup(taken) : group;
}

/** Smallest and largest MTU that a veth takes. */
export const MTU_RANGE = { least: 68, most: 65_535 } as const;

// IFALIASZ of <linux/if.h>, less the closing zero.
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
  if (!spec.alias.startsWith(aliasPrefix) || !isPrintable(spec.alias)) {
    throw unusable("alias", spec.alias, `printable text after "${aliasPrefix}" is wanted`);
  }
  if (!Number.isSafeInteger(spec.netnsInode) || spec.netnsInode <= 0) {
    throw unusable("inode number", String(spec.netnsInode), "a positive whole number is wanted");
  }
  if (!isMtu(spec.mtu)) {
    throw unusable("MTU", String(spec.mtu), `${MTU_RANGE.least} to ${MTU_RANGE.most} is wanted`);
  }
  spec.addresses.forEach(parseCidr);
  if (spec.gateway !== undefined) parseAddress(spec.gateway);
  return { ...spec, mac: parseMac(spec.mac), alias: spec.alias.slice(0, ALIAS_LIMIT) };
}

/** Reports whether a veth takes `mtu`. */
export function isMtu(mtu: number): boolean {
  return Number.isInteger(mtu) && mtu >= MTU_RANGE.least && mtu <= MTU_RANGE.most;
}

/** Faults: usage, when `name` can be no link; `what` says which one is meant. */
export function checkLinkName(what: string, name: string): void {
  // `all` and `default` are folders of /proc/sys/net; a leading dash is a flag to `ip`.
  if (isLinkName(name) && !/^-|^(all|default)$/.test(name)) return;
  throw unusable(`${what}'s name`, name, "1 to 15 letters, digits, _ . - are wanted, - not first");
}

/** Faults: usage, when `path` can be no namespace's path. */
export function checkNetns(path: string): void {
  const isPath = /^(\/[\w.:@+][\w.:@+-]*)+$/.test(path) && path.length < 4096;
  if (isPath && !path.split("/").some((part) => part === "." || part === "..")) return;
  throw unusable("namespace", path, "an absolute path without .. is wanted");
}

/** Faults: usage, when `prefix` can begin no alias. */
export function checkAliasPrefix(prefix: string): void {
  if (prefix.length > 0 && prefix.length < 64 && isPrintable(prefix)) return;
  throw unusable("alias prefix", prefix, "1 to 63 printable characters are wanted");
}

/** Returns the MAC address in lower case. Faults: usage, also for group and zero addresses. */
export function parseMac(text: string): string {
  const mac = text.toLowerCase();
  const isMac = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac);
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  if (isMac && !isGroup && mac !== "00:00:00:00:00:00") return mac;
  throw unusable("MAC address", text, "a single station's, as 02:02:0b:01:00:02, is wanted");
}

/** Reads `11.1.0.2/24`. Faults: usage. */
export function parseCidr(text: string): Cidr {
  const [address = "", length = "", ...rest] = text.split("/");
  const isLength = /^(\d|[12]\d|3[0-2])$/.test(length);
  if (!isLength || rest.length > 0) {
    throw unusable("address", text, "IPv4 with a prefix length, as 11.1.0.2/24, is wanted");
  }
  return { address: parseAddress(address), prefixLength: Number(length) };
}

/** Returns the IPv4 address back. Faults: usage. */
export function parseAddress(text: string): string {
  const octet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  if (new RegExp(`^${octet}(\\.${octet}){3}$`).test(text)) return text;
  throw unusable("address", text, "IPv4, as 11.1.0.2, is wanted");
}

/** Returns the address as a number of 32 bits. */
export function addressToNumber(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

/** Reports whether one of `addresses` has `gateway` in its subnet, so that ARP can find it. */
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

function unusable(what: string, value: string, why: string): Fault {
  return new Fault("usage", `${what} "${oneLine(value, 60)}" cannot be used`, {
    why,
    fix: "correct it where it is written",
  });
}
