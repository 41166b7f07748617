// A port of the integration bridge that carries several tags: the uplink, or the patch to the tunnel bridge.
// Which tags its row has, and which frames may come in by it. Pure.

import { actionText, forwardAction } from "../openflow/flow.ts";
import type { CookieSet } from "../openflow/cookies.ts";
import type { VlanSet } from "../switch.ts";
import type { LinkRow } from "../bridge/link_rows.ts";

/**
 * Means "no tag at all" in a trunk. An empty column would mean all tags; IEEE 802.1Q, table 9-2, reserves
 * 4095, so that no frame and no access port ever has it. The port is kept with it rather than removed:
 * the first network then costs one change of a row, and no link flaps meanwhile.
 */
export const NO_TAG = 4_095;

const PRIORITY = 100;

/** Returns the tags for a port's `trunks`, sorted, each once, and never empty. */
export function trunksFor(tags: readonly number[]): number[] {
  const sorted = [...new Set(tags)].sort((one, other) => one - other);
  return sorted.length > 0 ? sorted : [NO_TAG];
}

/** Reports whether the row is a trunk of exactly these tags. */
export function isTrunk(link: LinkRow, trunks: readonly number[]): boolean {
  const has = [...link.trunks].sort((one, other) => one - other); // empty would be all tags
  return link.vlanMode === "trunk" && link.tag === undefined && has.join() === trunks.join();
}

/**
 * Returns the flows of a trunk: frames that come in with one of `tags` are forwarded as a learning switch
 * does, or go to the policy tables first where the tag is one of `policyVlans` or of a network with a
 * distributed gateway; all others meet the bridge's base flow, which drops. What goes out is limited by the row's trunks.
 */
export function trunkFlows(
  { ofport, tags, distributedTags = [], cookies, policyVlans = new Set() }: {
    readonly ofport: number;
    readonly tags: readonly number[];
    readonly distributedTags?: readonly number[] | undefined;
    readonly cookies: CookieSet;
    readonly policyVlans?: VlanSet | undefined;
  },
): string[] {
  const cookie = `cookie=0x${cookies.value.toString(16)}`;
  const reach = new Set(distributedTags);
  return trunksFor(tags).filter((tag) => tag !== NO_TAG).map((tag) =>
    `${cookie}, priority=${PRIORITY},in_port=${ofport},dl_vlan=${tag}` +
    ` actions=${actionText(forwardAction(tag, policyVlans, { isDistributed: reach.has(tag) }))}`
  );
}
