// Whether dropped packets are also reported to the agent. That needs the flag, and a meter in the switch:
// where the meter cannot be had, packets are dropped all the same, and none is reported.

import { REPORT_AND_DROP, REPORT_WHOLE_AND_DROP } from "../../ovs/policy_tables/drop_watch.ts";
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
  #isCapturing = false;
  #captureProblem: string | undefined;

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

  /** Whether whole packets are reported, as long as somebody captures them. */
  get isCapturing(): boolean {
    return this.#isCapturing;
  }

  set isCapturing(isCapturing: boolean) {
    this.#isCapturing = isCapturing;
    this.#captureProblem = undefined;
  }

  /** Why captured packets are not reported; undefined if they are. */
  get captureProblem(): string | undefined {
    return this.#captureProblem;
  }

  /** Returns the actions that report whole packets; undefined if nobody captures, or the switch cannot. Never faults. */
  async captureActions(isFresh: boolean): Promise<string | undefined> {
    if (!this.#isCapturing) return undefined;
    if (isFresh) {
      try {
        await this.#deps.tables.ensureMeter();
        this.#captureProblem = undefined;
      } catch (error) {
        this.#captureProblem = faultFrom(error).message;
      }
    }
    return this.#captureProblem === undefined ? REPORT_WHOLE_AND_DROP : undefined;
  }

  /** Removes the meter that an agent with another flag has left, once no flow uses it. */
  async tidy(have: Iterable<string>, desired: readonly string[]): Promise<void> {
    const usesMeter = (flows: Iterable<string>) => [...flows].some((flow) => USES_METER.test(flow));
    // It costs nothing where it stays.
    if (!usesMeter(have) || usesMeter(desired)) return;
    await this.#deps.tables.removeMeter().catch(() => {});
  }
}
