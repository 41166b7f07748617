// What a pod's labels and annotations, and those of its namespace, ask for. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { type KnownLabels, knownValue } from "../../util/label_selectors.ts";

/** A pod, and what is known of it. */
export interface KnownPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: KnownLabels;
  readonly annotations: KnownLabels;
  readonly namespaceLabels: KnownLabels;
  readonly namespaceAnnotations: KnownLabels;
}

/** Keys of labels and annotations; the original's since 2016. */
export const TENANT_KEY = "io.contiv.tenant";
export const NETWORK_KEY = "io.contiv.network";
const GROUP_KEY = "io.contiv.net-group";

/** What a label or annotation says, and in words which one that is. */
export interface RequestedValue {
  readonly value: string;
  readonly source: string;
}

/** What is asked for; undefined where nothing says so. */
export interface RequestedNetwork {
  readonly tenant: RequestedValue | undefined;
  readonly network: RequestedValue | undefined;
  readonly group: RequestedValue | undefined;
}

/**
 * Returns what a pod asks for. Its own word beats its namespace's, key by key; but what the namespace
 * says of a network or group is meant for its own tenant and network, and falls where the pod names
 * others. Faults: conflict, where a label and an annotation differ.
 */
export function requestedBy(pod: KnownPod): RequestedNetwork {
  const own = requestIn(pod, pod.labels, pod.annotations, "the pod");
  const whose = `namespace ${pod.namespace}`;
  const shared = requestIn(pod, pod.namespaceLabels, pod.namespaceAnnotations, whose);
  const isMoved = own.tenant && shared.tenant && own.tenant.value !== shared.tenant.value;
  const isApart = isMoved || (own.network && own.network.value !== shared.network?.value);
  return {
    tenant: own.tenant ?? shared.tenant,
    network: own.network ?? (isMoved || own.group ? undefined : shared.network),
    group: own.group ?? (isApart ? undefined : shared.group),
  };
}

function requestIn(
  pod: KnownPod,
  labels: KnownLabels,
  annotations: KnownLabels,
  whose: string,
): RequestedNetwork {
  const word = (key: string): RequestedValue | undefined => {
    const [label, annotation] = [knownValue(labels, key), knownValue(annotations, key)];
    if (label && annotation && label !== annotation) {
      throw new Fault("conflict", `pod ${titleOf(pod)} is asked into two places`, {
        why: `${key} of ${whose} is ${shorten(label)} as label, ${
          shorten(annotation)
        } as annotation`,
        fix: "leave one of them out",
      });
    }
    const value = label || annotation;
    if (!value) return undefined;
    const kind = label ? "label" : "annotation";
    return { value, source: `${kind} ${key}=${shorten(value)} of ${whose}` };
  };
  return { tenant: word(TENANT_KEY), network: word(NETWORK_KEY), group: word(GROUP_KEY) };
}

/** Returns `namespace/name`. */
export function titleOf({ namespace, name }: KnownPod): string {
  return `${namespace}/${name}`;
}

/** Returns foreign text as messages show it. */
export function shorten(value: string): string {
  return oneLine(value, 40);
}
