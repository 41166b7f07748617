// Waits until the datapath has forgotten what it knew before a port came.
//
// The datapath forwards by flows that it has cached. Some are of a time when the port was not there:
// an address that has just moved to it was nowhere, so what is for that address is dropped. The threads
// of ovs-vswitchd that look at cached flows again do so some milliseconds after the change, while a
// pod's first answer is on its way: 3 of 550 were lost so (Open vSwitch 3.1, two cores, 2026-11).
//
// A frame to a port is cached with its destination MAC, whether it is forwarded, flooded or dropped. So
// where nothing is cached for the port's MAC nothing can be stale, and nobody waits: a look costs 1 to
// 3 ms, a wait 7 ms at 1 port and 40 ms at 500.
//
// `revalidator/wait` (ovs-vswitchd's control socket) answers at the end of a round of theirs. A round
// comes with each change of a flow, else twice a second: so one is nudged, when the wait is known to
// stand. The first answer may be that of a round that had begun before: the second is not.

import { hooked } from "../../util/fault_hooks.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import { type Control, openControl } from "../transport/appctl.ts";
import { withDeadline } from "../../util/async/deadline.ts";

// Beyond this the answer is the lesser evil: a round comes by itself half a second after the last.
const LIMIT_MS = 600;
const ROUNDS = 2;
// A connection of before a restart of ovs-vswitchd is found broken when it is used.
const TRIES = 2;
// ovs-vswitchd sees that a round has ended only when something else wakes it: else up to half a second
// goes by, each tenth time or so.
const POKE_MS = 10;
// Each look goes through all that is cached; for more ports at once a wait is the lesser work.
const LOOKS = 3;

/** Looks and rounds of ovs-vswitchd's revalidators, shared by all who ask at once. */
export class RevalidatorWait implements Disposable {
  readonly #rundir: string;
  readonly #nudge: () => void;
  readonly #shared = new Coalesced(() => this.#settle());
  /** MACs of those that share the next look. */
  readonly #macs = new Set<string>();
  #control: Control | undefined;
  #isClosed = false;

  /** `nudge` changes a flow to what it is. */
  constructor(rundir: string, nudge: () => void) {
    this.#rundir = rundir;
    this.#nudge = nudge;
  }

  /**
   * Resolves when nothing is cached that was true for frames to `mac` only before this call. Never
   * faults: without an answer it ends in time.
   */
  caughtUp(mac: string): Promise<void> {
    this.#macs.add(mac);
    return this.#shared.run();
  }

  /** Connects anew ahead of the first question: ovs-vswitchd has just come. */
  async prepare(): Promise<void> {
    this.#disconnect();
    await this.#open().catch(() => {}); // the next question tries again, and lives with it
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#disconnect();
  }

  #disconnect(): void {
    this.#control?.[Symbol.dispose]();
    this.#control = undefined;
  }

  async #settle(): Promise<void> {
    const macs = [...this.#macs];
    this.#macs.clear();
    const endMs = performance.now() + LIMIT_MS;
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        return await withDeadline(endMs, "ovs-vswitchd did not revalidate", this.#ask(macs, endMs));
      } catch {
        // It was restarted, or has datapaths of two kinds, of which it waits for none.
        this.#disconnect();
      }
    }
  }

  async #ask(macs: readonly string[], endMs: number): Promise<void> {
    if (macs.length <= LOOKS && !await this.#isAnyCached(macs, endMs)) return;
    for (let n = 0; n < ROUNDS; n++) await this.#round(endMs);
  }

  async #isAnyCached(macs: readonly string[], endMs: number): Promise<boolean> {
    const control = await this.#open();
    const flows = await Promise.all(
      macs.map((mac) => control.ask("dpctl/dump-flows", [`filter=dl_dst=${mac}`], endMs)),
    );
    return flows.some((text) => text.includes("dst="));
  }

  async #round(endMs: number): Promise<void> {
    using waiter = await openControl(this.#rundir);
    const control = await this.#open();
    const waited = waiter.ask("revalidator/wait", [], endMs);
    waited.catch(() => {}); // awaited below, unless the next question fails first
    // Questions are taken in the order of their coming, over whichever connection.
    await control.ask("version", [], endMs);
    this.#nudge();
    let isOver = false;
    const over = waited.finally(() => isOver = true);
    over.catch(() => {});
    while (true) {
      let timer;
      await Promise.race([over, new Promise((done) => timer = setTimeout(done, POKE_MS))]);
      clearTimeout(timer);
      if (isOver) return;
      await control.ask("version", [], endMs);
    }
  }

  async #open(): Promise<Control> {
    if (this.#control) return this.#control;
    const control = hooked("control", await openControl(this.#rundir), [Symbol.dispose]);
    const other = this.#control; // of a call that was quicker
    if (!other && !this.#isClosed) return this.#control = control;
    control[Symbol.dispose]();
    return other ?? control;
  }
}
