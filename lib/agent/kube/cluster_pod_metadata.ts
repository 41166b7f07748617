// What the API server knows of a pod, as set-ups ask for it.

import type { KnownPod } from "../../intent/choice/requested_network.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { Pairs } from "../../kube/objects.ts";
import { Fault } from "../../util/errors.ts";
import { type KnownLabels, UNKNOWN } from "../../util/label_selectors.ts";
import type { PodMetadata } from "../pods/pod_metadata.ts";
import type { ClusterSync, PodFacts } from "./cluster_sync.ts";

/**
 * Returns the knowledge of an agent that was told of a cluster; `keeper` is there a moment after its
 * start. Of a pod that the API server does not have, only its namespace may be known.
 */
export function clusterPodMetadata(keeper: () => ClusterSync | undefined): PodMetadata {
  return {
    settle: (pod) => keeper()?.settle(pod) ?? Promise.resolve(pod.uid),
    of: async (wish): Promise<KnownPod> => {
      const { namespace, name } = wish;
      const kube = keeper();
      if (!kube) {
        throw new Fault("unavailable", `labels of pod ${namespace}/${name} are not known`, {
          why: "the agent has not asked the API server yet",
          fix: "try again",
        });
      }
      return knownFrom(wish, await kube.factsOf(wish));
    },
    atHand: (pod) => {
      const facts = keeper()?.factsAtHand(pod);
      return facts && knownFrom(pod, facts);
    },
  };
}

function knownFrom({ namespace, name }: PodName, { pod, namespace: around }: PodFacts): KnownPod {
  return {
    namespace,
    name,
    labels: marksOf(pod?.labels),
    annotations: marksOf(pod?.annotations),
    namespaceLabels: marksOf(around?.labels),
    namespaceAnnotations: marksOf(around?.annotations),
  };
}

function marksOf(values: Pairs | undefined): KnownLabels {
  return values ? { values, isComplete: true } : UNKNOWN;
}
