// Pod metadata from the API server, for set-ups.

import type { KnownPod } from "../../intent/choice/requested_network.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { Pairs } from "../../kube/objects.ts";
import { Fault } from "../../util/errors.ts";
import { type KnownLabels, UNKNOWN } from "../../util/label_selectors.ts";
import type { PodMetadata } from "../pods/pod_metadata.ts";
import type { ClusterSync, PodFacts } from "./cluster_sync.ts";

/**
 * Returns the pod metadata of an agent with a cluster; `sync` returns undefined shortly after the start.
 * Of a pod that the API server does not have, only its namespace may be known.
 */
export function clusterPodMetadata(sync: () => ClusterSync | undefined): PodMetadata {
  return {
    settle: (pod) => sync()?.settle(pod) ?? Promise.resolve(pod.uid),
    of: async (pod): Promise<KnownPod> => {
      const { namespace, name } = pod;
      const cluster = sync();
      if (!cluster) {
        throw new Fault("unavailable", `labels of pod ${namespace}/${name} are unknown`, {
          why: "the agent has not read the API server yet",
          fix: "try again",
        });
      }
      return knownFrom(pod, await cluster.factsOf(pod));
    },
    atHand: (pod) => {
      const facts = sync()?.factsAtHand(pod);
      return facts && knownFrom(pod, facts);
    },
  };
}

function knownFrom({ namespace, name }: PodName, { pod, namespace: around }: PodFacts): KnownPod {
  return {
    namespace,
    name,
    labels: labelsFrom(pod?.labels),
    annotations: labelsFrom(pod?.annotations),
    namespaceLabels: labelsFrom(around?.labels),
    namespaceAnnotations: labelsFrom(around?.annotations),
  };
}

function labelsFrom(values: Pairs | undefined): KnownLabels {
  return values ? { values, isComplete: true } : UNKNOWN;
}
