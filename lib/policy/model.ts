// All policies and all endpoints, bound together: which rule guards whom. Kept by small changes, so
// that one label that moves costs only the rules that ask for it.

import { type Group, Groups } from "./groups.ts";
import type { Endpoint } from "./input.ts";
import { isVoid, type Rule } from "./rules.ts";
import type { Labels } from "../util/label_selectors.ts";

/** A rule with the sets that it speaks of. */
export interface BoundRule {
  readonly rule: Rule;
  readonly subjects: Group;
  /** Those of its peers that are sets. */
  readonly peers: readonly Group[];
}

/** Which side of a rule an endpoint is on. */
export type Side = "subjects" | "peers";

/**
 * Told of what changes, at once. An endpoint that is both joins as a peer first and leaves as a subject
 * first, and is in the sets at all of these calls.
 */
export interface ModelEvents {
  readonly bound: (rule: BoundRule) => void;
  readonly unbound: (rule: BoundRule) => void;
  readonly joined: (rule: BoundRule, side: Side, endpoint: Endpoint) => void;
  readonly leaving: (rule: BoundRule, side: Side, endpoint: Endpoint) => void;
}

/** Rules that speak of one set, by the side that it has in them. */
type Uses = Readonly<Record<Side, BoundRule[]>>;

const NO_PEERS: readonly Group[] = [];

/** The model of one host's agent: of all hosts' endpoints. */
export class PolicyModel {
  readonly #groups: Groups;
  readonly #events: ModelEvents | undefined;
  readonly #bySource = new Map<string, readonly BoundRule[]>();
  readonly #uses = new Map<Group, Uses>();

  constructor(events?: ModelEvents) {
    this.#events = events;
    const tell = (event: "joined" | "leaving", sides: readonly Side[]) => {
      return (group: Group, endpoint: Endpoint) => {
        const uses = this.#uses.get(group);
        if (!uses || !events) return;
        for (const side of sides) {
          for (const bound of uses[side]) events[event](bound, side, endpoint);
        }
      };
    };
    this.#groups = new Groups({
      joined: tell("joined", ["peers", "subjects"]),
      leaving: tell("leaving", ["subjects", "peers"]),
    });
  }

  /** All endpoints by id. */
  get endpoints(): ReadonlyMap<string, Endpoint> {
    return this.#groups.endpoints;
  }

  /** Takes over how an endpoint is now. */
  setEndpoint(endpoint: Endpoint): void {
    this.#groups.set(endpoint);
  }

  removeEndpoint(id: string): void {
    this.#groups.remove(id);
  }

  /** Takes over a namespace's labels; undefined: there is none of that name. */
  setNamespace(name: string, labels: Labels | undefined): void {
    this.#groups.setNamespace(name, labels);
  }

  /** Makes `rules` all that `source`, such as one policy, gives. */
  setRules(source: string, rules: readonly Rule[]): void {
    const now = this.#keepSame(this.#bySource.get(source) ?? [], rules);
    for (const rule of rules) {
      if (!now.has(rule.id) && !isVoid(rule)) now.set(rule.id, this.#bind(rule));
    }
    if (now.size > 0) this.#bySource.set(source, [...now.values()]);
    else this.#bySource.delete(source);
  }

  /** Returns those of the bound rules, by id, that are wanted as they are; the others end. */
  #keepSame(known: readonly BoundRule[], rules: readonly Rule[]): Map<string, BoundRule> {
    const kept = new Map<string, BoundRule>();
    if (known.length === 0) return kept;
    const wanted = new Map(rules.map((rule) => [rule.id, rule]));
    for (const bound of known) {
      const { rule } = bound;
      const isSame = JSON.stringify(wanted.get(rule.id)) === JSON.stringify(rule);
      if (isSame) kept.set(rule.id, bound);
      else this.#unbind(bound);
    }
    return kept;
  }

  /** Names of all sources that give a rule. */
  get sources(): string[] {
    return [...this.#bySource.keys()];
  }

  /** All rules. */
  *rules(): Generator<BoundRule> {
    for (const rules of this.#bySource.values()) yield* rules;
  }

  /** Rules that guard the endpoint `id`. */
  rulesOf(id: string): BoundRule[] {
    return this.#groups.groupsOf(id).flatMap((group) => this.#uses.get(group)?.subjects ?? []);
  }

  #bind(rule: Rule): BoundRule {
    const subjects = this.#groups.take(rule.subjects);
    const bound = { rule, subjects, peers: this.#takePeers(rule) };
    this.#usesOf(subjects).subjects.push(bound);
    for (const group of bound.peers) this.#usesOf(group).peers.push(bound);
    this.#events?.bound(bound);
    return bound;
  }

  /** A set that a rule names twice is one of its peers, once: what is told of it is counted. */
  #takePeers({ peers }: Rule): readonly Group[] {
    if (!peers) return NO_PEERS;
    const groups = peers.filter((peer) => peer.kind === "members")
      .map(({ members }) => this.#groups.take(members));
    return groups.filter((group, at) => {
      const isFirst = groups.indexOf(group) === at;
      if (!isFirst) this.#groups.release(group);
      return isFirst;
    });
  }

  #unbind(bound: BoundRule): void {
    this.#events?.unbound(bound);
    this.#giveBack(bound, "subjects", bound.subjects);
    for (const group of bound.peers) this.#giveBack(bound, "peers", group);
  }

  #giveBack(bound: BoundRule, side: Side, group: Group): void {
    const uses = this.#usesOf(group);
    const rules = uses[side];
    rules.splice(rules.indexOf(bound), 1);
    if (uses.subjects.length + uses.peers.length === 0) this.#uses.delete(group);
    this.#groups.release(group);
  }

  #usesOf(group: Group): Uses {
    const known = this.#uses.get(group);
    if (known) return known;
    const uses: Uses = { subjects: [], peers: [] };
    this.#uses.set(group, uses);
    return uses;
  }
}
