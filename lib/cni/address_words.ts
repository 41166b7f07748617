// Forms of IP and MAC addresses as runtimes and plugins write them. Only the form is checked here: whether an address is
// one of the network's is checked where the network is known.

const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);

/** Reports whether `text` is an IPv4 or IPv6 address, without prefix length or zone. */
export function isIp(text: string): boolean {
  if (text.length > 45) return false;
  return IPV4.test(text) || (/^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(text) && isIpv6(text));
}

/** The parser of URLs knows all forms of IPv6. */
function isIpv6(text: string): boolean {
  return URL.canParse(`http://[${text}]/`);
}

/** Reports whether `text` is an address with a prefix length, such as 10.1.2.3/24. */
export function isCidr(text: string): boolean {
  const [, address = "", bits = ""] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  return isIp(address) && Number(bits) <= (address.includes(":") ? 128 : 32);
}

/**
 * Returns a MAC address in lower case with colons; undefined if `text` is not the address of one Ethernet interface:
 * 6 bytes, not all 0, and not a multicast address.
 */
export function parseMac(text: string): string | undefined {
  const isForm = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$|^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/i.test(text);
  if (!isForm) return undefined;
  const mac = text.toLowerCase().replaceAll("-", ":");
  const isMulticast = (parseInt(mac.slice(0, 2), 16) & 1) === 1;
  return isMulticast || mac === "00:00:00:00:00:00" ? undefined : mac;
}
