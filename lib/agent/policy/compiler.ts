// The policies of this host as flows, kept in step with the records and with what Kubernetes says.
// Loaded only where there is a policy.

import type { NetworkRecord, TenantRecord } from "../../intent/records.ts";
import { readableAt } from "../../intent/readable.ts";
import { rulesOfTenant } from "../../policy/contiv.ts";
import { HostFlows } from "../../policy/flows/host_flows.ts";
import { DROP } from "../../policy/flows/pipeline.ts";
import type { LineChanges } from "../../policy/flows/line_book.ts";
import type { KubeNamespace, KubePod, NetworkPolicy } from "../../policy/input.ts";
import { PolicyModel } from "../../policy/model.ts";
import { rulesOfNetworkPolicy } from "../../policy/network_policy.ts";
import type { Document } from "../record/mirror.ts";
import { policyEndpoint, subnetsByTenant, tenantPolicies } from "./input.ts";
import { Places } from "./places.ts";

/** What an API server says, all of it. */
export interface KubeObjects {
  readonly namespaces: readonly KubeNamespace[];
  readonly pods: readonly KubePod[];
  readonly policies: readonly NetworkPolicy[];
}

/** What the compiler is told. */
export interface CompilerInput {
  readonly documents: ReadonlyMap<string, Document>;
  readonly kube: KubeObjects | undefined;
  readonly host: string;
  readonly tagOf: (network: NetworkRecord) => number;
}

const NOTHING: KubeObjects = { namespaces: [], pods: [], policies: [] };

/** Model and flows of one host. */
export class Compiler {
  readonly flows: HostFlows;
  readonly model: PolicyModel;
  readonly #problems = new Map<string, readonly string[]>();
  readonly #places = new Places();
  /** What each endpoint, tenant, policy and namespace was made of. */
  readonly #seen = new Map<string, readonly unknown[]>();

  /** `drop` is what the flows do with denied packets. */
  constructor(readonly drop: string = DROP) {
    this.flows = new HostFlows(drop);
    this.model = new PolicyModel(this.flows);
  }

  /** Follows `input`; gives the lines that changed. Costs what changed, and a walk over the endpoints. */
  update({ documents, kube = NOTHING, host, tagOf }: CompilerInput): LineChanges {
    const alive = new Set<string>();
    this.#updateNamespaces(kube, alive);
    this.#updateRules(documents, kube, alive);
    const pods = new Map(kube.pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
    const tags = new Map<NetworkRecord, number>();
    for (const { key, record, attachment, network, podName } of this.#places.of(documents, host)) {
      // What cannot be read (any more) stays as it was known.
      alive.add(key);
      if (!record) continue;
      const pod = podName === undefined ? undefined : pods.get(podName);
      if (network && !tags.has(network)) tags.set(network, tagOf(network));
      const tag = network && tags.get(network);
      if (this.#isKnown(key, alive, record, attachment, pod, tag)) continue;
      this.model.setEndpoint(policyEndpoint(record, attachment, { pod, tag }));
    }
    this.#forgetAllBut(alive);
    return this.flows.changes();
  }

  /** What of the policies was not understood, one sentence each. */
  get problems(): string[] {
    return [...this.#problems.values()].flat();
  }

  #updateNamespaces({ namespaces }: KubeObjects, alive: Set<string>): void {
    for (const namespace of namespaces) {
      if (this.#isKnown(`namespace ${namespace.name}`, alive, namespace)) continue;
      this.model.setNamespace(namespace.name, namespace.labels);
    }
  }

  #updateRules(
    documents: ReadonlyMap<string, Document>,
    { policies }: KubeObjects,
    alive: Set<string>,
  ): void {
    const subnets = subnetsByTenant(documents);
    for (const key of documents.keys()) {
      if (!key.startsWith("tenants/")) continue;
      const source = `contiv ${key.slice("tenants/".length)}`;
      const tenant = readableAt<TenantRecord>(documents, key);
      alive.add(source);
      if (!tenant) continue;
      const networks = subnets.get(tenant.name) ?? {};
      if (this.#isKnown(source, alive, tenant, JSON.stringify(networks))) continue;
      this.#setRules(source, rulesOfTenant(tenantPolicies(tenant, networks)));
    }
    for (const policy of policies) {
      const source = `kubernetes ${policy.namespace}/${policy.name}`;
      if (this.#isKnown(source, alive, policy)) continue;
      this.#setRules(source, rulesOfNetworkPolicy(policy));
    }
  }

  #setRules(source: string, { rules, problems }: ReturnType<typeof rulesOfTenant>): void {
    this.model.setRules(source, rules);
    if (problems.length > 0) this.#problems.set(source, problems);
    else this.#problems.delete(source);
  }

  /** Reports whether `key` was made of exactly these things when it was looked at last. */
  #isKnown(key: string, alive: Set<string>, ...parts: readonly unknown[]): boolean {
    alive.add(key);
    const seen = this.#seen.get(key);
    this.#seen.set(key, parts);
    return seen !== undefined && seen.every((one, at) => one === parts[at]);
  }

  #forgetAllBut(alive: ReadonlySet<string>): void {
    for (const key of this.#seen.keys()) {
      if (alive.has(key)) continue;
      this.#seen.delete(key);
      if (key.startsWith("endpoints/")) this.model.removeEndpoint(key);
      else if (key.startsWith("namespace ")) {
        this.model.setNamespace(key.slice("namespace ".length), undefined);
      } else this.#setRules(key, { rules: [], problems: [] });
    }
  }
}
