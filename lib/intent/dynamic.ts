// Dynamic endpoints: made by a set-up for a pod without one of its own. Their names, and how long an address
// is held for a pod that is gone. Pure.

import { type Documents, type EndpointRecord, keys, type NetworkRecord } from "./records.ts";

/**
 * Returns the name of a pod's endpoint in a network. Names in files have no tilde, so it is never one that a
 * user wrote; pods of the same name in two namespaces have two.
 */
export function dynamicEndpointName({ namespace, name }: PodName): string {
  return `${namespace}~${name}`;
}

/** A pod by its names. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** Returns the pod that an endpoint was made for; undefined where an intent wrote it. */
export function podOfDynamic({ dynamic, namespace = "default" }: EndpointRecord) {
  return dynamic && { namespace, name: dynamic.pod };
}

/**
 * Returns when a held address is free again, in milliseconds of the epoch; undefined where it is not held.
 * The network's current HoldAddress counts: a shorter one is effective at once.
 */
export function heldUntil(documents: Documents, endpoint: EndpointRecord): number | undefined {
  const since = endpoint.dynamic?.heldSince;
  if (since === undefined) return undefined;
  const key = keys.network(endpoint.tenant, endpoint.network);
  const network = documents.get(key)?.value as NetworkRecord | undefined;
  return since + (network?.holdAddress ?? 0) * 1_000;
}
