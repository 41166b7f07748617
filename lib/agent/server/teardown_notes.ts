// Teardowns that were asked for while the agent was unreachable: one note each in the state folder.

import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { isSandboxId } from "../../util/names.ts";
import type { PodRequest } from "../api.ts";

/** What handling notes works with. */
export interface TeardownNotesDeps {
  readonly stateDir: string;
  readonly tearDown: (pod: PodRequest) => Promise<unknown>;
  readonly log: Pick<Log, "warn">;
}

/** Handles the notes that are there; one that cannot be handled now stays for the next time. */
export async function handleNotes(
  { stateDir, tearDown, log }: TeardownNotesDeps,
): Promise<void> {
  const dir = `${stateDir}/teardown`;
  for (const sandbox of await noteNames(dir)) {
    try {
      await tearDown({ namespace: "", name: "", sandbox });
      await Deno.remove(`${dir}/${sandbox}`);
    } catch (error) {
      log.warn(`teardown note kept: ${faultFrom(error).message}`, { sandbox });
    }
  }
}

async function noteNames(dir: string): Promise<string[]> {
  try {
    const names = await Array.fromAsync(Deno.readDir(dir), (entry) => entry.name);
    return names.filter(isSandboxId);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
