// Who belongs to what: sets of endpoints that rules speak of, kept as endpoints come, change and go.
// An endpoint is only compared with the sets that ask for a label, namespace or group that it has.

import type { Endpoint } from "./input.ts";
import {
  type Labels,
  requiredLabel,
  type Selector,
  selectorKey,
  selectorMatches,
} from "./selectors.ts";

/** What makes an endpoint a member. */
export type MemberSpec =
  | { readonly kind: "group"; readonly tenant: string; readonly group: string }
  | {
    readonly kind: "pods";
    /** Either one namespace, or those that the selector finds; all where both are absent. */
    readonly namespace?: string;
    readonly namespaceSelector?: Selector;
    /** All where absent. */
    readonly podSelector?: Selector;
  };

/** A set of endpoints. */
export interface Group {
  readonly key: string;
  readonly spec: MemberSpec;
  readonly members: Map<string, Endpoint>;
}

/** Told of each change, one endpoint at a time; at both calls the endpoint is among the members. */
export interface GroupEvents {
  readonly joined: (group: Group, endpoint: Endpoint) => void;
  readonly leaving: (group: Group, endpoint: Endpoint) => void;
}

const EVERY_POD = "pods";
const NONE: ReadonlySet<Group> = new Set();

/** All sets, and all endpoints. */
export class Groups {
  readonly endpoints = new Map<string, Endpoint>();
  readonly #events: GroupEvents;
  readonly #groups = new Map<string, Group & { uses: number }>();
  readonly #byToken = new Map<string, Set<Group>>();
  readonly #idsByToken = new Map<string, Set<string>>();
  readonly #groupsOf = new Map<string, Set<Group>>();
  readonly #namespaces = new Map<string, Labels>();

  constructor(events: GroupEvents) {
    this.#events = events;
  }

