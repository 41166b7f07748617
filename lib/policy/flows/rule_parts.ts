// A rule split into parts that one conjunctive match can express: subjects, peers, services. A rule with a
// named port has one part for each number that pods give to that name.

import { blockWithout, maskOf, portMasks } from "../blocks.ts";
import { isVoid, namedSide, type Peer, type Rule, type Service } from "../rules.ts";
import { SCTP_SOURCE, SERVICE } from "./pipeline.ts";

/** A rule for one set of services. */
export interface RulePart {
  readonly rule: Rule;
  /** Only endpoints that give the name this number, on the side that receives the request. */
  readonly named?: { readonly service: Service; readonly number: number };
  /** Register matches, one of which must hold; absent: any service. */
  readonly services: readonly string[] | undefined;
  /** Address matches without their register: `0xb010000/0xffff0000`. */
  readonly blocks: readonly string[];
  /** Whether the other side is limited at all. */
  readonly hasPeers: boolean;
}

/** Returns the part with all services given by number; undefined where there is none. */
export function numberedPart(rule: Rule): RulePart | undefined {
  const services = rule.services?.filter(({ named }) => named === undefined);
  if (isVoid({ ...rule, services })) return undefined;
  return partOf(rule, services);
}

/** Returns the part of a named port, for the pods that give the name this `number`. */
export function namedPart(rule: Rule, service: Service, number: number): RulePart {
  const { protocol } = service;
  const part = partOf(rule, [{ protocol, ports: { first: number, last: number } }]);
  // Only pods name their ports: the names of addresses in a block are not known.
  const onlyPods = namedSide(rule) === "peers" ? { blocks: [], hasPeers: true } : {};
  return { ...part, ...onlyPods, named: { service, number } };
}

function partOf(rule: Rule, services: readonly Service[] | undefined): RulePart {
  const blocks = (rule.peers ?? []).flatMap(subnetsOf);
  const isAny = !rule.peers || blocks.some(({ length }) => length === 0);
  const register = rule.isAnswer ? SCTP_SOURCE : SERVICE;
  return {
    rule,
    services: services && [
      ...new Set(services.flatMap(serviceMatches).map((one) => `${register}=${one}`)),
    ],
    blocks: isAny ? [] : blocks.map(({ base, length }) => masked(base, maskOf(length))),
    hasPeers: !isAny,
  };
}

function subnetsOf(peer: Peer) {
  return peer.kind === "block" ? blockWithout(peer.block, peer.excepts) : [];
}

function serviceMatches({ protocol, ports }: Service): string[] {
  const base = protocol * 0x1_0000;
  if (!ports) return [masked(base, 0xffff_0000)];
  return portMasks(ports.first, ports.last)
    .map(({ value, mask }) => masked(base + value, 0xffff_0000 + mask));
}

/** Returns an address as a match on a register writes it. */
export function addressMatch(address: number): string {
  return masked(address, 0xffff_ffff);
}

// As printf's %#x writes them: zero has no 0x.
function masked(value: number, mask: number): string {
  const hex = (one: number) => one === 0 ? "0" : `0x${one.toString(16)}`;
  return mask === 0xffff_ffff ? hex(value) : `${hex(value)}/${hex(mask)}`;
}
