// Which ports pods get: one that each set-up adds, or one that was added ahead.

import { outlives, seenMounts } from "../net/lasting_mounts.ts";
import { HOLDING_FOLDER } from "../net/warm_links.ts";
import type { Log } from "../util/log.ts";

/** How pods get their ports; `auto`: a port of its own for each. */
export type PortsOption = "plain" | "warm" | "auto";

/** Which ports new pods get. */
export interface WarmChoice {
  readonly hasWarmPorts: boolean;
  /** What the operator should know of it. */
  readonly note?: string;
}

const SHORT_LIVED =
  `the agent's mounts in ${HOLDING_FOLDER} end with it, and with them running pods' links`;

/** Chooses for this host; without macvlan in its kernel, the pool says so later. */
export async function chooseWarm(
  { ports }: { readonly ports: PortsOption },
  isLasting: () => Promise<boolean> = isLastingHere,
): Promise<WarmChoice> {
  if (ports !== "warm") return { hasWarmPorts: false };
  return { hasWarmPorts: true, ...await isLasting() ? {} : { note: SHORT_LIVED } };
}

async function isLastingHere(): Promise<boolean> {
  // What cannot be seen is not relied on.
  return await seenMounts().then((seen) => outlives(HOLDING_FOLDER, seen), () => false);
}

/** Says what is to be known of a choice. */
export function logChoice(
  { note }: WarmChoice,
  log: Pick<Log, "warn">,
): void {
  if (note !== undefined) log.warn(`warm ports are at risk: ${note}; use --ports plain`);
}
