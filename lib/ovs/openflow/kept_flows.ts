// Flows that a restarted ovs-vswitchd gets back at once: as bytes, over a connection that waits for it. A
// reconciliation, and ovs-ofctl with flows as text, take 15 ms more on an idle host, and 100 on a busy one.

import type { CookieSet } from "./cookies.ts";
import type { ListedFlow } from "./messages.ts";
import { type OpenFlowConnection, openOpenFlow } from "./openflow_connection.ts";
import { Reconnecting } from "../transport/reconnecting.ts";
import { withDeadline } from "../../util/async/deadline.ts";

const LIMIT_MS = 5_000;
/** A burst of changes is read once. */
const REST_MS = 300;

/** What was read, and for which numbers it is right. */
interface Kept {
  readonly flows: readonly ListedFlow[];
  /** OpenFlow numbers of the ports that flows name and that were on the bridge, by name. */
  readonly numbers: ReadonlyMap<string, number>;
}

/** The flows of one bridge under some cookies. */
export class KeptFlows implements Disposable {
  readonly #path: string;
  readonly #cookies: CookieSet;
  /** The flows as text, and what was read for them. */
  #desired = "";
  #kept: Kept | undefined;
  #switch: Reconnecting<OpenFlowConnection> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /** `path` is that of the bridge's socket, `<bridge>.mgmt`. Nothing is opened before the first keepSoon(). */
  constructor(path: string, cookies: CookieSet) {
    this.#path = path;
    this.#cookies = cookies;
  }

  /** Call before the flows become these: others that were read are not right any longer. */
  prepare(flows: readonly string[]): void {
    const desired = flows.join("\n");
    if (desired === this.#desired) return;
    this.#desired = desired;
    this.#stopReading();
    this.#kept = undefined;
  }

  /** Call when the flows have become these: reads them a moment later. `names` are the ports that they name. */
  keepSoon(flows: readonly string[], names: readonly string[]): void {
    this.prepare(flows);
    if (this.#isClosed || this.#kept || this.#timer !== undefined) return;
    this.#switch ??= new Reconnecting({
      open: () => this.#open(),
      onReady: (connection) => this.#check(connection),
      onLost: () => {},
    });
    // What cannot be read is left to a reconciliation.
    const timer = setTimeout(async () => {
      await this.#keep(flows.length, names).catch(() => {});
      if (timer === this.#timer) this.#timer = undefined;
    }, REST_MS);
    this.#timer = timer;
  }

  /** Ends the connection. Repeatable. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#stopReading();
    this.#switch?.close();
  }

  #stopReading(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #keep(count: number, names: readonly string[]): Promise<void> {
    const { current } = this.#switch ?? {};
    const desired = this.#desired;
    if (!current) return;
    const endMs = performance.now() + LIMIT_MS;
    const listed = current.listFlows(this.#cookies);
    const flows = await withDeadline(endMs, "ovs-vswitchd did not list its flows", listed);
    // Changed meanwhile, or ovs-vswitchd has been restarted and does not have them yet.
    if (desired !== this.#desired || this.#isClosed || flows.length !== count) return;
    const numbers = new Map(names.flatMap((name) => {
      const number = current.ports.get(name);
      return number === undefined ? [] : [[name, number] as const];
    }));
    this.#kept = { flows, numbers };
  }

  #open(): Promise<OpenFlowConnection> {
    const first = (connection: OpenFlowConnection) =>
      connection.addListedFlows(this.#kept?.flows ?? []);
    const endMs = performance.now() + LIMIT_MS;
    return openOpenFlow(this.#path, { listener: () => {}, endMs, first });
  }

  /** Takes the flows back where ports have other numbers now: the old ones may be pods'. */
  #check(connection: OpenFlowConnection): void {
    const numbers = [...this.#kept?.numbers ?? []];
    if (numbers.every(([name, number]) => connection.ports.get(name) === number)) return;
    this.#kept = undefined;
    connection.deleteFlows(this.#cookies.value, this.#cookies.mask);
  }
}
