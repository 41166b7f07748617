// Waits until the datapath has dropped cached flows (megaflows) from before a port was added.
//
// The datapath forwards by cached flows. Some are from a time when the port did not exist: an address that
// has just moved to it was unknown, so frames for that address are dropped. The revalidator threads of
// ovs-vswitchd check cached flows some milliseconds after the change, while a pod's first answer may be on
// its way: 3 of 550 were lost in this way (Open vSwitch 3.1, two cores, 2026-11).
//
// A frame to a port is cached with its destination MAC, whether it is forwarded, flooded or dropped. So where
// all that is cached for the port's MAC outputs to the port, nothing stale can keep a frame from it, and there is
// no wait: the check costs 1 to 3 ms, a wait 7 ms at 1 port and 40 ms at 500. That is so where nothing is cached,
// and for a port that was parked: what was cached while nobody had the MAC floods to it, too. Packets that a
// distributed gateway delivers are cached with the gateway's MAC and the pod's address, before an alias is
// translated with the alias: 9 of 1,000 first answers of a node were lost where only the MAC was checked.
//
// A check costs a turn of ovs-vswitchd's main thread, 3 ms at 500 ports, and so does the confirmation of the flows. Both
// take one turn where the check is asked for at once. It may then come before the flows: so a trace is asked for ahead
// of it, on the same connection, and where that does not meet the last of the flows, the check is asked for again.
//
// `revalidator/wait` (ovs-vswitchd's control socket) answers at the end of a revalidation round. A round
// comes with each change of a flow, otherwise twice a second: so a flow is changed, once the wait has
// surely begun. The first answer may be that of a round that had begun before: the second is not.

import { hooked } from "../../util/fault_hooks.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import type { PortSpec } from "../switch.ts";
import { type Control, openControl } from "../tools/appctl.ts";
import { withDeadline } from "../../util/async/deadline.ts";

// Waiting longer is worse than going on: a round comes by itself half a second after the last.
const LIMIT_MS = 600;
const ROUNDS = 2;
// A connection from before a restart of ovs-vswitchd turns out to be broken when it is used.
const TRIES = 2;
// ovs-vswitchd notices the end of a round only when something else wakes it: otherwise, about each tenth
// time, up to half a second passes.
const WAKE_MS = 10;
// Each check reads all cached flows; for more of them at once a wait is less work.
const CHECKS = 3;
// A filter (ovs-dpctl(8)) lets flows through that do not match on its field at all.
const [TO_MAC, TO_ADDRESS] = [/dst=/, /ipv4\([^)]*\bdst=/];
const IP_OR_ARP = /eth_type\(0x080[06]\)/;

/** What cached flows for a port match, and output to: a part of its `PortSpec`. */
export interface Receiver extends Pick<PortSpec, "name" | "mac" | "addresses" | "reach"> {
  /** Whether frames from it with that MAC were dropped a moment ago. */
  readonly isReturning?: boolean | undefined;
}

/** A question to the cache. */
interface Check {
  readonly filter: string;
  /** Reports whether a flow that the filter lets through keeps frames from the port, or its pod's from others. */
  readonly isStale: (match: string, actions: string) => boolean;
}

/** A packet from a port, which meets its flows once they are there. */
export interface Trace {
  readonly bridge: string;
  /** As ofproto/trace takes it. */
  readonly packet: string;
  /** Of the port's flows. */
  readonly cookie: bigint;
}

/** Checks and revalidation rounds of ovs-vswitchd, shared by concurrent calls. */
export class RevalidatorWait implements Disposable {
  readonly #rundir: string;
  readonly #nudge: () => void;
  readonly #shared = new Coalesced(() => this.#settle());
  /** What the calls that share the next check receive. */
  readonly #receivers: Receiver[] = [];
  /** How many checks isCaughtUp() has asked for. */
  #early = 0;
  #control: Control | undefined;
  #isClosed = false;

  /** `nudge` sends a flow that exists already, which starts a round. */
  constructor(rundir: string, nudge: () => void) {
    this.#rundir = rundir;
    this.#nudge = nudge;
  }

  /**
   * Resolves when each cached flow for frames and packets to `receiver` is newer than this call, or outputs to it.
   * Never fails: without an answer it ends at its time limit.
   */
  caughtUp(receiver: Receiver): Promise<void> {
    this.#receivers.push(receiver);
    return this.#shared.run();
  }

