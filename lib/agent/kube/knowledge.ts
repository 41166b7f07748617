// What the API server knows of a pod, as set-ups ask for it.

import type { KnownPod } from "../../intent/choice/asked.ts";
import type { Pairs } from "../../kube/objects.ts";
import { Fault } from "../../util/errors.ts";
import { type Marks, UNKNOWN } from "../../util/selectors.ts";
import type { PodKnowledge } from "../pods/knowledge.ts";
import type { KubeKeeper } from "./keeper.ts";

/**
 * Gives the knowledge of an agent that was told of a cluster; `keeper` is there a moment after its
 * start. Of a pod that the API server does not have, only its namespace may be known.
 */
export function clusterKnowledge(keeper: () => KubeKeeper | undefined): PodKnowledge {
  return {
    of: async (wish): Promise<KnownPod> => {
      const { namespace, name } = wish;
      const kube = keeper();
      if (!kube) {
        throw new Fault("unavailable", `labels of pod ${namespace}/${name} are not known`, {
          why: "the agent has not asked the API server yet",
          fix: "try again",
        });
      }
      const facts = await kube.factsOf(wish);
      return {
        namespace,
        name,
        labels: marksOf(facts.pod?.labels),
        annotations: marksOf(facts.pod?.annotations),
        namespaceLabels: marksOf(facts.namespace?.labels),
        namespaceAnnotations: marksOf(facts.namespace?.annotations),
      };
    },
  };
}

function marksOf(values: Pairs | undefined): Marks {
  return values ? { values, isWhole: true } : UNKNOWN;
}
