// A Switch over either driver: one change of a port at a time, nothing left after a failure, rows of other
// programs never touched. Independent of sockets and commands.

import { hooked } from "../../util/fault_hooks.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { GroupCommit } from "../../util/async/group_commit.ts";
import { ensureBridge } from "../bridge/bridge.ts";
import { type DriverEvents, type PortDriver, withDriverDeadlines } from "./port_driver.ts";
import { portFlows } from "./port_flows.ts";
import { antispoofCookie, EXACT_COOKIE } from "../openflow/cookies.ts";
import { type Flow, flowText } from "../openflow/flow.ts";
import { forgetMacs } from "./learned_macs.ts";
import { PortChanges } from "./port_changes.ts";
import {
  addParkedPorts,
  assignPort,
  FormerMacs,
  type ParkedPortsDeps,
  parkPorts,
} from "./parked_ports.ts";
import { PortSync } from "./port_sync.ts";
import { parseParkedPort, parsePort, parseTag } from "./port_spec.ts";
import type { OurPort, RowCache } from "../ovsdb/port_rows.ts";
import { isSameReach } from "../ovsdb/port_reach_text.ts";
import type {
  LearnedMac,
  ParkedPort,
  PortRow,
  PortSpec,
  Switch,
  SwitchOptions,
  SwitchState,
} from "../switch.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";
import type { Job } from "../ovsdb/transaction.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { withDeadline } from "../../util/async/deadline.ts";

const LIMIT_MS = 8_000;

