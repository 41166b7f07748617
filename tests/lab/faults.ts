// Faults injected into the agent of a lab, by the names that the agent itself logs for its external calls: see
// lib/agent/fault_injection.ts.

import { run } from "./run.ts";
import { type Host, worldOf, type WorldSets } from "./host.ts";
import { waitFor } from "./wait.ts";

/** An agent that breaks itself on demand. */
export class FaultyAgent {
  readonly #host: Host;
  readonly #file: string;

  private constructor(host: Host) {
    this.#host = host;
    this.#file = `${host.dir}/fault`;
  }

  /** Starts the agent of `host` anew, with faults on. */
  static async restart(host: Host): Promise<FaultyAgent> {
    const faulty = new FaultyAgent(host);
    await host.agent.stop();
    host.agent.agentEnv.K8CONTIVNET_FAULT = faulty.#file;
    await host.agent.start();
    return faulty;
  }

  /** Asks for a fault at the next step of that name. */
  async arm(step: string, mode: string): Promise<void> {
    // Renamed, so that the agent never reads half a line.
    await Deno.writeTextFile(`${this.#file}.new`, `${step}:${mode}`);
    await Deno.rename(`${this.#file}.new`, this.#file);
  }

  /** Reports whether the fault that was asked for has struck; none is asked for any more. */
  async struck(): Promise<boolean> {
    return await Deno.remove(this.#file).then(() => false, () => true);
  }

  /** Returns the external calls of one scope that `work` makes the agent do, each once, in order. */
  async steps(scope: string, work: () => Promise<unknown>): Promise<string[]> {
    const before = (await this.#host.agent.logText()).length;
    await work();
    const logged = (await this.#host.agent.logText()).slice(before);
    const names = [...logged.matchAll(/ external call (\S+)$/gm)].map(([, name]) => name ?? "");
    return [...new Set(names.filter((name) => name.startsWith(`${scope}/`)))];
  }
}

/** All that a host may have of ours: what Open vSwitch, kernel and store have, and files. */
export interface Traces extends WorldSets {
  readonly namespaces: readonly string[];
  readonly files: readonly string[];
}

/** Looks for all of it. */
export async function tracesOf(host: Host): Promise<Traces> {
  const files = (await run("find", [host.agent.stateDir, "-not", "-type", "d"])).split("\n");
  return {
    ...await worldOf(host),
    // That which holds the inner ends of warm ports is made with the first of them.
    namespaces: (await run("ls", ["/run/netns"])).split("\n")
      .filter((name) => !name.startsWith("k8contivnet-")).sort(),
    // SQLite makes and removes these two as it likes; events are written some seconds after them, to stay.
    files: files.filter((name) => !/-(wal|shm)$|\/events\.json$/.test(name)).sort(),
  };
}

/** Waits until the traces are `wanted`; says what differs when they are not in time. */
export async function becomes(host: Host, wanted: Traces, limitMs = 20_000): Promise<void> {
  let last: Traces | undefined;
  const isSame = async () => {
    last = await tracesOf(host);
    return JSON.stringify(last) === JSON.stringify(wanted);
  };
  await waitFor("all to be as before", isSame, { limitMs }).catch((error) => {
    const more = (a: Traces, b: Traces) =>
      Object.entries(a).flatMap(([kind, names]: [string, readonly string[]]) =>
        names.filter((name) => !b[kind as keyof Traces].includes(name)).map((name) =>
          `${kind}: ${name}`
        )
      );
    const words = [`too much: ${more(last!, wanted)}`, `missing: ${more(wanted, last!)}`];
    throw new Error(`${error.message}\n${words.join("\n")}`);
  });
}
