// One agent per state folder and per socket: a lock that the kernel drops when its holder dies.

import { Fault } from "../../util/errors.ts";
import { type LockHolder, lockHolder } from "./lock_holder.ts";

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
  throw lockedFault(path, what, await lockHolder(path));
}

/** Returns the Fault (conflict) of a lock that `holder` has, if that is known. */
export function lockedFault(path: string, what: string, holder: LockHolder | undefined): Fault {
  const { pid, unit } = holder ?? {};
  const intent = "give it the intent with k8contivnet apply -f FILE";
  const others = "configure separate folders for this one";
  return new Fault("conflict", `${what} is in use by another agent`, {
    ...unit !== undefined
      ? {
        why: `the systemd unit ${unit} runs here (process ${pid})`,
        fix: `${intent}, or stop it with systemctl stop ${unit}`,
      }
      : pid !== undefined
      ? { why: `process ${pid} has locked ${path}`, fix: `${intent}, or stop it, or ${others}` }
      : { why: `${path} is locked`, fix: `stop that agent, or ${others}` },
  });
}
