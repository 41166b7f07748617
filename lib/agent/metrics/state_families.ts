// The state of the agent as metrics, from memory.

import type { Switch } from "../../ovs/switch.ts";
import type { HealthAnswer } from "../api/agent_health.ts";
import type { UnmatchedPods } from "../pods/unmatched_pods.ts";
import type { PolicyEnforcer } from "../policy/policy_enforcer.ts";
import { attachmentsOf } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { boundedSamples, type Family, familyOf, gaugeOf, type Sample } from "./series.ts";

/** Where the state is read. */
export interface StateSources {
  readonly host: string;
  readonly store: Pick<
    StoreCache,
    "documents" | "revision" | "knows" | "unreachable" | "trouble" | "pendingCount"
  >;
  readonly switch: Pick<Switch, "state">;
  readonly policies: Pick<PolicyEnforcer, "known" | "problem"> & {
    readonly tables: Pick<PolicyEnforcer["tables"], "drops">;
  };
  readonly unmatched: Pick<UnmatchedPods, "list">;
  /** What keeps pods from what their networks may reach. */
  readonly reach: { readonly problem: string | undefined };
  readonly cluster: { readonly sync?: { health(): NonNullable<HealthAnswer["kube"]> } };
}

/** Returns the state of store, cluster, switch, policies and gateways. */
export function stateFamilies(
  { store, cluster, switch: ovs, policies, reach }: StateSources,
): Family[] {
  const kube = cluster.sync?.health();
  const { ovsdb, openflow, interfaceErrors = [], reconnects } = ovs.state();
  const objects = kube
    ? Object.entries({
      pod: kube.pods,
      namespace: kube.namespaces,
      network_policy: kube.policies,
      peer_pod: kube.peers,
    })
    : [];
  const connections = { ovsdb, openflow };
  return [
    gaugeOf("k8contivnet_store_up", (store.unreachable ?? store.trouble) === undefined),
    gaugeOf("k8contivnet_store_documents", store.documents.size),
    gaugeOf("k8contivnet_store_pending_writes", store.pendingCount),
    gaugeOf("k8contivnet_kube_api_up", kube && kube.state === "up"),
    familyOf("k8contivnet_kube_objects", samplesOf(objects)),
    familyOf(
      "k8contivnet_ovs_connected",
      samplesOf(Object.entries(connections).map(([name, state]) => [name, Number(state === "up")])),
    ),
    familyOf("k8contivnet_ovs_reconnects_total", samplesOf(Object.entries(reconnects ?? {}))),
    gaugeOf("k8contivnet_ovs_interface_errors", interfaceErrors.length),
    gaugeOf("k8contivnet_policies_enforced", policies.problem === undefined),
    gaugeOf("k8contivnet_gateways_ready", reach.problem === undefined),
  ];
}

function samplesOf(entries: readonly (readonly [label: string, value: number])[]): Sample[] {
  return entries.map(([label, value]) => ({ labels: [label], value }));
}

/** Returns how many interfaces of pods are here, by network and state, and how many pods have none. */
export function attachmentFamilies({ host, store, unmatched }: StateSources): Family[] {
  const counts = new Map<string, { readonly labels: readonly string[]; value: number }>();
  for (const { tenant, network, state } of attachmentsOf(store.documents, host)) {
    const labels = [tenant, network, state];
    const key = labels.join("/");
    const one = counts.get(key) ?? { labels, value: 0 };
    one.value++;
    counts.set(key, one);
  }
  return [
    familyOf("k8contivnet_attachments", boundedSamples([...counts.values()])),
    gaugeOf("k8contivnet_unmatched_pods", unmatched.list().length),
  ];
}

/** Returns the packets that each policy has dropped; `policies` names the numbers under which they are counted. */
export function dropSamples(
  policies: ReadonlyMap<number, { readonly tier: string; readonly policy: string }>,
  drops: ReadonlyMap<number, number>,
): Sample[] {
  const samples = new Map<string, { readonly labels: readonly string[]; value: number }>();
  for (const [number, { tier, policy }] of policies) {
    const key = `${tier} ${policy}`;
    const one = samples.get(key) ?? { labels: [tier, policy], value: 0 };
    one.value += drops.get(number) ?? 0;
    samples.set(key, one);
  }
  return [...samples.values()];
}