  /**
   * Reports whether nothing that is cached keeps frames from `receiver`, whose flows have just been sent. False also
   * where that cannot be known yet: then call caughtUp() once they are confirmed. Never fails.
   */
  async isCaughtUp(receiver: Receiver, trace: Trace): Promise<boolean> {
    const checks = checksOf(receiver);
    if (this.#early + checks.length > CHECKS) return false;
    this.#early += checks.length;
    try {
      const endMs = performance.now() + LIMIT_MS;
      const control = await this.#open();
      // Sent in one go: what comes later may have to wait for another turn.
      const traced = control.ask("ofproto/trace", [trace.bridge, trace.packet], endMs);
      const [isStale, text] = await Promise.all([isAnyStale(control, checks, endMs), traced]);
      return !isStale && text.includes(`cookie 0x${trace.cookie.toString(16)}`);
    } catch {
      return false;
    } finally {
      this.#early -= checks.length;
    }
  }

  /** Connects ahead of the first call, after ovs-vswitchd was started. */
  async prepare(): Promise<void> {
    this.#disconnect();
    await this.#open().catch(() => {}); // the next call tries again, and ends without
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
    const receivers = this.#receivers.splice(0);
    const endMs = performance.now() + LIMIT_MS;
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        return await withDeadline(
          endMs,
          "ovs-vswitchd did not revalidate",
          this.#ask(receivers, endMs),
        );
      } catch {
        // It was restarted, or has datapaths of two types: then it waits for none.
        this.#disconnect();
      }
    }
  }

  async #ask(receivers: readonly Receiver[], endMs: number): Promise<void> {
    const checks = receivers.flatMap(checksOf);
    if (checks.length <= CHECKS && !await isAnyStale(await this.#open(), checks, endMs)) return;
    for (let n = 0; n < ROUNDS; n++) await this.#round(endMs);
  }

  async #round(endMs: number): Promise<void> {
    using waiter = await openControl(this.#rundir);
    const control = await this.#open();
    const waited = waiter.ask("revalidator/wait", [], endMs);
    waited.catch(() => {}); // awaited below, unless the next call fails first
    // Calls are handled in the order in which they arrive, over any connection.
    await control.ask("version", [], endMs);
    this.#nudge();
    let isOver = false;
    const over = waited.finally(() => isOver = true);
    over.catch(() => {});
    while (true) {
      let timer;
      await Promise.race([over, new Promise((done) => timer = setTimeout(done, WAKE_MS))]);
      clearTimeout(timer);
      if (isOver) return;
      await control.ask("version", [], endMs);
    }
  }

  async #open(): Promise<Control> {
    if (this.#control) return this.#control;
    const control = hooked("control", await openControl(this.#rundir), [Symbol.dispose]);
    const other = this.#control; // opened by a concurrent call
    if (!other && !this.#isClosed) return this.#control = control;
    control[Symbol.dispose]();
    return other ?? control;
  }
}

async function isAnyStale(
  control: Control,
  checks: readonly Check[],
  endMs: number,
): Promise<boolean> {
  const texts = await Promise.all(
    checks.map(({ filter }) =>
      control.ask("dpctl/dump-flows", ["--names", `filter=${filter}`], endMs)
    ),
  );
  return checks.some(({ isStale }, at) =>
    texts[at]!.split("\n").some((flow) => {
      const [match = "", actions = ""] = flow.split(" actions:", 2);
      return isStale(match, actions);
    })
  );
}

/** Returns what to ask of the cache for a port. */
function checksOf({ name, mac, addresses, reach, isReturning }: Receiver): Check[] {
  const alias = reach?.alias ? [reach.alias.address] : [];
  const delivered = reach ? [...addresses, ...alias] : [];
  const passesBy = (actions: string) => !actions.split(/[,()]/).includes(name);
  const received = [
    { filter: `dl_dst=${mac}`, to: TO_MAC },
    ...delivered.map((address) => ({ filter: `ip,nw_dst=${address}`, to: TO_ADDRESS })),
  ].map(({ filter, to }): Check => ({
    filter,
    isStale: (match, actions) => to.test(match) && passesBy(actions),
  }));
  const isDropped: Check["isStale"] = (match, actions) =>
    match.includes(`in_port(${name})`) && IP_OR_ARP.test(match) && actions === "drop";
  return isReturning ? [...received, { filter: `dl_src=${mac}`, isStale: isDropped }] : received;
}
