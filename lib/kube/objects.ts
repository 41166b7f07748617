// What is cached of API objects: only the fields that this program needs, as a cluster has many objects. Pure.

/** Labels or annotations. */
export type Pairs = Readonly<Record<string, string>>;

/** The identity of an object; a name may be reused, a UID is not. */
export interface KubeObject {
  readonly uid: string;
  /** Empty for a cluster-scoped object. */
  readonly namespace: string;
  readonly name: string;
}

/** A named port of a pod's containers. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}

/** Any pod of the cluster: what the selectors of policies need. */
export interface PeerPod extends KubeObject {
  /** UIDs by which a runtime knows it, where they differ from the object's; see hasUid(). */
  readonly runtimeUids?: readonly string[];
  readonly labels: Pairs;
  readonly node: string;
  /** Addresses that its kubelet has reported, in its order. */
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

/** A pod of this host. */
export interface HostPod extends PeerPod {
  /** Our own, and the network status. */
  readonly annotations: Pairs;
  readonly isHostNetwork: boolean;
  /** It has terminated, or is being deleted. */
  readonly isEnding: boolean;
}

/** A namespace. */
export interface KubeNamespace extends KubeObject {
  readonly labels: Pairs;
  /** Our own. */
  readonly annotations: Pairs;
  readonly isEnding: boolean;
}

/** A NetworkPolicy of networking.k8s.io/v1; its `spec` as the API returns it. */
export interface KubePolicy extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Annotation with a pod's networks: the de-facto standard of k8snetworkplumbingwg, version 1. */
export const NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status";

// A kubelet starts a static pod with the hash of its configuration as UID, and writes that into these annotations of
// the mirror pod, to which the API server assigns another UID, and a new one each time that it is re-created.
const STATIC_POD_UIDS = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];

// Prefix of our own: io.contiv.tenant, io.contiv.network, io.contiv.net-group.
const OURS = "io.contiv.";

/** Interns strings: the pods of a cluster repeat most values of their labels. */
export class StringPool {
  readonly #interned = new Map<string, string>();

  /** Returns the first string that was equal to `text`. */
  intern(text: string): string {
    const first = this.#interned.get(text);
    if (first !== undefined) return first;
    // Strings that are no longer used must not stay for ever; those in use are then only not shared.
    if (this.#interned.size >= 20_000) this.#interned.clear();
    this.#interned.set(text, text);
    return text;
  }
}

/** The fields of an object of unknown shape. */
export type Fields = Readonly<Record<string, unknown>>;

/** Returns what is cached of a pod of this host; undefined if `value` is not a pod. */
export function hostPodIn(value: unknown, strings: StringPool): HostPod | undefined {
  const peer = peerPodIn(value, strings);
  if (!peer) return undefined;
  const [meta, spec, status] = partsOf(value);
  return {
    ...peer,
    annotations: pairsIn(
      meta.annotations,
      strings,
      (key) => key.startsWith(OURS) || key === NETWORK_STATUS,
    ),
    isHostNetwork: spec.hostNetwork === true,
    isEnding: meta.deletionTimestamp !== undefined ||
      ["Succeeded", "Failed"].includes(textIn(status.phase)),
  };
}

/** Returns what is cached of any pod; undefined if `value` is not a pod. */
export function peerPodIn(value: unknown, strings: StringPool): PeerPod | undefined {
  const [meta, spec, status] = partsOf(value);
  const own = identityIn(meta, strings);
  if (!own) return undefined;
  const annotations = fieldsIn(meta.annotations);
  const runtimeUids = STATIC_POD_UIDS.map((key) => textIn(annotations[key])).filter((one) =>
    one !== ""
  );
  return {
    ...own,
    ...runtimeUids.length === 0 ? {} : { runtimeUids: [...new Set(runtimeUids)] },
    labels: pairsIn(meta.labels, strings),
    node: strings.intern(textIn(spec.nodeName)),
    addresses: addressesIn(status),
    ports: containersIn(spec).flatMap((one) => listIn(one.ports)).map((one) => portIn(one, strings))
      .filter((one) => one !== undefined),
  };
}

/** Reports whether a pod has the UID that a runtime reports: its own, or that of the static pod that it mirrors. */
export function hasUid(
  pod: { readonly uid: string; readonly runtimeUids?: readonly string[] },
  uid: string,
): boolean {
  return pod.uid === uid || pod.runtimeUids?.includes(uid) === true;
}

/** Returns what is cached of a namespace. */
export function namespaceIn(value: unknown, strings: StringPool): KubeNamespace | undefined {
  const [meta, , status] = partsOf(value);
  const own = identityIn(meta, strings);
  return own && {
    ...own,
    labels: pairsIn(meta.labels, strings),
    annotations: pairsIn(meta.annotations, strings, (key) => key.startsWith(OURS)),
    isEnding: meta.deletionTimestamp !== undefined || status.phase === "Terminating",
  };
}

/** Returns what is cached of a NetworkPolicy. */
export function policyIn(value: unknown, strings: StringPool): KubePolicy | undefined {
  const [meta, spec] = partsOf(value);
  const own = identityIn(meta, strings);
  return own && { ...own, spec };
}

/** Returns the resourceVersion of an object or a list; undefined if it has none. */
export function versionIn(value: unknown): string | undefined {
  return textIn(fieldsIn(fieldsIn(value).metadata).resourceVersion) || undefined;
}

function identityIn(meta: Fields, strings: StringPool): KubeObject | undefined {
  const [uid, name] = [textIn(meta.uid), textIn(meta.name)];
  if (uid === "" || name === "") return undefined;
  return { uid, namespace: strings.intern(textIn(meta.namespace)), name };
}

function partsOf(value: unknown): [meta: Fields, spec: Fields, status: Fields] {
  const { metadata, spec, status } = fieldsIn(value);
  return [fieldsIn(metadata), fieldsIn(spec), fieldsIn(status)];
}

function pairsIn(value: unknown, strings: StringPool, isWanted = (_: string) => true): Pairs {
  const pairs: Record<string, string> = {};
  for (const [key, text] of Object.entries(fieldsIn(value))) {
    if (typeof text === "string" && isWanted(key)) {
      pairs[strings.intern(key)] = strings.intern(text);
    }
  }
  return pairs;
}

/** Since Kubernetes 1.16 in `podIPs`. */
function addressesIn(status: Fields): string[] {
  const several = listIn(status.podIPs).map((one) => textIn(one.ip));
  return (several.length > 0 ? several : [textIn(status.podIP)]).filter((one) => one !== "");
}

/**
 * Returns the containers that run as long as the pod: also init containers that always restart (sidecars, since
 * Kubernetes 1.28). They are last, as Kubernetes looks for a named port there last.
 */
function containersIn(spec: Fields): Fields[] {
  const sidecars = listIn(spec.initContainers).filter((one) => one.restartPolicy === "Always");
  return [...listIn(spec.containers), ...sidecars];
}

function portIn(value: Fields, strings: StringPool): NamedPort | undefined {
  const [name, protocol, port] = [textIn(value.name), value.protocol ?? "TCP", value.containerPort];
  const isKnown = protocol === "TCP" || protocol === "UDP" || protocol === "SCTP";
  if (name === "" || !isKnown || typeof port !== "number") return undefined;
  return { name: strings.intern(name), protocol, port };
}

function listIn(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsIn) : [];
}

/** Returns the fields of an object; none for anything else. */
export function fieldsIn(value: unknown): Fields {
  return typeof value === "object" && value !== null ? value as Fields : {};
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}
