// Teardowns that were asked for while the agent was unreachable: one note each, in the folder beside the agent's socket.
// A kubelet that knows the socket thereby knows the folder. Notes in /run are lost when the host restarts; so are the
// sandboxes that they are about, which garbage collection then releases.
//
// Version 0.1.0, and callers that set K8CONTIVNET_STATE_DIR, leave notes in the state folder.

import { Fault, faultFrom, systemWords } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { LogDedup } from "../../util/log_dedup.ts";
import { isSandboxId } from "../../util/names.ts";
import { notesOf, type PodRequest } from "../api.ts";

/** What handling notes works with. */
export interface TeardownNotesDeps {
  readonly socket: string;
  readonly stateDir: string;
  readonly tearDown: (pod: PodRequest) => Promise<unknown>;
  readonly log: Pick<Log, "warn">;
}

/** The notes for one agent. */
export class TeardownNotes {
  readonly #deps: TeardownNotesDeps;
  readonly #problems = new LogDedup();

  constructor(deps: TeardownNotesDeps) {
    this.#deps = deps;
  }

  /** Handles the notes that are there; one that cannot be handled now stays for the next time. Never throws. */
  async handle(): Promise<void> {
    const { socket, stateDir } = this.#deps;
    for (const folder of [notesOf(socket), `${stateDir}/teardown`]) await this.#handle(folder);
  }

  async #handle(folder: string): Promise<void> {
    const { tearDown, log } = this.#deps;
    for (const sandbox of await this.#namesIn(folder)) {
      try {
        await tearDown({ namespace: "", name: "", sandbox });
        await Deno.remove(`${folder}/${sandbox}`);
      } catch (error) {
        log.warn(`teardown note kept: ${faultFrom(error).message}`, { sandbox });
      }
    }
  }

  async #namesIn(folder: string): Promise<string[]> {
    try {
      const names = await noteNames(folder);
      this.#problems.forget(folder);
      return names;
    } catch (error) {
      const message = `teardown notes not read: ${faultFrom(error).message}`;
      if (this.#problems.isNew(folder, message)) this.#deps.log.warn(message);
      return [];
    }
  }
}

/** Returns the sandboxes with a note in `folder`. Faults: conflict (another user's folder), failed. */
async function noteNames(folder: string): Promise<string[]> {
  try {
    const { isDirectory, uid } = await Deno.lstat(folder);
    // Others may have made it if the socket is in a folder such as /tmp: their notes would end pods.
    if (!isDirectory || uid !== Deno.uid()) {
      throw new Fault("conflict", `${folder} is not a folder of this user`, { fix: "remove it" });
    }
    const names = await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name);
    return names.filter(isSandboxId);
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Fault("failed", `${folder} cannot be read`, { why: systemWords(error) });
  }
}
