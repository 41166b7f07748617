// Compiles the policies of this host to flows, and keeps them up to date with the records and Kubernetes.
// Loaded only if there is a policy.

import { ChangeFollower } from "../../intent/indexed_documents.ts";
import { readableAt } from "../../intent/readable.ts";
import {
  type AttachmentRecord,
  type Documents,
  keys,
  type NetworkRecord,
  type TenantRecord,
} from "../../intent/records.ts";
import { hasUid } from "../../kube/objects.ts";
import { rulesOfTenant } from "../../policy/contiv.ts";
import { type EgressGuard, egressGuards } from "../../policy/egress_guards.ts";
import { HostFlows } from "../../policy/flows/host_flows.ts";
import { DROP } from "../../policy/flows/pipeline.ts";
import type { FlowChanges } from "../../policy/flows/flow_table.ts";
import type { KubeNamespace, KubePod, NetworkPolicy } from "../../policy/input.ts";
import { PolicyModel } from "../../policy/model.ts";
import { rulesOfNetworkPolicy } from "../../policy/network_policy.ts";
import { rulesOfUnknownLabels } from "../../policy/unknown_labels.ts";
import { podNameOf } from "./attachment_index.ts";
import { ChangedEndpoints, type EndpointFacts } from "./changed_endpoints.ts";
import { policyEndpoint, subnetsByTenant, tenantPolicies } from "./policy_records.ts";
import { NamedList } from "./named_list.ts";

/** All objects of an API server that policies need. */
export interface KubeObjects {
  readonly namespaces: readonly KubeNamespace[];
  readonly pods: readonly KubePod[];
  readonly policies: readonly NetworkPolicy[];
}

/** Input of the compiler. */
export interface CompilerInput {
  readonly documents: Documents;
  readonly kube: KubeObjects | undefined;
  readonly host: string;
  readonly tagOf: (network: NetworkRecord) => number | undefined;
}

const NOTHING: KubeObjects = { namespaces: [], pods: [], policies: [] };

type Changed = ReadonlySet<string> | undefined;

const fullName = ({ namespace, name }: KubePod | NetworkPolicy) => `${namespace}/${name}`;

/** Model and flows of one host. */
export class Compiler {
  readonly flows: HostFlows;
  readonly model: PolicyModel;
  readonly #problems = new Map<string, readonly string[]>();
  /** What each endpoint, tenant, policy and namespace was compiled from; records by their keys. */
  readonly #seen = new Map<string, readonly unknown[]>();
  readonly #follower = new ChangeFollower();
  readonly #namespaces = new NamedList<KubeNamespace>(({ name }) => name);
  readonly #policies = new NamedList<NetworkPolicy>(fullName);
  readonly #pods = new NamedList<KubePod>(fullName);
  readonly #endpoints = new ChangedEndpoints();
  /** How many endpoints each tenant has that are known, by its key. Policies of other tenants guard nothing here. */
  readonly #tenants = new Map<string, number>();
  /** Namespaces with policies, which have rules for pods with unknown labels. */
  #policedNamespaces: ReadonlySet<string> = new Set();

  /** `drop` is what the flows do with denied packets. */
  constructor(readonly drop: string = DROP) {
    this.flows = new HostFlows(drop);
    this.model = new PolicyModel(this.flows);
  }