/** Returns a Switch over the driver that `open` returns. */
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
  readonly #commits: GroupCommit<Job, number | undefined>;
  readonly #changes: PortChanges;
  readonly #queue = new KeyedQueue();
  readonly #listeners = new Set<() => void>();
  readonly #sync: PortSync;
  readonly #formerMacs = new FormerMacs();
  #isNotifying = false;

  constructor(options: SwitchOptions, tools: OvsTools, open: (events: DriverEvents) => PortDriver) {
    this.#options = options;
    this.#tools = tools;
    this.#commits = new GroupCommit((jobs) => this.#driver.commit(jobs, this.#deadline()));
    const driver = open({
      changed: (names) => {
        if ([...names].some((name) => !this.#queue.isBusy(name))) this.#notify();
      },
      resync: () => this.#notify(),
    });
    this.#driver = withDriverDeadlines(
      hooked("port-driver", driver, ["expectPort", "state", "close"]),
    );
    this.#changes = new PortChanges(options, this.#driver, this.#commits);
    this.#sync = new PortSync({ options, tools, driver: this.#driver, changes: this.#changes });
  }

  ensureBridge(): Promise<string> {
    return ensureBridge(this.#tools, this.#options, this.#deadline());
  }

  async ports(names?: readonly string[]): Promise<PortRow[]> {
    // A row whose port has failed and is being removed is not reported: no caller should adopt it.
    const leaving = new Set(this.#changes.leaving);
    const cache = await this.#driver.rows(this.#deadline());
    const rows = names ? names.flatMap((name) => cache.port(name)?.row ?? []) : cache.ports();
    return rows.filter(({ name }) => !leaving.has(name) && !this.#changes.leaving.has(name));
  }

  async addPort(desired: PortSpec): Promise<void> {
    const spec = parsePort(desired);
    const endMs = this.#deadline();
    const end = await this.#queue.acquire([spec.name], endMs);
    try {
      await this.#changes.arrive(spec, { endMs, leftNothing: end });
    } catch (error) {
      throw named(`port ${spec.name} not added`, error);
    }
  }

  async removePorts(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const endMs = this.#deadline();
    const end = await this.#queue.acquire([...new Set(names)], endMs);
    try {
      await this.#sync.removal(names, endMs, async () => {
        await this.#changes.drop(names, await this.#driver.rows(endMs), endMs);
      });
    } catch (error) {
      throw named(`port ${names.join(" ").slice(0, 60)} not removed`, error);
    } finally {
      end();
    }
  }

  async addParkedPorts(desired: readonly ParkedPort[]): Promise<void> {
    if (desired.length === 0) return;
    await this.#changeParked("not added", desired.map(parseParkedPort), addParkedPorts);
  }

  expectPort(): void {
    this.#driver.expectPort();
  }

  async assignPort(desired: PortSpec, onSent?: () => void): Promise<void> {
    const spec = parsePort(desired);
    await this.#changeParked("not assigned", [spec], async (deps, _, endMs) => {
      await this.#sync.released(spec.name, endMs);
      await assignPort(deps, spec, { endMs, onSent });
    });
  }

  async parkPorts(ports: readonly ParkedPort[]): Promise<void> {
    await this.#changeParked("not parked", ports.map(parseParkedPort), (deps, some, endMs) => {
      const names = some.map(({ name }) => name);
      return this.#sync.removal(names, endMs, () => parkPorts(deps, some, endMs));
    });
  }

  async forgetMacs(macs: readonly LearnedMac[]): Promise<void> {
    await forgetMacs(this.#options, macs.map(parseParkedPort), this.#deadline());
  }

  async setTag(name: string, tag: number): Promise<void> {
    parseTag(name, tag);
    const endMs = this.#deadline();
    const end = await this.#queue.acquire([name], endMs);
    try {
      const port = (await this.#driver.rows(endMs)).port(name);
      if (!port) {
        const why = `bridge ${this.#options.bridge} has no port of ours with that name`;
        throw new Fault("not_found", `port ${name} not retagged`, { why });
      }
      const job: Job = { do: "tag", name, uuid: port.uuid, tag };
      const cfg = await withDeadline(endMs, "no commit of the tag", this.#commits.submit(job));
      await this.#driver.settled(cfg, endMs);
      // By the tag its flows choose the network, and whether policies apply.
      await this.#sending(endMs, async () => {
        const flows = this.#flowsOf(await this.#driver.rows(endMs), name);
        const hasOthers = port.row.reach || this.#options.hasDelivery;
        if (hasOthers) await this.#syncFlowsOf(port, flows, endMs);
        else await this.#driver.addFlows(flows, endMs);
      });
    } catch (error) {
      throw named(`port ${name} not retagged`, error);
    } finally {
      end();
    }
  }

  async setExternalIds(desired: PortSpec): Promise<void> {
    const spec = parsePort(desired);
    const endMs = this.#deadline();
    const end = await this.#queue.acquire([spec.name], endMs);
    try {
      const port = (await this.#driver.rows(endMs)).port(spec.name);
      if (!port) {
        const why = `bridge ${this.#options.bridge} has no port of ours with that name`;
        throw new Fault("not_found", `port ${spec.name} not updated`, { why });
      }
      const job: Job = { do: "ids", spec, uuid: port.uuid };
      await withDeadline(endMs, "no commit of the external_ids", this.#commits.submit(job));
      if (isSameReach(port.row.reach, spec.reach)) return;
      const now = { ...port, row: { ...port.row, reach: spec.reach } };
      await this.#sending(endMs, () => this.#syncFlowsOf(port, this.#flowsOfPort(now), endMs));
    } catch (error) {
      throw named(`port ${spec.name} not updated`, error);
    } finally {
      end();
    }
  }

  async syncPorts(desired: readonly PortSpec[]): Promise<void> {
    const specs = desired.map(parsePort);
    const endMs = this.#deadline();
    await this.#sending(endMs, () => this.#sync.run(specs, endMs));
  }

  async missingFlows(desired: PortSpec): Promise<string[]> {
    const spec = parsePort(desired);
    const endMs = this.#deadline();
    const ofport = (await this.#driver.rows(endMs)).port(spec.name)?.row?.ofport;
    if (ofport === undefined) {
      const why = `bridge ${this.#options.bridge} has no port of ours with that name`;
      throw new Fault("not_found", `flows of port ${spec.name} not compared`, { why });
    }
    const value = antispoofCookie(ofport);
    const present = new Set(await this.#tools.flowTexts({ value, mask: ~0n }, endMs));
    return portFlows(ofport, spec, this.#options).map(flowText)
      .filter((flow) => !present.has(flow));
  }

  refreshAntispoofFlows(): Promise<void> {
    return this.#sending(this.#deadline(), async () => {
      const endMs = this.#deadline();
      const rows = await this.#driver.rows(endMs);
      // The flows of a port that is being added may have been sent with the policy VLANs of before.
      const arriving = [...this.#changes.arriving].flatMap(([number, spec]) =>
        portFlows(number, spec, this.#options)
      );
      const names = rows.ports().map(({ name }) => name).filter((name) =>
        !this.#sync.removing.has(name)
      );
      const existing = names.flatMap((name) => this.#flowsOf(rows, name));
      await this.#driver.addFlows([...arriving, ...existing], endMs);
    });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  state(): SwitchState {
    return this.#driver.state();
  }

  close(): Promise<void> {
    this.#driver.close();
    this.#changes.close();
    return Promise.resolve();
  }

  /**
   * Does `work`, which makes flows of the policy VLANs and sends them, after other such work: what was made of earlier
   * policy VLANs would replace what was made of the present ones, and let frames past the policies, or none through.
   */
  async #sending(endMs: number, work: () => Promise<void>): Promise<void> {
    const end = await this.#queue.acquire([SENDING], endMs);
    try {
      await work();
    } finally {
      end();
    }
  }

  /** Makes the flows of a port exactly `flows`, in one bundle. */
  async #syncFlowsOf(port: OurPort, flows: readonly Flow[], endMs: number): Promise<void> {
    const ofport = port.row.ofport ?? port.requested;
    if (ofport === undefined) return;
    const cookies = { value: antispoofCookie(ofport), mask: EXACT_COOKIE };
    await this.#tools.syncFlowTexts(flows.map(flowText), { endMs, cookies });
  }

  /** Returns the flows of a port that has a row, by that row. */
  #flowsOf(rows: RowCache, name: string): Flow[] {
    const port = rows.port(name);
    return port ? this.#flowsOfPort(port) : [];
  }

  #flowsOfPort({ row, requested }: OurPort): Flow[] {
    const ofport = row.ofport ?? requested;
    const { mac, addresses, tag, reach } = row;
    if (ofport === undefined || !mac || !addresses) return [];
    return portFlows(ofport, { mac, addresses, tag, reach }, this.#options);
  }

  /** Does `work` on ports that no other change is made of meanwhile. */
  async #changeParked(
    what: string,
    ports: readonly ParkedPort[],
    work: (deps: ParkedPortsDeps, ports: readonly ParkedPort[], endMs: number) => Promise<void>,
  ): Promise<void> {
    const names = [...new Set(ports.map(({ name }) => name))];
    const endMs = this.#deadline();
    const end = await this.#queue.acquire(names, endMs);
    const [driver, commits, changes] = [this.#driver, this.#commits, this.#changes];
    const deps = { options: this.#options, driver, commits, changes, formerMacs: this.#formerMacs };
    try {
      await work(deps, ports, endMs);
    } catch (error) {
      throw named(`port ${names.join(" ").slice(0, 60)} ${what}`, error);
    } finally {
      end();
    }
  }

  #deadline(): number {
    return performance.now() + (this.#options.limitMs ?? LIMIT_MS);
  }

  #notify(): void {
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    queueMicrotask(() => {
      this.#isNotifying = false;
      this.#listeners.forEach((listener) => listener());
    });
  }
}

// No port can have this name.
const SENDING = "";

function named(what: string, error: unknown): Fault {
  const fault = faultFrom(error);
  const why = fault.why ? `${fault.what}: ${fault.why}` : fault.what;
  return new Fault(fault.code, what, { why, fix: fault.fix, cause: error });
}
