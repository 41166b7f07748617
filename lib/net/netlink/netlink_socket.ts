// Requests and replies over one rtnetlink socket. The kernel does all the work inside send(), and the replies are
// there when that returns: nothing here ever waits for one.

import { Fault } from "../../util/errors.ts";
import {
  decodeAck,
  decodeMessages,
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

// The kernel splits dumps into at most 32 KiB, and one link with all its attributes is far below that.
const REPLY_BYTES = 65_536;
// Shared by all sockets: what is read is copied out before anything else runs.
const buffer = new Uint8Array(new ArrayBuffer(REPLY_BYTES));

// A dump is repeated if the table changed meanwhile; each takes a few milliseconds.
const LIST_TRIES = 20;

// The kernel has one lock for all links (RTNL): many threads would only wait for each other, and each costs the agent
// memory (1 MB or so; Deno 2.9.6 keeps 32 of them for some seconds). A request that hangs because another process holds
// that lock is waited for, but not for ever.
//
// What changes something goes before what lists: a set-up lists the links of its sandbox first and then creates its
// own. So of fifty set-ups that come at once the first does not wait until all have listed. A list is short, and the
// event loop may be busy when it ends: a few at once keep the kernel busy meanwhile.
const TURN_MS = 1_000;
const changes: Turns = { most: 1, running: 0, waiting: [] };
const lists: Turns = { most: 3, running: 0, waiting: [] };

/** Work of one kind that waits for its turn. */
interface Turns {
  /** How many at once. */
  readonly most: number;
  running: number;
  readonly waiting: (() => Promise<unknown>)[];
}

/** Does `work` after the work before it. */
function inTurn<T>(turns: Turns, work: () => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  turns.waiting.push(() => Promise.try(work).then(resolve, reject));
  takeTurns();
  return promise;
}

function takeTurns(): void {
  for (const turns of [changes, lists]) {
    while (turns.running < turns.most && turns.waiting.length > 0) {
      if (turns === lists && changes.waiting.length > 0) return;
      turns.running++;
      void passed(turns.waiting.shift()!()).then(() => {
        turns.running--;
        takeTurns();
      });
    }
  }
}

/** Resolves when `turn` has settled, or after TURN_MS. */
function passed(turn: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, TURN_MS);
    void turn.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The replies of the kernel, and the requests that it refused, by their position. */
export interface Replies {
  readonly messages: readonly Message[];
  readonly refusals: ReadonlyMap<number, Refusal>;
}

/** An rtnetlink socket in one namespace. */
export class NetlinkSocket implements Disposable {
  readonly #libc: Libc;
  readonly #file: OpenFile;
  #sequence = 1;

  constructor(libc: Libc, file: OpenFile) {
    this.#libc = libc;
    this.#file = file;
    // A refusal then has a message, and does not repeat the whole request (Linux 4.12, 4.3).
    for (const option of [NETLINK_EXT_ACK, NETLINK_CAP_ACK]) {
      libc.setsockopt(file.fd, SOL_NETLINK, option, new Uint8Array([1, 0, 0, 0]), 4);
    }
  }

  /** The descriptor, for ioctl(). */
  get fd(): number {
    return this.#file.fd;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  /** Sends all requests as one batch, done in order; returns the replies. Faults: Refusal, the first one. */
  async request(...requests: readonly Request[]): Promise<readonly Message[]> {
    const { messages, refusals } = await this.tryAll(requests);
    for (const refusal of refusals.values()) throw refusal;
    return messages;
  }

  /** Sends all requests as one batch; one that the kernel refuses does not stop the others. */
  async tryAll(requests: readonly Request[]): Promise<Replies> {
    const sequence = this.#sequence;
    this.#sequence += requests.length;
    // Only the last one asks for an ack; a refusal is reported in any case.
    await this.#send(requests, encodeRequests(requests, sequence, NLM_F.ack));
    return this.#receive(requests, sequence);
  }

  /**
   * Sends one request on a thread of its own, beside others; for a removal, which waits for some 20 ms after it has
   * released the kernel's lock. Faults: Refusal.
   */
  async requestBeside(request: Request): Promise<void> {
    const sequence = this.#sequence++;
    await this.#send([request], encodeRequests([request], sequence, NLM_F.ack), {
      turns: undefined,
    });
    for (const refusal of this.#receive([request], sequence).refusals.values()) throw refusal;
  }

  /** Sends one request on this thread: for one that needs no lock of the kernel. Faults: Refusal. */
  requestAtOnce(request: Request): void {
    const sequence = this.#sequence++;
    const bytes = encodeRequests([request], sequence, NLM_F.ack);
    call(this.#libc, request.what, () => this.#libc.send(this.fd, bytes, BigInt(bytes.length), 0));
    for (const refusal of this.#receive([request], sequence).refusals.values()) throw refusal;
  }

  /** Returns a consistent dump of a table. Faults: unavailable, if it changes too fast. */
  async list(request: Request): Promise<readonly Message[]> {
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      const sequence = this.#sequence++;
      await this.#send([request], encodeRequests([request], sequence, 0), { turns: lists });
      const messages = this.#dumped(request, sequence);
      if (messages) return messages;
    }
    throw new Fault("unavailable", `${request.what} changes too fast for a consistent dump`, {
      fix: "try again",
    });
  }

  /** Returns the rows, or undefined if the dump is not consistent. */
  #dumped(request: Request, sequence: number): readonly Message[] | undefined {
    try {
      const { messages, refusals } = this.#receive([request], sequence);
      for (const refusal of refusals.values()) throw refusal;
      const isWhole = messages.every(({ flags }) => (flags & NLM_F.dumpInterrupted) === 0);
      return isWhole ? messages : undefined;
    } catch (error) {
      // ENOBUFS: replies were lost; the rest of them are skipped by their sequence number.
      if (error instanceof Refusal && error.is("ENOBUFS", "EINTR", "EAGAIN")) return undefined;
      throw error;
    }
  }

  async #send(
    requests: readonly Request[],
    bytes: Uint8Array<ArrayBuffer>,
    { turns }: { readonly turns: Turns | undefined } = { turns: changes },
  ): Promise<void> {
    // The kernel may wait for RTNL, which a removal holds for tens of milliseconds: the event loop must not wait
    // with it.
    const size = BigInt(bytes.length);
    const send = () => this.#libc.sendOffThread(this.fd, bytes, size, 0);
    const sent = await (turns ? inTurn(turns, send) : send());
    if (sent === bytes.length) return;
    // errno stayed on that thread. A batch that was refused as a whole was not processed: it is sent again here.
    const what = requests[0]?.what ?? "request";
    call(this.#libc, what, () => this.#libc.send(this.fd, bytes, size, 0));
  }

  /** Reads until the last request is acknowledged. */
  #receive(requests: readonly Request[], first: number): Replies {
    const messages: Message[] = [];
    const refusals = new Map<number, Refusal>();
    const last = first + requests.length - 1;
    while (true) {
      for (const message of this.#read(requests[0]?.what ?? "request")) {
        const at = message.sequence - first;
        const request = requests[at];
        if (!request) continue; // of an abandoned request
        if (message.type === NLMSG.error || message.type === NLMSG.done) {
          const { errno, text } = decodeAck(message);
          if (errno !== 0) refusals.set(at, new Refusal(request.what, errno, text));
          // The end of an inconsistent dump says so, too.
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
    const length = call(this.#libc, `reply to ${what}`, () => {
      return this.#libc.recv(this.fd, buffer, BigInt(buffer.length), flags);
    });
    if (length > buffer.length) {
      throw new Fault("failed", `reply to ${what} has ${length} bytes`, {
        why: `the buffer has ${buffer.length}`,
        fix: "use the link driver ip",
      });
    }
    return decodeMessages(buffer.slice(0, length));
  }
}
