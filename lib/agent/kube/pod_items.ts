// What `get pods` shows: each pod that is in a network of ours, on any host of the store, and each
// other pod of this host that Kubernetes knows. Pure.

import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import { allAttachments, type HostView } from "../store/documents.ts";
import type { HostPod } from "../../kube/objects.ts";
import type { PodItem } from "../api/listed_items.ts";
import { bareAddress } from "../pods/port_external_ids.ts";

/** This host's node, as the API server has it. */
export interface NodePods {
  readonly nodeName: string;
  readonly pods: Iterable<HostPod>;
}

/** Returns the pods by namespace and name; `node` where a cluster is known. */
export function podItems({ store, host }: HostView, node: NodePods | undefined): PodItem[] {
  const attached = podItemsOf(
    store.documents,
    (label) => label === host ? node?.nodeName ?? label : label,
  );
  const known = new Set(attached.map(({ namespace, name }) => `${namespace}/${name}`));
  const others = [...node?.pods ?? []]
    .filter(({ namespace, name }) => !known.has(`${namespace}/${name}`))
    .map(({ namespace, name, addresses, node }): PodItem => ({
      namespace,
      name,
      networks: [],
      ips: addresses.slice(0, 1),
      node,
    }));
  return [...attached, ...others].sort(byName);
}

/** Returns the pods that are in the store alone; `nodeOf` names a host's node. */
export function podItemsOf(
  documents: Documents,
  nodeOf: (host: string) => string = (host) => host,
): PodItem[] {
  const ready = allAttachments(documents).filter(({ state }) => state === "ready");
  const byPod = Map.groupBy(ready, (one) => `${one.pod.namespace}/${one.pod.name}/${one.host}`);
  return [...byPod.values()].map((mine) => itemOf(mine, nodeOf)).sort(byName);
}

function itemOf(mine: readonly AttachmentRecord[], nodeOf: (host: string) => string): PodItem {
  const [first] = mine;
  return {
    namespace: first?.pod.namespace ?? "",
    name: first?.pod.name ?? "",
    networks: mine.map(({ tenant, network }) => `${tenant}/${network}`),
    ips: mine.flatMap(({ addresses }) => addresses.map(bareAddress)),
    node: nodeOf(first?.host ?? ""),
  };
}

function byName(one: PodItem, other: PodItem): number {
  const nameOf = ({ namespace, name, node }: PodItem) => `${namespace}/${name}/${node}`;
  return nameOf(one) < nameOf(other) ? -1 : 1;
}
