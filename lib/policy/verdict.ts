// The verdict of the policy model on one packet, with the rule that decides. It evaluates the same bound rules
// from which the flows are made: for `trace`.

import { subnetHas } from "../ipam/subnets.ts";
import { type Direction, type Endpoint, isPeerOf } from "./input.ts";
import type { BoundRule, PolicyModel } from "./model.ts";
import {
  isBefore,
  namedPort,
  namedSide,
  type Peer,
  PROTOCOLS,
  type Rule,
  type Tier,
  TIERS,
} from "./rules.ts";

/** The first packet of a connection. */
export interface Packet {
  /** Ids of endpoints; absent where that side is not a known endpoint. */
  readonly from?: string;
  readonly to?: string;
  readonly source: number;
  readonly destination: number;
  /** IP protocol number. */
  readonly protocol: number;
  /** Only for protocols with ports; the sender's port identifies replies of SCTP. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** Whether the model allows a packet. */
export interface Verdict {
  readonly isAllowed: boolean;
  /** The rule that decided; absent where none matched. */
  readonly rule?: Pick<Rule, "policy" | "label" | "tier" | "direction" | "action">;
}

/** Returns the verdict on `packet`; `directions` narrows it to what one of two hosts decides. */
export function verdictOf(
  model: PolicyModel,
  packet: Packet,
  directions: readonly Direction[] = ["out", "in"],
): Verdict {
  let last: Rule | undefined;
  for (const direction of ["out", "in"] as const) {
    if (!directions.includes(direction)) continue;
    for (const tier of TIERS) {
      const rule = decidingRule(model, packet, { direction, tier });
      if (rule?.action === "deny") return { isAllowed: false, rule };
      last = rule ?? last;
    }
  }
  return { isAllowed: true, ...last ? { rule: last } : {} };
}

/** Returns the rule that decides in one tier and direction; undefined where none matches. */
function decidingRule(
  model: PolicyModel,
  packet: Packet,
  { direction, tier }: { readonly direction: Direction; readonly tier: Tier },
): Rule | undefined {
  const subject = direction === "in" ? packet.to : packet.from;
  if (subject === undefined) return undefined;
  let best: Rule | undefined;
  for (const bound of model.rulesOf(subject)) {
    const { rule } = bound;
    if (rule.direction !== direction || rule.tier !== tier) continue;
    if ((!best || isBefore(rule, best)) && matches(model, bound, packet)) best = rule;
  }
  return best;
}

function matches(model: PolicyModel, bound: BoundRule, packet: Packet): boolean {
  const { rule } = bound;
  const isIn = rule.direction === "in";
  const find = (id: string | undefined) => id === undefined ? undefined : model.endpoints.get(id);
  const [subject, peer] = isIn
    ? [find(packet.to), find(packet.from)]
    : [find(packet.from), find(packet.to)];
  const address = isIn ? packet.source : packet.destination;
  if (!subject) return false;
  const isMember = peer !== undefined && isPeerOf(subject, peer) &&
    bound.peers.some(({ members }) => members.has(peer.id));
  const isPeer = isMember || !rule.peers || rule.peers.some((one) => isInBlock(one, address));
  // Only pods name their ports: the names of addresses in a block are not known.
  const named = namedSide(rule) === "subjects" ? subject : isMember ? peer : undefined;
  return isPeer && matchesServices(rule, packet, named);
}

function isInBlock(peer: Peer, address: number): boolean {
  return peer.kind === "block" && subnetHas(peer.block, address) &&
    !peer.excepts.some((except) => subnetHas(except, address));
}

function matchesServices(rule: Rule, packet: Packet, named: Endpoint | undefined): boolean {
  if (!rule.services) return true;
  const port = rule.isAnswer ? packet.sourcePort : packet.destinationPort;
  return rule.services.some((service) => {
    if (service.protocol !== packet.protocol) return false;
    if (service.named !== undefined) {
      return named !== undefined && port !== undefined && namedPort(named, service) === port;
    }
    if (!service.ports) return true;
    return port !== undefined && service.ports.first <= port && port <= service.ports.last;
  });
}

/** Protocols whose packets have ports. */
export function hasPorts(protocol: number): boolean {
  return ([PROTOCOLS.tcp, PROTOCOLS.udp, PROTOCOLS.sctp] as number[]).includes(protocol);
}
