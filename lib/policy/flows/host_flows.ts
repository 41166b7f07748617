// The flows of one host, kept as the model changes. Of a rule there is nothing here until an endpoint
// that it guards is on this host; then a set of lines for each network that has one, as networks of
// different tenants may have the same addresses.

import type { Endpoint } from "../input.ts";
import type { BoundRule, ModelEvents, Side } from "../model.ts";
import { namedPort, namedSide, type Rule } from "../rules.ts";
import { GuardedEndpoints } from "./guarded_endpoints.ts";
import { FlowTable, type LineChanges } from "./flow_table.ts";
import { addressMatch, namedPart, numberedPart, type RulePart } from "./rule_parts.ts";
import { deniedLine, deny, DROP, passOn, placeOf, REGISTERS, TABLES } from "./pipeline.ts";
import { Numbers, Slots } from "./slots.ts";

/** A part in one network of this host. */
interface Active {
  readonly slot: number;
  readonly tenant: string;
  subjects: number;
}

interface Held {
  readonly bound: BoundRule;
  readonly parts: Map<string, { readonly part: RulePart; readonly byTag: Map<number, Active> }>;
  /** Those on this host. */
  readonly subjects: Map<string, Endpoint>;
}

const LOWEST = 1_000;
// Rules of one priority are spread over levels, as the actions of one line must fit into a message.
const [LEVELS, RULES_OF_LEVEL] = [128, 1_024];

/** Follows a model, and gives the flows of its policies for this host. */
export class HostFlows implements ModelEvents {
  readonly #book = new FlowTable();
  readonly #slots = new Slots();
  readonly #numbers = new Numbers();
  readonly #held = new Map<BoundRule, Held>();
  readonly #guarded = new GuardedEndpoints(this.#book);
  readonly #drop: string;

  /** `drop` is what is done with denied packets. */
  constructor(drop: string = DROP) {
    this.#drop = drop;
  }

  /** Access tags of the networks that have an endpoint here that a policy guards. */
  get tags(): ReadonlySet<number> {
    return this.#guarded.tags;
  }

  /** Returns what changed since the last call. */
  changes(): LineChanges {
    return this.#book.changes();
  }

  /** Returns all lines, as `changes` told them last. */
  lines(): string[] {
    return this.#book.lines();
  }

  /** Returns the policies that deny something here, by the number that their drops are counted under. */
  get policies(): ReadonlyMap<number, Pick<Rule, "tier" | "policy">> {
    return this.#numbers.byNumber;
  }

  bound(bound: BoundRule): void {
    for (const endpoint of bound.subjects.members.values()) this.#addSubject(bound, endpoint);
  }

  unbound(bound: BoundRule): void {
    const held = this.#held.get(bound);
    for (const endpoint of [...held?.subjects.values() ?? []]) this.#removeSubject(held, endpoint);
  }

  joined(bound: BoundRule, side: Side, endpoint: Endpoint): void {
    if (side === "subjects") return this.#addSubject(bound, endpoint);
    const held = this.#held.get(bound);
    if (held) this.#addPeer(held, endpoint);
  }

  leaving(bound: BoundRule, side: Side, endpoint: Endpoint): void {
    const held = this.#held.get(bound);
    if (side === "subjects") return this.#removeSubject(held, endpoint);
    if (!held) return;
    this.#eachPeerLine(held, endpoint, (place, part) => this.#book.removePart(place, part));
  }

