// Hears what happens to containers and lists them; asks for a look only where one would do something:
// a look takes time that set-ups would have to wait for, and a kubelet's host has many events.

import type { News } from "../../runtimes/runtime.ts";
import { faultFrom } from "../../util/errors.ts";
import { attachmentsIn } from "../store/documents.ts";
import type { World } from "../world.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import { latePods } from "./late_attach.ts";

// A burst of events is one list.
const GATHER_MS = 50;
const IDLE_MS = 30_000;
const RETRY_MS = 1_000;

/** Follows the runtime until `signal` aborts; never throws. */
export async function followRuntime(world: World, signal: AbortSignal): Promise<void> {
  const ear = new Ear(world);
  world.runtimes.follow(signal, (news) => ear.hear(news));
  let retryMs = RETRY_MS;
  while (!signal.aborted) {
    await ear.bell.wait({ withinMs: ear.isStale ? retryMs : IDLE_MS, signal });
    await pause(GATHER_MS, signal);
    if (signal.aborted) break;
    if (!ear.isStale) continue;
    const isDone = await ear.act().catch((error) => {
      const words = faultFrom(error).message;
      if (world.logDedup.isNew("containers", words)) world.log.error(`containers: ${words}`);
      return false; // whatever it was must not make the agent deaf
    });
    world.memoryTrim.note();
    retryMs = isDone ? RETRY_MS : Math.min(IDLE_MS, retryMs * 2);
  }
}

/** What was heard since the last list. */
class Ear {
  readonly bell = new Notifier();
  /** The list is older than what was heard. */
  isStale = false;
  readonly #world: World;
  readonly #touched = new Set<string>();
  #isOpen = false;
  /** Opened, and not looked at since. */
  #isReopened = false;

  constructor(world: World) {
    this.#world = world;
  }

  hear(news: News): void {
    if (news.kind === "lost") return this.#lose(news);
    this.isStale = true;
    if (news.kind === "opened") return this.#open();
    const { kind, sandbox, role } = news;
    this.#touched.add(sandbox);
    // It begins a new life, whatever was asked for its last one.
    if (kind === "started" && role === "plain") this.#world.tornDown.delete(sandbox);
    // A pod that starts is its kubelet's for a while, one that ends was torn down: the next list
    // will do.
    if (role !== "infra" || this.#isAttached(sandbox)) this.bell.notify();
  }

  /** Lists and rings for a look where there is work; reports whether the list is fresh. */
  async act(): Promise<boolean> {
    this.isStale = false;
    const touched = [...this.#touched];
    this.#touched.clear();
    const isFresh = await this.#list();
    if (!isFresh) this.isStale = true;
    else if (this.#isOpen) this.#sayHeard();
    const isWork = this.#isReopened || touched.some((id) => this.#isAttached(id)) ||
      latePods(this.#world).length > 0;
    this.#isReopened = false;
    if (isWork) this.#world.reconcileSignal.notify();
    return isFresh;
  }

  async #list(): Promise<boolean> {
    const { runtimes, containers, unmatched, now, log, logDedup } = this.#world;
    try {
      const listed = await runtimes.listSandboxes();
      if (!listed) return true; // the stream will tell when there is a runtime again
      const isAttached = (id: string) => this.#isAttached(id);
      // Nobody tears down what nothing connected: it is forgotten when it ends.
      for (const id of containers.take(listed, { now: now(), isAttached })) {
        unmatched.remove(id);
        logDedup.forget(`late ${id}`);
      }
      if (logDedup.forget("list")) log.info("containers are listed again");
      return true;
    } catch (error) {
      const words = faultFrom(error).message;
      if (logDedup.isNew("list", words)) log.warn(`containers are not listed: ${words}`);
      return false;
    }
  }

  #isAttached(sandbox: string): boolean {
    const { store, host } = this.#world;
    return attachmentsIn(store.documents, host, sandbox).length > 0;
  }

  #open(): void {
    this.#isOpen = true;
    this.#isReopened = true;
    this.bell.notify();
  }

  /** Not at once: one that answers and lists nothing, or ends each stream, is still of no use. */
  #sayHeard(): void {
    const { logDedup, log } = this.#world;
    if (logDedup.forget("runtime")) log.info("container runtime is heard again");
  }

  /** Said once for an outage: it is told again for each try. */
  #lose({ fault }: News & { readonly kind: "lost" }): void {
    this.#isOpen = false;
    const { containers, logDedup, log } = this.#world;
    containers.missStart();
    if (!logDedup.isNew("runtime", fault?.message ?? "")) return;
    if (fault) log.warn(`container runtime is not heard: ${fault.message}`);
    else log.info("there is no Docker: only pods that are set up, and named namespaces, are seen");
  }
}
