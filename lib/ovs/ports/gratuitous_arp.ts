// Gratuitous ARPs: how many announce the addresses of a new port to its network, when, and how far apart.
// This is the one place that decides it, for both drivers; they only send the frames. (The kernel's
// `arp_notify`, which lib/net sets on a pod's interface, announces when that comes up again later: at
// set-up its port does not forward yet.)
//
// A broadcast costs ovs-vswitchd some 10 µs per port of its VLAN. Sent at once for each of 400 ports that
// came together in one VLAN of 500, they took 3.5 s of its one thread, and no pod could talk meanwhile
// (measured 2026-11, Open vSwitch 3.1, userspace datapath). So a port is announced only while no other
// port is being added, and the next one only when the switch has done the last and rested ten times as long: after 500
// had come, their announcements took a third of its time for 8 s, and the first ping of another pod more than a second.
// So the last of many is announced a minute later. A port that its pod has left by then is not announced: switches would
// send there what is for the pod that has its address now.

import { bytes, ipv4Bytes, macBytes, u16, u8 } from "../transport/bytes.ts";

/** Times that each port is announced, in rounds over all ports that wait. */
const ROUNDS = 1;
/** Shortest pause after the announcement of one port, before the next. */
const PAUSE_MS = 10;
/** How many times as long as the announcement took it is at least, up to MAX_PAUSE_MS. */
const REST = 10;
const MAX_PAUSE_MS = 1_000;
/** Ports that keep being added do not delay an announcement longer than this. */
const MAX_DELAY_MS = 1_000;

/** A port whose addresses are to be announced. */
export interface AnnouncedPort {
  readonly name: string;
  readonly ofport: number;
  readonly mac: string;
  readonly addresses: readonly string[];
}

/** What GratuitousArp works with; a test replaces the clock. */
export interface GratuitousArpOptions {
  /** Sends frames as if the pod had sent them; resolves when the switch has forwarded them. */
  readonly send: (port: AnnouncedPort, frames: readonly Uint8Array[]) => Promise<void>;
  readonly nowMs?: () => number;
  readonly pause?: (ms: number) => Promise<void>;
}

interface Waiting {
  readonly port: AnnouncedPort;
  readonly sinceMs: number;
  readonly rounds: number;
}

/** Announces ports one after another in the background. */
export class GratuitousArp {
  readonly #send: GratuitousArpOptions["send"];
  readonly #nowMs: () => number;
  readonly #pause: (ms: number) => Promise<void>;
  #queue: Waiting[] = [];
  #adding = 0;
  #isRunning = false;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ send, nowMs = () => performance.now(), pause }: GratuitousArpOptions) {
    this.#send = send;
    this.#nowMs = nowMs;
    this.#pause = pause ??
      ((ms) => new Promise((resolve) => this.#timer = setTimeout(resolve, ms)));
  }

  /** Returns the result of `work`, which adds a port: announcements wait for it. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#adding++;
    try {
      return await work();
    } finally {
      this.#adding--;
    }
  }

  /** Queues the announcement of a port that forwards. */
  announce(port: AnnouncedPort): void {
    this.#queue.push({ port, sinceMs: this.#nowMs(), rounds: ROUNDS });
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Announces these ports no more: their pods are leaving them. */
  withdraw(names: readonly string[]): void {
    const left = new Set(names);
    this.#queue = this.#queue.filter(({ port }) => !left.has(port.name));
  }

  /** Ends; what waits is not sent. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    while (!this.#isClosed && this.#queue.length > 0) {
      const startMs = this.#nowMs();
      if (this.#adding === 0 || this.#isOverdue(this.#queue[0]!)) {
        await this.#announceNow(this.#queue.shift()!);
      }
      const tookMs = this.#nowMs() - startMs;
      if (this.#queue.length > 0) await this.#pause(restOf(tookMs));
    }
    this.#isRunning = false;
  }

  #isOverdue({ sinceMs }: Waiting): boolean {
    return this.#nowMs() - sinceMs >= MAX_DELAY_MS;
  }

  async #announceNow({ port, rounds }: Waiting): Promise<void> {
    const frames = port.addresses.map((address) => gratuitousArpFrame(port.mac, address));
    // A frame that is lost with its connection is not repeated: ovs-vswitchd has learned nothing either.
    await this.#send(port, frames).catch(() => {});
    if (rounds > 1) this.#queue.push({ port, sinceMs: this.#nowMs(), rounds: rounds - 1 });
  }
}

/** Returns the milliseconds to the next announcement. */
function restOf(tookMs: number): number {
  return Math.min(Math.max(PAUSE_MS, tookMs * REST), MAX_PAUSE_MS);
}

/** Returns the broadcast by which a pod announces its address: an ARP request for itself (RFC 5227, §3). */
export function gratuitousArpFrame(mac: string, address: string): Uint8Array {
  const [sha, spa] = [macBytes(mac), ipv4Bytes(address)];
  const broadcast = new Uint8Array(6).fill(0xff);
  const ethernet = [broadcast, sha, u16(0x0806)];
  const fixed = [u16(1), u16(0x0800), u8(6), u8(4), u16(1)]; // RFC 826: Ethernet, IPv4, request
  return bytes(...ethernet, ...fixed, sha, spa, new Uint8Array(6), spa);
}
