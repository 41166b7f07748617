// Questions and answers over one rtnetlink socket. The kernel does all the work inside send(), and
// its answers are there when that returns: nothing here ever waits for one.

import { Fault } from "../../util/errors.ts";
import {
  decodeMessages,
  decodeVerdict,
  encodeRequests,
  type Message,
  NLM_F,
  NLMSG,
  type Request,
} from "./encoding.ts";
import { call, type Libc, Refusal } from "./libc.ts";
import type { OpenFile } from "./netns_sockets.ts";

const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;

// The kernel packs lists into at most 32 KiB, and one link with all its words is far below that.
const ANSWER_BYTES = 65_536;
// All sockets read into it: what is read is taken out before anything else runs.
const room = new Uint8Array(new ArrayBuffer(ANSWER_BYTES));

// A list is asked for again when the table changed under it; each time takes a few milliseconds.
const LIST_TRIES = 20;

// The kernel has one lock for all links: a second thread would only wait for the first one, and each
// costs the agent memory (1 MB or so, Deno 2.9.6 keeps 32 of them for some seconds).
// A request that hangs (somebody holds that lock) is waited for a while, and not for ever.
const TURN_MS = 1_000;
let last: Promise<unknown> = Promise.resolve();
let waiting = 0;

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = waiting === 0 ? work() : passed(last).then(work);
  waiting++;
  last = mine.catch(() => {}).finally(() => waiting--);
  return mine;
}

/** Resolves when `before` has settled, or has hung for long. */
function passed(before: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, TURN_MS);
    void before.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** What the kernel gave, and which requests it refused, by their place. */
export interface Outcome {
  readonly messages: readonly Message[];
  readonly refusals: ReadonlyMap<number, Refusal>;
}

/** A socket in some namespace. */
export class NetlinkSocket implements Disposable {
  readonly #libc: Libc;
  readonly #file: OpenFile;
  #sequence = 1;

  constructor(libc: Libc, file: OpenFile) {
    this.#libc = libc;
    this.#file = file;
    // So that a refusal comes with words, and without the whole request (Linux 4.12, 4.3).
    for (const option of [NETLINK_EXT_ACK, NETLINK_CAP_ACK]) {
      libc.setsockopt(file.fd, SOL_NETLINK, option, new Uint8Array([1, 0, 0, 0]), 4);
    }
  }

  get fd(): number {
    return this.#file.fd;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  /** Has all requests done, in order and at one go. Faults: Refusal, the first one. */
  async ask(...requests: readonly Request[]): Promise<readonly Message[]> {
    const { messages, refusals } = await this.try(requests);
    for (const refusal of refusals.values()) throw refusal;
    return messages;
  }

  /** Has all requests done that the kernel takes; one that it refuses holds no other up. */
  async try(requests: readonly Request[]): Promise<Outcome> {
    const sequence = this.#sequence;
    this.#sequence += requests.length;
    // Only the last one is confirmed; a refused one is told of in any case.
    await this.#send(requests, encodeRequests(requests, sequence, NLM_F.ack));
    return this.#receive(requests, sequence);
  }

  /** Returns all rows of a table. Faults: unavailable, when it changes too fast to be read. */
  async list(request: Request): Promise<readonly Message[]> {
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      const sequence = this.#sequence++;
      await this.#send([request], encodeRequests([request], sequence, 0));
      const messages = this.#listed(request, sequence);
      if (messages) return messages;
    }
    throw new Fault("unavailable", `${request.what} changes too fast to be read`, {
      fix: "try again",
    });
  }

  /** Returns the rows, or undefined where they do not belong together. */
  #listed(request: Request, sequence: number): readonly Message[] | undefined {
    try {
      const { messages, refusals } = this.#receive([request], sequence);
      for (const refusal of refusals.values()) throw refusal;
      const isWhole = messages.every(({ flags }) => (flags & NLM_F.dumpInterrupted) === 0);
      return isWhole ? messages : undefined;
    } catch (error) {
      // ENOBUFS: answers were lost, and the rest of them is skipped by its sequence number.
      if (error instanceof Refusal && error.is("ENOBUFS", "EINTR", "EAGAIN")) return undefined;
      throw error;
    }
  }

  async #send(requests: readonly Request[], bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    // The kernel may wait for its lock of links, which a removal holds for tens of milliseconds: the
    // event loop must not wait with it.
    const size = BigInt(bytes.length);
    const sent = await inTurn(() => this.#libc.sendOffThread(this.fd, bytes, size, 0));
    if (sent === bytes.length) return;
    // The reason stayed on that thread. A message that was refused as a whole was not looked at.
    const what = requests[0]?.what ?? "request";
    call(this.#libc, what, () => this.#libc.send(this.fd, bytes, size, 0));
  }

  /** Reads until the last request is answered. */
  #receive(requests: readonly Request[], first: number): Outcome {
    const messages: Message[] = [];
    const refusals = new Map<number, Refusal>();
    const last = first + requests.length - 1;
    while (true) {
      for (const message of this.#read(requests[0]?.what ?? "request")) {
        const at = message.sequence - first;
        const request = requests[at];
        if (!request) continue; // of a question that was given up
        if (message.type === NLMSG.error || message.type === NLMSG.done) {
          const { errno, words } = decodeVerdict(message);
          if (errno !== 0) refusals.set(at, new Refusal(request.what, errno, words));
          // A list that was cut off says so in its end, too.
          if (message.type === NLMSG.done) messages.push(message);
          if (message.sequence === last) return { messages, refusals };
        } else {
          messages.push(message);
        }
      }
    }
  }

  #read(what: string): Message[] {
    const flags = MSG_DONTWAIT | MSG_TRUNC;
    const length = call(this.#libc, `answer to ${what}`, () => {
      return this.#libc.recv(this.fd, room, BigInt(room.length), flags);
    });
    if (length > room.length) {
      throw new Fault("failed", `answer to ${what} has ${length} bytes`, {
        why: `${room.length} can be read`,
        fix: "use the link driver ip",
      });
    }
    return decodeMessages(room.slice(0, length));
  }
}
