// Why a pod gets no network, in sentences: what it asks for is not there, is not its namespace's to
// use, or is more than one. Pure.

import { Fault } from "../../util/errors.ts";
import type { NetworkRecord } from "../records.ts";
import { type KnownPod, NETWORK_KEY, TENANT_KEY, titleOf, type Word } from "./requested_network.ts";

/** Returns the Fault (not_found) of a pod that asks for `what`, which nobody has. */
export function notThere(pod: KnownPod, asked: Word | undefined, what: string): Fault {
  return new Fault("not_found", `pod ${titleOf(pod)} asks for what is not there`, {
    why: `${asked?.words}, but there is no ${what}`,
    fix: "apply an intent that has it, or change the name",
  });
}

/** Returns the Fault (conflict) of a pod whose namespace is none of `namespaces`. */
export function mayNot(
  pod: KnownPod,
  asked: Word | undefined,
  what: string,
  namespaces: readonly string[],
): Fault {
  return new Fault("conflict", `pod ${titleOf(pod)} may not use ${what}`, {
    why: `${asked?.words}, but its Namespaces are ${namespaces.slice(0, 3).join(", ") || "none"}`,
    fix: `add ${pod.namespace} to them, or change the name`,
  });
}

/** Returns the Fault (conflict) of a pod that several networks take. */
export function tooMany(pod: KnownPod, how: string, networks: readonly NetworkRecord[]): Fault {
  return new Fault("conflict", `pod ${titleOf(pod)} is for more than one network`, {
    why: `${how} ${placesOf(networks)} take it`,
    fix: `narrow one of them, or label the pod with ${TENANT_KEY} and ${NETWORK_KEY}`,
  });
}

/** Returns up to three networks in words. */
export function placesOf(networks: readonly NetworkRecord[]): string {
  return networks.slice(0, 3).map(({ tenant, name }) => `${tenant}/${name}`).join(" and ");
}
