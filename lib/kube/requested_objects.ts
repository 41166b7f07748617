// Single objects, requested from the API server because a cache may not have them yet.

import type { ApiConnection } from "./api_connection.ts";
import {
  fieldsIn,
  hasUid,
  type HostPod,
  hostPodIn,
  type KubeNamespace,
  namespaceIn,
  StringPool,
} from "./objects.ts";

type Connection = Pick<ApiConnection, "requestJson">;

/** Names a pod; with `uid`, only the one that has it. */
export interface PodQuery {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
}

/** Returns a pod; undefined if there is none. Faults: as ApiConnection.requestJson(). */
export async function requestPod(
  connection: Connection,
  { namespace, name, uid }: PodQuery,
  limitMs: number,
): Promise<HostPod | undefined> {
  const list = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const pod = hostPodIn(await named(connection, list, name, limitMs), new StringPool());
  return pod && (uid === undefined || hasUid(pod, uid)) ? pod : undefined;
}

/** Returns a namespace; undefined if there is none. Faults: as ApiConnection.requestJson(). */
export async function requestNamespace(
  connection: Connection,
  name: string,
  limitMs: number,
): Promise<KubeNamespace | undefined> {
  return namespaceIn(
    await named(connection, "/api/v1/namespaces", name, limitMs),
    new StringPool(),
  );
}

/** Returns the object of that name of `list`, undefined if there is none. */
async function named(
  connection: Connection,
  list: string,
  name: string,
  limitMs: number,
): Promise<unknown> {
  const query = new URLSearchParams({ fieldSelector: `metadata.name=${name}` });
  const { items } = fieldsIn(await connection.requestJson({ path: `${list}?${query}` }, limitMs));
  return Array.isArray(items) ? items[0] : undefined;
}
