// Docker's events without an end: the stream is opened again after each cut. What happened in between
// is not asked for (`since` needs two clocks to agree): whoever follows lists anew when it is opened.

import { Fault, oneLine } from "../../util/errors.ts";
import { pause } from "../../util/async/pause.ts";
import { type ContainerEvent, parseEvent } from "./responses.ts";
import type { Docker } from "./docker.ts";

/** What a follower is told. */
export type StreamEvent =
  /** From now on every event is told; before it, anything may have happened. */
  | { readonly kind: "opened" }
  /** Nothing is told any more; without a fault there is no socket. Told again for each try. */
  | { readonly kind: "lost"; readonly fault: Fault | undefined }
  | { readonly kind: "event"; readonly event: ContainerEvent };

/** Milliseconds between tries: the first, the longest, and how long a stream must last to be good. */
export interface Pauses {
  readonly shortestMs: number;
  readonly longestMs: number;
  readonly goodMs: number;
}

const PAUSES: Pauses = { shortestMs: 100, longestMs: 10_000, goodMs: 5_000 };

// An event has some 500 bytes, more with many labels.
const LINE_LIMIT = 1024 * 1024;

/** Tells what happens until `signal` aborts; never throws. `tell` must not throw. */
export async function follow(
  docker: Docker,
  signal: AbortSignal,
  tell: (told: StreamEvent) => void,
  { shortestMs, longestMs, goodMs }: Pauses = PAUSES,
): Promise<void> {
  for (let pauseMs = shortestMs; !signal.aborted;) {
    const started = performance.now();
    const fault = await followOnce(docker, signal, tell);
    if (signal.aborted) return;
    tell({ kind: "lost", fault });
    // One that takes every call and ends it at once must not be asked all the time.
    if (performance.now() - started >= goodMs) pauseMs = shortestMs;
    await pause(pauseMs, signal);
    pauseMs = Math.min(longestMs, pauseMs * 2);
  }
}

async function followOnce(
  docker: Docker,
  signal: AbortSignal,
  tell: (told: StreamEvent) => void,
): Promise<Fault | undefined> {
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener("abort", end);
  try {
    const stream = await docker.events(stop.signal);
    if (!stream) return undefined;
    tell({ kind: "opened" });
    for await (const line of linesOf(stream)) {
      const event = parseEvent(line);
      if (event) tell({ kind: "event", event });
    }
    return new Fault("unavailable", "Docker ended the stream of its events", {
      fix: "see whether dockerd was restarted",
    });
  } catch (error) {
    return error instanceof Fault ? error : cut(error);
  } finally {
    end();
    signal.removeEventListener("abort", end);
  }
}

function cut(cause: unknown): Fault {
  return new Fault("unavailable", "the stream of Docker's events was cut", {
    why: `"${oneLine(String(cause), 60)}"`,
    fix: "see whether dockerd was restarted",
    cause,
  });
}

async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_LIMIT) throw new Error("a line without an end");
    yield* lines;
  }
}
