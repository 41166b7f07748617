// What the guarded pods of this host may send by the address of the receiver alone: for packets to services whose
// backend no policy flow sees, since it is not a pod (the API server) or its network sees another sender. Rules
// that name pods allow nothing of that; the rest is what the flows do (flows/rule_parts.ts). Pure.

import { addressToText, subnetToText } from "../ipam/subnets.ts";
import { blockWithout } from "./blocks.ts";
import type { Endpoint } from "./input.ts";
import type { PolicyModel } from "./model.ts";
import { isBefore, type Rule, type Service, TIERS } from "./rules.ts";

/** A rule for addresses. */
export interface EgressRule {
  readonly action: "allow" | "deny";
  /** CIDRs of receivers; undefined: any. */
  readonly blocks?: readonly string[];
  /** Undefined: any. */
  readonly services?: readonly EgressService[];
}

/** A protocol, with the receiver's ports where they matter. */
export interface EgressService {
  /** IP protocol number. */
  readonly protocol: number;
  /** Inclusive. */
  readonly ports?: { readonly first: number; readonly last: number };
}

/** A pod that policies guard in what it sends. */
export interface EgressGuard {
  readonly tag: number;
  /** Bare IPv4 address. */
  readonly address: string;
  /** Each tier must let a packet pass; in it, the first rule that matches decides, and without one it passes. */
  readonly tiers: readonly (readonly EgressRule[])[];
}

/** Returns the guards of the pods on this host that policies guard in what they send, by address. */
export function egressGuards(model: PolicyModel): EgressGuard[] {
  const guards = [...model.endpoints.values()].flatMap((one) => guardOf(model, one) ?? []);
  return guards.sort((a, b) => a.tag - b.tag || (a.address < b.address ? -1 : 1));
}

function guardOf(model: PolicyModel, { id, address, here }: Endpoint): EgressGuard | undefined {
  if (!here) return undefined;
  const rules = model.rulesOf(id).map(({ rule }) => rule)
    .filter(({ direction, isAnswer }) => direction === "out" && !isAnswer);
  if (!rules.some(({ action }) => action === "deny")) return undefined;
  const tiers = TIERS.map((tier) =>
    rules.filter((rule) => rule.tier === tier).sort((a, b) => isBefore(a, b) ? -1 : 1)
      .flatMap(egressRuleOf)
  );
  return { tag: here.tag, address: addressToText(address), tiers };
}

function egressRuleOf({ action, peers, services }: Rule): EgressRule[] {
  const blocks = peers?.flatMap((peer) =>
    peer.kind === "block" ? blockWithout(peer.block, peer.excepts).map(subnetToText) : []
  );
  // Only pods name their ports.
  const numbered = services?.filter(({ named }) => named === undefined).map(serviceOf);
  if (blocks?.length === 0 || numbered?.length === 0) return [];
  return [{ action, ...blocks && { blocks }, ...numbered && { services: numbered } }];
}

function serviceOf({ protocol, ports }: Service): EgressService {
  return { protocol, ...ports && { ports } };
}
