// The promises of a Switch, over either driver: one change of a port at a time, nothing left after a
// failure, rows of others never touched. Knows neither sockets nor commands.

import { edge } from "../util/edges.ts";
import { Fault, faultFrom } from "../util/errors.ts";
import { Batch } from "./batch.ts";
import { ensureBridge } from "./bridge.ts";
import type { Driver, DriverEvents } from "./driver.ts";
import { BASE_FLOWS, cookieOf, type Flow, guardFlows } from "./flows.ts";
import { parsePort, parseTag, refuseSharedTag } from "./port_spec.ts";
import { punctual } from "./punctual.ts";
import type { Mirror } from "./rows.ts";
import type { PortRow, PortSpec, Switch, SwitchOptions, SwitchState } from "./switch.ts";
import type { Tools } from "./tools.ts";
import type { Job } from "./transaction.ts";
import { Turns } from "./turns.ts";
import { Waits, within } from "./waits.ts";

const LIMIT_MS = 8_000;
// A Fault waits this long for its undo, so that mostly nothing is left when the caller sees it.
const UNDO_MS = 1_500;
const UNDO_PAUSE_MS = 500;

// Numbers that we ask for: above those that ovs-vswitchd gives by itself, below OFPP_MAX (0xff00).
const [FIRST_NUMBER, NUMBERS] = [1_000, 64_000];

/** Makes a Switch over the driver that `open` gives. */
export function createSwitch(
  options: SwitchOptions,
  tools: Tools,
  open: (events: DriverEvents) => Driver,
): Switch {
  return new PortSwitch(options, tools, open);
}

class PortSwitch implements Switch {
  readonly #options: SwitchOptions;
  readonly #tools: Tools;
  readonly #driver: Driver;
  readonly #batch: Batch<Job, number | undefined>;
  readonly #turns = new Turns();
  readonly #waits = new Waits();
  readonly #rings = new Set<() => void>();
  readonly #adding = new Map<number, PortSpec>();
  readonly #removing = new Set<string>();
  readonly #undoing = new Set<string>();
  #nextNumber = Math.floor(Math.random() * NUMBERS);
  #isRinging = false;
  #isClosed = false;

