// Pods with labels that are not known yet: the API server is unreachable, or its watch is slower than the
// set-up. Which policies select such a pod is not known, so it is closed in each direction that any
// policy of its namespace has rules for. A policy that selects all pods applies to it as to any other.

import type { Direction, NetworkPolicy } from "./input.ts";
import { directionsOf } from "./network_policy.ts";
import type { Rule } from "./rules.ts";

/** Returns the rules for such pods, by namespace; only namespaces with policies. */
export function rulesOfUnknownLabels(
  policies: Iterable<NetworkPolicy>,
): Map<string, readonly Rule[]> {
  const asked = new Map<string, Set<Direction>>();
  for (const policy of policies) {
    const known = asked.get(policy.namespace);
    const directions = known ?? new Set<Direction>();
    if (!known) asked.set(policy.namespace, directions);
    for (const direction of directionsOf(policy)) directions.add(direction);
  }
  return new Map([...asked].map(([namespace, directions]) => [
    namespace,
    [...directions].sort().map((direction) => ruleOf(namespace, direction)),
  ]));
}

function ruleOf(namespace: string, direction: Direction): Rule {
  return {
    id: `kubernetes ${namespace} unknown labels ${direction}`,
    // No name of a policy has a space.
    policy: `${namespace}/pods with unknown labels`,
    label: `labels not known yet, closed for ${direction === "in" ? "ingress" : "egress"}`,
    tier: "kubernetes",
    direction,
    priority: 0,
    action: "deny",
    subjects: { kind: "unknown_labels", namespace },
  };
}
