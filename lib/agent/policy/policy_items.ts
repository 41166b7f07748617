// What `get policies` shows: each policy, how many endpoints it applies to here, and how many packets it
// has dropped here.

import type { Documents, TenantRecord } from "../../intent/records.ts";
import { ruleText } from "../../intent/rule_text.ts";
import { kubeRuleTexts } from "../../policy/kube_rule_text.ts";
import { tenantsOf } from "../store/documents.ts";
import type { Compiler } from "./compiler.ts";
import type { PolicyEnforcer } from "./policy_enforcer.ts";

/** An item of GET /v1/policies. */
export interface PolicyItem {
  /** `tenant/name`, or `namespace/name` of Kubernetes. */
  readonly name: string;
  readonly source: "contiv" | "kubernetes";
  readonly rules: number;
  /** What each rule says, after its Id or place. */
  readonly ruleTexts: readonly string[];
  /** Groups that use it; of Kubernetes none. */
  readonly groups: readonly string[];
  /** Endpoints on this host that it applies to. */
  readonly guarded: number;
  /** Packets dropped on this host since its flows were installed. */
  readonly drops: number;
}

/** Returns contiv's policies as the records have them, without what only a host knows. */
export function contivItems(documents: Documents): PolicyItem[] {
  return tenantsOf(documents).flatMap((
    { name: tenant, groups = [], policies = [] }: TenantRecord,
  ) =>
    policies.map(({ Name, Rules }) => ({
      name: `${tenant}/${Name}`,
      source: "contiv" as const,
      rules: Array.isArray(Rules) ? Rules.length : 0,
      ruleTexts: Array.isArray(Rules) ? Rules.map((rule) => `${rule.Id}: ${ruleText(rule)}`) : [],
      groups: groups.filter(({ Policies }) => Array.isArray(Policies) && Policies.includes(Name))
        .map((group) => String(group.Name)),
      guarded: 0,
      drops: 0,
    }))
  );
}

/** Returns all policies, by source and name. */
export async function policyItems(
  documents: Documents,
  policies: PolicyEnforcer,
): Promise<PolicyItem[]> {
  const items = [...contivItems(documents), ...kubernetesItems(policies)];
  const compiler = await policies.compiled();
  if (compiler) {
    const drops = await policies.tables.drops();
    const facts = factsOf(compiler, drops);
    for (const [at, item] of items.entries()) {
      items[at] = { ...item, ...facts.get(`${item.source} ${item.name}`) };
    }
  }
  return items.sort((a, b) => `${a.source} ${a.name}` < `${b.source} ${b.name}` ? -1 : 1);
}

function kubernetesItems({ kubePolicies }: PolicyEnforcer): PolicyItem[] {
  return kubePolicies.map((policy) => ({
    name: `${policy.namespace}/${policy.name}`,
    source: "kubernetes",
    rules: (policy.ingress?.length ?? 0) + (policy.egress?.length ?? 0),
    ruleTexts: kubeRuleTexts(policy),
    groups: [],
    guarded: 0,
    drops: 0,
  }));
}

function factsOf(
  { model, flows }: Compiler,
  drops: ReadonlyMap<number, number>,
): Map<string, { guarded: number; drops: number }> {
  const guarded = new Map<string, Set<string>>();
  for (const { rule, subjects } of model.rules()) {
    const name = `${rule.tier} ${rule.policy}`;
    const ids = guarded.get(name) ?? new Set<string>();
    guarded.set(name, ids);
    for (const [id, { here }] of subjects.members) if (here) ids.add(id);
  }
  const facts = new Map([...guarded].map(([name, ids]) => [name, { guarded: ids.size, drops: 0 }]));
  for (const [number, { tier, policy }] of flows.policies) {
    const known = facts.get(`${tier} ${policy}`);
    if (known) known.drops = drops.get(number) ?? 0;
  }
  return facts;
}
