// Which pod a Docker container is the infra container of: by the labels and names that kubelets have used since
// 2015. Pure.

import { isName, LONG_NAME_LIMIT } from "../util/names.ts";
import type { PodName } from "./runtime.ts";

/** A container's name and labels. */
export interface Naming {
  /** With or without Docker's leading slash. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

// kubelet 0.17–1.1: "namespace/name"; 1.2 and later: the name alone, namespace and uid in labels of their own.
const POD_NAME = "io.kubernetes.pod.name";
const POD_NAMESPACE = "io.kubernetes.pod.namespace";
const POD_UID = "io.kubernetes.pod.uid";
// kubelet 1.2 and later, "POD" for infra containers.
const CONTAINER_NAME = "io.kubernetes.container.name";
// dockershim 1.6 and later, cri-dockerd: "podsandbox" or "container".
const DOCKER_TYPE = "io.kubernetes.docker.type";

// Only kubelets set these; images may have other io.kubernetes labels.
const KUBELETS = /^io\.kubernetes\.(pod|container|docker)\./;

/** The role of a container in a pod: `plain` is one that no kubelet created. */
export type Role = "infra" | "app" | "plain";

/** Returns the role of a container by its name and labels; the network mode identifies further app containers. */
export function roleOf(naming: Naming): Role {
  if (podFromNaming(naming)) return "infra";
  const isOfKubelet = partsOf(naming.name) !== undefined ||
    Object.keys(naming.labels).some((label) => KUBELETS.test(label));
  return isOfKubelet ? "app" : "plain";
}

/** Returns the pod whose infra container this is; undefined for app containers and others. */
export function podFromNaming({ name, labels }: Naming): PodName | undefined {
  const parts = partsOf(name);
  if (!isInfra(parts, labels)) return undefined;
  return podFromLabels(labels) ?? podFromParts(parts);
}

// One contradiction is enough: an app container taken for a sandbox would move the pod's network.
function isInfra(parts: NameParts | undefined, labels: Naming["labels"]): boolean {
  const type = labels[DOCKER_TYPE];
  const container = labels[CONTAINER_NAME];
  return (type === undefined || type === "podsandbox") &&
    (container === undefined || container === "POD") &&
    (parts === undefined || parts.container === "POD");
}

function podFromLabels(labels: Naming["labels"]): PodName | undefined {
  const [first = "", second, ...rest] = (labels[POD_NAME] ?? "").split("/");
  if (rest.length > 0) return undefined;
  const isJoined = second !== undefined;
  return checked({
    namespace: isJoined ? first : labels[POD_NAMESPACE] ?? "",
    name: isJoined ? second : first,
    uid: labels[POD_UID],
  });
}

function podFromParts(parts: NameParts | undefined): PodName | undefined {
  return parts && checked({ namespace: parts.namespace, name: parts.pod, uid: parts.uid });
}

function checked(
  { namespace, name, uid }: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string | undefined;
  },
): PodName | undefined {
  if (!isName(namespace, LONG_NAME_LIMIT) || !isName(name, LONG_NAME_LIMIT)) return undefined;
  return uid !== undefined && isName(uid) ? { namespace, name, uid } : { namespace, name };
}

interface NameParts {
  readonly container: string;
  readonly pod: string;
  readonly namespace: string;
  readonly uid: string;
}

// k8s_POD.<hash>_<pod>_<ns>_<uid>_<8 hex> up to 1.2, k8s_POD_<pod>_<ns>_<uid>_<attempt> later. No part may contain
// an underscore, so that a name has just one interpretation.
function partsOf(name: string): NameParts | undefined {
  const fields = name.replace(/^\//, "").split("_");
  const [prefix, container = "", pod = "", namespace = "", uid = "", attempt] = fields;
  if (prefix !== "k8s" || fields.length !== 6 || !attempt) return undefined;
  return { container: container.replace(/\.[0-9a-f]+$/, ""), pod, namespace, uid };
}
