// Docker's API over its unix socket, as far as one question goes: what is this container. Paths are
// sent without a version: each daemon answers in the newest it has, and what is read here has been
// the same since 1.15 (2014).

import { Fault, oneLine } from "../util/errors.ts";

/** What is read of a container. */
export interface Container {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** 0 where it does not run. */
  readonly pid: number;
  readonly labels: Readonly<Record<string, string>>;
  /** `default`, `none`, `host`, `container:ID` and others. */
  readonly networkMode: string;
  /** File that holds its network namespace; empty where Docker keeps none. */
  readonly sandboxKey: string;
}

// An inspect answer has some 10 KB.
const ANSWER_BYTES = 4 * 1024 * 1024;

/** Docker at one unix socket. */
export class Docker {
  readonly #path: string;
  readonly #limitMs: number;

  constructor(path: string, limitMs = 3_000) {
    this.#path = path;
    this.#limitMs = limitMs;
  }

  /**
   * Gives the container whose id is or starts with `id` (12 digits at least). undefined where Docker
   * does not know it, and where Docker's socket is not there. Faults: conflict (several start so),
   * unavailable, timeout.
   */
  async find(id: string): Promise<Container | undefined> {
    // Shorter words could be another's prefix by chance, as a named namespace "cafe".
    if (!/^[0-9a-f]{12,64}$/.test(id) || !await this.#hasSocket()) return undefined;
    const { status, text } = await this.#ask(`/containers/${id}/json`);
    if (status === 404) return undefined;
    if (isAmbiguous(text)) {
      throw new Fault("conflict", `container id ${id} is not unique`, {
        why: "several containers start so",
        fix: "give the id in full",
      });
    }
    if (status !== 200) throw this.#unavailable(`it says "${oneLine(messageIn(text), 60)}"`);
    const container = parseContainer(text);
    if (!container) throw this.#unavailable("its answer is none of Docker's");
    // Docker looks for names, too: somebody's container may be named like an id.
    return container.id.startsWith(id) ? container : undefined;
  }

  async #hasSocket(): Promise<boolean> {
    try {
      const { isSocket } = await Deno.stat(this.#path);
      if (isSocket) return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw this.#unavailable(oneLine(String(error), 60), error);
    }
    throw this.#unavailable("it is no socket");
  }

  async #ask(path: string): Promise<{ status: number; text: string }> {
    const signal = AbortSignal.timeout(this.#limitMs);
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path: this.#path } });
    try {
      const response = await fetch(`http://localhost${path}`, { client, signal });
      return { status: response.status, text: await readText(response) };
    } catch (error) {
      if (signal.aborted) {
        throw new Fault("timeout", `Docker gave no answer in ${this.#limitMs} ms`, {
          fix: `see whether the daemon at ${this.#path} is well`,
          cause: error,
        });
      }
      throw this.#unavailable("nobody speaks HTTP there", error);
    }
  }

  #unavailable(why: string, cause?: unknown): Fault {
    return new Fault("unavailable", `Docker at ${this.#path} cannot be asked`, {
      why,
      fix: "start dockerd or give another --docker",
      cause,
    });
  }
}

// Seen with 20.10, status 500; the status has changed with releases, the words have not.
function isAmbiguous(text: string): boolean {
  return /multiple ids found/i.test(messageIn(text));
}

/** Gives the container of Docker's inspect answer; undefined where the text is none. */
export function parseContainer(text: string): Container | undefined {
  const root = recordIn(jsonIn(text));
  const state = recordIn(root?.State);
  const id = root?.Id;
  const pid = state?.Pid;
  if (typeof id !== "string" || !/^[0-9a-f]{64}$/.test(id)) return undefined;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 0) return undefined;
  return {
    id,
    pid: state?.Running === true ? pid : 0,
    name: textIn(root?.Name),
    labels: labelsIn(recordIn(root?.Config)?.Labels),
    networkMode: textIn(recordIn(root?.HostConfig)?.NetworkMode),
    sandboxKey: textIn(recordIn(root?.NetworkSettings)?.SandboxKey),
  };
}

async function readText({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES) throw new Error("the answer is too long");
  }
  return text + decoder.decode();
}

function messageIn(text: string): string {
  return textIn(recordIn(jsonIn(text))?.message) || text;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function recordIn(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null ? { ...value } : undefined;
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function labelsIn(value: unknown): Record<string, string> {
  const pairs = Object.entries(recordIn(value) ?? {});
  return Object.fromEntries(pairs.map(([key, label]) => [key, textIn(label)]));
}
