// The one form that contiv's rules and Kubernetes' policies both become.
//
// Rules stand in tiers, which are asked one after the other; a packet passes when each tier lets it
// leave its sender and reach its receiver. Within a tier, for each endpoint and direction, the rule
// of the highest priority decides, deny before allow; where no rule speaks, it passes. So a policy of
// Kubernetes is: allow by each rule, and below that, deny everything for whom it selects.

import type { Subnet } from "../ipam/subnets.ts";
import type { Direction, Endpoint } from "./input.ts";
import type { MemberSpec } from "./member_spec.ts";

/** Tiers in the order in which they are asked. */
export const TIERS = ["contiv", "kubernetes"] as const;

/** A set of rules that decides by itself. */
export type Tier = typeof TIERS[number];

/** IP protocol numbers (IANA). */
export const PROTOCOLS = { icmp: 1, igmp: 2, tcp: 6, udp: 17, sctp: 132 } as const;

/** What is asked for: a protocol, with ports where they matter. */
export interface Service {
  readonly protocol: number;
  /** Inclusive; absent: any, and protocols without ports. */
  readonly ports?: { readonly first: number; readonly last: number };
  /** In place of `ports`: what the receiving pod calls so. */
  readonly named?: string;
}

/** One side of a rule that is not the subject. */
export type Peer =
  | { readonly kind: "members"; readonly members: MemberSpec }
  | { readonly kind: "block"; readonly block: Subnet; readonly excepts: readonly Subnet[] };

/** One rule. */
export interface Rule {
  /** Unique, and the same as long as the rule is the same one. */
  readonly id: string;
  /** Name of its policy, for people: `tenant/name` or `namespace/name`. */
  readonly policy: string;
  /** Its place in the policy, for people. */
  readonly label: string;
  readonly tier: Tier;
  readonly direction: Direction;
  readonly priority: number;
  readonly action: "allow" | "deny";
  /** Whom it guards. */
  readonly subjects: MemberSpec;
  /** Any where absent. */
  readonly peers?: readonly Peer[] | undefined;
  /** Any where absent. */
  readonly services?: readonly Service[] | undefined;
  /**
   * Ports are those of the sender, and its packets are answers. SCTP is not tracked: what a rule lets
   * in, it also lets out again, by this.
   */
  readonly isAnswer?: boolean;
}

/** Returns the endpoint whose names a rule's named ports are: who receives what the rule is about. */
export function namedSide({ direction, isAnswer }: Rule): "subjects" | "peers" {
  return (direction === "in") === !isAnswer ? "subjects" : "peers";
}

/** Returns the number that an endpoint gives to a named port. */
export function namedPort({ ports }: Endpoint, { named, protocol }: Service): number | undefined {
  return ports.find((one) => one.name === named && one.protocol === protocol)?.port;
}

/** Returns `rules` with the answers of those that let SCTP through. */
export function withAnswers(rules: readonly Rule[]): readonly Rule[] {
  if (!rules.some(isAnswered)) return rules;
  return rules.flatMap((rule) => isAnswered(rule) ? [rule, answersOf(rule)] : [rule]);
}

const isSctp = ({ protocol }: Service) => protocol === PROTOCOLS.sctp;

function isAnswered({ action, services }: Rule): boolean {
  return action === "allow" && (services?.some(isSctp) ?? true);
}

function answersOf(rule: Rule): Rule {
  return {
    ...rule,
    id: `${rule.id} answers`,
    direction: rule.direction === "in" ? "out" : "in",
    services: rule.services?.filter(isSctp) ?? [{ protocol: PROTOCOLS.sctp }],
    isAnswer: true,
  };
}

/** Reports whether nothing at all can match. */
export function isVoid({ peers, services }: Rule): boolean {
  return peers?.length === 0 || services?.length === 0;
}
