// What a port's row remembers of its network's distributed gateway, so that its flows can be made from the row
// alone: `gateway=10.1.1.254 mac=02:02:64:41:00:01 services alias=100.64.0.1 hairpin=100.64.128.1`. Pure.

import type { PortReach } from "../switch.ts";

/** Returns the text for a row. */
export function reachToText({ gateway, hostMac, hasServices, alias }: PortReach): string {
  return [
    `gateway=${gateway}`,
    `mac=${hostMac}`,
    hasServices ? "services" : "",
    alias ? `alias=${alias.address} hairpin=${alias.hairpin}` : "",
  ].filter(Boolean).join(" ");
}

/** Returns what reachToText() has written; undefined for any other text. */
export function reachFromText(text: string): PortReach | undefined {
  const {
    gateway,
    mac: hostMac,
    services,
    alias: address,
    hairpin,
  }: Partial<Record<string, string>> = Object.fromEntries(
    text.split(" ").map((word) => [word.split("=")[0], word.slice(word.indexOf("=") + 1)]),
  );
  if (!gateway || !hostMac) return undefined;
  return {
    ...{ gateway, hostMac, hasServices: services !== undefined },
    ...address && hairpin ? { alias: { address, hairpin } } : {},
  };
}

/** Reports whether flows made for one are those made for the other. */
export function isSameReach(one: PortReach | undefined, other: PortReach | undefined): boolean {
  return (one && reachToText(one)) === (other && reachToText(other));
}
