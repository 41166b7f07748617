// The one write that we make: an annotation of a pod. It goes through the pod's `status`, whose right
// lets nobody change what the pod runs; the metadata are changed all the same.

import { type ApiConnection, KubeRefusal } from "./api_connection.ts";
import type { KubeObject } from "./objects.ts";

/** What an annotation becomes, and what it must be before: `null` for nothing there. */
export interface AnnotationChange {
  readonly before: string | null;
  readonly after: string | null;
}

const LIMIT_MS = 10_000;

/**
 * Changes one annotation of the pod of that UID, if it is what `before` says. Faults: KubeRefusal
 * (conflict where pod or annotation is another by now, missing), unavailable, timeout.
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
    await connection.askJson(patch(false), LIMIT_MS);
  } catch (error) {
    const mayBeFirst = error instanceof KubeRefusal && error.refusal === "conflict" &&
      change.before === null && change.after !== null;
    if (!mayBeFirst) throw error;
    await connection.askJson(patch(true), LIMIT_MS);
  }
}

/**
 * Returns the patch as RFC 6902: the server refuses all of it where a test does not hold. A pod without
 * any annotation has no place for one (`isFirst`); which it is, is not known beforehand.
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
  // What is not there tests as null.
  const isBefore = { op: "test", path, value: before };
  const change = after === null ? { op: "remove", path } : { op: "add", path, value: after };
  return JSON.stringify([isPod, isBefore, change]);
}
