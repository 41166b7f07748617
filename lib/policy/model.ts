// All policies and all endpoints, bound together: which rule guards whom. Kept by small changes, so
// that one label that moves costs only the rules that ask for it.

import { type Group, Groups } from "./groups.ts";
import type { Endpoint } from "./input.ts";
import { isVoid, type Rule } from "./rules.ts";
import type { Labels } from "./selectors.ts";

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

interface Use {
  readonly bound: BoundRule;
  readonly side: Side;
}

/** The model of one host's agent: of all hosts' endpoints. */
export class PolicyModel {
  readonly #groups: Groups;
  readonly #events: ModelEvents | undefined;
  readonly #bySource = new Map<string, Map<string, BoundRule>>();
  readonly #uses = new Map<Group, Use[]>();

  constructor(events?: ModelEvents) {
    this.#events = events;
    const tell = (event: "joined" | "leaving", sides: readonly Side[]) => {
      return (group: Group, endpoint: Endpoint) => {
        const uses = this.#uses.get(group) ?? [];
        for (const side of sides) {
          for (const use of uses) if (use.side === side) events?.[event](use.bound, side, endpoint);
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
    const known = this.#bySource.get(source);
    const now = new Map<string, BoundRule>();
    if (known) {
      const wanted = new Map(rules.map((rule) => [rule.id, rule]));
      for (const [id, bound] of known) {
        const isSame = JSON.stringify(wanted.get(id)) === JSON.stringify(bound.rule);
        if (isSame) now.set(id, bound);
        else this.#unbind(bound);
      }
    }
    for (const rule of rules) {
      if (!now.has(rule.id) && !isVoid(rule)) now.set(rule.id, this.#bind(rule));
    }
    if (now.size > 0) this.#bySource.set(source, now);
    else this.#bySource.delete(source);
  }

  /** Names of all sources that give a rule. */
  get sources(): string[] {
    return [...this.#bySource.keys()];
  }

  /** All rules. */
  *rules(): Generator<BoundRule> {
    for (const rules of this.#bySource.values()) yield* rules.values();
  }

  /** Rules that guard the endpoint `id`. */
  rulesOf(id: string): BoundRule[] {
    return this.#groups.groupsOf(id).flatMap((group) =>
      (this.#uses.get(group) ?? []).flatMap(({ bound, side }) => side === "subjects" ? [bound] : [])
    );
  }

  #bind(rule: Rule): BoundRule {
    const subjects = this.#groups.take(rule.subjects);
    const peers = (rule.peers ?? []).flatMap((peer) =>
      peer.kind === "members" ? [this.#groups.take(peer.members)] : []
    );
    const bound = { rule, subjects, peers };
    this.#use(subjects, { bound, side: "subjects" });
    for (const group of peers) this.#use(group, { bound, side: "peers" });
    this.#events?.bound(bound);
    return bound;
  }

  #unbind(bound: BoundRule): void {
    this.#events?.unbound(bound);
    for (const group of [bound.subjects, ...bound.peers]) {
      const left = this.#uses.get(group)?.filter((use) => use.bound !== bound) ?? [];
      if (left.length > 0) this.#uses.set(group, left);
      else this.#uses.delete(group);
      this.#groups.release(group);
    }
  }

  #use(group: Group, use: Use): void {
    const uses = this.#uses.get(group);
    if (uses) uses.push(use);
    else this.#uses.set(group, [use]);
  }
}
