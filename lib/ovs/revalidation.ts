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

import { type Control, openControl } from "./control.ts";

// Beyond this the answer is the lesser evil: a round comes by itself half a second after the last.
const LIMIT_MS = 600;
const ROUNDS = 2;

/** Rounds of ovs-vswitchd's revalidators, shared by all who wait. */
export class Revalidation implements Disposable {
  readonly #rundir: string;
  readonly #nudge: () => void;
  #controls: readonly Control[] = [];
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `nudge` changes a flow to what it is. */
  constructor(rundir: string, nudge: () => void) {
    this.#rundir = rundir;
    this.#nudge = nudge;
  }

  /** Resolves after a round that began after this call. Never faults: without an answer it ends in time. */
  caughtUp(): Promise<void> {
    this.#next ??= this.#start(this.#running);
    return this.#next;
  }

  [Symbol.dispose](): void {
    for (const control of this.#controls) control[Symbol.dispose]();
    this.#controls = [];
  }

  async #start(before: Promise<void> | undefined): Promise<void> {
    // One that is under way may have passed by what has changed since it began.
    await before;
    await Promise.resolve(); // who asks in the same turn shares it
    this.#running = this.#next;
    this.#next = undefined;
    try {
      const endMs = performance.now() + LIMIT_MS;
      for (let n = 0; n < ROUNDS; n++) await this.#round(endMs);
    } catch {
      // It was restarted, or has datapaths of two kinds, of which it waits for none.
      this[Symbol.dispose]();
    }
  }

  async #round(endMs: number): Promise<void> {
    if (this.#controls.length === 0) {
      this.#controls = [await openControl(this.#rundir), await openControl(this.#rundir)];
    }
    const [waiter, witness] = this.#controls as [Control, Control];
    const waited = waiter.ask("revalidator/wait", [], endMs);
    waited.catch(() => {}); // awaited below, unless the witness fails first
    // Questions are taken in the order of their coming, over whichever connection.
    await witness.ask("version", [], endMs);
    this.#nudge();
    await waited;
  }
}
