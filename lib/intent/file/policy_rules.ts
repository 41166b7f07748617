// Rules between the fields of one tenant's groups, policies and their rules.

import { Fault } from "../../util/errors.ts";
import type { TenantIntent } from "../intent.ts";
import type { Group, Policy, Rule } from "./policy.ts";

/** Faults (usage) where a name is given twice or a rule's fields contradict each other. */
export function checkPolicies(path: string, { groups = [], policies = [] }: TenantIntent): void {
  // Both were read by the schema just before; records keep them without its type.
  const [ours, theirs] = [groups as readonly Group[], policies as readonly Policy[]];
  checkNames(`${path}.Groups`, "Name", ours.map(({ Name }) => Name));
  checkNames(`${path}.Policies`, "Name", theirs.map(({ Name }) => Name));
  for (const [index, { Rules = [] }] of theirs.entries()) {
    const at = `${path}.Policies[${index}].Rules`;
    checkNames(at, "Id", Rules.map(({ Id }) => Id));
    for (const [number, rule] of Rules.entries()) checkRule(`${at}[${number}]`, rule);
  }
}

function checkNames(path: string, key: string, names: readonly string[]): void {
  const index = names.findIndex((name, at) => names.indexOf(name) !== at);
  if (index < 0) return;
  throw new Fault("usage", `${path}[${index}].${key} "${names[index]}" is given twice`, {
    fix: "leave one out",
  });
}

function checkRule(path: string, rule: Rule): void {
  const far = rule.Direction === "in" ? "From" : "To";
  const near = rule.Direction === "in" ? "To" : "From";
  for (const key of [`${near}Group`, `${near}Network`, `${near}IpAddress`] as const) {
    if (rule[key as keyof Rule] === undefined) continue;
    throw new Fault("usage", `${path}.${key} is refused`, {
      why: `a rule of direction ${rule.Direction} names the other side by ${far}…`,
      fix: `use ${far}Group, ${far}Network or ${far}IpAddress`,
    });
  }
  const { Port = 0, Protocol } = rule;
  if (Port > 0 && Protocol !== "tcp" && Protocol !== "udp") {
    throw new Fault("usage", `${path}.Port ${Port} is refused`, {
      why: "only tcp and udp have ports",
      fix: 'add "Protocol": "tcp"',
    });
  }
  if (rule[`${far}Group`] !== undefined && rule[`${far}IpAddress`] !== undefined) {
    throw new Fault("usage", `${path}.${far}IpAddress is refused`, {
      why: `the rule names a group, too, and ${far}Group has addresses of its own`,
      fix: "leave one of them out, or write two rules",
    });
  }
  const isWide = rule[`${far}Network`] !== undefined;
  if (isWide && (rule[`${far}Group`] ?? rule[`${far}IpAddress`]) !== undefined) {
    throw new Fault("usage", `${path}.${far}Network is refused`, {
      why: `${far}Group or ${far}IpAddress says it more narrowly`,
      fix: "leave one of them out",
    });
  }
}
