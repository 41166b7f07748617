// Values as the text of flows writes them.

/** Values of nw_frag, where lib/flow.h of Open vSwitch has bits: a fragment; not the first one. */
export const [FIRST, LATER] = [1, 3];

/** Returns a number, a dotted address or a MAC address as a number. */
export function numberOf(text: string): number {
  if (text.includes(":")) return Number(`0x${text.replaceAll(":", "")}`);
  return text.includes(".")
    ? text.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0)
    : Number(text);
}
