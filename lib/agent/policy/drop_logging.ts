// Whether what policies drop is told, too. It is asked for by a flag, and needs a meter in the switch:
// where that cannot be had, packets are dropped all the same, and nothing is told of them.

import { TELL_AND_DROP } from "../../ovs/policy_tables/drop_watch.ts";
import type { PolicyTables } from "../../ovs/policy_tables/policy_tables.ts";
import { DROP } from "../../policy/flows/pipeline.ts";
import { faultFrom } from "../../util/errors.ts";
import type { World } from "../world.ts";

const USES_METER = / actions=meter:/;
const NAME = "log of drops";

/** What is done with denied packets. */
export class DropLogging {
  readonly #tables: PolicyTables;
  readonly #isWanted: boolean;
  #actions: string = DROP;

  constructor(tables: PolicyTables, isWanted: boolean) {
    this.#tables = tables;
    this.#isWanted = isWanted;
  }

  /** Returns the actions; where `isFresh` the switch may have lost the meter. Never faults. */
  async actions(
    world: Pick<World, "logDedup" | "log" | "logDedup" | "logDedup">,
    isFresh: boolean,
  ): Promise<string> {
    if (!this.#isWanted || !isFresh) return this.#actions;
    try {
      await this.#tables.ensureMeter();
      this.#actions = TELL_AND_DROP;
      if (world.logDedup.forget(NAME)) world.log.info("drops are logged again");
    } catch (error) {
      this.#actions = DROP;
      const { message } = faultFrom(error);
      if (world.logDedup.isNew(NAME, message)) world.log.warn(`drops are not logged: ${message}`);
    }
    return this.#actions;
  }

  /** Removes the meter that an agent with another flag has left, once no line uses it. */
  async tidy(have: Iterable<string>, want: readonly string[]): Promise<void> {
    const usesMeter = (lines: Iterable<string>) => [...lines].some((line) => USES_METER.test(line));
    // It costs nothing where it stays.
    if (usesMeter(have) && !usesMeter(want)) await this.#tables.removeMeter().catch(() => {});
  }
}
