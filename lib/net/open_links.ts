// Chooses the driver of links.

import type { LinkEvents, StackEvents } from "./link_events.ts";
import { openIprouteLinks } from "./iproute/iproute_links.ts";
import type { Links } from "./links.ts";
import { openNetlinkLinks } from "./netlink/netlink_links.ts";
import { openEvents } from "./netlink/netlink_events.ts";
import { openStackEvents, type StackNames } from "./netlink/stack_events.ts";
import { openNetlinkWarmLinks } from "./netlink/netlink_warm_links.ts";
import type { WarmLinks } from "./warm_links.ts";
import { Fault } from "../util/errors.ts";
import { hasLibc, openLibc } from "./netlink/libc.ts";

/** Which driver, and how our links are recognised. */
export interface LinksOptions {
  /** `auto`: netlink if libc may be called, else ip. @default "auto" */
  readonly driver?: "auto" | "netlink" | "ip";
  /** Prefix of the alias of every link of ours, such as `k8contivnet:`. */
  readonly aliasPrefix: string;
}

/** Opens a driver. Faults: usage (an alias prefix that is not valid), unavailable. */
export function openLinks({ driver = "auto", aliasPrefix }: LinksOptions): Links {
  const isNetlink = driver === "netlink" || (driver === "auto" && hasLibc());
  return isNetlink ? openNetlinkLinks(aliasPrefix) : openIprouteLinks(aliasPrefix);
}

/** Subscribes to changes of links; undefined if `driver` cannot, or the kernel is too old. */
export function openLinkEvents({ driver }: Pick<Links, "driver">): LinkEvents | undefined {
  if (driver !== "netlink") return undefined;
  try {
    return openEvents(openLibc());
  } catch {
    return undefined; // before Linux 4.2: only the periodic reconciliation notices changes
  }
}

/** Subscribes to changes of the host's own stack; undefined as for openLinkEvents(). */
export function openHostEvents(
  { driver }: Pick<Links, "driver">,
  names: StackNames,
): StackEvents | undefined {
  if (driver !== "netlink") return undefined;
  try {
    return openStackEvents(openLibc(), names);
  } catch {
    return undefined; // a kernel without nftables: only a comparison notices changes
  }
}

/**
 * Opens the links of warm ports beside those of `driver`; `holding` is the name of their namespace in /run/netns.
 * Faults: usage, if that driver has none.
 */
export function openWarmLinks(
  { driver }: Pick<Links, "driver">,
  options: { readonly aliasPrefix: string; readonly holding: string },
): WarmLinks {
  if (driver === "netlink") return openNetlinkWarmLinks(options);
  throw new Fault("usage", "warm ports cannot be created", {
    why: "the link driver ip would take longer for one than for a plain port",
    fix: "use --link-driver netlink, or --ports plain",
  });
}
