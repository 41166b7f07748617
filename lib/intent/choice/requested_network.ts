// The network that a pod's labels and annotations, or those of its namespace, request. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { type KnownLabels, knownValue } from "../../util/label_selectors.ts";

/** A pod with its metadata, as far as that is known. */
export interface KnownPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: KnownLabels;
  readonly annotations: KnownLabels;
  readonly namespaceLabels: KnownLabels;
  readonly namespaceAnnotations: KnownLabels;
}

/** Keys of labels and annotations; those of the original since 2016. */
export const TENANT_KEY = "io.contiv.tenant";
export const NETWORK_KEY = "io.contiv.network";
const GROUP_KEY = "io.contiv.net-group";
/** Annotation (or label) that asks for an address of the pod's network. */
export const ADDRESS_KEY = "io.contiv.address";

/** The value of a label or annotation; `source` is for people: `label io.contiv.network=red of the pod`. */
export interface RequestedValue {
  readonly value: string;
  readonly source: string;
}

/** A request; fields that nothing names are undefined. */
export interface RequestedNetwork {
  readonly tenant: RequestedValue | undefined;
  readonly network: RequestedValue | undefined;
  readonly group: RequestedValue | undefined;
}

/**
 * Returns the request of a pod. Its own value beats its namespace's, key by key; but a network or group of the
 * namespace belongs to the namespace's own tenant and network, and is ignored where the pod names others.
 * Faults: conflict, where a label and an annotation differ.
 */
export function requestedBy(pod: KnownPod): RequestedNetwork {
  const own = requestIn(pod, pod.labels, pod.annotations, "the pod");
  const owner = `namespace ${pod.namespace}`;
  const shared = requestIn(pod, pod.namespaceLabels, pod.namespaceAnnotations, owner);
  const hasOtherTenant = own.tenant && shared.tenant && own.tenant.value !== shared.tenant.value;
  const hasOtherNetwork = hasOtherTenant ||
    (own.network && own.network.value !== shared.network?.value);
  return {
    tenant: own.tenant ?? shared.tenant,
    network: own.network ?? (hasOtherTenant || own.group ? undefined : shared.network),
    group: own.group ?? (hasOtherNetwork ? undefined : shared.group),
  };
}

/** Returns the address that a pod's own annotation asks for; undefined if there is none. */
export function addressRequestedBy({ labels, annotations }: KnownPod): string | undefined {
  return knownValue(annotations, ADDRESS_KEY) || knownValue(labels, ADDRESS_KEY) || undefined;
}

function requestIn(
  pod: KnownPod,
  labels: KnownLabels,
  annotations: KnownLabels,
  owner: string,
): RequestedNetwork {
  const valueOf = (key: string): RequestedValue | undefined => {
    const [label, annotation] = [knownValue(labels, key), knownValue(annotations, key)];
    if (label && annotation && label !== annotation) {
      throw new Fault("conflict", `pod ${titleOf(pod)} has conflicting requests`, {
        why: `${key} of ${owner} is ${shorten(label)} as label, ${
          shorten(annotation)
        } as annotation`,
        fix: "leave one of them out",
      });
    }
    const value = label || annotation;
    if (!value) return undefined;
    const kind = label ? "label" : "annotation";
    return { value, source: `${kind} ${key}=${shorten(value)} of ${owner}` };
  };
  return { tenant: valueOf(TENANT_KEY), network: valueOf(NETWORK_KEY), group: valueOf(GROUP_KEY) };
}

/** Returns `namespace/name`. */
export function titleOf({ namespace, name }: KnownPod): string {
  return `${namespace}/${name}`;
}

/** Returns foreign text, shortened for messages. */
export function shorten(value: string): string {
  return oneLine(value, 40);
}
