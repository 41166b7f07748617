// contiv's groups and policies as rules. They were checked when the intent was applied; a rule that is not
// understood nevertheless (a document of another version) never opens anything: one that allows then
// allows nothing, and one that denies denies everything.

import { parseSubnet } from "../ipam/subnets.ts";
import { Fault, faultFrom, oneLine } from "../util/errors.ts";
import type { ContivRule, TenantPolicies } from "./input.ts";
import type { RulesRead } from "./network_policy.ts";
import { type Peer, PROTOCOLS, type Rule, type Service, withAnswers } from "./rules.ts";

const HIGHEST = 100;

/** Returns the rules of a tenant's policies, once for each group that has the policy. */
export function rulesOfTenant(intent: TenantPolicies): RulesRead {
  const { tenant, groups, policies } = intent;
  const problems: string[] = [];
  const policyByName = new Map(policies.map((policy) => [policy.name, policy]));
  const rules = groups.flatMap((group) =>
    group.policies.flatMap((name) =>
      (policyByName.get(name)?.rules ?? []).flatMap((rule): Rule[] => {
        const note = (why: string) => problems.push(`policy ${tenant}/${name}: ${why}`);
        const content = contentOf(rule, intent, note);
        return content === undefined ? [] : [{
          id: `contiv ${tenant}/${group.name}/${name}/${rule.id}`,
          policy: `${tenant}/${name}`,
          label: `rule ${rule.id} of group ${group.name}`,
          tier: "contiv",
          direction: rule.direction,
          action: rule.action,
          subjects: { kind: "group", tenant, group: group.name },
          ...content,
        }];
      })
    )
  );
  return { rules: withAnswers(rules), problems };
}

/** Returns peers, services and priority of a rule; undefined where it matches nothing. */
function contentOf(
  rule: ContivRule,
  intent: TenantPolicies,
  note: (why: string) => void,
): Pick<Rule, "priority" | "peers" | "services"> | undefined {
  const { id, priority, action, strange } = rule;
  try {
    if (strange !== undefined) {
      throw new Fault("usage", `it ${strange}`);
    }
    return { priority, peers: peersOf(rule, intent), services: servicesOf(rule) };
  } catch (error) {
    const { what } = faultFrom(error);
    note(`rule ${id} ${action === "deny" ? "denies all" : "allows nothing"}: ${oneLine(what)}`);
    return action === "deny" ? { priority: HIGHEST } : undefined;
  }
}

function peersOf(
  { group, network, block }: ContivRule,
  { tenant, subnets }: TenantPolicies,
): Peer[] | undefined {
  if (group !== undefined) {
    return [{ kind: "members", members: { kind: "group", tenant, group } }];
  }
  const written = network === undefined ? block : subnets[network];
  if (written === undefined && network === undefined) return undefined;
  if (written === undefined) throw new Fault("not_found", `network ${network} not found`);
  const subnet = parseSubnet(written.includes("/") ? written : `${written}/32`);
  return [{ kind: "block", block: subnet, excepts: [] }];
}

function servicesOf({ protocol, port = 0 }: ContivRule): Service[] | undefined {
  if (protocol === undefined) return undefined;
  const known = PROTOCOLS[protocol as keyof typeof PROTOCOLS];
  const number = known ?? Number(protocol);
  return [
    port > 0 ? { protocol: number, ports: { first: port, last: port } } : { protocol: number },
  ];
}
