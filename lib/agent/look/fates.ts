// What became of the sandboxes behind attachments. A namespace that is gone is one witness; before
// anything is taken away at once, the runtime is the second. A container that was restarted is the
// same sandbox in a new namespace, which no kubelet tells of: it is connected anew, as it was.

import type { AttachmentRecord } from "../../intent/records.ts";
import { faultFrom } from "../../util/errors.ts";
import { setupPod } from "../pods/setup.ts";
import { attachmentsIn, attachmentsOf } from "../record/documents.ts";
import type { World } from "../world.ts";

/**
 * `alive`: the namespace is there. `moved`: the sandbox runs in another one. `dead`: namespace and
 * runtime agree that it ended, and nobody else will say so. `missing`: all else, for the grace time.
 */
export type Fate = "alive" | "moved" | "dead" | "missing";

/** Fates by attachment id, after those that moved were connected anew. */
export interface Fates {
  readonly fateById: ReadonlyMap<string, Fate>;
  /** Whether ports were changed. */
  readonly hasMoved: boolean;
  readonly failed: number;
}

/** Looks for the sandbox of each attachment here; connects those anew that were restarted. */
export async function followSandboxes(world: World): Promise<Fates> {
  const mine = attachmentsOf(world.mirror.documents, world.host);
  const fates = await Promise.all(
    mine.map(async (one) => [one.id, await fateOf(world, one)] as const),
  );
  const fateById = new Map(fates);
  const moved = new Map(
    mine.filter(({ id }) => fateById.get(id) === "moved").map((one) => [one.sandbox, one]),
  );
  const done = await Promise.all([...moved.values()].map((one) => reconnect(world, one)));
  return { fateById, hasMoved: moved.size > 0, failed: done.filter((isDone) => !isDone).length };
}

/** Says what became of one attachment's sandbox. */
export async function fateOf(world: World, one: AttachmentRecord): Promise<Fate> {
  if (await world.runtimes.isAlive(one)) return "alive";
  try {
    const found = await world.runtimes.findSandbox(one.sandbox);
    // Both of it are told: an inode number alone may have been given to the next namespace.
    if (found?.isRunning && !found.isHostNetwork) return "moved";
  } catch {
    return "missing"; // a runtime that does not answer says nothing
  }
  // A kubelet replaces an infra container that died, and its set-up takes the endpoint over.
  return world.containers.isPlain(one.sandbox) ? "dead" : "missing";
}

async function reconnect(world: World, { pod, sandbox }: AttachmentRecord): Promise<boolean> {
  const key = `moved ${sandbox}`;
  try {
    await world.queue.run(sandbox, async () => {
      // A teardown may have come before our turn.
      const isHere = attachmentsIn(world.mirror.documents, world.host, sandbox).length > 0;
      if (isHere) await setupPod(world, { ...pod, sandbox }, { isLate: true });
    });
    world.once.forget(key);
    return true;
  } catch (error) {
    const { code, message } = faultFrom(error);
    if (code === "not_found") return true; // it ended meanwhile
    const words = `pod ${pod.namespace}/${pod.name} was restarted and not connected: ${message}`;
    if (world.once.isNew(key, message)) world.log.error(words);
    return false;
  }
}
