// The policy model: all policies and all endpoints, and which rule guards which endpoints. Updated by small
// changes, so that a label that changes costs only the rules that require it.

import { type Group, Groups } from "./groups.ts";
import type { Endpoint } from "./input.ts";
import { isVoid, type Rule } from "./rules.ts";
import type { Labels } from "../util/label_selectors.ts";

/** A rule with the groups that it refers to. */
export interface BoundRule {
  readonly rule: Rule;
  readonly subjects: Group;
  /** Those of its peers that are groups. */
  readonly peers: readonly Group[];
}

/** Which side of a rule an endpoint is on. */
export type Side = "subjects" | "peers";

/**
 * Called at once for each change. An endpoint that is both subject and peer joins as a peer first and leaves
 * as a subject first, and is a member of the groups during all of these calls.
 */
export interface ModelEvents {
  readonly bound: (rule: BoundRule) => void;
  readonly unbound: (rule: BoundRule) => void;
  readonly joined: (rule: BoundRule, side: Side, endpoint: Endpoint) => void;
  readonly leaving: (rule: BoundRule, side: Side, endpoint: Endpoint) => void;
}

/** Rules that refer to one group, by the side that it has in them. */
type Uses = Readonly<Record<Side, BoundRule[]>>;

const NO_PEERS: readonly Group[] = [];

/** The model in one host's agent, with the endpoints of all hosts. */
export class PolicyModel {
  readonly #groups: Groups;
  readonly #events: ModelEvents | undefined;
  readonly #bySource = new Map<string, readonly BoundRule[]>();
  readonly #uses = new Map<Group, Uses>();

  constructor(events?: ModelEvents) {
    this.#events = events;
    const notify = (event: "joined" | "leaving", sides: readonly Side[]) => {
      return (group: Group, endpoint: Endpoint) => {
        const uses = this.#uses.get(group);
        if (!uses || !events) return;
        for (const side of sides) {
          for (const bound of uses[side]) events[event](bound, side, endpoint);
        }
      };
    };
    this.#groups = new Groups({
      joined: notify("joined", ["peers", "subjects"]),
      leaving: notify("leaving", ["subjects", "peers"]),
    });
  }

  /** All endpoints by id. */
  get endpoints(): ReadonlyMap<string, Endpoint> {
    return this.#groups.endpoints;
  }

  /** Adds or updates an endpoint. */
  setEndpoint(endpoint: Endpoint): void {
    this.#groups.set(endpoint);
  }

  removeEndpoint(id: string): void {
    this.#groups.remove(id);
  }

  /** Sets a namespace's labels; undefined: there is no such namespace. */
  setNamespace(name: string, labels: Labels | undefined): void {
    this.#groups.setNamespace(name, labels);
  }

  /** Replaces the rules of `source`, such as one policy, by `rules`. */
  setRules(source: string, rules: readonly Rule[]): void {
    const now = this.#keepSame(this.#bySource.get(source) ?? [], rules);
    for (const rule of rules) {
      if (!now.has(rule.id) && !isVoid(rule)) now.set(rule.id, this.#bind(rule));
    }
    if (now.size > 0) this.#bySource.set(source, [...now.values()]);
    else this.#bySource.delete(source);
  }

  /** Returns those of the bound rules, by id, that stay as they are, and unbinds the others. */
  #keepSame(known: readonly BoundRule[], rules: readonly Rule[]): Map<string, BoundRule> {
    const kept = new Map<string, BoundRule>();
    if (known.length === 0) return kept;
    const desired = new Map(rules.map((rule) => [rule.id, rule]));
    for (const bound of known) {
      const { rule } = bound;
      const isSame = JSON.stringify(desired.get(rule.id)) === JSON.stringify(rule);
      if (isSame) kept.set(rule.id, bound);
      else this.#unbind(bound);
    }
    return kept;
  }

  /** Names of all sources that have a rule. */
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

  /** A group that a rule names twice is one of its peers once, since its events are counted. */
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
    this.#release(bound, "subjects", bound.subjects);
    for (const group of bound.peers) this.#release(bound, "peers", group);
  }

  #release(bound: BoundRule, side: Side, group: Group): void {
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
