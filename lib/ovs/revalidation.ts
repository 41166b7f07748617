// Waits until the datapath has forgotten what it knew before a port came.
//
// The datapath forwards by flows that it has cached. Some are of a time when the port was not there:
// an address that has just moved to it was nowhere, so what is for that address is dropped. The threads
// of ovs-vswitchd that look at cached flows again do so some milliseconds after the change, while a
// pod's first answer is on its way: 3 of 550 were lost so (Open vSwitch 3.1, two cores, 2026-11).
//
// `revalidator/wait` (ovs-vswitchd's control socket) answers at the end of a round of theirs. A round
// comes with each change of a flow, else twice a second: so one is nudged. A nudge costs ovs-vswitchd
// some 10 µs a port, so another one comes only where the first was too early.

import { type Control, openControl } from "./control.ts";

// Beyond this the answer is the lesser evil: the round comes by itself half a second after the last.
const LIMIT_MS = 600;
const NUDGE_MS = 25;

/** Rounds of ovs-vswitchd's revalidators, shared by all who wait. */
export class Revalidation implements Disposable {
  readonly #rundir: string;
  readonly #nudge: () => void;
  #control: Control | undefined;
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
    this.#control?.[Symbol.dispose]();
    this.#control = undefined;
  }

  async #start(before: Promise<void> | undefined): Promise<void> {
    // One that is under way may have passed by what has changed since it began.
    await before;
    await Promise.resolve(); // who asks in the same turn shares it
    this.#running = this.#next;
    this.#next = undefined;
    await this.#round();
  }

  async #round(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const nudge = () => {
      this.#nudge();
      timer = setTimeout(nudge, NUDGE_MS);
    };
    try {
      this.#control ??= await openControl(this.#rundir);
      const asked = this.#control.ask("revalidator/wait", [], performance.now() + LIMIT_MS);
      nudge();
      await asked;
    } catch {
      // It was restarted, or has datapaths of two kinds, of which it waits for none.
      this[Symbol.dispose]();
    } finally {
      clearTimeout(timer);
    }
  }
}
