// A pod that pings another one without a pause: whether it was answered at any moment, and at each.

import type { Pod } from "./pod.ts";

/** Pings that go on until they are disposed of. */
export interface Pings extends AsyncDisposable {
  /** How many were answered up to now. */
  readonly answered: number;
  /** Those of them, by number, that were not though a later one was. */
  missed(): number[];
}

const EVERY_SECONDS = "0.1";

/** Starts them; the first ones may go before this returns. */
export function pingOn(pod: Pod, address: string): Pings {
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", pod.id, "ping", "-n", "-i", EVERY_SECONDS, address],
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
    missed: () => {
      const last = Math.max(0, ...seen);
      return Array.from({ length: last }, (_, n) => n + 1).filter((n) => !seen.has(n));
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
