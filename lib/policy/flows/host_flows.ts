// The policy flows of one host, updated as the model changes. A rule has flows only while an endpoint that it
// guards is on this host; then one set of flows for each network of such an endpoint, as networks of
// different tenants may have the same addresses.

import { type Endpoint, isPeerOf } from "../input.ts";
import type { BoundRule, ModelEvents, Side } from "../model.ts";
import { namedPort, namedSide, type Rule } from "../rules.ts";
import { GuardedEndpoints } from "./guarded_endpoints.ts";
import { type FlowChanges, FlowTable } from "./flow_table.ts";
import { addressMatch, namedPart, numberedPart, type RulePart } from "./rule_parts.ts";
import { deniedFlow, deny, DROP, flowKey, passOn, REGISTERS, TABLES } from "./pipeline.ts";
import { Numbers, Slots } from "./slots.ts";

/** A rule part in one network of this host. */
interface NetworkPart {
  readonly slot: number;
  readonly tag: number;
  /** One of the guarded endpoints: which peers all of them have. */
  readonly subject: Endpoint;
  /** How many guarded endpoints there are. */
  subjects: number;
}

/** A rule that guards an endpoint on this host. */
interface LocalRule {
  readonly bound: BoundRule;
  readonly parts: Map<
    string,
    { readonly part: RulePart; readonly inNetworks: Map<string, NetworkPart> }
  >;
  /** Guarded endpoints on this host, by id. */
  readonly subjects: Map<string, Endpoint>;
}

const LOWEST = 1_000;
// Rules of one priority are spread over levels, as the actions of one flow must fit into an OpenFlow message.
const [LEVELS, RULES_OF_LEVEL] = [128, 1_024];

/** Follows a policy model, and keeps the flows of its policies for this host. */
export class HostFlows implements ModelEvents {
  readonly #table = new FlowTable();
  readonly #slots = new Slots();
  readonly #numbers = new Numbers();
  readonly #rules = new Map<BoundRule, LocalRule>();
  readonly #guarded = new GuardedEndpoints(this.#table);
  readonly #drop: string;

  /** `drop`: actions for denied packets. */
  constructor(drop: string = DROP) {
    this.#drop = drop;
  }

  /** Access tags of the networks that have an endpoint here that a policy guards. */
  get tags(): ReadonlySet<number> {
    return this.#guarded.tags;
  }

  /** Returns what changed since the last call. */
  changes(): FlowChanges {
    return this.#table.changes();
  }

  /** Returns all flows as of the last call of changes(). */
  flows(): string[] {
    return this.#table.flows();
  }

  /** Returns the policies that deny something here, by the number that their drops are counted under. */
  get policies(): ReadonlyMap<number, Pick<Rule, "tier" | "policy">> {
    return this.#numbers.byNumber;
  }

  bound(bound: BoundRule): void {
    for (const endpoint of bound.subjects.members.values()) this.#addSubject(bound, endpoint);
  }

  unbound(bound: BoundRule): void {
    const local = this.#rules.get(bound);
    for (const endpoint of [...local?.subjects.values() ?? []]) {
      this.#removeSubject(local, endpoint);
    }
  }

  joined(bound: BoundRule, side: Side, endpoint: Endpoint): void {
    if (side === "subjects") return this.#addSubject(bound, endpoint);
    const local = this.#rules.get(bound);
    if (local) this.#addPeer(local, endpoint);
  }

  leaving(bound: BoundRule, side: Side, endpoint: Endpoint): void {
    const local = this.#rules.get(bound);
    if (side === "subjects") return this.#removeSubject(local, endpoint);
    if (!local) return;
    this.#peerFlows(local, endpoint, (key, part) => this.#table.removePart(key, part));
  }

