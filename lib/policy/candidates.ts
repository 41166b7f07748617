// Index of possible memberships: for a group the few endpoints that could be its members, for an endpoint the
// few groups that could contain it. Both are filed under the narrowest requirement of the group: a contiv
// group; a label, in one namespace or anywhere; or else the namespace, or just any pod.
//
// A label is indexed only while a group requires its key. Most labels mean nothing to policies, and many
// differ from pod to pod: an index of all of them would be the greater part of the whole model.

import type { MemberSpec } from "./member_spec.ts";
import type { Endpoint } from "./input.ts";
import { type Label, requiredLabel } from "../util/label_selectors.ts";

/** Endpoints and sets by the value of one label. */
interface LabelIndex<T> {
  readonly endpoints: Map<string, Set<Endpoint>>;
  readonly sets: Map<string, Set<T>>;
}

/** A namespace, a contiv group, or everywhere. */
interface Scope<T> {
  readonly endpoints: Set<Endpoint>;
  /** Those that require no label. */
  readonly sets: Set<T>;
  readonly byKey: Map<string, LabelIndex<T>>;
}

/** Endpoints and sets `T`, each to be found by the other; endpoints are found in the order of `add`. */
export class Candidates<T> {
  readonly #scopes = new Map<string, Scope<T>>();

  /** Whether nothing is left in it. */
  get isEmpty(): boolean {
    return this.#scopes.size === 0;
  }

  add(endpoint: Endpoint): void {
    for (const name of scopesOf(endpoint)) {
      const scope = this.#ensure(name);
      scope.endpoints.add(endpoint);
      eachIndex(scope, endpoint, ({ endpoints }, value) => put(endpoints, value, endpoint));
    }
  }

  /** Reverts the `add` of this very object. */
  remove(endpoint: Endpoint): void {
    for (const name of scopesOf(endpoint)) {
      const scope = this.#ensure(name);
      scope.endpoints.delete(endpoint);
      eachIndex(scope, endpoint, ({ endpoints }, value) => drop(endpoints, value, endpoint));
      this.#tidy(name, scope);
    }
  }

  addSet(set: T, spec: MemberSpec): void {
    const scope = this.#ensure(scopeOf(spec));
    const label = labelOf(spec);
    if (label) put(ensureIndex(scope, label.key).sets, label.value, set);
    else scope.sets.add(set);
  }

  /** Reverts the `addSet` of this very object. */
  removeSet(set: T, spec: MemberSpec): void {
    const name = scopeOf(spec);
    const scope = this.#ensure(name);
    const label = labelOf(spec);
    if (label) {
      const { sets } = ensureIndex(scope, label.key);
      drop(sets, label.value, set);
      if (sets.size === 0) scope.byKey.delete(label.key);
    } else scope.sets.delete(set);
    this.#tidy(name, scope);
  }

  /** Returns the endpoints that may be in a set; the fewest where sets with the same requirement were added. */
  endpointsFor(spec: MemberSpec): Iterable<Endpoint> {
    const scope = this.#scopes.get(scopeOf(spec));
    const label = labelOf(spec);
    const index = label && scope?.byKey.get(label.key);
    return (index ? index.endpoints.get(label.value) : scope?.endpoints) ?? [];
  }

  /** Returns the endpoints of a namespace. */
  endpointsIn(namespace: string): Iterable<Endpoint> {
    return this.#scopes.get(namespace)?.endpoints ?? [];
  }

  /** Returns the sets that an endpoint may be in, each once. */
  setsFor(endpoint: Endpoint): T[] {
    const { labels } = endpoint;
    const found: T[] = [];
    const indexed: Scope<T>[] = [];
    for (const name of scopesOf(endpoint)) {
      const scope = this.#scopes.get(name);
      if (!scope) continue;
      takeAll(found, scope.sets);
      if (scope.byKey.size > 0) indexed.push(scope);
    }
    if (indexed.length === 0) return found;
    for (const key in labels) {
      for (const { byKey } of indexed) takeAll(found, byKey.get(key)?.sets.get(labels[key]!));
    }
    return found;
  }

  #ensure(name: string): Scope<T> {
    const known = this.#scopes.get(name);
    if (known) return known;
    const scope: Scope<T> = { endpoints: new Set(), sets: new Set(), byKey: new Map() };
    this.#scopes.set(name, scope);
    return scope;
  }

  #tidy(name: string, { endpoints, sets, byKey }: Scope<T>): void {
    if (endpoints.size + sets.size + byKey.size === 0) this.#scopes.delete(name);
  }
}

function takeAll<T>(found: T[], sets: ReadonlySet<T> | undefined): void {
  if (!sets || sets.size === 0) return;
  for (const set of sets) found.push(set);
}

/** Calls `each` with every index of `scope` that the endpoint has a place in, and that place. */
function eachIndex<T>(
  { byKey }: Scope<T>,
  { labels }: Endpoint,
  each: (index: LabelIndex<T>, value: string) => void,
): void {
  if (byKey.size === 0) return;
  for (const key in labels) {
    const index = byKey.get(key);
    if (index) each(index, labels[key]!);
  }
}

function ensureIndex<T>({ byKey, endpoints }: Scope<T>, key: string): LabelIndex<T> {
  const known = byKey.get(key);
  if (known) return known;
  const index: LabelIndex<T> = { endpoints: new Map(), sets: new Map() };
  byKey.set(key, index);
  for (const endpoint of endpoints) {
    const { labels } = endpoint;
    if (Object.hasOwn(labels, key)) put(index.endpoints, labels[key]!, endpoint);
  }
  return index;
}

function labelOf(spec: MemberSpec): Label | undefined {
  return spec.kind === "pods" && spec.podSelector ? requiredLabel(spec.podSelector) : undefined;
}

// A namespace's scope has its name. Names of namespaces have neither a space nor a slash; if one had, more
// candidates than necessary would be found.
const EVERYWHERE = " ";
const groupScope = (tenant: string, group: string) => ` ${tenant}/${group}`;

function scopeOf(spec: MemberSpec): string {
  if (spec.kind === "group") return groupScope(spec.tenant, spec.group);
  return spec.namespace ?? EVERYWHERE;
}

/** Returns the scopes that an endpoint is in; without a pod no selector matches it. */
function scopesOf({ tenant, group, pod }: Endpoint): string[] {
  const groups = group === undefined ? [] : [groupScope(tenant, group)];
  return pod ? [...groups, EVERYWHERE, pod.namespace] : groups;
}

function put<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set<T>().add(value));
}

function drop<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  if (!set?.delete(value) || set.size > 0) return;
  sets.delete(key);
}