  /** Most rules guard nobody here: only now is anything made of one. */
  #hold(bound: BoundRule): Held {
    const { rule } = bound;
    const known = this.#held.get(bound);
    if (known) return known;
    const held: Held = { bound, parts: new Map(), subjects: new Map() };
    this.#held.set(bound, held);
    const part = numberedPart(rule);
    if (part) held.parts.set("", { part, byTag: new Map() });
    if (namedSide(rule) === "subjects") return held;
    for (const { members } of bound.peers) {
      for (const endpoint of members.values()) this.#addNamedParts(held, endpoint);
    }
    return held;
  }

  #addSubject(bound: BoundRule, endpoint: Endpoint): void {
    const { here, tenant } = endpoint;
    if (!here) return;
    const held = this.#hold(bound);
    if (held.subjects.has(endpoint.id)) return;
    held.subjects.set(endpoint.id, endpoint);
    const { rule } = bound;
    if (namedSide(rule) === "subjects") this.#addNamedParts(held, endpoint);
    for (const { part, byTag } of held.parts.values()) {
      if (!isNamed(part, "subjects", endpoint)) continue;
      let active = byTag.get(here.tag);
      if (!active) {
        active = { slot: this.#slots.take(tableOf(part)), tenant, subjects: 0 };
        byTag.set(here.tag, active);
        this.#eachOwnLine(held, { part, tag: here.tag, active }, "add");
      }
      active.subjects++;
      this.#subjectLine(part, active, endpoint, "add");
    }
    if (rule.action === "deny") this.#guarded.change(endpoint, rule.direction, 1);
  }

  #removeSubject(held: Held | undefined, endpoint: Endpoint): void {
    const { here } = endpoint;
    if (!here || !held?.subjects.delete(endpoint.id)) return;
    const { rule } = held.bound;
    for (const { part, byTag } of held.parts.values()) {
      const active = byTag.get(here.tag);
      if (!active || !isNamed(part, "subjects", endpoint)) continue;
      this.#subjectLine(part, active, endpoint, "remove");
      if (--active.subjects > 0) continue;
      this.#eachOwnLine(held, { part, tag: here.tag, active }, "remove");
      this.#slots.release(tableOf(part), active.slot);
      byTag.delete(here.tag);
    }
    if (held.subjects.size === 0) this.#held.delete(held.bound);
    if (rule.action === "deny") this.#guarded.change(endpoint, rule.direction, -1);
  }

  #addPeer(held: Held, endpoint: Endpoint): void {
    const before = held.parts.size;
    if (namedSide(held.bound.rule) === "peers") this.#addNamedParts(held, endpoint);
    if (held.parts.size === before) {
      this.#eachPeerLine(held, endpoint, (place, part) => this.#book.addPart(place, part));
      return;
    }
    // A number that nobody had so far: the subjects have to be told of it, once and all.
    const subjects = [...held.subjects.values()];
    for (const subject of subjects) this.#removeSubject(held, subject);
    for (const subject of subjects) this.#addSubject(held.bound, subject);
  }

  #addNamedParts({ bound, parts }: Held, endpoint: Endpoint): void {
    for (const service of bound.rule.services ?? []) {
      if (service.named === undefined) continue;
      const number = namedPort(endpoint, service);
      const key = `${service.protocol} ${service.named} ${number}`;
      if (number === undefined || parts.has(key)) continue;
      parts.set(key, { part: namedPart(bound.rule, service, number), byTag: new Map() });
    }
  }

  #subjectLine(part: RulePart, active: Active, endpoint: Endpoint, verb: "add" | "remove"): void {
    const { rule } = part;
    const { tag = 0 } = endpoint.here ?? {};
    const only = part.services?.length === 1 ? [part.services[0]] : [];
    const subject = `${REGISTERS[rule.direction].subject}=${addressMatch(endpoint.address)}`;
    const place = linePlace(part, active, [networkMatch(tag), subject, ...only].join());
    const count = clausesOf(part);
    if (count > 1) {
      const words = `${active.slot},1/${count}`;
      return verb === "add"
        ? this.#book.addPart(place, words)
        : this.#book.removePart(place, words);
    }
    if (verb === "add") this.#book.addWhole(place, rule.id, this.#actionOf(rule));
    else this.#book.removeWhole(place, rule.id);
  }

  /** Lines that a part needs in a network, whoever its subjects there are. */
  #eachOwnLine(
    { bound }: Held,
    { part, tag, active }: {
      readonly part: RulePart;
      readonly tag: number;
      readonly active: Active;
    },
    verb: "add" | "remove",
  ): void {
    const { rule, services = [] } = part;
    const count = clausesOf(part);
    const change = (place: string, words: string) =>
      verb === "add" ? this.#book.addPart(place, words) : this.#book.removePart(place, words);
    if (rule.action === "deny") {
      this.#book.changeAll([deniedLine(this.#numbers.of(rule), this.#drop)], verb);
    }
    if (count === 1) return;
    const whole = linePlace(part, active, `conj_id=${active.slot}`);
    if (verb === "add") this.#book.addWhole(whole, rule.id, this.#actionOf(rule));
    else this.#book.removeWhole(whole, rule.id);
    if (services.length > 1) {
      for (const service of services) {
        const place = linePlace(part, active, `${networkMatch(tag)},${service}`);
        change(place, `${active.slot},${count}/${count}`);
      }
    }
    if (!part.hasPeers) return;
    for (const block of part.blocks) {
      change(this.#peerPlace(part, tag, active, block), `${active.slot},2/${count}`);
    }
    for (const { members } of bound.peers) {
      for (const peer of members.values()) {
        if (peer.tenant !== active.tenant || !isNamed(part, "peers", peer)) continue;
        const place = this.#peerPlace(part, tag, active, addressMatch(peer.address));
        change(place, `${active.slot},2/${count}`);
      }
    }
  }

  #eachPeerLine(
    { parts }: Held,
    peer: Endpoint,
    change: (place: string, part: string) => void,
  ): void {
    for (const { part, byTag } of parts.values()) {
      if (!part.hasPeers || !isNamed(part, "peers", peer)) continue;
      for (const [tag, active] of byTag) {
        if (peer.tenant !== active.tenant) continue;
        const place = this.#peerPlace(part, tag, active, addressMatch(peer.address));
        change(place, `${active.slot},2/${clausesOf(part)}`);
      }
    }
  }

  #peerPlace(part: RulePart, tag: number, active: Active, match: string): string {
    const register = REGISTERS[part.rule.direction].peer;
    return linePlace(part, active, `${networkMatch(tag)},${register}=${match}`);
  }

  #actionOf(rule: Rule): string {
    return rule.action === "allow"
      ? passOn(TABLES.rules[rule.tier][rule.direction])
      : deny(this.#numbers.of(rule));
  }
}

/** How many matches of a part must hold at once; a single service is in the subjects' lines. */
function clausesOf({ services, hasPeers }: RulePart): number {
  return 1 + (hasPeers ? 1 : 0) + ((services?.length ?? 0) > 1 ? 1 : 0);
}

function isNamed({ rule, named }: RulePart, side: Side, endpoint: Endpoint): boolean {
  return !named || namedSide(rule) !== side || namedPort(endpoint, named.service) === named.number;
}

function tableOf({ rule }: RulePart): number {
  return TABLES.rules[rule.tier][rule.direction];
}

function linePlace(part: RulePart, { slot }: Active, match: string): string {
  const { priority, action } = part.rule;
  const level = clausesOf(part) === 1 ? 0 : Math.min(Math.floor(slot / RULES_OF_LEVEL), LEVELS - 1);
  const weight = priority * 2 + (action === "deny" ? 1 : 0);
  return placeOf(tableOf(part), LOWEST + weight * LEVELS + level, match);
}

function networkMatch(tag: number): string {
  return `reg0=0x${tag.toString(16)}`;
}