  /** Most rules guard no endpoint here: only now is anything allocated for one. */
  #ensureLocal(bound: BoundRule): LocalRule {
    const { rule } = bound;
    const known = this.#rules.get(bound);
    if (known) return known;
    const local: LocalRule = { bound, parts: new Map(), subjects: new Map() };
    this.#rules.set(bound, local);
    const part = numberedPart(rule);
    if (part) local.parts.set("", { part, inNetworks: new Map() });
    if (namedSide(rule) === "subjects") return local;
    for (const { members } of bound.peers) {
      for (const endpoint of members.values()) this.#addNamedParts(local, endpoint);
    }
    return local;
  }

  #addSubject(bound: BoundRule, endpoint: Endpoint): void {
    const { here } = endpoint;
    if (!here) return;
    const local = this.#ensureLocal(bound);
    if (local.subjects.has(endpoint.id)) return;
    local.subjects.set(endpoint.id, endpoint);
    const { rule } = bound;
    if (namedSide(rule) === "subjects") this.#addNamedParts(local, endpoint);
    for (const { part, inNetworks } of local.parts.values()) {
      if (!isNamed(part, "subjects", endpoint)) continue;
      let inNetwork = inNetworks.get(networkKey(endpoint));
      if (!inNetwork) {
        const slot = this.#slots.take(tableOf(part));
        inNetwork = { slot, tag: here.tag, subject: endpoint, subjects: 0 };
        inNetworks.set(networkKey(endpoint), inNetwork);
        this.#partFlows(local, { part, inNetwork }, "add");
      }
      inNetwork.subjects++;
      this.#subjectFlow(part, inNetwork, endpoint, "add");
    }
    if (rule.action === "deny") this.#guarded.change(endpoint, rule.direction, 1);
  }

  #removeSubject(local: LocalRule | undefined, endpoint: Endpoint): void {
    const { here } = endpoint;
    if (!here || !local?.subjects.delete(endpoint.id)) return;
    const { rule } = local.bound;
    for (const { part, inNetworks } of local.parts.values()) {
      const inNetwork = inNetworks.get(networkKey(endpoint));
      if (!inNetwork || !isNamed(part, "subjects", endpoint)) continue;
      this.#subjectFlow(part, inNetwork, endpoint, "remove");
      if (--inNetwork.subjects > 0) continue;
      this.#partFlows(local, { part, inNetwork }, "remove");
      this.#slots.release(tableOf(part), inNetwork.slot);
      inNetworks.delete(networkKey(endpoint));
    }
    if (local.subjects.size === 0) this.#rules.delete(local.bound);
    if (rule.action === "deny") this.#guarded.change(endpoint, rule.direction, -1);
  }

  #addPeer(local: LocalRule, endpoint: Endpoint): void {
    const before = local.parts.size;
    if (namedSide(local.bound.rule) === "peers") this.#addNamedParts(local, endpoint);
    if (local.parts.size === before) {
      this.#peerFlows(local, endpoint, (key, part) => this.#table.addPart(key, part));
      return;
    }
    // A port number that no peer had before: all subjects get flows for it.
    const subjects = [...local.subjects.values()];
    for (const subject of subjects) this.#removeSubject(local, subject);
    for (const subject of subjects) this.#addSubject(local.bound, subject);
  }

  #addNamedParts({ bound, parts }: LocalRule, endpoint: Endpoint): void {
    for (const service of bound.rule.services ?? []) {
      if (service.named === undefined) continue;
      const number = namedPort(endpoint, service);
      const key = `${service.protocol} ${service.named} ${number}`;
      if (number === undefined || parts.has(key)) continue;
      parts.set(key, { part: namedPart(bound.rule, service, number), inNetworks: new Map() });
    }
  }

  #subjectFlow(
    part: RulePart,
    inNetwork: NetworkPart,
    endpoint: Endpoint,
    verb: "add" | "remove",
  ): void {
    const { rule } = part;
    const only = part.services?.length === 1 ? [part.services[0]] : [];
    const subject = `${REGISTERS[rule.direction].subject}=${addressMatch(endpoint.address)}`;
    const key = ruleFlowKey(
      part,
      inNetwork,
      [networkMatch(inNetwork.tag), subject, ...only].join(),
    );
    const count = clausesOf(part);
    if (count > 1) {
      const clause = `${inNetwork.slot},1/${count}`;
      return verb === "add"
        ? this.#table.addPart(key, clause)
        : this.#table.removePart(key, clause);
    }
    if (verb === "add") this.#table.addWhole(key, rule.id, this.#actionOf(rule));
    else this.#table.removeWhole(key, rule.id);
  }

  /** Flows that a part needs in a network, whatever its subjects there are. */
  #partFlows(
    { bound }: LocalRule,
    { part, inNetwork }: { readonly part: RulePart; readonly inNetwork: NetworkPart },
    verb: "add" | "remove",
  ): void {
    const { rule, services = [] } = part;
    const count = clausesOf(part);
    const change = (key: string, clause: string) =>
      verb === "add" ? this.#table.addPart(key, clause) : this.#table.removePart(key, clause);
    if (rule.action === "deny") {
      this.#table.changeAll([deniedFlow(this.#numbers.of(rule), this.#drop)], verb);
    }
    if (count === 1) return;
    const whole = ruleFlowKey(part, inNetwork, `conj_id=${inNetwork.slot}`);
    if (verb === "add") this.#table.addWhole(whole, rule.id, this.#actionOf(rule));
    else this.#table.removeWhole(whole, rule.id);
    if (services.length > 1) {
      for (const service of services) {
        const key = ruleFlowKey(part, inNetwork, `${networkMatch(inNetwork.tag)},${service}`);
        change(key, `${inNetwork.slot},${count}/${count}`);
      }
    }
    if (!part.hasPeers) return;
    for (const block of part.blocks) {
      change(this.#peerFlowKey(part, inNetwork, block), `${inNetwork.slot},2/${count}`);
    }
    for (const { members } of bound.peers) {
      for (const peer of members.values()) {
        if (!isPeerOf(inNetwork.subject, peer) || !isNamed(part, "peers", peer)) continue;
        const key = this.#peerFlowKey(part, inNetwork, addressMatch(peer.address));
        change(key, `${inNetwork.slot},2/${count}`);
      }
    }
  }

  #peerFlows(
    { parts }: LocalRule,
    peer: Endpoint,
    change: (key: string, part: string) => void,
  ): void {
    for (const { part, inNetworks } of parts.values()) {
      if (!part.hasPeers || !isNamed(part, "peers", peer)) continue;
      for (const inNetwork of inNetworks.values()) {
        if (!isPeerOf(inNetwork.subject, peer)) continue;
        const key = this.#peerFlowKey(part, inNetwork, addressMatch(peer.address));
        change(key, `${inNetwork.slot},2/${clausesOf(part)}`);
      }
    }
  }

  #peerFlowKey(part: RulePart, inNetwork: NetworkPart, match: string): string {
    const register = REGISTERS[part.rule.direction].peer;
    return ruleFlowKey(part, inNetwork, `${networkMatch(inNetwork.tag)},${register}=${match}`);
  }

  #actionOf(rule: Rule): string {
    return rule.action === "allow"
      ? passOn(TABLES.rules[rule.tier][rule.direction])
      : deny(this.#numbers.of(rule));
  }
}

