// Whether dropped packets are also reported to the agent. That needs the flag, and a meter in the switch:
// where the meter cannot be had, packets are dropped all the same, and none is reported.

import { REPORT_AND_DROP } from "../../ovs/policy_tables/drop_watch.ts";
import { DROP } from "../../policy/flows/pipeline.ts";
import { faultFrom } from "../../util/errors.ts";
import type { PolicyDeps } from "./policy_deps.ts";

/** What it works with. */
export type DropLoggingDeps = Pick<PolicyDeps, "tables" | "log" | "logDedup" | "logsDrops">;

const USES_METER = / actions=meter:/;
const NAME = "log of drops";

/** The actions for denied packets. */
export class DropLogging {
  readonly #deps: DropLoggingDeps;
  #actions: string = DROP;

  constructor(deps: DropLoggingDeps) {
    this.#deps = deps;
  }

  /** Returns the actions; with `isFresh` the switch may have lost the meter. Never faults. */
  async actions(isFresh: boolean): Promise<string> {
    const { tables, log, logDedup, logsDrops } = this.#deps;
    if (!logsDrops || !isFresh) return this.#actions;
    try {
      await tables.ensureMeter();
      this.#actions = REPORT_AND_DROP;
      if (logDedup.forget(NAME)) log.info("drops are logged again");
    } catch (error) {
      this.#actions = DROP;
      const { message } = faultFrom(error);
      if (logDedup.isNew(NAME, message)) log.warn(`drops are not logged: ${message}`);
    }
    return this.#actions;
  }

  /** Removes the meter that an agent with another flag has left, once no flow uses it. */
  async tidy(have: Iterable<string>, desired: readonly string[]): Promise<void> {
    const usesMeter = (flows: Iterable<string>) => [...flows].some((flow) => USES_METER.test(flow));
    // It costs nothing where it stays.
    if (!usesMeter(have) || usesMeter(desired)) return;
    await this.#deps.tables.removeMeter().catch(() => {});
  }
}
