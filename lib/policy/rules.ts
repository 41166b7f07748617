// The common form of contiv's rules and Kubernetes' network policies.
//
// Rules are in tiers, which are evaluated one after the other; a packet passes when each tier lets it
// leave its sender and reach its receiver. Within a tier, for each endpoint and direction, the matching
// rule of the highest priority decides, deny before allow; without a matching rule the packet passes. So
// a NetworkPolicy is: allow by each rule, and below that, deny everything for the pods that it selects.

import type { Subnet } from "../ipam/subnets.ts";
import type { Direction, Endpoint } from "./input.ts";
import type { MemberSpec } from "./member_spec.ts";

/** Tiers in the order in which they are evaluated. */
export const TIERS = ["contiv", "kubernetes"] as const;

/** A set of rules that decides independently of the other one. */
export type Tier = typeof TIERS[number];

/** IP protocol numbers (IANA). */
export const PROTOCOLS = { icmp: 1, igmp: 2, tcp: 6, udp: 17, sctp: 132 } as const;

/** What a request is for: a protocol, with the server's ports where they matter. */
export interface Service {
  readonly protocol: number;
  /** Inclusive. If absent, all ports; also for protocols without ports. */
  readonly ports?: { readonly first: number; readonly last: number };
  /** In place of `ports`: the receiving pod's name for its port. */
  readonly named?: string;
}

/** One side of a rule that is not the subject. */
export type Peer =
  | { readonly kind: "members"; readonly members: MemberSpec }
  | { readonly kind: "block"; readonly block: Subnet; readonly excepts: readonly Subnet[] };

/** One rule. */
export interface Rule {
  /** Unique, and constant for the lifetime of the rule. */
  readonly id: string;
  /** Name of its policy, for people: `tenant/name` or `namespace/name`. */
  readonly policy: string;
  /** Its place in the policy, for people. */
  readonly label: string;
  readonly tier: Tier;
  readonly direction: Direction;
  readonly priority: number;
  readonly action: "allow" | "deny";
  /** The endpoints that it guards. */
  readonly subjects: MemberSpec;
  /** Any where absent. */
  readonly peers?: readonly Peer[] | undefined;
  /** Any where absent. */
  readonly services?: readonly Service[] | undefined;
  /**
   * Matches replies: its ports are the sender's. SCTP is not tracked, so for what a rule lets in, one
   * with this flag lets the replies out again.
   */
  readonly isAnswer?: boolean;
}

/** Returns the side whose port names count in a rule: the one that receives the request. */
export function namedSide({ direction, isAnswer }: Rule): "subjects" | "peers" {
  return (direction === "in") === !isAnswer ? "subjects" : "peers";
}

/** Returns an endpoint's number of a named port. */
export function namedPort({ ports }: Endpoint, { named, protocol }: Service): number | undefined {
  return ports.find((one) => one.name === named && one.protocol === protocol)?.port;
}

/** Returns `rules` with rules for the replies of those that allow SCTP. */
export function withAnswers(rules: readonly Rule[]): readonly Rule[] {
  if (!rules.some(hasReplies)) return rules;
  return rules.flatMap((rule) => hasReplies(rule) ? [rule, repliesOf(rule)] : [rule]);
}

const isSctp = ({ protocol }: Service) => protocol === PROTOCOLS.sctp;

function hasReplies({ action, services }: Rule): boolean {
  return action === "allow" && (services?.some(isSctp) ?? true);
}

function repliesOf(rule: Rule): Rule {
  return {
    ...rule,
    id: `${rule.id} answers`,
    direction: rule.direction === "in" ? "out" : "in",
    services: rule.services?.filter(isSctp) ?? [{ protocol: PROTOCOLS.sctp }],
    isAnswer: true,
  };
}

/** Reports whether a rule can match nothing at all. */
export function isVoid({ peers, services }: Rule): boolean {
  return peers?.length === 0 || services?.length === 0;
}

/** Reports whether, of two rules of one tier that match, `rule` decides. */
export function isBefore(rule: Rule, other: Rule): boolean {
  const weight = ({ priority, action }: Rule) => priority * 2 + (action === "deny" ? 1 : 0);
  const [one, two] = [weight(rule), weight(other)];
  return one > two || (one === two && rule.id < other.id);
}
