// Chooses the driver for links.

import type { LinkEvents } from "./link_events.ts";
import { openIprouteLinks } from "./iproute/iproute_links.ts";
import type { Links } from "./links.ts";
import { openNetlinkLinks } from "./netlink/netlink_links.ts";
import { openEvents } from "./netlink/netlink_events.ts";
import { hasLibc, openLibc } from "./netlink/libc.ts";

/** Which driver, and how our links are told from others'. */
export interface LinksOptions {
  /** `auto`: netlink where libc may be called, else ip. @default "auto" */
  readonly driver?: "auto" | "netlink" | "ip";
  /** Beginning of the alias of every link of ours, such as `k8contivnet:`. */
  readonly aliasPrefix: string;
}

/** Opens a driver. Faults: usage (a prefix that can be no alias), unavailable. */
export function openLinks({ driver = "auto", aliasPrefix }: LinksOptions): Links {
  const isNetlink = driver === "netlink" || (driver === "auto" && hasLibc());
  return isNetlink ? openNetlinkLinks(aliasPrefix) : openIprouteLinks(aliasPrefix);
}

/** Starts to listen for changes of links; undefined where `driver` cannot, or the kernel is too old. */
export function openLinkEvents({ driver }: Pick<Links, "driver">): LinkEvents | undefined {
  if (driver !== "netlink") return undefined;
  try {
    return openEvents(openLibc());
  } catch {
    return undefined; // before Linux 4.2: the timed looks alone notice
  }
}