/** How many matches of a part must hold at once; a single service is in the subjects' flows. */
function clausesOf({ services, hasPeers }: RulePart): number {
  return 1 + (hasPeers ? 1 : 0) + ((services?.length ?? 0) > 1 ? 1 : 0);
}

function isNamed({ rule, named }: RulePart, side: Side, endpoint: Endpoint): boolean {
  return !named || namedSide(rule) !== side || namedPort(endpoint, named.service) === named.number;
}

function tableOf({ rule }: RulePart): number {
  return TABLES.rules[rule.tier][rule.direction];
}

function ruleFlowKey(part: RulePart, { slot }: NetworkPart, match: string): string {
  const { priority, action } = part.rule;
  const level = clausesOf(part) === 1 ? 0 : Math.min(Math.floor(slot / RULES_OF_LEVEL), LEVELS - 1);
  const weight = priority * 2 + (action === "deny" ? 1 : 0);
  return flowKey(tableOf(part), LOWEST + weight * LEVELS + level, match);
}

/** Returns the same for endpoints here whose network, and whose peers, are the same. */
function networkKey({ here, routedTo = [] }: Endpoint): string {
  return `${here?.tag} ${routedTo.join()}`;
}

function networkMatch(tag: number): string {
  return `reg0=0x${tag.toString(16)}`;
}
