// The policies of this host as flows, kept in step with the records and with what Kubernetes says.
// Loaded only where there is a policy.

import { Follower } from "../../intent/indexed_documents.ts";
import { readableAt } from "../../intent/readable.ts";
import type {
  AttachmentRecord,
  Documents,
  NetworkRecord,
  TenantRecord,
} from "../../intent/records.ts";
import { rulesOfTenant } from "../../policy/contiv.ts";
import { HostFlows } from "../../policy/flows/host_flows.ts";
import { DROP } from "../../policy/flows/pipeline.ts";
import type { LineChanges } from "../../policy/flows/flow_table.ts";
import type { KubeNamespace, KubePod, NetworkPolicy } from "../../policy/input.ts";
import { PolicyModel } from "../../policy/model.ts";
import { rulesOfNetworkPolicy } from "../../policy/network_policy.ts";
import { rulesOfUnknownLabels } from "../../policy/unknown_labels.ts";
import { podNameOf } from "./attachment_index.ts";
import { ChangedEndpoints } from "./changed_endpoints.ts";
import { policyEndpoint, subnetsByTenant, tenantPolicies } from "./policy_records.ts";
import { NamedList } from "./named_list.ts";

/** What an API server says, all of it. */
export interface KubeObjects {
  readonly namespaces: readonly KubeNamespace[];
  readonly pods: readonly KubePod[];
  readonly policies: readonly NetworkPolicy[];
}

/** What the compiler is told. */
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
  /** What each endpoint, tenant, policy and namespace was made of; the records' by their keys. */
  readonly #seen = new Map<string, readonly unknown[]>();
  readonly #follower = new Follower();
  readonly #namespaces = new NamedList<KubeNamespace>(({ name }) => name);
  readonly #policies = new NamedList<NetworkPolicy>(fullName);
  readonly #pods = new NamedList<KubePod>(fullName);
  readonly #endpoints = new ChangedEndpoints();
  /** Namespaces that have policies. */
  #untold: ReadonlySet<string> = new Set();

  /** `drop` is what the flows do with denied packets. */
  constructor(readonly drop: string = DROP) {
    this.flows = new HostFlows(drop);
    this.model = new PolicyModel(this.flows);
  }

  /**
   * Follows `input`; gives the lines that changed. Costs what changed, and a glance at each object of
   * Kubernetes; a walk over the records where nobody knows which of them changed.
   */
  update({ documents, kube = NOTHING, host, tagOf }: CompilerInput): LineChanges {
    const changed = this.#follower.follow(documents);
    const gone = this.#goneFrom(documents, changed);
    this.#updateNamespaces(kube, gone);
    this.#updateTenants(documents, changed);
    this.#updatePolicies(kube, gone);
    const { fresh, gone: ended } = this.#pods.follow(kube.pods);
    const pods = [...fresh.map(fullName), ...ended];
    const news = this.#endpoints.follow({ documents, changed, pods, host, tagOf });
    for (const { key, record, attachment, tag } of news) {
      const pod = attachment && this.#podOf(attachment);
      if (this.#isKnown(key, record, attachment, pod, tag)) continue;
      this.model.setEndpoint(policyEndpoint(record, attachment, { pod, tag }));
    }
    this.#forget(gone);
    return this.flows.changes();
  }

  /** What of the policies was not understood, one sentence each. */
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

  /** Rules of contiv name networks, too: by their subnets. */
  #updateTenants(documents: Documents, changed: Changed): void {
    const isAbout = (key: string) => key.startsWith("tenants/") || key.startsWith("networks/");
    if (changed && ![...changed].some(isAbout)) return;
    const subnets = subnetsByTenant(documents);
    for (const key of documents.keys()) {
      if (!key.startsWith("tenants/")) continue;
      const tenant = readableAt<TenantRecord>(documents, key);
      // What cannot be read (any more) stays as it was known.
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
    if (fresh.length + gone.length > 0) this.#updateUntold(policies);
  }

  #updateUntold(policies: readonly NetworkPolicy[]): void {
    const now = rulesOfUnknownLabels(policies);
    for (const namespace of new Set([...this.#untold, ...now.keys()])) {
      this.model.setRules(`untold ${namespace}`, now.get(namespace) ?? []);
    }
    this.#untold = new Set(now.keys());
  }

  #setRules(source: string, { rules, problems }: ReturnType<typeof rulesOfTenant>): void {
    this.model.setRules(source, rules);
    if (problems.length > 0) this.#problems.set(source, problems);
    else this.#problems.delete(source);
  }

  /** A namesake of another UID is not the pod: that one has not been told yet, or not been told gone. */
  #podOf(attachment: AttachmentRecord): KubePod | undefined {
    const pod = this.#pods.get(podNameOf(attachment));
    const { podUid } = attachment;
    return pod && (podUid === undefined || pod.uid === podUid) ? pod : undefined;
  }

  /** Reports whether `key` was made of exactly these things when it was looked at last. */
  #isKnown(key: string, ...parts: readonly unknown[]): boolean {
    const seen = this.#seen.get(key);
    this.#seen.set(key, parts);
    return seen !== undefined && seen.every((one, at) => one === parts[at]);
  }

  /** Returns the keys of the records that were seen and are not there any more. */
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

/** Returns the name under which the model has the rules of `key`. */
function sourceOf(key: string): string {
  return key.startsWith("tenants/") ? `contiv ${key.slice("tenants/".length)}` : key;
}
