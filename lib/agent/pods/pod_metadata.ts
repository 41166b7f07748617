// Metadata of a pod: labels and annotations, its own and those of its namespace. An API server has all of
// them; the infra container of a runtime may have some; otherwise they are unknown, which is not the same
// as empty.

import type { KnownPod } from "../../intent/choice/requested_network.ts";
import type { PodName } from "../../intent/dynamic.ts";
import { type KnownLabels, UNKNOWN } from "../../util/label_selectors.ts";

/** A pod, with its UID if known. */
type PodRef = PodName & { readonly uid?: string | undefined };

/** A source of pod metadata. */
export interface PodMetadata {
  /**
   * Returns the metadata of a pod. Without an API server its labels are UNKNOWN: then only a network that
   * needs no label is chosen. Faults: unavailable, timeout, if the API server is unreachable: then the
   * set-up is refused, as a network chosen without the pod's labels may be wrong.
   */
  of(pod: PodRef): Promise<KnownPod>;
  /**
   * Waits a moment until policies know the pod, if some may concern it; returns its UID if known. A pod
   * that they do not know even then is closed by them. Never throws.
   */
  settle(pod: PodRef): Promise<string | undefined>;
  /**
   * Returns the cached metadata of the pod with this name without a request: good enough to see whether a
   * request is worthwhile. Undefined if the cache may be out of date.
   */
  atHand(pod: PodName): KnownPod | undefined;
}

/** The pod metadata of an agent without an API server. */
export const noPodMetadata: PodMetadata = {
  of: ({ namespace, name }) => Promise.resolve(unknownPod({ namespace, name })),
  settle: ({ uid }) => Promise.resolve(uid),
  atHand: ({ namespace, name }) => unknownPod({ namespace, name }),
};

/** Returns a pod of which only the name is known. */
export function unknownPod({ namespace, name }: PodName): KnownPod {
  return {
    namespace,
    name,
    labels: UNKNOWN,
    annotations: UNKNOWN,
    namespaceLabels: UNKNOWN,
    namespaceAnnotations: UNKNOWN,
  };
}

// Kubelets with dockershim store a pod's annotations in the labels of its infra container.
const ANNOTATION = "annotation.";

/** Adds the labels of the infra container to what is known; complete labels stay as they are. */
export function withContainerLabels(
  known: KnownPod,
  container: Readonly<Record<string, string>> | undefined,
): KnownPod {
  const pairs = Object.entries(container ?? {});
  const annotations = pairs.filter(([key]) => key.startsWith(ANNOTATION))
    .map(([key, value]) => [key.slice(ANNOTATION.length), value] as const);
  const labels = pairs.filter(([key]) => !key.startsWith(ANNOTATION));
  return {
    ...known,
    labels: withSome(known.labels, labels),
    annotations: withSome(known.annotations, annotations),
  };
}

function withSome(known: KnownLabels, some: readonly (readonly [string, string])[]): KnownLabels {
  if (known.isComplete || some.length === 0) return known;
  return { values: { ...Object.fromEntries(some), ...known.values }, isComplete: false };
}
