// Writes files that commands make.

import { Fault, systemWords } from "../util/errors.ts";

/** Writes a new file with that mode. Faults: conflict if it is there already, failed. */
export async function writeNewFile(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  let isCreated = false;
  try {
    using file = await Deno.open(path, { createNew: true, write: true, mode });
    isCreated = true;
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) {
      throw new Fault("conflict", `${path} is there already`, {
        why: "it is not overwritten",
        fix: "give another name",
        cause,
      });
    }
    // Half of an archive is of no use. What this has not created is not removed.
    if (isCreated) await Deno.remove(path).catch(() => {});
    throw new Fault("failed", `${path} cannot be written`, {
      why: systemWords(cause),
      fix: "give another name",
      cause,
    });
  }
}
