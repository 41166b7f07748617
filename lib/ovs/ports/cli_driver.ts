// The driver over commands (`--ovs-driver vsctl`): what the socket driver promises, with ovs-vsctl and
// ovs-ofctl. ovs-vsctl itself waits until ovs-vswitchd has applied a change, which is the point at which
// the socket driver's barrier is answered.
//
// It is kept for two uses: an operator can repeat each of its steps by hand, and the tests of ports, tunnels
// and policies run over both drivers, so that each is the other's oracle. It is slow: one port takes 13 to
// 19 times as long as by sockets (5 against 95 ms on an empty bridge), 20 ports at once 35 to 50 times (27
// against 1,400 ms; two busy cores, Open vSwitch 3.1, 2026-11).

import { Fault, isUnreachable } from "../../util/errors.ts";
import { portFlows } from "./port_flows.ts";
import { BASE_FLOWS } from "../bridge/bridge.ts";
import { antispoofCookie } from "../openflow/cookies.ts";
import { type Flow, flowText } from "../openflow/flow.ts";
import type { Arrival, DriverEvents, NumberedPort, PortDriver } from "./port_driver.ts";
import { createSwitch } from "./switch_ports.ts";
import { RevalidatorWait } from "./revalidator_wait.ts";
import {
  CACHED_COLUMNS,
  externalIdsOf,
  membersOf,
  ofportOf,
  RowCache,
} from "../ovsdb/port_rows.ts";
import type { InterfaceError, Switch, SwitchOptions, SwitchState } from "../switch.ts";
import { OvsTools } from "../tools/ovs_tools.ts";
import type { Job } from "../ovsdb/transaction.ts";
import { timedOut } from "../../util/async/deadline.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";

/** How often rows are read for changes by other programs. */
const POLL_EVERY_MS = 2_000;
const POLL_LIMIT_MS = 5_000;
const GONE_EVERY_MS = 20;

/** Returns the Switch over commands. */
export function openCliSwitch(options: SwitchOptions): Switch {
  const tools = new OvsTools(options);
  return createSwitch(options, tools, (events) => new CliDriver(options, tools, events));
}

