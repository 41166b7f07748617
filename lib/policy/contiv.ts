// contiv's groups and policies as rules. Names were checked when the intent was applied; what is not
// there all the same (a document of another version) matches nothing.

import { parseSubnet } from "../ipam/subnets.ts";
import { faultFrom } from "../util/errors.ts";
import type { ContivRule, TenantPolicies } from "./input.ts";
import type { RulesRead } from "./network_policy.ts";
import { type Peer, PROTOCOLS, type Rule, type Service, withAnswers } from "./rules.ts";

/** Gives the rules of a tenant: those of each policy, for each group that has it. */
export function rulesOfTenant(intent: TenantPolicies): RulesRead {
  const { tenant, groups, policies } = intent;
  const problems: string[] = [];
  const policyByName = new Map(policies.map((policy) => [policy.name, policy]));
  const rules = groups.flatMap((group) =>
    group.policies.flatMap((name) =>
      (policyByName.get(name)?.rules ?? []).map((rule): Rule => ({
        id: `contiv ${tenant}/${group.name}/${name}/${rule.id}`,
        policy: `${tenant}/${name}`,
        label: `rule ${rule.id} of group ${group.name}`,
        tier: "contiv",
        direction: rule.direction,
        priority: rule.priority,
        action: rule.action,
        subjects: { kind: "group", tenant, group: group.name },
        peers: peersOf(rule, intent, (why) => problems.push(`policy ${tenant}/${name}: ${why}`)),
        services: servicesOf(rule),
      }))
    )
  );
  return { rules: withAnswers(rules), problems };
}

function peersOf(
  { id, group, network, block }: ContivRule,
  { tenant, subnets }: TenantPolicies,
  note: (why: string) => void,
): Peer[] | undefined {
  if (group !== undefined) {
    return [{ kind: "members", members: { kind: "group", tenant, group } }];
  }
  const cidr = network === undefined ? block : subnets[network];
  if (cidr === undefined && network === undefined) return undefined;
  try {
    const written = cidr ?? "";
    const subnet = parseSubnet(written.includes("/") ? written : `${written}/32`);
    return [{ kind: "block", block: subnet, excepts: [] }];
  } catch (error) {
    note(`rule ${id} matches nobody: ${faultFrom(error).what}`);
    return [];
  }
}

function servicesOf({ protocol, port = 0 }: ContivRule): Service[] | undefined {
  if (protocol === undefined) return undefined;
  const known = PROTOCOLS[protocol as keyof typeof PROTOCOLS];
  const number = known ?? Number(protocol);
  return [
    port > 0 ? { protocol: number, ports: { first: port, last: port } } : { protocol: number },
  ];
}
