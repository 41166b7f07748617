// Plans the steps from the actual to the desired state of this host. Pure, and the only path: set-up,
// reconciliation and garbage collection all use planSteps().

import type { AttachmentRecord } from "../../intent/records.ts";
import { isSameReach } from "../../ovs/ovsdb/port_reach_text.ts";
import type { PortReach, PortRow } from "../../ovs/switch.ts";
import { attachmentToPort, hostEndOf, isWarmPort } from "./port_external_ids.ts";

/** A desired attachment with its access tag. */
export interface Desired {
  readonly attachment: AttachmentRecord;
  readonly tag: number;
  /** Undefined in a network without a distributed gateway. */
  readonly reach?: PortReach | undefined;
}

/** The actual state: our ports on the bridge, and the names of our host ends. */
export interface Actual {
  readonly rows: readonly PortRow[];
  readonly hostEnds: readonly string[];
  /** Pod ends that are not as desired, by their host ends; none if they were not checked. */
  readonly podEnds?: ReadonlyMap<string, "differs" | "gone">;
}

/** One step towards the desired state. */
export type Step =
  /** Remove port and link; either may be missing. */
  | { readonly do: "detach"; readonly name: string; readonly why: string }
  /** Create link and port. */
  | Desired & { readonly do: "attach" }
  /** The link exists, its port is missing or differs. */
  | Desired & { readonly do: "port" }
  /** Link and port are right, the pod end is not. */
  | Desired & { readonly do: "pod" }
  /**
   * Link and port are there; what a running pod can follow in place (MTU, default route, alias, reach) differs.
   */
  | Desired & {
    readonly do: "update";
    /** Default gateway before, where there is none any more. */
    readonly formerGateway?: string | undefined;
  }
  | Desired & { readonly do: "retag" };

/**
 * Returns the steps in order. Detaching comes first: this plan may use a freed address again. A port without
 * its link cannot forward and is re-created together with the link.
 */
export function planSteps(desired: readonly Desired[], actual: Actual): Step[] {
  const { rows, hostEnds, podEnds = new Map() } = actual;
  const rowByName = new Map(rows.map((row) => [row.name, row]));
  const ends = new Set(hostEnds);
  const names = new Set(desired.map(({ attachment }) => hostEndOf(attachment)));
  const orphans = [...new Set([...rowByName.keys(), ...ends])]
    .filter((name) => !names.has(name) && !isParked(name, rowByName.get(name)));
  return [
    ...orphans.map((name): Step => ({ do: "detach", name, why: "no attachment has it" })),
    ...desired.flatMap((one) => stepsOf(one, { rowByName, ends, podEnds })),
  ];
}

/** A warm port without a pod, or what a filling of their pool has left of one: the pool's matter. */
function isParked(name: string, row: PortRow | undefined): boolean {
  return isWarmPort(name) && row?.externalIds.attachment === undefined;
}

interface Seen {
  readonly rowByName: ReadonlyMap<string, PortRow>;
  readonly ends: ReadonlySet<string>;
  readonly podEnds: ReadonlyMap<string, "differs" | "gone">;
}

function stepsOf(desired: Desired, { rowByName, ends, podEnds }: Seen): Step[] {
  const { attachment, tag, reach } = desired;
  const name = hostEndOf(attachment);
  const row = rowByName.get(name);
  const attach: Step = { do: "attach", ...desired };
  if (!ends.has(name)) {
    return row ? [{ do: "detach", name, why: "its link is gone" }, attach] : [attach];
  }
  // Renamed or moved by hand: the rest of the pair is useless.
  if (podEnds.get(name) === "gone") {
    return [{ do: "detach", name, why: "its pod end is gone" }, attach];
  }
  if (row && isParked(name, row)) return [attach];
  if (!row || row.ofport === undefined) return [{ do: "port", ...desired }];
  const differing = differingIds(row, attachment);
  if (differing.some((key) => !IN_PLACE.has(key))) return [{ do: "port", ...desired }];
  const retag = row.tag === tag ? [] : [{ do: "retag", ...desired } as const];
  if (differing.length > 0 || !isSameReach(row.reach, reach)) {
    const formerGateway = attachment.gateway === undefined ? row.externalIds.gateway : undefined;
    return [{ do: "update", ...desired, formerGateway }, ...retag];
  }
  const isSuspect = podEnds.has(name) || isUnfinished(attachment);
  return [...isSuspect ? [{ do: "pod", ...desired } as const] : [], ...retag];
}

/**
 * Reports whether the pod's end may not be configured although the row is complete: that of a warm port is written
 * meanwhile, and a crash may come between the two.
 */
function isUnfinished({ port, state }: AttachmentRecord): boolean {
  return port !== undefined && state !== "ready";
}

/** external_ids that a running pod's link can follow: everything else makes it another port. */
const IN_PLACE: ReadonlySet<string> = new Set(["mtu", "gateway", "alias"]);

function differingIds(row: PortRow, attachment: AttachmentRecord): string[] {
  const ids = attachmentToPort(attachment, 0).externalIds;
  const keys = new Set([...Object.keys(ids), ...Object.keys(row.externalIds)]);
  return [...keys].filter((key) => ids[key] !== row.externalIds[key]);
}
