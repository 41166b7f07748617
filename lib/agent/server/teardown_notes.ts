// Teardowns that were asked for while the agent was away: a note each in the state folder.

import { faultFrom } from "../../util/errors.ts";
import { isSandboxId } from "../../util/names.ts";
import { teardownPod } from "../pods/teardown.ts";
import type { World } from "../world.ts";

/** Handles the notes that are there; one that cannot be handled now stays for the next start. */
export async function handleNotes(world: World, stateDir: string): Promise<void> {
  const dir = `${stateDir}/teardown`;
  for (const sandbox of await noteNames(dir)) {
    try {
      await teardownPod(world, { namespace: "", name: "", sandbox });
      await Deno.remove(`${dir}/${sandbox}`);
    } catch (error) {
      world.log.warn(`teardown note kept: ${faultFrom(error).message}`, { sandbox });
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
