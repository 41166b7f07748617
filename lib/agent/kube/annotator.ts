// Writes the network-status annotation of this host's pods to the API server if it differs from their
// attachments. It never delays a set-up: a set-up only notifies it afterwards.

import type { ClusterCache } from "../../kube/cluster_cache.ts";
import type { Informer } from "../../kube/informer.ts";
import { hasUid, type HostPod, NETWORK_STATUS } from "../../kube/objects.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import { statusChange } from "./network_status.ts";

/** The part of ClusterCache that the annotator uses. */
export interface AnnotatedCluster extends Pick<ClusterCache, "annotate"> {
  readonly pods: Pick<Informer<HostPod>, "isLive" | "objects">;
}

/** What the annotator needs. */
export interface AnnotatorParts {
  readonly cluster: AnnotatedCluster;
  readonly runtimes: Pick<Runtimes, "findSandbox">;
  /** This host's attachments; undefined while they are unknown. */
  readonly attachments: () => readonly AttachmentRecord[] | undefined;
  readonly log: Log;
}

const INTERVAL_MS = 60_000;
const RETRY_MS = 5_000;
// A burst of set-ups is handled together, and after their containers have begun to run: the write, and what API server,
// kubelet and controllers do about it, would take its time from them.
const GATHER_MS = 1_000;

/** Keeps the annotations of this host's pods up to date. */
export class Annotator {
  readonly notifier = new Notifier();
  readonly #parts: AnnotatorParts;
  /** Annotations that were written and no watch has reported yet, by UID. */
  readonly #written = new Map<string, string | null>();
  /** UID of the pod that an attachment was made for, by attachment. */
  readonly #uids = new Map<string, string>();
  readonly #failing = new Set<string>();

  constructor(parts: AnnotatorParts) {
    this.#parts = parts;
  }

  /** Records that the watch has reported a change of a pod, and so what was written for it. */
  seen(uid: string): void {
    this.#written.delete(uid);
    this.notifier.notify();
  }

  /** Annotates pods until `signal` aborts. Never throws. */
  async keep(signal: AbortSignal): Promise<void> {
    let failed = 0;
    while (!signal.aborted) {
      await this.notifier.wait({ withinMs: failed ? RETRY_MS : INTERVAL_MS, signal });
      await pause(GATHER_MS, signal);
      if (signal.aborted) return;
      failed = await this.#annotateAll().catch((error) => {
        this.#parts.log.debug(`annotations: ${faultFrom(error).message}`);
        return 1;
      });
    }
  }

  /** Returns for how many pods the annotation could not be written. */
  async #annotateAll(): Promise<number> {
    const { cluster } = this.#parts;
    const attachments = this.#parts.attachments();
    // Nothing is written while something is unknown; a notification follows when it is known.
    if (!attachments || !cluster.pods.isLive) return 0;
    this.#forget(attachments);
    const byPod = Map.groupBy(attachments, ({ pod }) => `${pod.namespace}/${pod.name}`);
    let failed = 0;
    for (const pod of [...cluster.pods.objects]) {
      const mine = await this.#ofPod(pod, byPod.get(`${pod.namespace}/${pod.name}`) ?? []);
      failed += await this.#annotate(pod, mine);
    }
    return failed;
  }

  async #annotate(pod: HostPod, mine: readonly AttachmentRecord[]): Promise<number> {
    const { cluster, log } = this.#parts;
    const written = this.#written.get(pod.uid);
    const before = written === undefined ? pod.annotations[NETWORK_STATUS] ?? null : written;
    const after = statusChange(before ?? undefined, mine);
    if (after === undefined) return 0;
    const name = `${pod.namespace}/${pod.name}`;
    try {
      await cluster.annotate(pod, NETWORK_STATUS, { before, after });
      // The watch may have reported it already; then this is the same.
      this.#written.set(pod.uid, after);
      this.#failing.delete(pod.uid);
      log.debug("network-status annotation written", { pod: name });
      return 0;
    } catch (error) {
      const { code, message } = faultFrom(error);
      this.#written.delete(pod.uid);
      // Deleted, or replaced by another pod: the watch will report it.
      if (code === "not_found") return 0;
      if (!this.#failing.has(pod.uid) && code !== "conflict") {
        log.warn(`network-status annotation not written: ${message}`, { pod: name });
        this.#failing.add(pod.uid);
      }
      return 1;
    }
  }

  /** Returns the attachments with the pod's name that were made for this pod, not a predecessor. */
  async #ofPod(pod: HostPod, named: readonly AttachmentRecord[]): Promise<AttachmentRecord[]> {
    const mine: AttachmentRecord[] = [];
    for (const one of named) {
      const uid = this.#uids.get(one.id) ?? await this.#uidOf(one, pod);
      this.#uids.set(one.id, uid);
      if (hasUid(pod, uid) && one.state === "ready") mine.push(one);
    }
    return mine;
  }

  /**
   * Returns the UID of the pod that an attachment was made for: as recorded, else as the runtime has it, else that of
   * the pod with this name. The runtime is asked without the namespace's path, by which it knows no pod.
   */
  async #uidOf({ podUid, sandbox }: AttachmentRecord, pod: HostPod): Promise<string> {
    if (podUid !== undefined) return podUid;
    const found = await this.#parts.runtimes.findSandbox(sandbox).catch(() => undefined);
    return found?.pod?.uid ?? pod.runtimeUids?.[0] ?? pod.uid;
  }

  #forget(attachments: readonly AttachmentRecord[]): void {
    const ids = new Set(attachments.map((one) => one.id));
    for (const id of this.#uids.keys()) if (!ids.has(id)) this.#uids.delete(id);
    const uids = new Set([...this.#parts.cluster.pods.objects].map((pod) => pod.uid));
    for (const uid of this.#written.keys()) if (!uids.has(uid)) this.#written.delete(uid);
    for (const uid of this.#failing) if (!uids.has(uid)) this.#failing.delete(uid);
  }
}
