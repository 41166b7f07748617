// Parked ports: added to the bridge ahead, many at once, without flows. One becomes a pod's port by its flows and
// its external_ids, which ovs-vswitchd does not apply: no port is checked, where a port that is added costs a check
// of all ports three times (at 500 ports 133 ms instead of 6; Open vSwitch 3.1, 2026-11).
//
// Cached flows (megaflows) go with the flows, within milliseconds.

import type { GroupCommit } from "../../util/async/group_commit.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { Fault } from "../../util/errors.ts";
import type { OurPort, RowCache } from "../ovsdb/port_rows.ts";
import type { Job } from "../ovsdb/transaction.ts";
import type { ParkedPort, PortSpec, SwitchOptions } from "../switch.ts";
import type { PortChanges } from "./port_changes.ts";
import type { PortDriver } from "./port_driver.ts";
import { refuseSharedTag } from "./port_spec.ts";

/** What parked ports are changed with; the caller makes sure that there is one change per name at a time. */
export interface ParkedPortsDeps {
  readonly options: Pick<SwitchOptions, "bridge" | "owner">;
  readonly driver: Pick<PortDriver, "rows" | "present" | "deleteFlows" | "deleted">;
  readonly commits: Pick<GroupCommit<Job, number | undefined>, "submit">;
  readonly changes: Pick<
    PortChanges,
    "chooseNumber" | "drop" | "forward" | "withdrawAnnouncements"
  >;
  readonly formerMacs: FormerMacs;
}

/** Longer than ovs-vswitchd keeps a cached flow that nobody uses, by its default (10 s). */
const FORMER_MS = 60_000;

/** The MACs that ports had when they were parked. */
export class FormerMacs {
  readonly #byName = new Map<string, { readonly mac: string; readonly sinceMs: number }>();

  /** Notes that the port `name` had `mac` until now. */
  note(name: string, mac: string): void {
    const now = performance.now();
    for (const [other, { sinceMs }] of this.#byName) {
      if (now - sinceMs < FORMER_MS) break;
      this.#byName.delete(other);
    }
    this.#byName.delete(name);
    this.#byName.set(name, { mac, sinceMs: now });
  }

  /** Reports whether the port `name` had `mac` a moment ago. */
  has(name: string, mac: string): boolean {
    return this.#byName.get(name)?.mac === mac;
  }
}

const UNDO_MS = 1_500;

/** Adds ports without flows; resolves when ovs-vswitchd has all of them. On a Fault none is left. */
export async function addParkedPorts(
  { driver, commits, changes, options }: ParkedPortsDeps,
  ports: readonly ParkedPort[],
  endMs: number,
): Promise<void> {
  const rows = await driver.rows(endMs);
  for (const { name } of ports) {
    if (rows.has(name)) throw taken(name, options);
  }
  for (const port of ports) refuseSharedTag(rows.ports(), port);
  const jobs = ports.map((spec): Job => ({
    do: "add",
    spec,
    ofport: changes.chooseNumber(rows),
  }));
  try {
    const committed = Promise.all(jobs.map((job) => commits.submit(job)));
    await withDeadline(endMs, "no commit of the parked ports", committed);
    await Promise.all(ports.map(({ name }) => driver.present(name, endMs)));
  } catch (error) {
    const left = await driver.rows(endMs, { isFresh: true });
    await changes.drop(ports.map(({ name }) => name), left, endMs);
    throw error;
  }
}

/** Makes a parked port that of a pod; resolves when it forwards. On a Fault it is parked as before. */
export async function assignPort(
  deps: ParkedPortsDeps,
  spec: PortSpec,
  { endMs, onSent }: {
    readonly endMs: number;
    readonly onSent?: (() => void) | undefined;
  },
): Promise<void> {
  const { driver, commits, changes, formerMacs } = deps;
  const rows = await driver.rows(endMs);
  const { uuid, row, requested } = parkedPort(rows, spec.name);
  // ovs-vswitchd has a port a moment before its row says so.
  const ofport = row.ofport ?? requested;
  if (ofport === undefined) throw unusable(spec.name, "it has no OpenFlow number");
  if (row.tag !== spec.tag) throw unusable(spec.name, `it has access tag ${row.tag}`);
  // A port of the same network was parked, which no port of another network can share its tag with.
  const isSame = ["tenant", "network"].every((key) =>
    row.externalIds[key] === spec.externalIds[key]
  );
  if (!isSame) refuseSharedTag(rows.ports(), spec);
  const committed = commits.submit({ do: "ids", spec, uuid });
  try {
    const isReturning = formerMacs.has(spec.name, spec.mac);
    await changes.forward({ spec, ofport, committed, isReturning, onSent }, endMs);
  } catch (error) {
    await committed.catch(() => {});
    const { name, tag } = spec;
    const undoEndMs = performance.now() + UNDO_MS;
    // What this leaves, the caller parks: the reason of the failure says more.
    await parkPorts(deps, [{ name, tag, externalIds: row.externalIds }], undoEndMs).catch(() => {});
    throw error;
  }
}

/** Removes the flows of pods' ports and empties their rows. */
export async function parkPorts(
  { driver, commits, changes, formerMacs }: ParkedPortsDeps,
  ports: readonly ParkedPort[],
  endMs: number,
): Promise<void> {
  changes.withdrawAnnouncements(ports.map(({ name }) => name));
  const rows = await driver.rows(endMs);
  const present = ports.flatMap((spec) => {
    const port = rows.port(spec.name);
    return port ? [{ spec, port }] : [];
  });
  const numbers = present.flatMap((
    { port: { row, requested } },
  ) => [row.ofport ?? [], requested ?? []]);
  for (const { port: { row } } of present) {
    if (row.mac !== undefined) formerMacs.note(row.name, row.mac);
  }
  await driver.deleteFlows([...new Set(numbers.flat())], endMs);
  const jobs = present.map(({ spec, port: { uuid } }) => commits.submit({ do: "ids", spec, uuid }));
  const committed = withDeadline(endMs, "no commit of the parked ports", Promise.all(jobs));
  const [deleted, parked] = await Promise.allSettled([driver.deleted(endMs), committed]);
  for (const result of [deleted, parked]) if (result.status === "rejected") throw result.reason;
}

function parkedPort(rows: RowCache, name: string): OurPort {
  const port = rows.port(name);
  if (!port) throw unusable(name, "it has no row");
  if (port.row.mac !== undefined) throw unusable(name, "it belongs to another pod");
  return port;
}

function unusable(name: string, why: string): Fault {
  return new Fault("not_found", `no parked port ${name}`, { why });
}

function taken(name: string, { bridge, owner }: ParkedPortsDeps["options"]): Fault {
  return new Fault("conflict", `Open vSwitch has a port ${name} already`, {
    why: `bridge ${bridge} of host ${owner} cannot have two`,
    fix: "remove it, or choose another name",
  });
}