class CliDriver implements PortDriver {
  readonly #options: SwitchOptions;
  readonly #tools: OvsTools;
  readonly #events: DriverEvents;
  readonly #revalidator: RevalidatorWait;
  readonly #queue = new KeyedQueue();
  #seen: string | undefined;
  #state: Pick<SwitchState, "ovsdb" | "openflow"> = { ovsdb: "down", openflow: "down" };
  #errors: readonly InterfaceError[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: SwitchOptions, tools: OvsTools, events: DriverEvents) {
    this.#options = options;
    this.#tools = tools;
    this.#events = events;
    this.#revalidator = new RevalidatorWait(options.rundir, () => void this.#nudge());
    void this.#poll();
  }

  async rows(endMs: number): Promise<RowCache> {
    const cache = new RowCache(this.#options.bridge, this.#options.owner);
    cache.apply(await this.#track("ovsdb", this.#tools.list(CACHED_COLUMNS, endMs)));
    return cache;
  }

  async commit(jobs: readonly Job[], endMs: number): Promise<undefined> {
    const args = jobs.flatMap((job) => ["--", ...argsOf(job, this.#options)]);
    // A removal is done when the row is gone, external_ids when they are committed; only other jobs have
    // to wait for ovs-vswitchd.
    const isQuick = jobs.every((job) => job.do === "remove" || job.do === "ids");
    const noWait = isQuick ? ["--no-wait"] : [];
    await this.#track("ovsdb", this.#tools.vsctl([...noWait, ...args], endMs));
  }

  settled(): Promise<void> {
    return Promise.resolve(); // ovs-vsctl has waited
  }

  async present(name: string, endMs: number): Promise<number> {
    const link = (await this.rows(endMs)).interface(name);
    const [message] = membersOf(link?.error) as string[];
    const seen = ofportOf(link);
    if (message === undefined && seen !== undefined) return seen;
    throw new Fault("failed", `Open vSwitch could not open link ${name}`, {
      why: message === undefined ? "ovs-vswitchd assigned no port number" : `"${message}"`,
      fix: "check that the link exists and that no other bridge has it",
    });
  }

  expectPort(): void {}

  async forward(
    { spec, ofport, committed, isReturning, onSent }: Arrival,
    endMs: number,
  ): Promise<number> {
    onSent?.(); // what follows it need not wait for commands
    await committed;
    const seen = await this.present(spec.name, endMs);
    const changes = () => [
      ...seen === ofport ? [] : [deletion(ofport)],
      ...portFlows(seen, spec, this.#options).map(addition),
    ];
    await this.#inTurn(changes, endMs);
    await this.#revalidator.caughtUp({ ...spec, isReturning });
    return seen;
  }

  async gone(name: string, endMs: number): Promise<void> {
    const startMs = performance.now();
    while (true) {
      const ports = await this.#track(
        "openflow",
        this.#tools.ofctl("dump-ports-desc", [], { endMs }),
      );
      if (!ports.includes(`(${name}):`)) return;
      if (performance.now() >= endMs) {
        const what = `ovs-vswitchd did not release the former port ${name}`;
        throw timedOut(what, endMs - startMs);
      }
      await new Promise((done) => setTimeout(done, GONE_EVERY_MS));
    }
  }

  async deleteFlows(numbers: readonly number[], endMs: number): Promise<void> {
    try {
      await this.#track("openflow", this.#tools.changeFlows(numbers.map(deletion), endMs));
    } catch (error) {
      // Flows exist in ovs-vswitchd only: where it does not run, there are none.
      if (!(error instanceof Fault) || error.code !== "unavailable") throw error;
    }
  }

  deleted(): Promise<void> {
    return Promise.resolve(); // ovs-ofctl has waited
  }

  addFlows(flows: readonly Flow[], endMs: number): Promise<void> {
    return this.#inTurn(() => flows.map(addition), endMs);
  }

  /** Makes changes of flows after those before: what was made of earlier policy VLANs does not arrive last. */
  #inTurn(changes: () => readonly string[], endMs: number): Promise<void> {
    const change = () => this.#tools.changeFlows(changes(), endMs);
    return this.#track("openflow", this.#queue.run("flows", change));
  }

  async sendFrames(
    { ofport }: NumberedPort,
    frames: readonly Uint8Array[],
    endMs: number,
  ): Promise<void> {
    for (const frame of frames) {
      const packet = `in_port=${ofport} packet=${frame.toHex()} actions=NORMAL`;
      await this.#tools.ofctl("packet-out", [packet], { endMs });
    }
  }

  state(): SwitchState {
    return { ...this.#state, ...this.#errors.length > 0 && { interfaceErrors: this.#errors } };
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#revalidator[Symbol.dispose]();
  }

  async #nudge(): Promise<void> {
    const changes = BASE_FLOWS.map(addition);
    // Without it the wait ends by itself, half a second later.
    await this.#tools.changeFlows(changes, performance.now() + POLL_LIMIT_MS).catch(() => {});
  }

  async #poll(): Promise<void> {
    try {
      const before = this.#state;
      const rows = await this.rows(performance.now() + POLL_LIMIT_MS);
      this.#errors = rows.errors();
      const ports = rows.ports().map((row) => ({ ...row, ofport: undefined }));
      const seen = JSON.stringify([...ports, rows.errorOf(rows.bridge)]);
      if (this.#seen !== undefined && before.ovsdb === "down") this.#events.resync();
      else if (this.#seen !== undefined && seen !== this.#seen) this.#events.resync();
      this.#seen = seen;
    } catch {
      // #track has recorded it; the next poll notices when it is back.
    }
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#poll(), POLL_EVERY_MS);
  }

  // Records whether each server answered last.
  async #track<T>(server: "ovsdb" | "openflow", work: Promise<T>): Promise<T> {
    try {
      const result = await work;
      this.#state = { ...this.#state, [server]: "up" };
      return result;
    } catch (error) {
      if (isUnreachable(error)) this.#state = { ...this.#state, [server]: "down" };
      throw error;
    }
  }
}

function argsOf(job: Job, { bridge, owner }: SwitchOptions): string[] {
  if (job.do === "remove") return ["--if-exists", "del-port", bridge, job.name];
  if (job.do === "tag") return ["set", "Port", job.name, `tag=${job.tag}`];
  const { spec } = job;
  const ids = Object.entries(externalIdsOf(spec, owner))
    .map(([key, value]) => `external_ids:${JSON.stringify(key)}=${JSON.stringify(value)}`);
  if (job.do === "ids") {
    return ["clear", "Port", spec.name, "external_ids", "--", "set", "Port", spec.name, ...ids];
  }
  return [
    ...["add-port", bridge, spec.name, `tag=${spec.tag}`, ...ids],
    ...["--", "set", "Interface", spec.name, `ofport_request=${job.ofport}`],
  ];
}

function addition(flow: Flow): string {
  return `add ${flowText(flow)}`;
}

function deletion(ofport: number): string {
  return `delete cookie=0x${antispoofCookie(ofport).toString(16)}/-1`;
}
