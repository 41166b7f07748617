// Why a pod gets no network, in sentences: what it asks for is not there, is not its namespace's to
// use, or is more than one. Pure.

import { Fault } from "../../util/errors.ts";
import type { NetworkRecord } from "../records.ts";
import {
  type KnownPod,
  NETWORK_KEY,
  type RequestedValue,
  TENANT_KEY,
  titleOf,
} from "./requested_network.ts";

/** Returns the Fault (not_found) of a pod that asks for `what`, which nobody has. */
export function requestedNotFound(
  pod: KnownPod,
  asked: RequestedValue | undefined,
  what: string,
): Fault {
  return new Fault("not_found", `pod ${titleOf(pod)} asks for what is not there`, {
    why: `${asked?.source}, but there is no ${what}`,
    fix: "apply an intent that has it, or change the name",
  });
}

/** Returns the Fault (conflict) of a pod whose namespace is none of `namespaces`. */
export function notPermitted(
  pod: KnownPod,
  asked: RequestedValue | undefined,
  what: string,
  namespaces: readonly string[],
): Fault {
  return new Fault("conflict", `pod ${titleOf(pod)} may not use ${what}`, {
    why: `${asked?.source}, but its Namespaces are ${namespaces.slice(0, 3).join(", ") || "none"}`,
    fix: `add ${pod.namespace} to them, or change the name`,
  });
}

/** Returns the Fault (conflict) of a pod that several networks take. */
export function ambiguousNetwork(
  pod: KnownPod,
  how: string,
  networks: readonly NetworkRecord[],
): Fault {
  return new Fault("conflict", `pod ${titleOf(pod)} is for more than one network`, {
    why: `${how} ${networkNames(networks)} take it`,
    fix: `narrow one of them, or label the pod with ${TENANT_KEY} and ${NETWORK_KEY}`,
  });
}

/** Returns up to three networks in words. */
export function networkNames(networks: readonly NetworkRecord[]): string {
  return networks.slice(0, 3).map(({ tenant, name }) => `${tenant}/${name}`).join(" and ");
}
