// Whose an endpoint is. It belongs to the pod (namespace and name) that has it, while that pod's sandbox
// lives: an endpoint without a Namespace names pods of several namespaces, and the first of them keeps it.
// A new sandbox of the same pod takes it over: kubelets replace an infra container without a teardown.

import { isBoundTo } from "../../intent/bind.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { AttachmentRecord, Documents, EndpointRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import { Fault } from "../../util/errors.ts";
import { attachmentsAt, type HostView } from "../store/documents.ts";

/** A pod, and the sandbox in which it asks for its endpoints. */
export interface Claimant {
  readonly pod: PodName;
  readonly sandbox: string;
}

/** Returns the attachment by which another pod has `endpoint`, on any host. Pure. */
export function otherHolder(
  documents: Documents,
  endpoint: EndpointRecord,
  { pod, sandbox }: Claimant,
): AttachmentRecord | undefined {
  // One that was written for this sandbox by its id is its own, whatever has it.
  if (isBoundTo(sandbox, endpoint)) return undefined;
  const { tenant, network, container, bound } = endpoint;
  return attachmentsAt(documents, { tenant, name: network }).find((one) =>
    one.endpoint === container && one.generation === bound?.generation &&
    (one.pod.namespace !== pod.namespace || one.pod.name !== pod.name)
  );
}

/**
 * Returns the ids of those `holders` on this host whose sandbox is gone: they hold nothing any more. The
 * records of other hosts count as long as they are there; a runtime that does not answer proves nothing.
 */
export async function deadHolders(
  { host, runtimes }: { readonly host: string; readonly runtimes: Pick<Runtimes, "isAlive"> },
  holders: readonly AttachmentRecord[],
): Promise<Set<string>> {
  const dead = await Promise.all(holders.map(async (one) => {
    const isAlive = one.host !== host || await runtimes.isAlive(one).catch(() => true);
    return isAlive ? [] : [one.id];
  }));
  return new Set(dead.flat());
}

/** Returns why a pod cannot have its endpoint: another pod has it. */
export function heldByOther(
  { pod }: Claimant,
  holder: AttachmentRecord,
  { host }: HostView,
): Fault {
  const { tenant, network, endpoint } = holder;
  const name = `${holder.pod.namespace}/${holder.pod.name}`;
  return new Fault("conflict", `pod ${pod.namespace}/${pod.name} is not connected on ${host}`, {
    why: `its endpoint ${tenant}/${network}/${endpoint} belongs to pod ${name}, which runs on ` +
      holder.host,
    fix: "write an endpoint with a Namespace for each of the two",
  });
}
