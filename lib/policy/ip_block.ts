// The subnets of an `ipBlock`, read as Kubernetes' API servers read them: numbers with leading zeros are
// decimal, host bits are ignored, and an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is the IPv4 address
// that it contains. API servers accepted all of these for years, and keep the objects that have them. The
// addresses of an intent are read strictly, by ipam. Pure.

import { parseSubnet, type Subnet } from "../ipam/subnets.ts";
import { Fault, oneLine } from "../util/errors.ts";

const LEADING_ZEROS = /(?<![0-9a-f])0+(?=[0-9a-f])/gi;
// Of the bits of an IPv6 address, those before a mapped IPv4 address.
const MAPPED_BITS = 96;

/** Returns the IPv4 subnet that a CIDR is; undefined where it is IPv6. Faults: usage. */
export function parseBlock(text: string): Subnet | undefined {
  const plain = text.replace(LEADING_ZEROS, "");
  try {
    const subnet = text.includes(":") ? unmapped(plain) : plain;
    return subnet === undefined ? undefined : parseSubnet(subnet, { hostBits: "cut" });
  } catch {
    throw new Fault("usage", `"${oneLine(text, 50)}" is not a valid subnet`, {
      why: "expected an address and a prefix length",
      fix: 'write it as in "11.1.0.0/16"',
    });
  }
}

/** Returns the IPv4 CIDR in an IPv6 CIDR; undefined where there is none. Throws where it is not valid. */
function unmapped(text: string): string | undefined {
  const [, address = "", length = ""] = /^([0-9a-f:.]+)\/(\d{1,3})$/i.exec(text) ?? [];
  // The URL standard has one spelling for each IPv6 address.
  const { hostname } = new URL(`http://[${address}]`);
  if (Number(length) > 128) throw new RangeError("longer than an address");
  const halves = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname)?.slice(1);
  if (!halves || Number(length) < MAPPED_BITS) return undefined;
  const bytes = halves.map((half) => parseInt(half, 16)).flatMap((
    half,
  ) => [half >>> 8, half & 255]);
  return `${bytes.join(".")}/${Number(length) - MAPPED_BITS}`;
}
