// Datagrams from one pod to another, and when the first one arrives or gets lost after a change of policies.

import type { Pod } from "../lab/pod.ts";

const TICK = new URL("tick.ts", import.meta.url).pathname;
const LIMIT_MS = 30_000;

/** Returns milliseconds since 1970, with fractions. */
export const epochNow = () => performance.timeOrigin + performance.now();

/** What happens to packets, as the receiving pod sees it. */
export class PacketWatch {
  readonly #lines: AsyncIterator<string>;

  private constructor(lines: AsyncIterator<string>) {
    this.#lines = lines;
  }

  /** Starts datagrams from `sender` to `receiver`, which has `address`; returns when the first one has arrived. */
  static async start(
    { receiver, sender, address }: {
      readonly receiver: Pod;
      readonly sender: Pod;
      readonly address: string;
    },
    stack: AsyncDisposableStack,
  ): Promise<PacketWatch> {
    const watch = new PacketWatch(linesOf(tick(stack, receiver, "receive")));
    await watch.#next((line) => line === "ready");
    tick(stack, sender, "send", address);
    await watch.#next((line) => line.startsWith("allowed"));
    return watch;
  }

  /** Returns when, after `since`, the first packet was allowed, or the first one denied. */
  async next(kind: "allowed" | "denied", since: number): Promise<number> {
    const timeOf = (line: string) => Number(line.slice(kind.length));
    return timeOf(await this.#next((line) => line.startsWith(kind) && timeOf(line) > since));
  }

  async #next(matches: (line: string) => boolean): Promise<string> {
    const end = AbortSignal.timeout(LIMIT_MS);
    const timeout = new Promise<never>((_, reject) => {
      end.addEventListener(
        "abort",
        () => reject(new Error("no packet shows the new rule in time")),
      );
    });
    while (true) {
      const { value, done } = await Promise.race([this.#lines.next(), timeout]);
      if (done) throw new Error("the pod's program has ended");
      if (matches(value)) return value;
    }
  }
}

function tick(stack: AsyncDisposableStack, pod: Pod, ...args: string[]): Deno.ChildProcess {
  const child = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", pod.id, Deno.execPath(), "run", "--no-config", "--no-check"],
      ...["--cached-only", "--unstable-net", "--allow-net", TICK, ...args],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
  return child;
}

async function* linesOf(child: Deno.ChildProcess): AsyncGenerator<string> {
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
