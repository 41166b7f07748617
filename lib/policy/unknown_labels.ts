// Pods whose labels nobody has told yet: an API server that is away, or a watch that is slower than a
// set-up. Which policies select such a pod cannot be told, so it is closed in each direction that any
// policy of its namespace is about. What selects all pods of the namespace has it, as it has any other.

import type { Direction, NetworkPolicy } from "./input.ts";
import { directionsOf } from "./network_policy.ts";
import type { Rule } from "./rules.ts";

/** Returns the rules for such pods, by the namespaces that have policies. */
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
    id: `kubernetes ${namespace} untold ${direction}`,
    // No policy's name has a blank.
    policy: `${namespace}/of pods not told yet`,
    label: `labels not known yet, closed for ${direction === "in" ? "ingress" : "egress"}`,
    tier: "kubernetes",
    direction,
    priority: 0,
    action: "deny",
    subjects: { kind: "untold", namespace },
  };
}
