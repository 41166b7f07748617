// Converts records to the input of policies: groups, policies and endpoints. Pure.

import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type TenantRecord,
} from "../../intent/records.ts";
import { idOf } from "../../intent/reach_settings.ts";
import { parseAddress } from "../../ipam/subnets.ts";
import type {
  ContivRule,
  Direction,
  Endpoint,
  KubePod,
  TenantPolicies,
} from "../../policy/input.ts";
import {
  allAttachments,
  endpointKeyOf,
  findEndpoint,
  networksOf,
  tenantsOf,
} from "../store/documents.ts";
import { bareAddress } from "../pods/port_external_ids.ts";
import { whyUnsupported } from "./unsupported_rules.ts";

/** Reports whether any tenant has a policy that a group uses. */
export function hasPolicies(documents: Documents): boolean {
  return tenantsOf(documents).some(({ groups = [] }) =>
    groups.some(({ Policies }) => Array.isArray(Policies) && Policies.length > 0)
  );
}

/** Returns the policies of a tenant; the record contains groups and policies as they were written. */
export function tenantPolicies(
  { name, groups = [], policies = [] }: TenantRecord,
  subnets: Readonly<Record<string, string>>,
): TenantPolicies {
  return {
    tenant: name,
    groups: groups.map((group) => ({
      name: String(group.Name),
      policies: Array.isArray(group.Policies) ? group.Policies.map(String) : [],
    })),
    policies: policies.map((policy) => ({
      name: String(policy.Name),
      rules: Array.isArray(policy.Rules) ? policy.Rules.flatMap(rulesOf) : [],
    })),
    subnets,
  };
}

type Written = Readonly<Record<string, unknown>>;

/** A rule without a known direction counts for both: it may be meant to deny. */
function rulesOf(rule: Written): ContivRule[] {
  const { Direction: direction, Id } = rule;
  if (direction === "in" || direction === "out") return [ruleOf(rule, direction, String(Id))];
  return (["in", "out"] as const).map((one) => ruleOf(rule, one, `${Id} ${one}`));
}

function ruleOf(rule: Written, direction: Direction, id: string): ContivRule {
  const far = direction === "in" ? "From" : "To";
  const text = (key: string) => rule[key] === undefined ? undefined : String(rule[key]);
  const unsupported = whyUnsupported(rule);
  return {
    ...unsupported === undefined ? {} : { strange: unsupported },
    id,
    priority: Number(rule.Priority ?? 1),
    direction,
    group: text(`${far}Group`),
    network: text(`${far}Network`),
    block: text(`${far}IpAddress`),
    protocol: text("Protocol"),
    port: Number(rule.Port ?? 0),
    // Anything but "allow" denies.
    action: rule.Action === "allow" ? "allow" : "deny",
  };
}

/** Returns the CIDRs of all networks, by tenant and name. */
export function subnetsByTenant(documents: Documents): Map<string, Record<string, string>> {
  const all = new Map<string, Record<string, string>>();
  for (const { tenant, name, subnet } of networksOf(documents)) {
    const subnets = all.get(tenant) ?? {};
    subnets[name] = subnet;
    all.set(tenant, subnets);
  }
  return all;
}

/** Returns the attachment of each endpoint on the host to which it is bound. */
export function attachmentByEndpoint(documents: Documents): Map<string, AttachmentRecord> {
  const found = new Map<string, AttachmentRecord>();
  for (const one of allAttachments(documents)) {
    const bound = findEndpoint(documents, one)?.bound;
    const isNewest = bound?.host === one.host && bound.generation === one.generation;
    if (isNewest) found.set(endpointKeyOf(one), one);
  }
  return found;
}

/**
 * Returns an endpoint as input of policies; `tag` is its access tag if it is on this host, `isDistributed` says
 * whether its network has a distributed gateway, `routedTo` which networks that one is routed to.
 */
export function policyEndpoint(
  record: EndpointRecord,
  attachment: AttachmentRecord | undefined,
  { pod, tag, isDistributed = false, routedTo = [] }: {
    readonly pod: KubePod | undefined;
    readonly tag: number | undefined;
    readonly isDistributed?: boolean;
    readonly routedTo?: readonly string[];
  },
): Endpoint {
  const { tenant, network, container, group, labels } = record;
  const [attached] = attachment?.addresses ?? [];
  return {
    id: keys.endpoint(tenant, network, container),
    tenant,
    network: idOf({ tenant, name: network }),
    ...routedTo.length > 0 && { routedTo },
    address: parseAddress(attached === undefined ? record.address : bareAddress(attached)),
    group,
    pod: attachment?.pod,
    labels: { ...labels, ...pod?.labels },
    ...attachment && !pod ? { hasUnknownLabels: true } : {},
    ports: (pod?.ports ?? []).map(({ name, protocol, port }) => ({
      name,
      port,
      protocol: { TCP: 6, UDP: 17, SCTP: 132 }[protocol],
    })),
    ...attachment && tag !== undefined
      ? {
        here: {
          ...{ tag, mac: attachment.mac, network: keys.network(tenant, network) },
          ...isDistributed && { isDistributed },
        },
      }
      : {},
  };
}
