// One agent per state folder and per socket: a lock that the kernel drops when its holder dies.

import { Fault } from "../../util/errors.ts";

/** Holds an exclusive lock on the file at `path` until disposed. Faults: conflict, unavailable. */
export async function lockFile(path: string, what: string): Promise<Disposable> {
  const file = await Deno.open(path, { create: true, write: true, mode: 0o600 }).catch((cause) => {
    throw new Fault("unavailable", `${what} cannot be used`, {
      why: cause instanceof Deno.errors.PermissionDenied ? "no permission" : "it is not writable",
      fix: "run as root, or choose another folder",
      cause,
    });
  });
  // A lock file is never removed: a process that has it open may still wait for its lock.
  if (await file.tryLock(true)) return { [Symbol.dispose]: () => file.close() };
  file.close();
  throw new Fault("conflict", `${what} is in use by another agent`, {
    why: `${path} is locked`,
    fix: "stop that agent, or configure separate folders for this one",
  });
}
