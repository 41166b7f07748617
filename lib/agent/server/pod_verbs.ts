// What a kubelet's verbs do, one after another for one sandbox: the one entry for launchers, faces and
// teardown notes.

import type { Backoff } from "../../util/async/backoff.ts";
import type { Debounce } from "../../util/async/debounce.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { Clock } from "../../util/clock.ts";
import { inScope } from "../../util/fault_hooks.ts";
import type {
  PodRequest,
  PodVerb,
  SetupAnswer,
  StatusAnswer,
  TeardownAnswer,
} from "../api/pod_requests.ts";
import { desiredOf } from "../pods/desired.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import type { SetupResult } from "../pods/setup.ts";
import { statusOfPod } from "../pods/teardown.ts";
import type { HostView } from "../store/documents.ts";
import { attachmentItem } from "./items.ts";
import type { SetupCounter } from "./setup_counter.ts";

/** What answering verbs works with. */
export interface PodVerbsDeps extends HostView {
  readonly setUp: (pod: PodRequest) => Promise<SetupResult>;
  readonly tearDown: (pod: PodRequest) => Promise<TeardownAnswer>;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly sandboxes: Pick<Sandboxes, "queue" | "containers" | "statusAsked">;
  readonly clock: Pick<Clock, "now">;
  readonly backoff: Backoff;
  /** Notified for a pod that its kubelet never set up. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
  readonly memoryTrim: Pick<Debounce, "note">;
  readonly setups: Pick<SetupCounter, "count">;
}

/** Does what a kubelet's verb asks, one after another for one sandbox. Faults: as setupPod(). */
export async function answerVerb(
  deps: PodVerbsDeps,
  verb: PodVerb,
  pod: PodRequest,
): Promise<SetupAnswer | TeardownAnswer | StatusAnswer> {
  if (verb === "status") return status(deps, pod);
  deps.memoryTrim.note();
  const work = verb === "setup"
    ? () => deps.setups.count(() => setUp(deps, pod))
    : () => deps.tearDown(pod);
  return await deps.sandboxes.queue.run<SetupAnswer | TeardownAnswer>(
    pod.sandbox,
    () => inScope<SetupAnswer | TeardownAnswer>(verb, work),
  );
}

/**
 * Answers with the pod's address. A kubelet that was restarted between the infra container's start and its
 * set-up calls only `status` for it (seen with 1.2): the reconcile loop attaches such a pod once its kubelet
 * has had the time that a set-up takes.
 */
function status(deps: PodVerbsDeps, pod: PodRequest): StatusAnswer {
  const { sandboxes: { containers, statusAsked }, clock, backoff, reconcileSignal } = deps;
  const answer = statusOfPod(deps, pod);
  if (answer.ip !== undefined) return answer;
  statusAsked.add(pod.sandbox);
  const isDue = containers.isOverdue(pod.sandbox, clock.now()) &&
    backoff.isDue(`status ${pod.sandbox}`, "", clock.now());
  if (isDue) reconcileSignal.notify();
  return answer;
}

async function setUp(
  { setUp, tags, store: { documents } }: PodVerbsDeps,
  pod: PodRequest,
): Promise<SetupAnswer> {
  const { outcome, attachments } = await setUp(pod);
  const items = attachments.map((one) => attachmentItem(one, desiredOf(tags, documents, one).tag));
  return { outcome, attachments: items };
}
