// Watches that share a stream. Each stream is a connection of its own, as etcd's gateway has no HTTP/2 for them, and an
// agent watches more than a hundred prefixes: a connection for each would be too many for etcd, with thousands of agents.
//
// A stream can be asked for watches only when it is opened: those that are requested within a moment share one. Which
// response belongs to which watch is known by its id; etcd reports the new watches in the order of the requests. Nor
// can one watch of a stream be ended: once most have left, the stream ends, and those that stay begin again on another.
//
// etcd's gateway may lose the last requests of a stream: a Go server that speaks HTTP/1 does not read on in a request once
// it has begun to answer it (net/http, ResponseWriter.Write). What it reads at once, 4 KiB, is safe: so few watches share
// a stream, and those that are not reported in time begin again, too.

import { AsyncQueue } from "../../util/async/async_queue.ts";
import {
  type CallOptions,
  CODE,
  type EtcdRequest,
  type Transport,
  TransportError,
  type WatchResponse,
} from "./transport.ts";

/** A watch on a stream. */
export interface SharedWatch {
  /**
   * Its messages until its signal aborts, or the stream ends as most of its watches have left. The stream's first must
   * come within the time limit. Throws TransportError only.
   */
  readonly responses: AsyncIterable<WatchResponse>;
  /** Returns when the stream has last sent a message, of any of its watches, in performance.now()'s time. */
  readonly lastMessageMs: () => number;
}

/** What a watch is opened with. */
type WatchOptions = CallOptions & { readonly signal: AbortSignal };

// Longer than an agent takes to begin all its watches once it has read what they follow.
const GATHER_MS = 20;

// A request has some 150 bytes. With 150 of them, etcd 3.4 lost some in 7 of 8 tries.
const MOST_WATCHES = 20;

// So long after the watch before it, the next one of a stream is reported.
const LATE_MS = 1_000;

// The id -1 is that of a watch that was refused.
const NO_WATCH = "-1";

/** The streams of one member. */
export class SharedStreams {
  readonly #transport: Transport;
  /** The stream that is not opened yet, by its token. */
  readonly #gathering = new Map<string | undefined, Stream>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Adds a watch to a stream. */
  watch(request: EtcdRequest, options: WatchOptions): SharedWatch {
    const { token } = options;
    const gathering = this.#gathering.get(token);
    const stream = gathering && !gathering.isFull ? gathering : this.#gather(options);
    const consumer = { request, queue: new AsyncQueue<WatchResponse>() };
    stream.add(consumer);
    return {
      responses: messages(stream, consumer, options.signal),
      lastMessageMs: () => stream.lastMessageMs,
    };
  }

  #gather({ token, limitMs }: CallOptions): Stream {
    const stream = new Stream();
    this.#gathering.set(token, stream);
    setTimeout(() => {
      if (this.#gathering.get(token) === stream) this.#gathering.delete(token);
      void stream.open(this.#transport, { token, limitMs });
    }, GATHER_MS);
    return stream;
  }
}

/** Ends the messages of a watch: its signal has aborted, or it has to begin again. */
class Ended extends Error {}

async function* messages(
  stream: Stream,
  consumer: Consumer,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse> {
  const abort = () => consumer.queue.fail(new Ended());
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    while (!signal.aborted) yield await consumer.queue.next();
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
  } finally {
    signal.removeEventListener("abort", abort);
    stream.remove(consumer);
  }
}

interface Consumer {
  readonly request: EtcdRequest;
  readonly queue: AsyncQueue<WatchResponse>;
}

class Stream {
  lastMessageMs = performance.now();
  readonly #consumers = new Set<Consumer>();
  readonly #byId = new Map<string, Consumer>();
  readonly #stop = new AbortController();
  /** How many watches it was opened with; 0 before and after. */
  #opened = 0;

  get isFull(): boolean {
    return this.#consumers.size >= MOST_WATCHES;
  }

  add(consumer: Consumer): void {
    this.#consumers.add(consumer);
  }

  /** Ends an open stream when most of its watches have left. */
  remove(consumer: Consumer): void {
    this.#consumers.delete(consumer);
    if (this.#consumers.size >= this.#opened / 2) return;
    this.#opened = 0;
    this.#stop.abort();
    for (const { queue } of this.#consumers) queue.fail(new Ended());
  }

  /** Opens the stream, and passes on its messages until it ends. */
  async open(transport: Transport, options: CallOptions): Promise<void> {
    const waiting = [...this.#consumers];
    if (waiting.length === 0) return;
    this.#opened = waiting.length;
    const requests = waiting.map(({ request }) => request);
    const isAborted = () => this.#stop.signal.aborted;
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      const signal = this.#stop.signal;
      for await (const response of transport.watch(requests, { ...options, signal })) {
        this.lastMessageMs = performance.now();
        if (response.created) {
          clearTimeout(late);
          late = setTimeout(() => this.#restart(waiting.splice(0)), LATE_MS);
        }
        this.#pass(response, waiting);
      }
      throw new TransportError(CODE.unavailable, "ended the watch");
    } catch (error) {
      if (isAborted()) return;
      const reason = error instanceof Error ? error : new Error(String(error));
      for (const { queue } of this.#consumers) queue.fail(reason);
    } finally {
      clearTimeout(late);
    }
  }

  /** Lets watches begin again that were not reported: their requests were lost. */
  #restart(lost: readonly Consumer[]): void {
    this.#opened -= lost.length;
    for (const { queue } of lost) queue.fail(new Ended());
  }

  /** `waiting` are the watches that etcd has not reported as created yet, in their order. */
  #pass(response: WatchResponse, waiting: Consumer[]): void {
    const { "watch_id": id = "0", created = false } = response;
    const fresh = created ? waiting.shift() : undefined;
    if (fresh && id !== NO_WATCH) this.#byId.set(id, fresh);
    const consumer = fresh ?? this.#byId.get(id);
    if (consumer && this.#consumers.has(consumer)) consumer.queue.push(response);
  }
}
