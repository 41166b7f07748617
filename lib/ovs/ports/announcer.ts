// Tells segments where new pods are, by gratuitous ARP, without standing in the way of other work.
//
// A frame to all costs ovs-vswitchd some 10 µs per port of its VLAN. Sent at once for each of 400
// ports that came together in one VLAN of 500, they took 3.5 s of its one thread, and no pod could
// talk meanwhile (measured 2026-11, Open vSwitch 3.1, userspace datapath). So a frame goes out only
// while no port is on its way, and the next one only when the switch has done the last and rested.

import { gratuitousArp } from "../openflow/messages.ts";
import type { OpenFlowConnection } from "../openflow/openflow_connection.ts";

const REST_MS = 10;
/** Arrivals that never end do not hold a frame back longer than this. */
const PATIENCE_MS = 1_000;

/** A port whose pod is to be announced. */
export interface Announcement {
  readonly name: string;
  readonly ofport: number;
  readonly mac: string;
  readonly addresses: readonly string[];
}

/** Sends announcements one after another in the background. */
export class Announcer {
  readonly #connection: () => OpenFlowConnection | undefined;
  readonly #queue: { readonly port: Announcement; readonly sinceMs: number }[] = [];
  #arriving = 0;
  #isRunning = false;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(connection: () => OpenFlowConnection | undefined) {
    this.#connection = connection;
  }

  /** Returns what `work` gives; while it runs, a port is on its way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#arriving++;
    try {
      return await work();
    } finally {
      this.#arriving--;
    }
  }

  /** Queues the announcement of a port that forwards. */
  announce(port: Announcement): void {
    this.#queue.push({ port, sinceMs: performance.now() });
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Ends; what waits is not sent. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // lets the arrival that asked come to its end
    while (!this.#isClosed && this.#queue.length > 0) {
      const isPatient = performance.now() - this.#queue[0]!.sinceMs < PATIENCE_MS;
      if (this.#arriving === 0 || !isPatient) await this.#send(this.#queue.shift()!.port);
      if (this.#queue.length > 0) await this.#rest();
    }
    this.#isRunning = false;
  }

  async #send({ name, ofport, mac, addresses }: Announcement): Promise<void> {
    const connection = this.#connection();
    if (connection?.ports.get(name) !== ofport) return; // gone meanwhile
    for (const address of addresses) connection.sendFrame(ofport, gratuitousArp(mac, address));
    await connection.barrier().catch(() => {}); // a lost connection has nobody to be told
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => this.#timer = setTimeout(resolve, REST_MS));
  }
}
