// Chooses the driver for links.

import { openIproute } from "./iproute/driver.ts";
import type { Links } from "./links.ts";
import { openNetlink } from "./netlink/driver.ts";
import { hasLibc } from "./netlink/libc.ts";

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
  return isNetlink ? openNetlink(aliasPrefix) : openIproute(aliasPrefix);
}
