// A pod that pings another one without a pause: whether it was answered at any moment, and at each.

import type { Pod } from "./pod.ts";
import { waitFor } from "./wait.ts";

/** Pings that go on until they are disposed of. */
export interface Pings extends AsyncDisposable {
  /** How many were answered up to now. */
  readonly answered: number;
  /** The number of the last one that was answered. */
  readonly last: number;
  /** Those of them, by number, that were not though a later one was. */
  missed(): number[];
}

/** Who pings: a pod, or words that run a command where the ping is to come from. */
export type Pinger = Pick<Pod, "id"> | readonly string[];

/** Starts them; the first ones may go before this returns. */
export function pingOn(from: Pinger, address: string, everySeconds = 0.1): Pings {
  const [command = "", ...enter] = "id" in from ? ["ip", "netns", "exec", from.id] : from;
  const child = new Deno.Command(command, {
    args: [...enter, "ping", "-n", "-i", `${everySeconds}`, address],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const seen = new Set<number>();
  const reading = read(child.stdout, seen);
  return {
    get answered() {
      return seen.size;
    },
    get last() {
      return Math.max(0, ...seen);
    },
    missed() {
      return Array.from({ length: this.last }, (_, n) => n + 1).filter((n) => !seen.has(n));
    },
    [Symbol.asyncDispose]: async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await Promise.all([child.status, reading]);
    },
  };
}

/**
 * Sends `count` pings and returns the numbers of those that were never answered. They go on until a later
 * one is answered: ping's own count takes for lost what is under way at its end, as once there was an
 * answer it waits for the last ones no longer than twice the longest time so far. On a busy machine
 * these may be several.
 */
export async function lostPings(
  from: Pinger,
  address: string,
  { count, everySeconds = 0.02 }: { readonly count: number; readonly everySeconds?: number },
): Promise<number[]> {
  await using pings = pingOn(from, address, everySeconds);
  const limitMs = count * everySeconds * 1_000 + 10_000;
  await waitFor(`an answer behind ${count} pings of ${address}`, () => pings.last > count, {
    limitMs,
  });
  return pings.missed().filter((number) => number <= count);
}

async function read(stream: ReadableStream<Uint8Array>, seen: Set<number>): Promise<void> {
  let rest = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const number = /bytes from .* icmp_seq=(\d+)/.exec(line)?.[1];
      if (number !== undefined) seen.add(Number(number));
    }
  }
}
