// Endpoints that set-ups make for pods without one of their own: how they are called, and how long an
// address is held for a pod that is gone. Pure.

import { type Documents, type EndpointRecord, keys, type NetworkRecord } from "./records.ts";

/**
 * Returns the name of a pod's endpoint in a network. No file can say it: names have no tilde. So it is
 * never one that a user wrote, and pods of one name in two namespaces have two.
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
 * The network's HoldAddress counts as it is now: who makes it shorter need not wait for the old one.
 */
export function heldUntil(documents: Documents, endpoint: EndpointRecord): number | undefined {
  const since = endpoint.dynamic?.heldSince;
  if (since === undefined) return undefined;
  const key = keys.network(endpoint.tenant, endpoint.network);
  const network = documents.get(key)?.value as NetworkRecord | undefined;
  return since + (network?.holdAddress ?? 0) * 1_000;
}
