// The objects of Kubernetes that policies need. A request on the agent's socket may replace an API server.

import type { KubeObjects } from "./compiler.ts";
import { Fault } from "../../util/errors.ts";

/** All objects of Kubernetes; `pending` before they are known; `none` without policies of Kubernetes. */
export type KubeInput = KubeObjects | "pending" | "none";

/** Reads the body of POST /v1/kubernetes: `{"state"}`, or all objects. Faults: usage. */
export function parseKubeInput(body: Readonly<Record<string, unknown>>): KubeInput {
  const { state } = body;
  if (state === "pending" || state === "none") return state;
  return {
    namespaces: objectsOf(body, "namespaces", ["name"]),
    pods: objectsOf(body, "pods", ["namespace", "name"]),
    policies: objectsOf(body, "policies", ["namespace", "name"]),
  } as unknown as KubeObjects;
}

function objectsOf(
  body: Readonly<Record<string, unknown>>,
  kind: string,
  names: readonly string[],
): unknown[] {
  const list = body[kind] ?? [];
  const isGood = (one: unknown) =>
    typeof one === "object" && one !== null &&
    names.every((name) => typeof Reflect.get(one, name) === "string");
  if (Array.isArray(list) && list.every(isGood)) return list;
  throw new Fault("usage", `${kind} refused`, {
    why: `a list of objects with ${names.join(" and ")} is required`,
    fix: "send the objects of the Kubernetes API",
  });
}
