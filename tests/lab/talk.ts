// Pods that talk: a small program in each one's namespace answers on ports and asks others.

import { scaled } from "./limits.ts";
import type { Pod } from "./pod.ts";
import type { Answered, Ask } from "./talker.ts";

const TALKER = new URL("talker.ts", import.meta.url).pathname;

/** A pod's program. */
export class Talker implements AsyncDisposable {
  readonly pod: Pod;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Map<number, (isAnswered: boolean) => void>();
  #next = 0;

  private constructor(pod: Pod, child: Deno.ChildProcess) {
    this.pod = pod;
    this.#child = child;
    this.#writer = child.stdin.getWriter();
  }

  /** Starts it; returns it when it listens on all ports. */
  static async start(
    pod: Pod,
    { tcp = [], udp = [] }: { readonly tcp?: readonly number[]; readonly udp?: readonly number[] },
  ): Promise<Talker> {
    const child = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", pod.id, Deno.execPath(), "run", "--no-config", "--cached-only"],
        ...["--no-check", "--unstable-net", "--allow-net", TALKER, tcp.join(), udp.join()],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const talker = new Talker(pod, child);
    const ready = Promise.withResolvers<void>();
    void talker.#read(ready.resolve);
    await ready.promise;
    return talker;
  }

  /**
   * Reports whether the pod at `ip` answers, within `limitMs` of the reference machine. Over UDP, question and
   * answer may have a size in bytes.
   */
  asks(
    protocol: "tcp" | "udp",
    ip: string,
    port: number,
    { limitMs = 1_500, ...udp }: Partial<Pick<Ask, "limitMs" | "bytes" | "tries">> = {},
  ): Promise<boolean> {
    const id = this.#next++;
    const ask: Ask = { id, protocol, ip, port, limitMs: scaled(limitMs), ...udp };
    const answered = new Promise<boolean>((resolve) => this.#waiting.set(id, resolve));
    void this.#writer.write(new TextEncoder().encode(`${JSON.stringify(ask)}\n`));
    return answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
  }

  async #read(ready: () => void): Promise<void> {
    let rest = "";
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        if (line === "ready") ready();
        else this.#take(JSON.parse(line));
      }
    }
  }

  #take({ id, isAnswered }: Answered): void {
    this.#waiting.get(id)?.(isAnswered);
    this.#waiting.delete(id);
  }
}
