// Docker's events, without an end: the stream is reopened whenever it breaks. Events from in between are not
// requested (`since` needs two clocks to agree): the follower lists the containers each time it is opened.

import { Fault, oneLine } from "../../util/errors.ts";
import { pause } from "../../util/async/pause.ts";
import { type ContainerEvent, parseEvent } from "./responses.ts";
import type { Docker } from "./docker.ts";

/** What a follower gets. */
export type StreamEvent =
  /** From now on every event is reported; before, anything may have happened. */
  | { readonly kind: "opened" }
  /** No more events; without a fault, the socket does not exist. Repeated for each attempt. */
  | { readonly kind: "lost"; readonly fault: Fault | undefined }
  | { readonly kind: "event"; readonly event: ContainerEvent };

/** Milliseconds between attempts: shortest and longest pause, and how long a stream must last to reset it. */
export interface Pauses {
  readonly shortestMs: number;
  readonly longestMs: number;
  readonly resetMs: number;
}

const PAUSES: Pauses = { shortestMs: 100, longestMs: 10_000, resetMs: 5_000 };

// An event has some 500 bytes, more with many labels.
const LINE_LIMIT = 1024 * 1024;

/** Reports events until `signal` aborts; never throws. `report` must not throw. */
export async function follow(
  docker: Docker,
  signal: AbortSignal,
  report: (event: StreamEvent) => void,
  { shortestMs, longestMs, resetMs }: Pauses = PAUSES,
): Promise<void> {
  for (let pauseMs = shortestMs; !signal.aborted;) {
    const started = performance.now();
    const fault = await followOnce(docker, signal, report);
    if (signal.aborted) return;
    report({ kind: "lost", fault });
    // A daemon that accepts every request and ends it at once must not be asked all the time.
    if (performance.now() - started >= resetMs) pauseMs = shortestMs;
    await pause(pauseMs, signal);
    pauseMs = Math.min(longestMs, pauseMs * 2);
  }
}

async function followOnce(
  docker: Docker,
  signal: AbortSignal,
  report: (event: StreamEvent) => void,
): Promise<Fault | undefined> {
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener("abort", end);
  try {
    const stream = await docker.events(stop.signal);
    if (!stream) return undefined;
    report({ kind: "opened" });
    for await (const line of linesOf(stream)) {
      const event = parseEvent(line);
      if (event) report({ kind: "event", event });
    }
    return new Fault("unavailable", "Docker ended its event stream", {
      fix: "check whether dockerd was restarted",
    });
  } catch (error) {
    return error instanceof Fault ? error : broken(error);
  } finally {
    end();
    signal.removeEventListener("abort", end);
  }
}

function broken(cause: unknown): Fault {
  return new Fault("unavailable", "Docker's event stream broke", {
    why: `"${oneLine(String(cause), 60)}"`,
    fix: "check whether dockerd was restarted",
    cause,
  });
}

async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_LIMIT) throw new Error(`a line has more than ${LINE_LIMIT} characters`);
    yield* lines;
  }
}
