// From what this host has to what it should have: pure, and the only path. `setup`, reconcile and
// garbage all go through planSteps, narrowed or not.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { PortRow } from "../../ovs/switch.ts";
import { attachmentToPort, hostEndOf } from "./port_external_ids.ts";

/** An attachment that should be, with the access tag it should have. */
export interface Desired {
  readonly attachment: AttachmentRecord;
  readonly tag: number;
}

/** What is there: our rows on the bridge, and the names of our host ends. */
export interface Actual {
  readonly rows: readonly PortRow[];
  readonly hostEnds: readonly string[];
  /** Pod ends that are not as they should be, by their host ends; none where nobody looked. */
  readonly podEnds?: ReadonlyMap<string, "differs" | "gone">;
}

/** One act that brings this host closer to what it should have. */
export type Step =
  /** Remove port and link; either may be missing. */
  | { readonly do: "detach"; readonly name: string; readonly why: string }
  /** Make link and port. */
  | { readonly do: "attach"; readonly attachment: AttachmentRecord; readonly tag: number }
  /** The link is there, its port is missing or differs. */
  | { readonly do: "port"; readonly attachment: AttachmentRecord; readonly tag: number }
  /** Link and port are right, the link's other end is not. */
  | { readonly do: "pod"; readonly attachment: AttachmentRecord; readonly tag: number }
  | { readonly do: "retag"; readonly attachment: AttachmentRecord; readonly tag: number };

/**
 * Returns the steps in order. Detaching comes first: a freed address may be wanted again in this plan.
 * A row without its link can forward nothing and is made anew together with the link.
 */
export function planSteps(wanted: readonly Desired[], actual: Actual): Step[] {
  const { rows, hostEnds, podEnds = new Map() } = actual;
  const rowByName = new Map(rows.map((row) => [row.name, row]));
  const ends = new Set(hostEnds);
  const names = new Set(wanted.map(({ attachment }) => hostEndOf(attachment)));
  const strays = [...new Set([...rowByName.keys(), ...ends])].filter((name) => !names.has(name));
  return [
    ...strays.map((name): Step => ({ do: "detach", name, why: "no attachment has it" })),
    ...wanted.flatMap((one) => stepsOf(one, { rowByName, ends, podEnds })),
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
  // Renamed or moved away by hand: what is left of the pair is of no use.
  if (podEnds.get(name) === "gone") {
    return [{ do: "detach", name, why: "its pod end is gone" }, attach];
  }
  if (!row || row.ofport === undefined || !isSamePort(row, attachment)) {
    return [{ do: "port", attachment, tag }];
  }
  return [
    ...podEnds.has(name) ? [{ do: "pod", attachment, tag } as const] : [],
    ...row.tag === tag ? [] : [{ do: "retag", attachment, tag } as const],
  ];
}

function isSamePort(row: PortRow, attachment: AttachmentRecord): boolean {
  const want = attachmentToPort(attachment, 0).externalIds;
  const keys = new Set([...Object.keys(want), ...Object.keys(row.externalIds)]);
  return [...keys].every((key) => want[key] === row.externalIds[key]);
}
