// Groups: the sets of endpoints that rules refer to, updated as endpoints are added, changed and removed.

import { Candidates } from "./candidates.ts";
import type { MemberSpec } from "./member_spec.ts";
import type { Endpoint } from "./input.ts";
import { Namespaces } from "./namespaces.ts";
import {
  isEmptySelector,
  type Labels,
  type LabelSelector,
  selectorKey,
  selectorMatches,
} from "../util/label_selectors.ts";

/** A set of endpoints. */
export interface Group {
  readonly key: string;
  readonly spec: MemberSpec;
  readonly members: Map<string, Endpoint>;
}

/** Called for each change, one endpoint at a time; during both calls the endpoint is a member. */
export interface GroupEvents {
  readonly joined: (group: Group, endpoint: Endpoint) => void;
  readonly leaving: (group: Group, endpoint: Endpoint) => void;
}

const NONE: ReadonlySet<Group> = new Set();

/** All groups, and all endpoints. */
export class Groups {
  readonly endpoints = new Map<string, Endpoint>();
  readonly #events: GroupEvents;
  readonly #groups = new Map<string, Group & { uses: number }>();
  readonly #candidates = new Candidates<Group>();
  readonly #groupsOf = new Map<string, Set<Group>>();
  readonly #namespaces = new Namespaces();

  constructor(events: GroupEvents) {
    this.#events = events;
  }

  /** Returns the group of `spec` with its members; `release` it as often as it was taken. */
  take(spec: MemberSpec): Group {
    const key = keyOf(spec);
    const known = this.#groups.get(key);
    if (known) {
      known.uses++;
      return known;
    }
    const group = { key, spec, members: new Map<string, Endpoint>(), uses: 1 };
    this.#groups.set(key, group);
    this.#candidates.addSet(group, spec);
    for (const endpoint of this.#endpointsFor(spec)) {
      if (this.#isMember(spec, endpoint)) this.#enter(group, endpoint);
    }
    return group;
  }

  /** Releases a group; the last release removes it. */
  release({ key }: Group): void {
    const group = this.#groups.get(key);
    if (!group || --group.uses > 0) return;
    this.#groups.delete(key);
    this.#candidates.removeSet(group, group.spec);
    for (const id of group.members.keys()) this.#groupsOf.get(id)?.delete(group);
  }

  /** Returns the groups that contain the endpoint `id`. */
  groupsOf(id: string): Group[] {
    return [...this.#groupsOf.get(id) ?? NONE];
  }

  /** Adds or updates an endpoint. */
  set(endpoint: Endpoint): void {
    const { id } = endpoint;
    const known = this.endpoints.get(id);
    const before = this.#groupsOf.get(id) ?? NONE;
    const now = this.#groupsFor(endpoint);
    const isSame = known !== undefined && isSameButLabels(known, endpoint);
    for (const group of [...before]) {
      if (known && !(isSame && now.has(group))) this.#leave(group, known);
    }
    if (known) this.#candidates.remove(known);
    this.#candidates.add(endpoint);
    this.endpoints.set(id, endpoint);
    for (const group of now) {
      if (group.members.has(id)) group.members.set(id, endpoint);
      else this.#join(group, endpoint);
    }
  }

  /** Removes an endpoint from all groups. */
  remove(id: string): void {
    const endpoint = this.endpoints.get(id);
    if (!endpoint) return;
    this.#candidates.remove(endpoint);
    for (const group of this.groupsOf(id)) this.#leave(group, endpoint);
    this.endpoints.delete(id);
    this.#groupsOf.delete(id);
  }

  /** Sets a namespace's labels; undefined: it is not known. */
  setNamespace(name: string, labels: Labels | undefined): void {
    this.#namespaces.set(name, labels);
    for (const endpoint of [...this.#candidates.endpointsIn(name)]) this.set(endpoint);
  }

  /** Most namespace selectors match just one: its own pods are far fewer than all. */
  #endpointsFor(spec: MemberSpec): Iterable<Endpoint> {
    if (spec.kind !== "pods" || spec.namespace !== undefined || !spec.namespaceSelector) {
      return this.#candidates.endpointsFor(spec);
    }
    const [only, second] = this.#namespaces.select(spec.namespaceSelector);
    if (only === undefined) return [];
    const namespace = second === undefined ? { namespace: only } : {};
    return this.#candidates.endpointsFor({ ...spec, ...namespace });
  }

  #groupsFor(endpoint: Endpoint): ReadonlySet<Group> {
    const found = this.#candidates.setsFor(endpoint);
    if (found.length === 0) return NONE;
    const groups = new Set<Group>();
    for (const group of found) {
      if (this.#isMember(group.spec, endpoint)) groups.add(group);
    }
    return groups;
  }

  #isMember(spec: MemberSpec, endpoint: Endpoint): boolean {
    if (spec.kind === "group") {
      return endpoint.group === spec.group && endpoint.tenant === spec.tenant;
    }
    const { pod } = endpoint;
    if (!pod) return false;
    if (spec.kind === "unknown_labels") {
      return endpoint.hasUnknownLabels === true && spec.namespace === pod.namespace;
    }
    if (spec.namespace !== undefined && spec.namespace !== pod.namespace) return false;
    const { namespaceSelector } = spec;
    if (namespaceSelector && !this.#namespaces.isSelected(pod.namespace, namespaceSelector)) {
      return false;
    }
    const { podSelector } = spec;
    if (!podSelector) return true;
    return endpoint.hasUnknownLabels
      ? isEmptySelector(podSelector)
      : selectorMatches(podSelector, endpoint.labels);
  }

  #enter(group: Group, endpoint: Endpoint): void {
    const { id } = endpoint;
    group.members.set(id, endpoint);
    const groups = this.#groupsOf.get(id);
    if (groups) groups.add(group);
    else this.#groupsOf.set(id, new Set<Group>().add(group));
  }

  #join(group: Group, endpoint: Endpoint): void {
    this.#enter(group, endpoint);
    this.#events.joined(group, endpoint);
  }

  #leave(group: Group, endpoint: Endpoint): void {
    this.#events.leaving(group, endpoint);
    group.members.delete(endpoint.id);
    this.#groupsOf.get(endpoint.id)?.delete(group);
  }
}

/** Labels decide only which groups an endpoint is in, not which flows its membership causes. */
function isSameButLabels(a: Endpoint, b: Endpoint): boolean {
  return a.tenant === b.tenant && a.address === b.address && a.group === b.group &&
    a.here?.tag === b.here?.tag && a.here?.mac === b.here?.mac &&
    a.here?.isDistributed === b.here?.isDistributed &&
    a.network === b.network && a.routedTo?.join() === b.routedTo?.join() &&
    a.pod?.namespace === b.pod?.namespace && a.pod?.name === b.pod?.name &&
    JSON.stringify(a.ports) === JSON.stringify(b.ports);
}

function keyOf(spec: MemberSpec): string {
  if (spec.kind === "group") return `group ${spec.tenant}/${spec.group}`;
  if (spec.kind === "unknown_labels") return `unknown labels ${spec.namespace}`;
  const { namespace, namespaceSelector, podSelector } = spec;
  const keyOfSelector = (selector?: LabelSelector) => selector ? selectorKey(selector) : "*";
  const selectors = `${keyOfSelector(namespaceSelector)} ${keyOfSelector(podSelector)}`;
  return `pods ${selectors} ${namespace === undefined ? "*" : `=${namespace}`}`;
}
