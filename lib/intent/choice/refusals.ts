// Messages on why a pod gets no network: its request does not exist, is not permitted to its namespace, or is
// ambiguous. Pure.

import { Fault } from "../../util/errors.ts";
import type { NetworkRecord } from "../records.ts";
import {
  type KnownPod,
  NETWORK_KEY,
  type RequestedValue,
  TENANT_KEY,
  titleOf,
} from "./requested_network.ts";

/** Returns the Fault (not_found) of a pod that requests `what`, which does not exist. */
export function requestedNotFound(
  pod: KnownPod,
  requested: RequestedValue | undefined,
  what: string,
): Fault {
  return new Fault("not_found", `pod ${titleOf(pod)} asks for something that does not exist`, {
    why: `${requested?.source}, but ${what} does not exist`,
    fix: "apply an intent that has it, or change the name",
  });
}

/** Returns the Fault (conflict) of a pod whose namespace is not one of `namespaces`. */
export function notPermitted(
  pod: KnownPod,
  requested: RequestedValue | undefined,
  what: string,
  namespaces: readonly string[],
): Fault {
  return new Fault("conflict", `pod ${titleOf(pod)} may not use ${what}`, {
    why: `${requested?.source}, but its Namespaces are ${
      namespaces.slice(0, 3).join(", ") || "none"
    }`,
    fix: `add ${pod.namespace} to them, or change the name`,
  });
}

/** Returns the Fault (conflict) of a pod that several networks match; `which` names the cause. */
export function ambiguousNetwork(
  pod: KnownPod,
  which: string,
  networks: readonly NetworkRecord[],
): Fault {
  return new Fault("conflict", `pod ${titleOf(pod)} matches more than one network`, {
    why: `${which} ${networkNames(networks)} match it`,
    fix: `narrow one of them, or label the pod with ${TENANT_KEY} and ${NETWORK_KEY}`,
  });
}

/** Returns up to three networks as `tenant/name and tenant/name`. */
export function networkNames(networks: readonly NetworkRecord[]): string {
  return networks.slice(0, 3).map(({ tenant, name }) => `${tenant}/${name}`).join(" and ");
}
