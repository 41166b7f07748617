// Keeps this host's part of distributed gateways as the records say: the port to the host's stack, the stack itself,
// and flows. What cannot be had never stops pods here from being attached: it is logged once, and they reach
// their own network meanwhile.
//
// A host without such networks has none of this, and the code for it is not loaded.

import type { Hindrance } from "../../net/host/host_stack.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { type Fault, type FaultCode, faultFrom } from "../../util/errors.ts";
import type { ReachModel } from "../../reach/reach_model.ts";
import { distributedNetworksOf, isBlank } from "../store/documents.ts";
import { claimHostNumber, hostNumberOf, isHostNumbered } from "./host_number.ts";
import type { ReachDeps, ReachScope } from "./reach_deps.ts";
import type { ReachWork } from "./reach_work.ts";

/** Kinds of failure that may pass. */
const RETRIED: ReadonlySet<FaultCode> = new Set(["failed", "not_found", "unavailable", "timeout"]);

/** Makes this host's part as desired, one change after the other. */
export class ReachSync {
  readonly #deps: ReachDeps;
  readonly #queue = new KeyedQueue();
  /** A burst of set-ups is one change. */
  readonly #shared = new Coalesced(() => this.#run({}));
  /** What does it; undefined until there is such a network. */
  #work: ReachWork | undefined;
  /** Whether nothing is left of an earlier time, or of an earlier agent. */
  #isClean = false;
  #problem = "";
  #isUnfinished = false;
  #warnings: readonly Hindrance[] = [];

  #isRepairing = false;

  constructor(deps: ReachDeps) {
    this.#deps = deps;
    deps.stack.onChange(() => void this.#repair());
  }

  /** What keeps pods from what they may reach; undefined if nothing does, as far as it is known. */
  get problem(): string | undefined {
    return this.#problem === "" ? undefined : this.#problem;
  }

  /** Whether the last try may succeed when it is repeated without a change by an operator. */
  get isUnfinished(): boolean {
    return this.#isUnfinished;
  }

  /** What of the host's own may keep pods from it, with the fix. */
  get warnings(): readonly Hindrance[] {
    return this.#warnings;
  }

  /** Returns what the records say of reach now; undefined without such networks. Faults: conflict. */
  model(): ReachModel | undefined {
    return this.#work?.plan();
  }

  /** Resolves when ports can have their reach: the first one of all waits for the host's number. Never faults. */
  ready(): Promise<void> {
    const { store: { documents }, host } = this.#deps;
    const lacksNumber = this.#isWanted() && hostNumberOf(documents, host) === undefined;
    return lacksNumber ? this.ensure() : Promise.resolve();
  }

  /**
   * Makes what new attachments need beside their ports. In a network that owns its subnet, once it is there, that
   * is nothing: a set-up does not wait for what pods elsewhere have changed. Never faults.
   */
  ensureFor(attachments: readonly AttachmentRecord[]): Promise<void> {
    const isThere = (one: AttachmentRecord) =>
      one.alias === undefined && this.#work?.hasNetwork(`${one.tenant}/${one.network}`);
    return attachments.every(isThere) ? Promise.resolve() : this.ensure();
  }

  /** Makes all of it as the records say now. Never faults. */
  ensure(scope: ReachScope = {}): Promise<void> {
    // Asked before each set-up: without such networks it costs nothing.
    if (this.#isClean && !this.#isWanted()) return Promise.resolve();
    return scope.isFresh || scope.portsFollow ? this.#run(scope) : this.#shared.run();
  }

  #run(scope: ReachScope): Promise<void> {
    return this.#queue.run("reach", async () => {
      try {
        this.#report(await this.#ensure(scope));
      } catch (error) {
        this.#report([faultFrom(error)]);
      }
    });
  }

  /** Reports whether somebody else has changed what was made. Faults: those of the drivers. */
  hasDrifted(): Promise<boolean> {
    const work = this.#work;
    if (!work) return Promise.resolve(false);
    return this.#queue.run("reach", () => work.hasDrifted());
  }

  /** Where somebody has flushed our rules, packets of pods would leave with addresses that are not translated. */
  async #repair(): Promise<void> {
    const work = this.#work;
    if (!work || this.#isRepairing) return;
    this.#isRepairing = true;
    try {
      // What was found is made right by a reconciliation as well: it reports what it cannot.
      const isFound = await this.#queue.run("reach", () => work.repairStack().catch(() => true));
      if (!isFound) return;
      this.#deps.log.info("addresses, routes or packet filter of reach have changed, made anew");
      this.#deps.reconcileSignal.notify();
    } finally {
      this.#isRepairing = false;
    }
  }

  async #ensure(scope: ReachScope): Promise<readonly Fault[]> {
    const { store, host, flags } = this.#deps;
    // A lost store says nothing of networks: what is installed stays.
    if (isBlank(store.documents)) return [];
    if (!this.#isWanted()) {
      if (scope.portsFollow) await this.#clean();
      return [];
    }
    this.#isClean = false;
    if (!isHostNumbered(store.documents, host)) {
      await claimHostNumber(store, host, flags.hostRange);
    }
    this.#work ??= await this.#load();
    const { problems, warnings } = await this.#work.ensure(scope);
    if (warnings) this.#warn(warnings);
    return problems;
  }

  #isWanted(): boolean {
    return distributedNetworksOf(this.#deps.store.documents).length > 0;
  }

  async #clean(): Promise<void> {
    const { store, host } = this.#deps;
    // Without a number there never was anything.
    if (hostNumberOf(store.documents, host) !== undefined) {
      this.#work ??= await this.#load();
      await this.#work.remove();
    }
    this.#work = undefined;
    this.#isClean = true;
    this.#warn([]);
  }

  async #load(): Promise<ReachWork> {
    const { ReachWork } = await import("./reach_work.ts");
    return new ReachWork(this.#deps);
  }

  #report(problems: readonly Fault[]): void {
    const { log } = this.#deps;
    const message = problems.map((one) => one.message).join("; also ");
    this.#isUnfinished = problems.some(({ code }) => RETRIED.has(code));
    if (message === this.#problem) return;
    if (message !== "") log.error(`reach of pods: ${message}`);
    else log.info("reach of pods works again");
    this.#problem = message;
  }

  #warn(warnings: readonly Hindrance[]): void {
    for (const { what, fix } of warnings) {
      if (this.#warnings.some((one) => one.what === what)) continue;
      this.#deps.log.warn(`reach of pods: ${what}; ${fix}`);
    }
    this.#warnings = warnings;
  }
}