  constructor(options: SwitchOptions, tools: Tools, open: (events: DriverEvents) => Driver) {
    this.#options = options;
    this.#tools = tools;
    this.#batch = new Batch((jobs) => this.#driver.commit(jobs, this.#end()));
    const driver = open({
      changed: (names) => {
        if ([...names].some((name) => !this.#turns.isTaken(name))) this.#ring();
      },
      returned: () => this.#ring(),
    });
    this.#driver = punctual(edge("port-driver", driver, ["state", "close"]));
  }

  ensureBridge(): Promise<string> {
    return ensureBridge(this.#tools, this.#options, this.#end());
  }

  async ports(): Promise<PortRow[]> {
    // A row whose port has failed and is on its way out tells of no port: nobody may adopt it.
    const leaving = new Set(this.#undoing);
    const rows = (await this.#driver.rows(this.#end())).ports();
    return rows.filter(({ name }) => !leaving.has(name) && !this.#undoing.has(name));
  }

  async addPort(wish: PortSpec): Promise<void> {
    const spec = parsePort(wish);
    const endMs = this.#end();
    const end = await this.#turns.take([spec.name], endMs);
    let undo: () => Promise<void> = () => Promise.resolve();
    try {
      const rows = await this.#cleared(spec.name, endMs);
      refuseSharedTag([...rows.ports(), ...this.#adding.values()], spec);
      const ofport = this.#chooseNumber(rows);
      const committed = this.#commitArrival({ do: "add", spec, ofport }, endMs);
      undo = () => this.#undo(spec.name, { ofport, committed });
      this.#adding.set(ofport, spec);
      await this.#driver.forward({ spec, ofport, committed }, endMs);
      this.#adding.delete(ofport);
      end();
    } catch (error) {
      // The name stays taken until nothing is left: a repetition finds a clean place.
      const undone = undo().finally(end);
      await within(performance.now() + UNDO_MS, "undo", undone).catch(() => {});
      throw named(`port ${spec.name} not added`, error);
    }
  }

  async removePorts(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const endMs = this.#end();
    const end = await this.#turns.take([...new Set(names)], endMs);
    names.forEach((name) => this.#removing.add(name));
    try {
      await this.#drop(names, await this.#driver.rows(endMs), endMs);
    } catch (error) {
      throw named(`port ${names.join(" ").slice(0, 60)} not removed`, error);
    } finally {
      names.forEach((name) => this.#removing.delete(name));
      end();
    }
  }

  async setTag(name: string, tag: number): Promise<void> {
    parseTag(name, tag);
    const endMs = this.#end();
    const end = await this.#turns.take([name], endMs);
    try {
      const port = (await this.#driver.rows(endMs)).port(name);
      if (!port) {
        const why = `bridge ${this.#options.bridge} has no port of ours of that name`;
        throw new Fault("not_found", `port ${name} not retagged`, { why });
      }
      const job: Job = { do: "tag", name, uuid: port.uuid, tag };
      const cfg = await within(endMs, "no commit of the tag", this.#batch.submit(job));
      await this.#driver.settled(cfg, endMs);
      // Its guards say by the tag which policies are asked.
      await this.#driver.addFlows(this.#guardsOf(await this.#driver.rows(endMs), name), endMs);
    } catch (error) {
      throw named(`port ${name} not retagged`, error);
    } finally {
      end();
    }
  }

  async syncPorts(wishes: readonly PortSpec[]): Promise<void> {
    const specs = wishes.map(parsePort);
    const endMs = this.#end();
    const end = await this.#turns.take([SYNC], endMs);
    // Ports on their way have flows of their own accord, and maybe no spec here yet.
    const kept = new Set([...this.#adding.keys()].map(cookieOf));
    try {
      const rows = await this.#driver.rows(endMs);
      const named = new Set(specs.map((spec) => spec.name));
      // So have those that came since the specs were made: whoever added them looked after them.
      let late: ReadonlySet<bigint> | undefined;
      const isKept = (cookie: bigint) => {
        late ??= new Set(
          [
            ...this.#adding.keys(),
            ...rows.ports().flatMap(({ name, ofport }) => named.has(name) ? [] : ofport ?? []),
          ].map(cookieOf),
        );
        return kept.has(cookie) || late.has(cookie);
      };
      const guards = specs.flatMap((spec) => {
        const { row, requested } = rows.port(spec.name) ?? {};
        const ofport = row?.ofport ?? requested;
        if (ofport === undefined || this.#removing.has(spec.name)) return [];
        return guardFlows(ofport, spec, this.#options.policed);
      });
      await this.#tools.syncFlows([...BASE_FLOWS, ...guards], { endMs, isKept });
    } finally {
      end();
    }
  }

  async reguard(): Promise<void> {
    const endMs = this.#end();
    const rows = await this.#driver.rows(endMs);
    const { policed } = this.#options;
    // One that is on its way may have been sent with the guards of before.
    const arriving = [...this.#adding].flatMap(([number, spec]) =>
      guardFlows(number, spec, policed)
    );
    const names = rows.ports().map(({ name }) => name).filter((name) => !this.#removing.has(name));
    const there = names.flatMap((name) => this.#guardsOf(rows, name));
    await this.#driver.addFlows([...arriving, ...there], endMs);
  }

  onChange(ring: () => void): () => void {
    this.#rings.add(ring);
    return () => void this.#rings.delete(ring);
  }

  state(): SwitchState {
    return this.#driver.state();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#driver.close();
    this.#waits.ringAll();
    return Promise.resolve();
  }

  /** Gives the guards of a port that has a row, by what the row says. */
  #guardsOf(rows: Mirror, name: string): Flow[] {
    const { row, requested } = rows.port(name) ?? {};
    const ofport = row?.ofport ?? requested;
    if (ofport === undefined || !row?.mac || !row.addresses) return [];
    const { mac, addresses, tag } = row;
    return guardFlows(ofport, { mac, addresses, tag }, this.#options.policed);
  }

  // Nothing of that name may be left, neither in the database nor in ovs-vswitchd: it would take a
  // row that comes back within one of its rounds for the old one, and keep the old link open.
  async #cleared(name: string, endMs: number): Promise<Mirror> {
    const rows = await this.#driver.rows(endMs);
    if (rows.port(name)) await this.#drop([name], rows, endMs);
    else if (rows.has(name)) {
      throw new Fault("conflict", `Open vSwitch has a port ${name} already`, {
        why: `it is not one of host ${this.#options.owner} on bridge ${this.#options.bridge}`,
        fix: "remove it, or choose another name",
      });
    }
    await this.#driver.gone(name, endMs);
    return await this.#driver.rows(endMs);
  }

  // A commit whose answer was lost may have been done: look, and repeat it only when it was not.
  async #commitArrival(job: Extract<Job, { do: "add" }>, endMs: number): Promise<void> {
    while (true) {
      try {
        await this.#batch.submit(job);
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
    this.#undoing.add(name);
    await committed.catch(() => {});
    while (!this.#isClosed) {
      try {
        const endMs = this.#end();
        const rows = await this.#driver.rows(endMs, { isFresh: true });
        await this.#drop([name], rows, endMs, [ofport]);
        break;
      } catch {
        // Open vSwitch is away: what is left there is removed when it is back.
        await this.#pause();
      }
    }
    this.#undoing.delete(name);
    this.#adding.delete(ofport);
  }

  async #drop(
    names: readonly string[],
    rows: Mirror,
    endMs: number,
    numbers: readonly number[] = [],
  ): Promise<void> {
    const ports = names.flatMap((name) => rows.port(name) ?? []);
    const jobs = ports.map(({ uuid, row: { name } }): Job => ({ do: "remove", name, uuid }));
    const done = Promise.all(jobs.map((job) => this.#batch.submit(job)));
    await within(endMs, "no commit of the removal", done);
    const theirs = ports.flatMap(({ row, requested }) =>
      [row.ofport ?? [], requested ?? []].flat()
    );
    await this.#driver.dropFlows([...new Set([...numbers, ...theirs])], endMs);
  }

  // Round and round, so that a number is not used again soon after its port went.
  #chooseNumber(rows: Mirror): number {
    const taken = rows.numbers();
    for (let tries = 0; tries < NUMBERS; tries++) {
      const number = FIRST_NUMBER + this.#nextNumber;
      this.#nextNumber = (this.#nextNumber + 1) % NUMBERS;
      if (!taken.has(number) && !this.#adding.has(number)) return number;
    }
    throw new Fault("exhausted", `bridge ${this.#options.bridge} is full: ${NUMBERS} ports`);
  }

  #end(): number {
    return performance.now() + (this.#options.limitMs ?? LIMIT_MS);
  }

  async #pause(): Promise<void> {
    const limit = { endMs: performance.now() + UNDO_PAUSE_MS, what: "pause" };
    await this.#waits.until("close", () => this.#isClosed || undefined, limit).catch(() => {});
  }

  #ring(): void {
    if (this.#isRinging) return;
    this.#isRinging = true;
    queueMicrotask(() => {
      this.#isRinging = false;
      this.#rings.forEach((ring) => ring());
    });
  }
}

// No port can have this name.
const SYNC = "";

function named(what: string, error: unknown): Fault {
  const fault = faultFrom(error);
  const why = fault.why ? `${fault.what}: ${fault.why}` : fault.what;
  return new Fault(fault.code, what, { why, fix: fault.fix, cause: error });
}
