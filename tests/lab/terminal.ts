// A command on a terminal of its own, by script(1): what a person sees, and what a person types.

import { patient } from "./limits.ts";
import { waitFor } from "./wait.ts";

/** What a command is started with. */
export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** @default 80 */
  readonly columns?: number;
}

/** Ctrl-C, as a terminal sends it. */
export const CTRL_C = "\x03";

/** The character that control sequences begin with (ECMA-48, section 8.3.48). */
export const ESCAPE = String.fromCharCode(27);

const COLOUR = new RegExp(`${ESCAPE}\\[[\\d;]*m`, "g");

/** A running command. */
export class Terminal implements AsyncDisposable {
  /** All that it has shown: control sequences, too, and both streams. */
  text = "";
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #read: Promise<void>;

  /** Starts a line of shell. */
  constructor(line: string, { env = {}, columns = 80 }: TerminalOptions = {}) {
    this.#child = new Deno.Command("script", {
      args: ["-qefc", `stty cols ${columns} rows 24; ${line}`, "/dev/null"],
      // dash, which script(1) takes without it, ends with 130 whatever a command does at Ctrl-C.
      env: { SHELL: "/bin/bash", TERM: "xterm", NO_COLOR: "", ...env },
      ...{ stdin: "piped", stdout: "piped", stderr: "null" },
    }).spawn();
    this.#keys = this.#child.stdin.getWriter();
    this.#read = this.#follow();
  }

  /** The lines that are left on the screen, without colours: each as it was last. */
  get lines(): string[] {
    const plain = this.text.replace(COLOUR, "");
    return plain.replaceAll("\r\n", "\n").split("\n")
      .map((line) => line.split("\r").at(-1)!.replaceAll("\x1b[K", ""));
  }

  async type(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /** Waits until it has shown something. */
  async shows(words: RegExp): Promise<void> {
    const isShown = () => words.test(this.text);
    await waitFor(`${words} on the terminal`, isShown, { limitMs: 60_000 }).catch((error) => {
      throw new Error(`${error.message}; it shows:\n${this.text}`);
    });
  }

  /** Waits for its end; returns its exit code. */
  async ended(limitMs = 60_000): Promise<number> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), patient(limitMs));
    try {
      await this.#read;
      return (await this.#child.status).code;
    } finally {
      clearTimeout(timer);
    }
  }

  async #follow(): Promise<void> {
    for await (const part of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.text += part;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keys.close().catch(() => {}); // script ends its command, if it still runs
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await this.#read;
    await this.#child.status;
  }
}
