// Whether the sandboxes behind attachments are still alive. A network namespace that is gone is one
// witness; before anything is released at once, the runtime is the second. A container that was restarted
// is the same sandbox in a new namespace, of which no kubelet calls us: it is attached again, as it was.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { ListedSandbox, Runtimes } from "../../runtimes/runtime.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { LogDedup } from "../../util/log_dedup.ts";
import type { PodRequest } from "../api/pod_requests.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import { attachmentsIn, attachmentsOf, type HostView } from "../store/documents.ts";

/** What asking about sandboxes works with. */
export interface AliveDeps {
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly log: Pick<Log, "warn">;
}

/** What checking sandboxes works with. */
export interface SandboxLivenessDeps extends HostView {
  readonly runtimes: Pick<Runtimes, "isAlive" | "findSandbox" | "listSandboxes">;
  readonly sandboxes: Pick<Sandboxes, "queue" | "containers">;
  readonly log: Pick<Log, "warn" | "error">;
  readonly logDedup: LogDedup;
  /** Attaches a pod that no runtime asked for: setupPod() with `isLate`. */
  readonly setUpLate: (pod: PodRequest) => Promise<unknown>;
}

/**
 * `alive`: the namespace is there. `moved`: the sandbox runs in another one. `dead`: namespace and
 * runtime agree that it ended, and no teardown will come. `missing`: all else, for the grace period.
 */
export type SandboxState = "alive" | "moved" | "dead" | "missing";

/** States by attachment id, after those that moved were attached again. */
export interface SandboxStates {
  readonly stateById: ReadonlyMap<string, SandboxState>;
  /** Whether ports were changed. */
  readonly hasMoved: boolean;
  readonly failed: number;
}

// Where namespaces are found by process ids, one check takes two commands.
const AT_ONCE = 8;

/** Checks the sandbox of each attachment here; attaches those that were restarted again. */
export async function checkSandboxes(deps: SandboxLivenessDeps): Promise<SandboxStates> {
  const mine = attachmentsOf(deps.store.documents, deps.host);
  const stateById = new Map<string, SandboxState>();
  const gone: AttachmentRecord[] = [];
  for (let at = 0; at < mine.length; at += AT_ONCE) {
    await Promise.all(
      mine.slice(at, at + AT_ONCE).map(async (one) => {
        if (await isAliveOrUnknown(deps, one)) stateById.set(one.id, "alive");
        else gone.push(one);
      }),
    );
  }
  const stateOf = createStateQuery(deps);
  await Promise.all(gone.map(async (one) => {
    // A CNI runtime calls for whatever it starts again; until it does, nothing is known.
    const state = one.cni ? "missing" : await stateOf(one.sandbox).catch(() => "missing" as const);
    stateById.set(one.id, state);
  }));
  const moved = new Map(
    gone.filter(({ id }) => stateById.get(id) === "moved").map((one) => [one.sandbox, one]),
  );
  const done = await Promise.all([...moved.values()].map((one) => reattach(deps, one)));
  return { stateById, hasMoved: moved.size > 0, failed: done.filter((isDone) => !isDone).length };
}

/**
 * Returns what asks the runtime for the state of a sandbox whose namespace is gone; all calls share one
 * list. Faults of that: where the runtime does not answer.
 */
function createStateQuery(
  { runtimes, sandboxes: { containers } }: SandboxLivenessDeps,
): (sandbox: string) => Promise<SandboxState> {
  let listing: Promise<readonly ListedSandbox[] | undefined> | undefined;
  return async (sandbox) => {
    const found = await runtimes.findSandbox(sandbox);
    if (found?.isRunning) return found.isHostNetwork ? "missing" : "moved";
    // A kubelet replaces an infra container that died, and its set-up takes the endpoint over.
    if (found) return found.pod ? "missing" : "dead";
    if (!containers.isPlain(sandbox)) return "missing";
    // It is unknown, which also happens while there is no runtime, and then says nothing.
    listing ??= runtimes.listSandboxes();
    const listed = await listing;
    return !listed || listed.some(({ id }) => id === sandbox) ? "missing" : "dead";
  };
}

async function reattach(
  deps: SandboxLivenessDeps,
  { pod, sandbox }: AttachmentRecord,
): Promise<boolean> {
  const { store, host, sandboxes: { queue }, log, logDedup } = deps;
  const key = `moved ${sandbox}`;
  try {
    await queue.run(sandbox, async () => {
      // A teardown may have come before our turn.
      const isHere = attachmentsIn(store.documents, host, sandbox).length > 0;
      if (isHere) await deps.setUpLate({ ...pod, sandbox });
    });
    logDedup.forget(key);
    return true;
  } catch (error) {
    const { code, message } = faultFrom(error);
    if (code === "not_found") return true; // it ended meanwhile
    if (logDedup.isNew(key, message)) {
      log.error(`pod ${pod.namespace}/${pod.name} was restarted and not connected: ${message}`);
    }
    return false;
  }
}

/** Reports whether a sandbox is alive, or cannot be asked about now: without an answer, it counts as alive. */
export async function isAliveOrUnknown(
  { runtimes, log }: AliveDeps,
  one: AttachmentRecord,
): Promise<boolean> {
  try {
    return await runtimes.isAlive(one);
  } catch (error) {
    log.warn(`sandbox state unknown: ${faultFrom(error).message}`);
    return true;
  }
}
