// Detaches one pod, and answers what its address is. The caller serialises the work for one sandbox.

import { type AttachmentRecord, keys } from "../../intent/records.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { Clock } from "../../util/clock.ts";
import type { Log } from "../../util/log.ts";
import type { PodRequest, StatusAnswer, TeardownAnswer } from "../api/pod_requests.ts";
import { attachmentsIn, findEndpoint, type HostView } from "../store/documents.ts";
import { logDetached } from "./attachment_log.ts";
import type { Plumbing } from "./plumbing.ts";
import { bareAddress, hostEndOf } from "./port_external_ids.ts";
import { releaseAttachments, type ReleaseDeps } from "./release.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** What a teardown works with. */
export interface TeardownDeps extends HostView, ReleaseDeps {
  readonly store: ReleaseDeps["store"];
  readonly plumbing: Pick<Plumbing, "detach">;
  readonly sandboxes: Pick<Sandboxes, "queue" | "unmatched" | "tornDown">;
  readonly clock: Clock;
  readonly log: Pick<Log, "info">;
  /** Notified when peers or policies may be affected. */
  readonly fabricSignal: Pick<Notifier, "notify">;
  readonly policySignal: Pick<Notifier, "notify">;
}

/** Detaches a pod. An unknown or finished one is success. Faults: unavailable, timeout. */
export async function teardownPod(
  deps: TeardownDeps,
  request: PodRequest,
): Promise<TeardownAnswer> {
  const { host, store, sandboxes } = deps;
  sandboxes.tornDown.add(request.sandbox);
  sandboxes.unmatched.remove(request.sandbox);
  const present = attachmentsIn(store.documents, host, request.sandbox);
  await detachAttachments(deps, request.sandbox, present);
  return { released: present.length };
}

/** Detaches and releases attachments of `sandbox`; `why` is for the log. Faults: unavailable, timeout. */
export async function detachAttachments(
  deps: TeardownDeps,
  sandbox: string,
  attachments: readonly AttachmentRecord[],
  why?: string,
): Promise<void> {
  if (attachments.length === 0) return;
  const started = deps.clock.now();
  const { plumbing, sandboxes } = deps;
  // The port first: a crash in between leaves a record without a port, which a repeated teardown, or
  // garbage collection, releases.
  const { linksGone } = await plumbing.detach(attachments.map(hostEndOf));
  // Whatever comes next for this sandbox finds the interfaces gone.
  void sandboxes.queue.run(sandbox, () => linksGone);
  await releaseAttachments(deps, attachments);
  deps.fabricSignal.notify();
  deps.policySignal.notify();
  for (const one of attachments) logDetached(deps, one, started, why);
}

/** Returns the pod's address: that of eth0, or of its first interface; nothing where it has none. */
export function statusOfPod({ host, store }: HostView, request: PodRequest): StatusAnswer {
  const ready = attachmentsIn(store.documents, host, request.sandbox)
    .filter((one) => one.state === "ready")
    .sort((a, b) => a.interface < b.interface ? -1 : 1);
  const [address] = ready[0]?.addresses ?? [];
  return address ? { ip: bareAddress(address) } : {};
}

/** Reports whether the endpoint of an attachment is still bound to it, in its generation. */
export function isStillBound({ host, store }: HostView, one: AttachmentRecord): boolean {
  const endpoint = findEndpoint(store.documents, one);
  return endpoint !== undefined && endpoint.bound?.host === host &&
    endpoint.bound.generation === one.generation &&
    one.addresses.map(bareAddress).includes(endpoint.address) &&
    store.documents.has(keys.network(one.tenant, one.network));
}
