// Follows the container runtime's events and lists its sandboxes. Asks for a reconciliation only where
// there is work: it takes time that set-ups would wait for, and a kubelet's host has many events.

import type { RuntimeEvent, Runtimes } from "../../runtimes/runtime.ts";
import type { Debounce } from "../../util/async/debounce.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import type { Clock } from "../../util/clock.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { LogDedup } from "../../util/log_dedup.ts";
import { attachmentsIn, type HostView } from "../store/documents.ts";
import { latePods, type LatePodsDeps } from "./late_attach.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** What following the runtime works with. */
export interface FollowRuntimeDeps extends HostView {
  readonly store: LatePodsDeps["store"];
  readonly runtimes: Pick<Runtimes, "follow" | "listSandboxes">;
  readonly sandboxes: Pick<Sandboxes, "unmatched" | "tornDown" | "containers">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  readonly logDedup: LogDedup;
  readonly reconcileSignal: Pick<Notifier, "notify">;
  readonly memoryTrim: Pick<Debounce, "note">;
}

// A burst of events leads to one list.
const GATHER_MS = 50;
const IDLE_MS = 30_000;
const RETRY_MS = 1_000;

/** Follows the runtime until `signal` aborts; never throws. */
export async function followRuntime(deps: FollowRuntimeDeps, signal: AbortSignal): Promise<void> {
  const follower = new RuntimeFollower(deps);
  deps.runtimes.follow(signal, (event) => follower.handle(event));
  let retryMs = RETRY_MS;
  while (!signal.aborted) {
    await follower.signal.wait({ withinMs: follower.isStale ? retryMs : IDLE_MS, signal });
    await pause(GATHER_MS, signal);
    if (signal.aborted) break;
    if (!follower.isStale) continue;
    const isDone = await follower.refresh().catch((error) => {
      const { message } = faultFrom(error);
      if (deps.logDedup.isNew("containers", message)) deps.log.error(`containers: ${message}`);
      return false; // whatever it was, events must still be followed
    });
    deps.memoryTrim.note();
    retryMs = isDone ? RETRY_MS : Math.min(IDLE_MS, retryMs * 2);
  }
}

/** The events since the last list. */
class RuntimeFollower {
  readonly signal = new Notifier();
  /** Whether the list is older than the events. */
  isStale = false;
  readonly #deps: FollowRuntimeDeps;
  readonly #touched = new Set<string>();
  #isOpen = false;
  /** The stream was opened, and nothing was reconciled since. */
  #isReopened = false;

  constructor(deps: FollowRuntimeDeps) {
    this.#deps = deps;
  }

  handle(event: RuntimeEvent): void {
    if (event.kind === "lost") return this.#lose(event);
    this.isStale = true;
    if (event.kind === "opened") return this.#open();
    const { kind, sandbox, role } = event;
    this.#touched.add(sandbox);
    // A plain container that starts has a new life, whatever was asked for its last one.
    if (kind === "started" && role === "plain") this.#deps.sandboxes.tornDown.delete(sandbox);
    // A pod that starts is its kubelet's for a while, one that ends was torn down: the next list
    // will do.
    if (role !== "infra" || this.#isAttached(sandbox)) this.signal.notify();
  }

  /** Lists, and notifies the reconcile loop where there is work; reports whether the list is fresh. */
  async refresh(): Promise<boolean> {
    this.isStale = false;
    const touched = [...this.#touched];
    this.#touched.clear();
    const isFresh = await this.#list();
    if (!isFresh) this.isStale = true;
    else if (this.#isOpen) this.#logReachable();
    const isWork = this.#isReopened || touched.some((id) => this.#isAttached(id)) ||
      latePods(this.#deps).length > 0;
    this.#isReopened = false;
    if (isWork) this.#deps.reconcileSignal.notify();
    return isFresh;
  }

  async #list(): Promise<boolean> {
    const { runtimes, sandboxes: { containers, unmatched }, clock, log, logDedup } = this.#deps;
    try {
      const listed = await runtimes.listSandboxes();
      if (!listed) return true; // the event stream reports when there is a runtime again
      const isAttached = (id: string) => this.#isAttached(id);
      // Nothing tears down what nothing attached: it is forgotten when it ends.
      for (const id of containers.take(listed, { now: clock.now(), isAttached })) {
        unmatched.remove(id);
        logDedup.forget(`late ${id}`);
      }
      if (logDedup.forget("list")) log.info("containers are listed again");
      return true;
    } catch (error) {
      const { message } = faultFrom(error);
      if (logDedup.isNew("list", message)) log.warn(`containers cannot be listed: ${message}`);
      return false;
    }
  }

  #isAttached(sandbox: string): boolean {
    const { store, host } = this.#deps;
    return attachmentsIn(store.documents, host, sandbox).length > 0;
  }

  #open(): void {
    this.#isOpen = true;
    this.#isReopened = true;
    this.signal.notify();
  }

  /** Not at once: a runtime that accepts the stream and cannot list is still of no use. */
  #logReachable(): void {
    const { logDedup, log } = this.#deps;
    if (logDedup.forget("runtime")) log.info("container runtime reachable again");
  }

  /** Logged once for an outage, of which each try is reported here. */
  #lose({ fault }: RuntimeEvent & { readonly kind: "lost" }): void {
    this.#isOpen = false;
    const { sandboxes, logDedup, log } = this.#deps;
    sandboxes.containers.missStart();
    if (!logDedup.isNew("runtime", fault?.message ?? "")) return;
    if (fault) log.warn(`container runtime unreachable: ${fault.message}`);
    else log.info("no Docker: only pods that are set up, and named namespaces, are known");
  }
}
