// Adds and removes ports: a port is added completely or leaves nothing. The caller makes sure that there is
// one change per name at a time.

import { Fault, faultFrom } from "../../util/errors.ts";
import type { GroupCommit } from "../../util/async/group_commit.ts";
import { GratuitousArp } from "./gratuitous_arp.ts";
import type { Arrival, PortDriver } from "./port_driver.ts";
import { refuseSharedTag } from "./port_spec.ts";
import type { RowCache } from "../ovsdb/port_rows.ts";
import type { PortSpec, SwitchOptions } from "../switch.ts";
import type { Job } from "../ovsdb/transaction.ts";
import { ConditionWaits, withDeadline } from "../../util/async/deadline.ts";

const LIMIT_MS = 8_000;
// A Fault waits this long for its undo, so that in most cases nothing is left when the caller gets it.
const UNDO_MS = 1_500;
const UNDO_PAUSE_MS = 500;

// Numbers that we request: above those that ovs-vswitchd assigns by itself, below OFPP_MAX (0xff00).
const [FIRST_NUMBER, NUMBERS] = [1_000, 64_000];

/** Changes of the ports of one bridge. */
export class PortChanges {
  /** Ports that are being added, by OpenFlow number: until they forward, or are undone. */
  readonly arriving = new Map<number, PortSpec>();
  /** Names of ports that are being undone. */
  readonly leaving = new Set<string>();
  readonly #options: SwitchOptions;
  readonly #driver: PortDriver;
  readonly #commits: GroupCommit<Job, number | undefined>;
  readonly #waits = new ConditionWaits();
  readonly #gratuitousArp = new GratuitousArp({
    send: (port, frames) => this.#driver.sendFrames(port, frames, this.#deadline()),
  });
  #nextNumber = Math.floor(Math.random() * NUMBERS);
  #isClosed = false;

  constructor(
    options: SwitchOptions,
    driver: PortDriver,
    batch: GroupCommit<Job, number | undefined>,
  ) {
    this.#options = options;
    this.#driver = driver;
    this.#commits = batch;
  }

  /**
   * Adds the port and calls `leftNothing` when no change of it is pending any more: with success, or when
   * a failed one is undone, which may be after the Fault: a retry then starts clean.
   */
  async arrive(
    spec: PortSpec,
    { endMs, leftNothing }: { readonly endMs: number; readonly leftNothing: () => void },
  ): Promise<void> {
    let undo: () => Promise<void> = () => Promise.resolve();
    try {
      const rows = await this.#clearName(spec.name, endMs);
      refuseSharedTag([...rows.ports(), ...this.arriving.values()], spec);
      const ofport = this.chooseNumber(rows);
      const committed = this.#commitArrival({ do: "add", spec, ofport }, endMs);
      undo = () => this.#undo(spec.name, { ofport, committed });
      const seen = await this.#forward({ spec, ofport, committed }, endMs);
      leftNothing();
      this.#gratuitousArp.announce({ ...spec, ofport: seen });
    } catch (error) {
      const undone = undo().finally(leftNothing);
      await withDeadline(performance.now() + UNDO_MS, "undo", undone).catch(() => {});
      throw error;
    }
  }

  /** Installs the flows of a port that has a row, and announces it. The caller undoes what a Fault leaves. */
  async forward(arrival: Arrival, endMs: number): Promise<void> {
    try {
      const ofport = await this.#forward(arrival, endMs);
      this.#gratuitousArp.announce({ ...arrival.spec, ofport });
    } finally {
      this.arriving.delete(arrival.ofport);
    }
  }

  async #forward(arrival: Arrival, endMs: number): Promise<number> {
    this.arriving.set(arrival.ofport, arrival.spec);
    const seen = await this.#gratuitousArp.during(() => this.#driver.forward(arrival, endMs));
    this.arriving.delete(arrival.ofport);
    return seen;
  }

  /** Removes rows and flows of these ports, and the flows of `numbers`. */
  async drop(
    names: readonly string[],
    rows: RowCache,
    endMs: number,
    numbers: readonly number[] = [],
  ): Promise<void> {
    this.withdrawAnnouncements(names);
    const ports = names.flatMap((name) => rows.port(name) ?? []);
    const jobs = ports.map(({ uuid, row: { name } }): Job => ({ do: "remove", name, uuid }));
    const done = Promise.all(jobs.map((job) => this.#commits.submit(job)));
    await withDeadline(endMs, "no commit of the removal", done);
    const theirs = ports.flatMap(({ row, requested }) =>
      [row.ofport ?? [], requested ?? []].flat()
    );
    await this.#driver.deleteFlows([...new Set([...numbers, ...theirs])], endMs);
  }

  /** Announces these ports no more: their pods are leaving them. */
  withdrawAnnouncements(names: readonly string[]): void {
    this.#gratuitousArp.withdraw(names);
  }

  /** Stops undoing. */
  close(): void {
    this.#isClosed = true;
    this.#gratuitousArp.close();
    this.#waits.notifyAll();
  }

  // Nothing of that name may be left, neither in the database nor in ovs-vswitchd: that would take a row that
  // is re-created within one of its rounds for the old one, and keep the old link open.
  async #clearName(name: string, endMs: number): Promise<RowCache> {
    const rows = await this.#driver.rows(endMs);
    if (rows.port(name)) await this.drop([name], rows, endMs);
    else if (rows.has(name)) {
      throw new Fault("conflict", `Open vSwitch has a port ${name} already`, {
        why: `it does not belong to host ${this.#options.owner} on bridge ${this.#options.bridge}`,
        fix: "remove it, or choose another name",
      });
    }
    await this.#driver.gone(name, endMs);
    return await this.#driver.rows(endMs);
  }

  // A commit whose answer was lost may have been done: check, and retry only if it was not.
  async #commitArrival(job: Extract<Job, { do: "add" }>, endMs: number): Promise<void> {
    while (true) {
      try {
        await this.#commits.submit(job);
        return;
      } catch (error) {
        if (faultFrom(error).code !== "unavailable" || this.#isClosed) throw error;
        const rows = await this.#driver.rows(endMs);
        if (rows.port(job.spec.name)?.requested === job.ofport) return;
      }
    }
  }

  async #undo(
    name: string,
    { ofport, committed }: { readonly ofport: number; readonly committed: Promise<void> },
  ): Promise<void> {
    this.leaving.add(name);
    await committed.catch(() => {});
    while (!this.#isClosed) {
      try {
        const endMs = this.#deadline();
        const rows = await this.#driver.rows(endMs, { isFresh: true });
        await this.drop([name], rows, endMs, [ofport]);
        break;
      } catch {
        // Open vSwitch is unreachable: what is left there is removed when it is back.
        await this.#pause();
      }
    }
    this.leaving.delete(name);
    this.arriving.delete(ofport);
  }

  /**
   * Returns an OpenFlow number that no port has: round robin, so that a number is not reused soon after its port was
   * removed. Faults: exhausted.
   */
  chooseNumber(rows: RowCache): number {
    const taken = rows.numbers();
    for (let tries = 0; tries < NUMBERS; tries++) {
      const number = FIRST_NUMBER + this.#nextNumber;
      this.#nextNumber = (this.#nextNumber + 1) % NUMBERS;
      if (!taken.has(number) && !this.arriving.has(number)) return number;
    }
    throw new Fault("exhausted", `bridge ${this.#options.bridge} is full: ${NUMBERS} ports`);
  }

  async #pause(): Promise<void> {
    const limit = { endMs: performance.now() + UNDO_PAUSE_MS, what: "pause" };
    await this.#waits.until("close", () => this.#isClosed || undefined, limit).catch(() => {});
  }

  #deadline(): number {
    return performance.now() + (this.#options.limitMs ?? LIMIT_MS);
  }
}
