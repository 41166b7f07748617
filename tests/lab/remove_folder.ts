// Removal of folders in which an agent worked.

import { waitFor } from "./wait.ts";

/** Removes a folder with all that is in it, also what commands still add that a killed agent had started. */
export async function removeFolder(path: string): Promise<void> {
  await waitFor(`${path} to be removed`, async () => {
    try {
      await Deno.remove(path, { recursive: true });
      return true;
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("Directory not empty"))) throw error;
      return false;
    }
  });
}
