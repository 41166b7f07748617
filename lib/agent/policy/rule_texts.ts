// What the rule says that decides a packet, looked up in the policy that it was made from. Pure.

import { readableAt } from "../../intent/readable.ts";
import { type Documents, keys, type TenantRecord } from "../../intent/records.ts";
import { ruleText, type WrittenRule } from "../../intent/rule_text.ts";
import type { NetworkPolicy } from "../../policy/input.ts";
import { kubeRuleTexts } from "../../policy/kube_rule_text.ts";
import type { Rule } from "../../policy/rules.ts";

/** Returns what a rule says; undefined for one that is written nowhere, as the isolation by a NetworkPolicy. */
export function ruleTextOf(
  { documents, kubePolicies }: {
    readonly documents: Documents;
    readonly kubePolicies: readonly NetworkPolicy[];
  },
  { tier, policy, label }: Pick<Rule, "tier" | "policy" | "label">,
): string | undefined {
  const [owner = "", name = ""] = policy.split("/");
  if (tier === "kubernetes") {
    const found = kubePolicies.find((one) => one.namespace === owner && one.name === name);
    const line = found && kubeRuleTexts(found).find((one) => one.startsWith(`${label}: `));
    return line?.slice(label.length + 2);
  }
  const { policies = [] } = readableAt<TenantRecord>(documents, keys.tenant(owner)) ?? {};
  const rules = policies.find(({ Name }) => Name === name)?.Rules;
  const id = /^rule (.+) of group /.exec(label)?.[1];
  if (!Array.isArray(rules) || id === undefined) return undefined;
  // A rule without a direction counts for both, with an id for each.
  const rule = (rules as WrittenRule[]).find(({ Id }) =>
    [`${Id}`, `${Id} in`, `${Id} out`].includes(id)
  );
  return rule && ruleText(rule);
}