  /**
   * Follows `input`; returns the flows that changed. Costs what changed, and one comparison for each object
   * of Kubernetes; a scan of all records if it is unknown which of them changed.
   */
  update({ documents, kube = NOTHING, host, tagOf }: CompilerInput): FlowChanges {
    const changed = this.#follower.follow(documents);
    const gone = this.#goneFrom(documents, changed);
    const { fresh, gone: ended } = this.#pods.follow(kube.pods);
    const pods = [...fresh.map(fullName), ...ended];
    const news = this.#endpoints.follow({ documents, changed, pods, host, tagOf });
    const isNew = this.#countTenants(news, gone);
    this.#updateNamespaces(kube, gone);
    this.#updateTenants(documents, isNew ? undefined : changed);
    this.#updatePolicies(kube, gone);
    for (const { key, record, attachment, ...place } of news) {
      const pod = attachment && this.#podOf(attachment);
      const { tag, isDistributed, routedTo } = place;
      if (this.#isKnown(key, record, attachment, pod, tag, isDistributed, routedTo)) continue;
      this.model.setEndpoint(policyEndpoint(record, attachment, { pod, ...place }));
    }
    this.#forget(gone);
    return this.flows.changes();
  }

  /** What guarded pods of this host may send by the receiver's address alone. */
  egressGuards(): EgressGuard[] {
    return egressGuards(this.model);
  }

  /** Parts of the policies that are not supported, one sentence each. */
  get problems(): string[] {
    return [...this.#problems.values()].flat();
  }

  #updateNamespaces({ namespaces }: KubeObjects, allGone: Set<string>): void {
    const { fresh, gone } = this.#namespaces.follow(namespaces);
    for (const name of gone) allGone.add(`namespace ${name}`);
    for (const namespace of fresh) {
      if (this.#isKnown(`namespace ${namespace.name}`, namespace)) continue;
      this.model.setNamespace(namespace.name, namespace.labels);
    }
  }

  /** Counts the endpoints of each tenant; reports whether one has its first. Adds those without any to `gone`. */
  #countTenants(news: readonly EndpointFacts[], gone: Set<string>): boolean {
    let isNew = false;
    for (const { key } of news) {
      if (this.#seen.has(key)) continue;
      const tenant = tenantOf(key);
      const count = this.#tenants.get(tenant) ?? 0;
      isNew ||= count === 0;
      this.#tenants.set(tenant, count + 1);
    }
    for (const key of [...gone].filter((key) => key.startsWith("endpoints/"))) {
      const tenant = tenantOf(key);
      const count = (this.#tenants.get(tenant) ?? 0) - 1;
      if (count > 0) this.#tenants.set(tenant, count);
      else {
        this.#tenants.delete(tenant);
        gone.add(tenant);
      }
    }
    return isNew;
  }

  /** contiv's rules name networks, too, which count as their subnets. */
  #updateTenants(documents: Documents, changed: Changed): void {
    const isAbout = (key: string) => key.startsWith("tenants/") || key.startsWith("networks/");
    if (changed && ![...changed].some(isAbout)) return;
    const subnets = subnetsByTenant(documents);
    for (const key of this.#tenants.keys()) {
      const tenant = readableAt<TenantRecord>(documents, key);
      // An unreadable record keeps its last known content.
      if (!tenant) continue;
      const networks = subnets.get(tenant.name) ?? {};
      if (this.#isKnown(key, tenant, JSON.stringify(networks))) continue;
      this.#setRules(sourceOf(key), rulesOfTenant(tenantPolicies(tenant, networks)));
    }
  }

  #updatePolicies({ policies }: KubeObjects, allGone: Set<string>): void {
    const { fresh, gone } = this.#policies.follow(policies);
    for (const name of gone) allGone.add(`kubernetes ${name}`);
    for (const policy of fresh) {
      const source = `kubernetes ${fullName(policy)}`;
      if (!this.#isKnown(source, policy)) this.#setRules(source, rulesOfNetworkPolicy(policy));
    }
    if (fresh.length + gone.length > 0) this.#updateUnknownLabels(policies);
  }

  #updateUnknownLabels(policies: readonly NetworkPolicy[]): void {
    const now = rulesOfUnknownLabels(policies);
    for (const namespace of new Set([...this.#policedNamespaces, ...now.keys()])) {
      this.model.setRules(`unknown labels ${namespace}`, now.get(namespace) ?? []);
    }
    this.#policedNamespaces = new Set(now.keys());
  }

  #setRules(source: string, { rules, problems }: ReturnType<typeof rulesOfTenant>): void {
    this.model.setRules(source, rules);
    if (problems.length > 0) this.#problems.set(source, problems);
    else this.#problems.delete(source);
  }

  /** A pod of the same name with another UID is not the pod: the cache is behind. */
  #podOf(attachment: AttachmentRecord): KubePod | undefined {
    const pod = this.#pods.get(podNameOf(attachment));
    const { podUid } = attachment;
    return pod && (podUid === undefined || hasUid(pod, podUid)) ? pod : undefined;
  }

  /** Reports whether `key` was last compiled from exactly these parts; records them. */
  #isKnown(key: string, ...parts: readonly unknown[]): boolean {
    const seen = this.#seen.get(key);
    this.#seen.set(key, parts);
    return seen !== undefined && seen.every((one, at) => one === parts[at]);
  }

  /** Returns the keys of the records that no longer exist. */
  #goneFrom(documents: Documents, changed: Changed): Set<string> {
    const isGone = (key: string) => isRecord(key) && this.#seen.has(key) && !documents.has(key);
    return new Set([...changed ?? this.#seen.keys()].filter(isGone));
  }

  #forget(gone: ReadonlySet<string>): void {
    if (gone.size === 0) return;
    for (const key of this.#seen.keys()) {
      if (!gone.has(key)) continue;
      this.#seen.delete(key);
      if (key.startsWith("endpoints/")) this.model.removeEndpoint(key);
      else if (key.startsWith("namespace ")) {
        this.model.setNamespace(key.slice("namespace ".length), undefined);
      } else this.#setRules(sourceOf(key), { rules: [], problems: [] });
    }
  }
}

function isRecord(key: string): boolean {
  return key.startsWith("endpoints/") || key.startsWith("tenants/");
}

/** Returns the key of the tenant of an endpoint, by the key of that. */
function tenantOf(key: string): string {
  return keys.tenant(key.split("/")[1]!);
}

/** Returns the name of the rules of `key` in the model. */
function sourceOf(key: string): string {
  return key.startsWith("tenants/") ? `contiv ${key.slice("tenants/".length)}` : key;
}
