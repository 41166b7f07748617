// Plans the steps from the actual to the desired state of this host. Pure, and the only path: set-up,
// reconciliation and garbage collection all use planSteps().

import type { AttachmentRecord } from "../../intent/records.ts";
import type { PortRow } from "../../ovs/switch.ts";
import { attachmentToPort, hostEndOf } from "./port_external_ids.ts";

/** A desired attachment with its access tag. */
export interface Desired {
  readonly attachment: AttachmentRecord;
  readonly tag: number;
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
  | { readonly do: "attach"; readonly attachment: AttachmentRecord; readonly tag: number }
  /** The link exists, its port is missing or differs. */
  | { readonly do: "port"; readonly attachment: AttachmentRecord; readonly tag: number }
  /** Link and port are right, the pod end is not. */
  | { readonly do: "pod"; readonly attachment: AttachmentRecord; readonly tag: number }
  /** Link and port are there; what a running pod can follow in place (MTU, default route, alias) differs. */
  | {
    readonly do: "update";
    readonly attachment: AttachmentRecord;
    readonly tag: number;
    /** Default gateway before, where there is none any more. */
    readonly formerGateway?: string | undefined;
  }
  | { readonly do: "retag"; readonly attachment: AttachmentRecord; readonly tag: number };

/**
 * Returns the steps in order. Detaching comes first: this plan may use a freed address again. A port without
 * its link cannot forward and is re-created together with the link.
 */
export function planSteps(desired: readonly Desired[], actual: Actual): Step[] {
  const { rows, hostEnds, podEnds = new Map() } = actual;
  const rowByName = new Map(rows.map((row) => [row.name, row]));
  const ends = new Set(hostEnds);
  const names = new Set(desired.map(({ attachment }) => hostEndOf(attachment)));
  const orphans = [...new Set([...rowByName.keys(), ...ends])].filter((name) => !names.has(name));
  return [
    ...orphans.map((name): Step => ({ do: "detach", name, why: "no attachment has it" })),
    ...desired.flatMap((one) => stepsOf(one, { rowByName, ends, podEnds })),
  ];
}

interface Seen {
  readonly rowByName: ReadonlyMap<string, PortRow>;
  readonly ends: ReadonlySet<string>;
  readonly podEnds: ReadonlyMap<string, "differs" | "gone">;
}

function stepsOf({ attachment, tag }: Desired, { rowByName, ends, podEnds }: Seen): Step[] {
  const name = hostEndOf(attachment);
  const row = rowByName.get(name);
  const attach: Step = { do: "attach", attachment, tag };
  if (!ends.has(name)) {
    return row ? [{ do: "detach", name, why: "its link is gone" }, attach] : [attach];
  }
  // Renamed or moved by hand: the rest of the pair is useless.
  if (podEnds.get(name) === "gone") {
    return [{ do: "detach", name, why: "its pod end is gone" }, attach];
  }
  if (!row || row.ofport === undefined) return [{ do: "port", attachment, tag }];
  const differing = differingIds(row, attachment);
  if (differing.some((key) => !IN_PLACE.has(key))) return [{ do: "port", attachment, tag }];
  const retag = row.tag === tag ? [] : [{ do: "retag", attachment, tag } as const];
  if (differing.length > 0) {
    const formerGateway = attachment.gateway === undefined ? row.externalIds.gateway : undefined;
    return [{ do: "update", attachment, tag, formerGateway }, ...retag];
  }
  return [...podEnds.has(name) ? [{ do: "pod", attachment, tag } as const] : [], ...retag];
}

/** external_ids that a running pod's link can follow: everything else makes it another port. */
const IN_PLACE: ReadonlySet<string> = new Set(["mtu", "gateway", "alias"]);

function differingIds(row: PortRow, attachment: AttachmentRecord): string[] {
  const ids = attachmentToPort(attachment, 0).externalIds;
  const keys = new Set([...Object.keys(ids), ...Object.keys(row.externalIds)]);
  return [...keys].filter((key) => ids[key] !== row.externalIds[key]);
}
