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
  readonly #waiting = new Map<number, (answered: Answered) => void>();
  #next = 0;

  private constructor(pod: Pod, child: Deno.ChildProcess) {
    this.pod = pod;
    this.#child = child;
    this.#writer = child.stdin.getWriter();
  }

  /** Starts it; returns it when it listens on all ports. `name` is what it calls itself. */
  static async start(
    pod: Pod,
    { tcp = [], udp = [], name = pod.name }: {
      readonly tcp?: readonly number[];
      readonly udp?: readonly number[];
      readonly name?: string;
    },
  ): Promise<Talker> {
    const child = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", pod.id, Deno.execPath(), "run", "--no-config", "--cached-only"],
        ...["--no-check", "--unstable-net", "--allow-net", TALKER, tcp.join(), udp.join(), name],
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
   * Reports whether the pod at `ip` answers, within `limitMs` of the reference machine. Question and answer may
   * have a size in bytes.
   */
  async asks(
    protocol: "tcp" | "udp",
    ip: string,
    port: number,
    options: Partial<Pick<Ask, "limitMs" | "bytes" | "tries">> = {},
  ): Promise<boolean> {
    return (await this.#ask({ protocol, ip, port, ...options })).isAnswered;
  }

  /**
   * Asks for the name of whatever answers there; returns `NAME saw ADDRESS`, over UDP followed by the size that
   * arrived, or undefined without an answer.
   */
  async asksWho(
    protocol: "tcp" | "udp",
    ip: string,
    port: number,
    options: Partial<Pick<Ask, "limitMs" | "bytes" | "tries">> = {},
  ): Promise<string | undefined> {
    return (await this.#ask({ protocol, ip, port, isWho: true, ...options })).answer;
  }

  #ask({ limitMs = 1_500, ...question }: Omit<Ask, "id" | "limitMs"> & { limitMs?: number }) {
    const id = this.#next++;
    const ask: Ask = { id, limitMs: scaled(limitMs), ...question };
    const answered = new Promise<Answered>((resolve) => this.#waiting.set(id, resolve));
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

  #take(answered: Answered): void {
    this.#waiting.get(answered.id)?.(answered);
    this.#waiting.delete(answered.id);
  }
}
