// What became of the sandboxes behind attachments. A namespace that is gone is one witness; before
// anything is taken away at once, the runtime is the second. A container that was restarted is the
// same sandbox in a new namespace, which no kubelet tells of: it is connected anew, as it was.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { ListedSandbox } from "../../runtimes/runtime.ts";
import { faultFrom } from "../../util/errors.ts";
import { isThere } from "./safety_checks.ts";
import { setupPod } from "../pods/setup.ts";
import { attachmentsIn, attachmentsOf } from "../store/documents.ts";
import type { World } from "../world.ts";

/**
 * `alive`: the namespace is there. `moved`: the sandbox runs in another one. `dead`: namespace and
 * runtime agree that it ended, and nobody else will say so. `missing`: all else, for the grace time.
 */
export type SandboxState = "alive" | "moved" | "dead" | "missing";

/** Fates by attachment id, after those that moved were connected anew. */
export interface SandboxStates {
  readonly fateById: ReadonlyMap<string, SandboxState>;
  /** Whether ports were changed. */
  readonly hasMoved: boolean;
  readonly failed: number;
}

// Where namespaces are found by process ids, one look takes two commands.
const AT_ONCE = 8;

/** Looks for the sandbox of each attachment here; connects those anew that were restarted. */
export async function checkSandboxes(world: World): Promise<SandboxStates> {
  const mine = attachmentsOf(world.store.documents, world.host);
  const fateById = new Map<string, SandboxState>();
  const gone: AttachmentRecord[] = [];
  for (let at = 0; at < mine.length; at += AT_ONCE) {
    await Promise.all(
      mine.slice(at, at + AT_ONCE).map(async (one) => {
        if (await isThere(world, one)) fateById.set(one.id, "alive");
        else gone.push(one);
      }),
    );
  }
  const witness = new Witness(world);
  await Promise.all(gone.map(async (one) => {
    fateById.set(one.id, await witness.fateOf(one.sandbox).catch(() => "missing"));
  }));
  const moved = new Map(
    gone.filter(({ id }) => fateById.get(id) === "moved").map((one) => [one.sandbox, one]),
  );
  const done = await Promise.all([...moved.values()].map((one) => reconnect(world, one)));
  return { fateById, hasMoved: moved.size > 0, failed: done.filter((isDone) => !isDone).length };
}

/** Asks the runtime what became of sandboxes whose namespaces are gone. */
class Witness {
  readonly #world: World;
  #listed: Promise<readonly ListedSandbox[] | undefined> | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** Faults: where the runtime does not answer. */
  async fateOf(sandbox: string): Promise<SandboxState> {
    const { runtimes, containers } = this.#world;
    const found = await runtimes.findSandbox(sandbox);
    if (found?.isRunning) return found.isHostNetwork ? "missing" : "moved";
    // A kubelet replaces an infra container that died, and its set-up takes the endpoint over.
    if (found) return found.pod ? "missing" : "dead";
    if (!containers.isPlain(sandbox)) return "missing";
    // Nobody knows it: also where there is no runtime just now, which says nothing.
    this.#listed ??= runtimes.listSandboxes();
    const listed = await this.#listed;
    return !listed || listed.some(({ id }) => id === sandbox) ? "missing" : "dead";
  }
}

async function reconnect(world: World, { pod, sandbox }: AttachmentRecord): Promise<boolean> {
  const key = `moved ${sandbox}`;
  try {
    await world.queue.run(sandbox, async () => {
      // A teardown may have come before our turn.
      const isHere = attachmentsIn(world.store.documents, world.host, sandbox).length > 0;
      if (isHere) await setupPod(world, { ...pod, sandbox }, { isLate: true });
    });
    world.logDedup.forget(key);
    return true;
  } catch (error) {
    const { code, message } = faultFrom(error);
    if (code === "not_found") return true; // it ended meanwhile
    const words = `pod ${pod.namespace}/${pod.name} was restarted and not connected: ${message}`;
    if (world.logDedup.isNew(key, message)) world.log.error(words);
    return false;
  }
}
