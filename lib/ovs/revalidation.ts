// Waits until the datapath has forgotten what it knew before a port came.
//
// The datapath forwards by flows that it has cached. Some are of a time when the port was not there:
// an address that has just moved to it was nowhere, so what is for that address is dropped. The threads
// of ovs-vswitchd that look at cached flows again do so some milliseconds after the change, while a
// pod's first answer is on its way: 3 of 550 were lost so (Open vSwitch 3.1, two cores, 2026-11).
//
// `revalidator/wait` (ovs-vswitchd's control socket) answers at the end of a round of theirs. A round
// comes with each change of a flow, else twice a second: so one is nudged, when the wait is known to
// stand. The first answer may be that of a round that had begun before: the second is not.

import { Shared } from "../util/shared.ts";
import { type Control, openControl } from "./control.ts";

// Beyond this the answer is the lesser evil: a round comes by itself half a second after the last.
const LIMIT_MS = 600;
const ROUNDS = 2;
// A connection of before a restart of ovs-vswitchd is found broken when it is used.
const TRIES = 2;

/** Rounds of ovs-vswitchd's revalidators, shared by all who wait. */
export class Revalidation implements Disposable {
  readonly #rundir: string;
  readonly #nudge: () => void;
  readonly #shared = new Shared(() => this.#rounds());
  #waiter: Control | undefined;
  #witness: Control | undefined;

  /** `nudge` changes a flow to what it is. */
  constructor(rundir: string, nudge: () => void) {
    this.#rundir = rundir;
    this.#nudge = nudge;
  }

  /** Resolves after rounds that began after this call. Never faults: without an answer it ends in time. */
  caughtUp(): Promise<void> {
    return this.#shared.run();
  }

  [Symbol.dispose](): void {
    this.#waiter?.[Symbol.dispose]();
    this.#witness?.[Symbol.dispose]();
    this.#waiter = this.#witness = undefined;
  }

  async #rounds(): Promise<void> {
    const endMs = performance.now() + LIMIT_MS;
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        for (let n = 0; n < ROUNDS; n++) await this.#round(endMs);
        return;
      } catch {
        // It was restarted, or has datapaths of two kinds, of which it waits for none.
        this[Symbol.dispose]();
      }
    }
  }

  async #round(endMs: number): Promise<void> {
    this.#waiter ??= await openControl(this.#rundir);
    this.#witness ??= await openControl(this.#rundir);
    const waited = this.#waiter.ask("revalidator/wait", [], endMs);
    waited.catch(() => {}); // awaited below, unless the witness fails first
    // Questions are taken in the order of their coming, over whichever connection.
    await this.#witness.ask("version", [], endMs);
    this.#nudge();
    await waited;
  }
}
