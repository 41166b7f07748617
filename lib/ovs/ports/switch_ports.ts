// The promises of a Switch, over either driver: one change of a port at a time, nothing left after a
// failure, rows of others never touched. Knows neither sockets nor commands.

import { hooked } from "../../util/fault_hooks.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { GroupCommit } from "../../util/async/group_commit.ts";
import { ensureBridge } from "../ovsdb/bridge.ts";
import { type DriverEvents, type PortDriver, withDriverDeadlines } from "./port_driver.ts";
import { antispoofFlows, BASE_FLOWS } from "./antispoof_flows.ts";
import { antispoofCookie } from "../openflow/cookies.ts";
import type { Flow } from "../openflow/flow.ts";
import { PortChanges } from "./port_changes.ts";
import { parsePort, parseTag } from "./port_spec.ts";
import type { RowCache } from "../ovsdb/port_rows.ts";
import type { PortRow, PortSpec, Switch, SwitchOptions, SwitchState } from "../switch.ts";
import type { OvsTools } from "../transport/ovs_tools.ts";
import type { Job } from "../ovsdb/transaction.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { withDeadline } from "../../util/async/deadline.ts";

const LIMIT_MS = 8_000;
/** Makes a Switch over the driver that `open` gives. */
export function createSwitch(
  options: SwitchOptions,
  tools: OvsTools,
  open: (events: DriverEvents) => PortDriver,
): Switch {
  return new PortSwitch(options, tools, open);
}

class PortSwitch implements Switch {
  readonly #options: SwitchOptions;
  readonly #tools: OvsTools;
  readonly #driver: PortDriver;
  readonly #batch: GroupCommit<Job, number | undefined>;
  readonly #changes: PortChanges;
  readonly #turns = new KeyedQueue();
  readonly #rings = new Set<() => void>();
  readonly #removing = new Set<string>();
  #isRinging = false;

  constructor(options: SwitchOptions, tools: OvsTools, open: (events: DriverEvents) => PortDriver) {
    this.#options = options;
    this.#tools = tools;
    this.#batch = new GroupCommit((jobs) => this.#driver.commit(jobs, this.#end()));
    const driver = open({
      changed: (names) => {
        if ([...names].some((name) => !this.#turns.isBusy(name))) this.#ring();
      },
      returned: () => this.#ring(),
    });
    this.#driver = withDriverDeadlines(hooked("port-driver", driver, ["state", "close"]));
    this.#changes = new PortChanges(options, this.#driver, this.#batch);
  }

  ensureBridge(): Promise<string> {
    return ensureBridge(this.#tools, this.#options, this.#end());
  }

  async ports(): Promise<PortRow[]> {
    // A row whose port has failed and is on its way out tells of no port: nobody may adopt it.
    const leaving = new Set(this.#changes.leaving);
    const rows = (await this.#driver.rows(this.#end())).ports();
    return rows.filter(({ name }) => !leaving.has(name) && !this.#changes.leaving.has(name));
  }

  async addPort(wish: PortSpec): Promise<void> {
    const spec = parsePort(wish);
    const endMs = this.#end();
    const end = await this.#turns.acquire([spec.name], endMs);
    try {
      await this.#changes.arrive(spec, { endMs, leftNothing: end });
    } catch (error) {
      throw named(`port ${spec.name} not added`, error);
    }
  }

  async removePorts(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const endMs = this.#end();
    const end = await this.#turns.acquire([...new Set(names)], endMs);
    names.forEach((name) => this.#removing.add(name));
    try {
      await this.#changes.drop(names, await this.#driver.rows(endMs), endMs);
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
    const end = await this.#turns.acquire([name], endMs);
    try {
      const port = (await this.#driver.rows(endMs)).port(name);
      if (!port) {
        const why = `bridge ${this.#options.bridge} has no port of ours of that name`;
        throw new Fault("not_found", `port ${name} not retagged`, { why });
      }
      const job: Job = { do: "tag", name, uuid: port.uuid, tag };
      const cfg = await withDeadline(endMs, "no commit of the tag", this.#batch.submit(job));
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
    const end = await this.#turns.acquire([SYNC], endMs);
    // Ports on their way have flows of their own accord, and maybe no spec here yet.
    const kept = new Set([...this.#changes.arriving.keys()].map(antispoofCookie));
    try {
      const rows = await this.#driver.rows(endMs);
      const named = new Set(specs.map((spec) => spec.name));
      // So have those that came since the specs were made: whoever added them looked after them.
      let late: ReadonlySet<bigint> | undefined;
      const isKept = (cookie: bigint) => {
        late ??= new Set(
          [
            ...this.#changes.arriving.keys(),
            ...rows.ports().flatMap(({ name, ofport }) => named.has(name) ? [] : ofport ?? []),
          ].map(antispoofCookie),
        );
        return kept.has(cookie) || late.has(cookie);
      };
      const guards = specs.flatMap((spec) => {
        const { row, requested } = rows.port(spec.name) ?? {};
        const ofport = row?.ofport ?? requested;
        if (ofport === undefined || this.#removing.has(spec.name)) return [];
        return antispoofFlows(ofport, spec, this.#options.policyVlans);
      });
      await this.#tools.syncFlows([...BASE_FLOWS, ...guards], { endMs, isKept });
    } finally {
      end();
    }
  }

  async refreshAntispoofFlows(): Promise<void> {
    const endMs = this.#end();
    const rows = await this.#driver.rows(endMs);
    const { policyVlans: policed } = this.#options;
    // One that is on its way may have been sent with the guards of before.
    const arriving = [...this.#changes.arriving].flatMap(([number, spec]) =>
      antispoofFlows(number, spec, policed)
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
    this.#driver.close();
    this.#changes.close();
    return Promise.resolve();
  }

  /** Returns the guards of a port that has a row, by what the row says. */
  #guardsOf(rows: RowCache, name: string): Flow[] {
    const { row, requested } = rows.port(name) ?? {};
    const ofport = row?.ofport ?? requested;
    if (ofport === undefined || !row?.mac || !row.addresses) return [];
    const { mac, addresses, tag } = row;
    return antispoofFlows(ofport, { mac, addresses, tag }, this.#options.policyVlans);
  }

  #end(): number {
    return performance.now() + (this.#options.limitMs ?? LIMIT_MS);
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
