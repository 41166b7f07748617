// Which endpoints of this host have a policy, and the flows of the entry table that follow from it: their own,
// their network's, and the pipeline as soon as there is one such endpoint.

import { addressToText } from "../../ipam/subnets.ts";
import type { Direction, Endpoint } from "../input.ts";
import type { FlowTable } from "./flow_table.ts";
import { guardedFlows, networkFlow, passedFlows, PIPELINE, shieldFlows } from "./pipeline.ts";

/** Guarded endpoints, by how many rules guard them in each direction; writes their flows. */
export class GuardedEndpoints {
  readonly #flows: FlowTable;
  readonly #rules = new Map<string, Record<Direction, number>>();
  readonly #countByTag = new Map<number, number>();

  constructor(flows: FlowTable) {
    this.#flows = flows;
  }

  /** Access tags of the networks that have a guarded endpoint. */
  get tags(): ReadonlySet<number> {
    return new Set(this.#countByTag.keys());
  }

  /** One rule more or less guards the endpoint in a direction. */
  change(endpoint: Endpoint, direction: Direction, change: 1 | -1): void {
    const { id, address, here } = endpoint;
    if (!here) return;
    const known = this.#rules.get(id) ?? { in: 0, out: 0 };
    const now = { ...known, [direction]: known[direction] + change };
    const [was, is] = [known, now].map((one) => ({ any: one.in + one.out > 0, in: one.in > 0 }));
    if (is!.any) this.#rules.set(id, now);
    else this.#rules.delete(id);
    const verb = change > 0 ? "add" : "remove";
    const guarded = { tag: here.tag, mac: here.mac, address: addressToText(address) };
    if (was!.in !== is!.in) this.#flows.changeAll(shieldFlows(guarded), verb);
    if (was!.any === is!.any) return;
    this.#flows.changeAll([
      ...guardedFlows(guarded),
      networkFlow(here),
      ...passedFlows(here),
      ...PIPELINE,
    ], verb);
    const count = (this.#countByTag.get(here.tag) ?? 0) + change;
    if (count > 0) this.#countByTag.set(here.tag, count);
    else this.#countByTag.delete(here.tag);
  }
}