  /** Gives the set of `spec`, filled; `release` it as often as it was taken. */
  take(spec: MemberSpec): Group {
    const key = keyOf(spec);
    const known = this.#groups.get(key);
    if (known) {
      known.uses++;
      return known;
    }
    const group = { key, spec, members: new Map<string, Endpoint>(), uses: 1 };
    this.#groups.set(key, group);
    const token = tokenOf(spec);
    put(this.#byToken, token, group);
    for (const id of this.#idsByToken.get(token) ?? []) {
      const endpoint = this.endpoints.get(id);
      if (!endpoint || !this.#isMember(spec, endpoint)) continue;
      group.members.set(id, endpoint);
      put(this.#groupsOf, id, group);
    }
    return group;
  }

  /** Gives a set back; the last one who does ends it. */
  release({ key }: Group): void {
    const group = this.#groups.get(key);
    if (!group || --group.uses > 0) return;
    this.#groups.delete(key);
    drop(this.#byToken, tokenOf(group.spec), group);
    for (const id of group.members.keys()) drop(this.#groupsOf, id, group);
  }

  /** Gives the sets that the endpoint `id` is in. */
  groupsOf(id: string): Group[] {
    return [...this.#groupsOf.get(id) ?? NONE];
  }

  /** Takes over how an endpoint is now. */
  set(endpoint: Endpoint): void {
    const { id } = endpoint;
    const known = this.endpoints.get(id);
    const before = this.#groupsOf.get(id) ?? NONE;
    const now = this.#groupsFor(endpoint);
    const isSame = known !== undefined && isSameButLabels(known, endpoint);
    for (const group of [...before]) {
      if (known && !(isSame && now.has(group))) this.#leave(group, known);
    }
    if (known) { for (const token of tokensOf(known)) drop(this.#idsByToken, token, id); }
    for (const token of tokensOf(endpoint)) put(this.#idsByToken, token, id);
    this.endpoints.set(id, endpoint);
    for (const group of now) {
      if (group.members.has(id)) group.members.set(id, endpoint);
      else this.#join(group, endpoint);
    }
  }

  /** Takes an endpoint out of all sets. */
  remove(id: string): void {
    const endpoint = this.endpoints.get(id);
    if (!endpoint) return;
    for (const token of tokensOf(endpoint)) drop(this.#idsByToken, token, id);
    for (const group of [...this.#groupsOf.get(id) ?? []]) this.#leave(group, endpoint);
    this.endpoints.delete(id);
  }

  /** Takes over a namespace's labels; undefined: it is not known. */
  setNamespace(name: string, labels: Labels | undefined): void {
    const here = [...this.#idsByToken.get(namespaceToken(name)) ?? []]
      .flatMap((id) => this.endpoints.get(id) ?? []);
    if (labels) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    for (const endpoint of here) this.set(endpoint);
  }

  #groupsFor(endpoint: Endpoint): Set<Group> {
    const groups = new Set<Group>();
    for (const token of tokensOf(endpoint)) {
      for (const group of this.#byToken.get(token) ?? NONE) {
        if (this.#isMember(group.spec, endpoint)) groups.add(group);
      }
    }
    return groups;
  }

  #isMember(spec: MemberSpec, endpoint: Endpoint): boolean {
    if (spec.kind === "group") {
      return endpoint.group === spec.group && endpoint.tenant === spec.tenant;
    }
    const { pod } = endpoint;
    if (!pod) return false;
    if (spec.namespace !== undefined && spec.namespace !== pod.namespace) return false;
    if (spec.namespaceSelector) {
      const labels = this.#namespaces.get(pod.namespace);
      // A namespace that is not known is not selected, not even by an empty selector's "all".
      if (!labels || !selectorMatches(spec.namespaceSelector, labels)) return false;
    }
    return !spec.podSelector || selectorMatches(spec.podSelector, endpoint.labels);
  }

  #join(group: Group, endpoint: Endpoint): void {
    group.members.set(endpoint.id, endpoint);
    put(this.#groupsOf, endpoint.id, group);
    this.#events.joined(group, endpoint);
  }

  #leave(group: Group, endpoint: Endpoint): void {
    this.#events.leaving(group, endpoint);
    group.members.delete(endpoint.id);
    drop(this.#groupsOf, endpoint.id, group);
  }
}

/** Only the sets that an endpoint is in depend on its labels, not what is made of its membership. */
function isSameButLabels(a: Endpoint, b: Endpoint): boolean {
  return a.tenant === b.tenant && a.address === b.address && a.group === b.group &&
    a.here?.tag === b.here?.tag && a.here?.mac === b.here?.mac &&
    a.pod?.namespace === b.pod?.namespace && a.pod?.name === b.pod?.name &&
    JSON.stringify(a.ports) === JSON.stringify(b.ports);
}

const keys = new WeakMap<MemberSpec, string>();

function keyOf(spec: MemberSpec): string {
  const known = keys.get(spec);
  if (known !== undefined) return known;
  const key = newKeyOf(spec);
  keys.set(spec, key);
  return key;
}

function newKeyOf(spec: MemberSpec): string {
  if (spec.kind === "group") return `group ${spec.tenant}/${spec.group}`;
  const { namespace, namespaceSelector, podSelector } = spec;
  return [
    "pods",
    namespace === undefined ? "*" : `=${namespace}`,
    namespaceSelector ? selectorKey(namespaceSelector) : "*",
    podSelector ? selectorKey(podSelector) : "*",
  ].join(" ");
}

/** Gives the one token that all members have, as narrow a one as there is. */
function tokenOf(spec: MemberSpec): string {
  if (spec.kind === "group") return groupToken(spec.tenant, spec.group);
  const label = spec.podSelector && requiredLabel(spec.podSelector);
  if (label !== undefined) return labelToken(spec.namespace ?? "", label);
  return spec.namespace === undefined ? EVERY_POD : namespaceToken(spec.namespace);
}

function tokensOf({ tenant, group, pod, labels }: Endpoint): string[] {
  const tokens = group === undefined ? [] : [groupToken(tenant, group)];
  if (!pod) return tokens;
  tokens.push(EVERY_POD, namespaceToken(pod.namespace));
  for (const key in labels) {
    const label = `${key}=${labels[key]}`;
    tokens.push(labelToken("", label), labelToken(pod.namespace, label));
  }
  return tokens;
}

const groupToken = (tenant: string, group: string) => `group ${tenant}/${group}`;
const namespaceToken = (namespace: string) => `namespace ${namespace}`;
const labelToken = (namespace: string, label: string) => `label ${namespace} ${label}`;

function put<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

function drop<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  if (!set?.delete(value) || set.size > 0) return;
  sets.delete(key);
}
