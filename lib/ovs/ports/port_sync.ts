// Makes the flows of all ports exactly the desired ones, while ports come and go. The caller's list is a moment old,
// and so is the switch's list of flows when it is compared.

import { antispoofCookie } from "../openflow/cookies.ts";
import type { OurPort, RowCache } from "../ovsdb/port_rows.ts";
import type { PortRow, PortSpec } from "../switch.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";
import { baseFlows } from "./delivery_flows.ts";
import type { PortChanges } from "./port_changes.ts";
import type { PortDriver } from "./port_driver.ts";
import { type PortFlowOptions, portFlows } from "./port_flows.ts";

/** What a sync works with. */
export interface PortSyncDeps {
  readonly options: PortFlowOptions;
  readonly tools: Pick<OvsTools, "syncFlows">;
  readonly driver: Pick<PortDriver, "deleteFlows"> & {
    rows(endMs: number): Promise<Pick<RowCache, "port" | "ports">>;
  };
  readonly changes: Pick<PortChanges, "arriving">;
}

/** Syncs flows, and knows which ports lose theirs meanwhile. The caller runs one sync at a time. */
export class PortSync {
  /** Names of the ports whose flows are being removed. */
  readonly removing = new Set<string>();
  readonly #deps: PortSyncDeps;
  /** During a sync: numbers of the ports that lost their flows since it began. */
  #removed: Set<number> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(deps: PortSyncDeps) {
    this.#deps = deps;
  }

  /** Does `work`, which removes the flows of these ports: no sync adds them again. */
  async removal(names: readonly string[], endMs: number, work: () => Promise<void>): Promise<void> {
    names.forEach((name) => this.removing.add(name));
    try {
      const rows = await this.#deps.driver.rows(endMs);
      const numbers = names.flatMap((name) => numbersOf(rows.port(name)));
      await work();
      numbers.forEach((number) => this.#removed?.add(number));
    } finally {
      names.forEach((name) => this.removing.delete(name));
    }
  }

  /** Resolves when no sync can still add flows of the pod that a port was taken from. */
  async released(name: string, endMs: number): Promise<void> {
    const numbers = numbersOf((await this.#deps.driver.rows(endMs)).port(name));
    if (numbers.some((number) => this.#removed?.has(number))) await this.#running;
  }

  /** Makes the flows of all ports exactly those of `specs`, as far as these have a row. */
  async run(specs: readonly PortSpec[], endMs: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#running = done.promise;
    const removed = new Set<number>();
    this.#removed = removed;
    try {
      await this.#sync(specs, endMs);
      // Their flows were deleted, and may have been added again after that.
      if (removed.size > 0) await this.#deps.driver.deleteFlows([...removed], endMs);
    } finally {
      this.#removed = undefined;
      done.resolve();
    }
  }

  async #sync(specs: readonly PortSpec[], endMs: number): Promise<void> {
    const { options, tools, driver, changes: { arriving } } = this.#deps;
    // Ports that are being added have installed their own flows, and may have no spec here yet.
    const kept = new Set([...arriving.keys()].map(antispoofCookie));
    const rows = await driver.rows(endMs);
    const current = specs.filter((spec) => isStillOf(rows.port(spec.name)?.row, spec));
    const named = new Set(current.map((spec) => spec.name));
    // So have those that were added, or given to another pod, after the specs were made.
    let late: ReadonlySet<bigint> | undefined;
    const isKept = (cookie: bigint) => {
      late ??= new Set(
        [
          ...arriving.keys(),
          ...rows.ports().flatMap(({ name, mac }) =>
            named.has(name) || mac === undefined ? [] : numbersOf(rows.port(name))
          ),
        ].map(antispoofCookie),
      );
      return kept.has(cookie) || late.has(cookie);
    };
    const flows = current.flatMap((spec) => {
      const { row, requested } = rows.port(spec.name) ?? {};
      const ofport = row?.ofport ?? requested;
      if (ofport === undefined || this.removing.has(spec.name)) return [];
      return portFlows(ofport, spec, options);
    });
    await tools.syncFlows([...baseFlows(options), ...flows], { endMs, isKept });
  }
}

function numbersOf(port: OurPort | undefined): number[] {
  const number = port?.row.ofport ?? port?.requested;
  return number === undefined ? [] : [number];
}

/** Reports whether a port is that of `spec`: a warm one may be parked by now, or another pod's. */
export function isStillOf(row: PortRow | undefined, { mac, externalIds }: PortSpec): boolean {
  if (!row) return false;
  return row.mac === undefined
    ? row.externalIds.attachment === externalIds.attachment
    : row.mac === mac;
}
