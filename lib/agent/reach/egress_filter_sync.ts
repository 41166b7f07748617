// Keeps the table of the host's packet filter that judges what guarded pods send to services. While it is not
// known what policies say, what is installed stays.

import { EGRESS_FILTER_NAME, egressFilterOf } from "../../reach/egress_filter.ts";
import type { ReachModel } from "../../reach/reach_model.ts";
import type { ReachDeps } from "./reach_deps.ts";

/** The table of this host. */
export class EgressFilterSync {
  readonly #deps: Pick<ReachDeps, "stack" | "egressGuards">;
  /** Undefined until it is known: an earlier agent may have made it. */
  #exists: boolean | undefined;

  constructor(deps: Pick<ReachDeps, "stack" | "egressGuards">) {
    this.#deps = deps;
  }

  /** Makes the table as model and policies say. Faults: those of the driver. */
  async ensure(model: ReachModel, { isFresh }: { readonly isFresh: boolean }): Promise<void> {
    const { stack, egressGuards } = this.#deps;
    const guards = egressGuards();
    if (!guards) return;
    const table = egressFilterOf(model, guards);
    if (!table) return await this.remove();
    this.#exists = true;
    await stack.ensureFilter(table, { isFresh });
  }

  /** Removes the table. Faults: those of the driver. */
  async remove(): Promise<void> {
    if (this.#exists === false) return;
    await this.#deps.stack.removeFilter(EGRESS_FILTER_NAME);
    this.#exists = false;
  }
}
