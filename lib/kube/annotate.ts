// The only write to the API server: an annotation of a pod. It patches the subresource `status`, as the permission for
// that allows no change of what the pod runs; the metadata can be changed there all the same.

import { type ApiConnection, KubeRefusal } from "./api_connection.ts";
import type { KubeObject } from "./objects.ts";

/** The new value of an annotation and the value that it must have before; `null` for none. */
export interface AnnotationChange {
  readonly before: string | null;
  readonly after: string | null;
}

const LIMIT_MS = 10_000;

/**
 * Changes one annotation of the pod of that UID, if its value is `before`. Faults: KubeRefusal (conflict, if pod or
 * annotation has changed; missing), unavailable, timeout.
 */
export async function annotate(
  connection: ApiConnection,
  { namespace, name, uid }: KubeObject,
  key: string,
  change: AnnotationChange,
): Promise<void> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/` +
    `${encodeURIComponent(name)}/status`;
  const patch = (isFirst: boolean) => ({
    method: "PATCH",
    path,
    body: { type: "application/json-patch+json", text: patchText(uid, key, change, isFirst) },
  } as const);
  try {
    await connection.requestJson(patch(false), LIMIT_MS);
  } catch (error) {
    const mayBeFirst = error instanceof KubeRefusal && error.refusal === "conflict" &&
      change.before === null && change.after !== null;
    if (!mayBeFirst) throw error;
    await connection.requestJson(patch(true), LIMIT_MS);
  }
}

/**
 * Returns the JSON patch (RFC 6902), which the server refuses as a whole if a test fails. A pod without annotations
 * needs another patch (`isFirst`), because there is no object to add one to; which is the case is not known before.
 */
export function patchText(
  uid: string,
  key: string,
  { before, after }: AnnotationChange,
  isFirst: boolean,
): string {
  const all = "/metadata/annotations";
  const path = `${all}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  const isPod = { op: "test", path: "/metadata/uid", value: uid };
  if (isFirst) {
    return JSON.stringify([
      isPod,
      { op: "test", path: all, value: null },
      { op: "add", path: all, value: { [key]: after } },
    ]);
  }
  // A test of a missing value for null succeeds.
  const isBefore = { op: "test", path, value: before };
  const change = after === null ? { op: "remove", path } : { op: "add", path, value: after };
  return JSON.stringify([isPod, isBefore, change]);
}
