// Pods from the API server alone: their network-status annotation has what agents have written there.

import type { Access } from "../../kube/access.ts";
import { ApiConnection } from "../../kube/api_connection.ts";
import {
  fieldsIn,
  type HostPod,
  hostPodIn,
  NETWORK_STATUS,
  StringPool,
} from "../../kube/objects.ts";
import type { PodItem } from "../api/listed_items.ts";
import { entriesIn, networkOfEntry } from "./network_status.ts";

const PAGE = 500;

/** Returns the pods of a namespace, of all namespaces when absent, by name. Faults: as ApiConnection.request(). */
export async function apiPodItems(
  access: Access,
  namespace: string | undefined,
): Promise<PodItem[]> {
  using connection = new ApiConnection(access);
  const strings = new StringPool();
  const items: PodItem[] = [];
  const place = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  let next = "";
  do {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (next !== "") query.set("continue", next);
    const page = fieldsIn(await connection.requestJson({ path: `/api/v1${place}/pods?${query}` }));
    const listed: unknown[] = Array.isArray(page.items) ? page.items : [];
    const pods = listed.map((one) => hostPodIn(one, strings)).filter((one) => one !== undefined);
    items.push(...pods.map(apiPodItem));
    next = String(fieldsIn(page.metadata).continue ?? "");
  } while (next !== "");
  return items;
}

/** Returns a pod as an item; without networks of ours, with the address that its kubelet reports. */
export function apiPodItem({ namespace, name, annotations, addresses, node }: HostPod): PodItem {
  const entries = (entriesIn(annotations[NETWORK_STATUS]) ?? [])
    .filter((entry) => networkOfEntry(entry.name) !== undefined);
  const ips = entries.flatMap((entry) => Array.isArray(entry.ips) ? entry.ips.map(String) : []);
  return {
    namespace,
    name,
    networks: entries.map((entry) => networkOfEntry(entry.name) ?? ""),
    ips: entries.length > 0 ? ips : addresses.slice(0, 1),
    node,
  };
}
