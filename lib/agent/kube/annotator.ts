// Tells the API server which networks this host's pods have: what each pod's annotation should say
// against what it says. Never in a set-up's way: a bell rings after it, and a look does the rest.

import type { ClusterCache } from "../../kube/cluster_cache.ts";
import { type HostPod, NETWORK_STATUS } from "../../kube/objects.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import { statusChange } from "./network_status.ts";

/** What the annotator works with. */
export interface AnnotatorParts {
  readonly cluster: ClusterCache;
  readonly runtimes: Pick<Runtimes, "findSandbox">;
  /** This host's attachments; undefined while it is not known what they are. */
  readonly attachments: () => readonly AttachmentRecord[] | undefined;
  readonly log: Log;
}

const LOOK_MS = 60_000;
const RETRY_MS = 5_000;
// A burst of set-ups is one look.
const GATHER_MS = 50;

/** Keeps the annotations of this host's pods right. */
export class Annotator {
  readonly bell = new Notifier();
  readonly #parts: AnnotatorParts;
  /** What we have written and no watch has told yet, by UID. */
  readonly #told = new Map<string, string | null>();
  /** UID of the pod that an attachment was made for, by attachment. */
  readonly #uids = new Map<string, string>();
  readonly #failing = new Set<string>();

  constructor(parts: AnnotatorParts) {
    this.#parts = parts;
  }

  /** A pod is another than it was: what was written for it has been told. */
  seen(uid: string): void {
    this.#told.delete(uid);
    this.bell.notify();
  }

  /** Looks until `signal` aborts. Never throws. */
  async keep(signal: AbortSignal): Promise<void> {
    let failed = 0;
    while (!signal.aborted) {
      await this.bell.wait({ withinMs: failed ? RETRY_MS : LOOK_MS, signal });
      await pause(GATHER_MS, signal);
      if (signal.aborted) return;
      failed = await this.#look().catch((error) => {
        this.#parts.log.debug(`annotations: ${faultFrom(error).message}`);
        return 1;
      });
    }
  }

  /** Returns how many pods could not be told. */
  async #look(): Promise<number> {
    const { cluster } = this.#parts;
    const attachments = this.#parts.attachments();
    // What is not known is no reason to write; whoever makes it known rings.
    if (!attachments || !cluster.pods.isLive) return 0;
    this.#forget(attachments);
    const byPod = Map.groupBy(attachments, ({ pod }) => `${pod.namespace}/${pod.name}`);
    let failed = 0;
    for (const pod of [...cluster.pods.objects]) {
      const mine = await this.#ofPod(pod, byPod.get(`${pod.namespace}/${pod.name}`) ?? []);
      failed += await this.#tell(pod, mine);
    }
    return failed;
  }

  async #tell(pod: HostPod, mine: readonly AttachmentRecord[]): Promise<number> {
    const { cluster, log } = this.#parts;
    const told = this.#told.get(pod.uid);
    const before = told === undefined ? pod.annotations[NETWORK_STATUS] ?? null : told;
    const after = statusChange(before ?? undefined, mine);
    if (after === undefined) return 0;
    const name = `${pod.namespace}/${pod.name}`;
    try {
      await cluster.annotate(pod, NETWORK_STATUS, { before, after });
      // The watch may have told it already; then this says the same.
      this.#told.set(pod.uid, after);
      this.#failing.delete(pod.uid);
      log.debug("network status told", { pod: name });
      return 0;
    } catch (error) {
      const { code, message } = faultFrom(error);
      this.#told.delete(pod.uid);
      // Gone, or another by now: the watch will tell.
      if (code === "not_found") return 0;
      if (!this.#failing.has(pod.uid) && code !== "conflict") {
        log.warn(`network status not told: ${message}`, { pod: name });
        this.#failing.add(pod.uid);
      }
      return 1;
    }
  }

  /** Those of the attachments under the pod's name that were made for this very pod. */
  async #ofPod(pod: HostPod, named: readonly AttachmentRecord[]): Promise<AttachmentRecord[]> {
    const mine: AttachmentRecord[] = [];
    for (const one of named) {
      const uid = this.#uids.get(one.id) ?? await this.#uidOf(one, pod);
      this.#uids.set(one.id, uid);
      if (uid === pod.uid && one.state === "ready") mine.push(one);
    }
    return mine;
  }

  /** The runtime knows for which pod it made a sandbox; else it is the pod that has the name now. */
  async #uidOf({ sandbox, netns }: AttachmentRecord, pod: HostPod): Promise<string> {
    const { runtimes } = this.#parts;
    const found = await runtimes.findSandbox(sandbox, netns).catch(() => undefined);
    return found?.pod?.uid ?? pod.uid;
  }

  #forget(attachments: readonly AttachmentRecord[]): void {
    const ids = new Set(attachments.map((one) => one.id));
    for (const id of this.#uids.keys()) if (!ids.has(id)) this.#uids.delete(id);
    const uids = new Set([...this.#parts.cluster.pods.objects].map((pod) => pod.uid));
    for (const uid of this.#told.keys()) if (!uids.has(uid)) this.#told.delete(uid);
    for (const uid of this.#failing) if (!uids.has(uid)) this.#failing.delete(uid);
  }
}
