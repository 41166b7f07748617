// What is known of a pod beyond its name: labels and annotations, its own and its namespace's. Whoever
// can ask an API server tells all of it; a runtime's container may have kept some; else nothing is
// known, which is not the same as that there is none.

import type { KnownPod } from "../../intent/choice/requested_network.ts";
import type { PodName } from "../../intent/dynamic.ts";
import { type KnownLabels, UNKNOWN } from "../../util/label_selectors.ts";

/** A pod that is asked about. */
type Asked = PodName & { readonly uid?: string | undefined };

/** Whoever knows pods. */
export interface PodMetadata {
  /**
   * Tells what is known of a pod. Where nobody can ever be asked, UNKNOWN marks: then only what needs
   * no label is chosen. Faults: unavailable, timeout, where somebody could be asked and does not
   * answer: then the set-up is refused, as a network chosen without the pod's labels may be wrong.
   */
  of(pod: Asked): Promise<KnownPod>;
  /**
   * Waits a moment for policies to know the pod, where some may be about it; gives its UID where that
   * can be told. A pod that they do not know all the same is closed by them. Never throws.
   */
  settle(pod: Asked): Promise<string | undefined>;
  /**
   * Tells what is at hand of the pod that has this name now, and asks nobody: good enough to see
   * whether asking is worth it. undefined where what is at hand may be out of date.
   */
  atHand(pod: PodName): KnownPod | undefined;
}

/** The knowledge of an agent without an API server. */
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

// Kubelets with dockershim keep a pod's annotations among its infra container's labels.
const ANNOTATION = "annotation.";

/** Adds what the infra container's labels tell; what is known whole is not added to. */
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

function withSome(marks: KnownLabels, some: readonly (readonly [string, string])[]): KnownLabels {
  if (marks.isComplete || some.length === 0) return marks;
  return { values: { ...Object.fromEntries(some), ...marks.values }, isComplete: false };
}
