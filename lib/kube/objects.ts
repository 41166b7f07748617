// What is kept of the API's objects: only what this program needs, as a cluster has many. Pure.

/** Labels or annotations. */
export type Pairs = Readonly<Record<string, string>>;

/** Every object: by `uid`, as a name may be given again to another. */
export interface KubeObject {
  readonly uid: string;
  /** Empty for what is in no namespace. */
  readonly namespace: string;
  readonly name: string;
}

/** A named port of a pod's containers. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}

/** Any pod of the cluster, as far as selectors of others reach for it. */
export interface PeerPod extends KubeObject {
  readonly labels: Pairs;
  readonly node: string;
  /** Addresses that its kubelet has told, the first one first. */
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

/** A pod of this host. */
export interface HostPod extends PeerPod {
  /** Those of ours, and the network status. */
  readonly annotations: Pairs;
  readonly isHostNetwork: boolean;
  /** It has run to its end, or is being deleted. */
  readonly isEnding: boolean;
}

/** A namespace. */
export interface KubeNamespace extends KubeObject {
  readonly labels: Pairs;
  /** Those of ours. */
  readonly annotations: Pairs;
  readonly isEnding: boolean;
}

/** A NetworkPolicy of networking.k8s.io/v1; its `spec` as the API has it. */
export interface KubePolicy extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Where a pod's networks are told beside it: k8snetworkplumbingwg's de-facto standard, version 1. */
export const NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status";

// What design and users name: io.contiv.tenant, io.contiv.network, io.contiv.net-group.
const OURS = "io.contiv.";

/** Returns the one string for equal ones: a cluster's pods repeat most of their labels' values. */
export class Shelf {
  readonly #words = new Map<string, string>();

  same(word: string): string {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    // What comes and goes must not be kept for ever; those that are in use are only not shared.
    if (this.#words.size >= 20_000) this.#words.clear();
    this.#words.set(word, word);
    return word;
  }
}

/** An object's fields, each to be looked at. */
export type Fields = Readonly<Record<string, unknown>>;

/** Returns what is kept of a pod of this host; undefined for what is no pod. */
export function hostPodIn(value: unknown, shelf: Shelf): HostPod | undefined {
  const peer = peerPodIn(value, shelf);
  if (!peer) return undefined;
  const [meta, spec, status] = partsOf(value);
  return {
    ...peer,
    annotations: pairsIn(
      meta.annotations,
      shelf,
      (key) => key.startsWith(OURS) || key === NETWORK_STATUS,
    ),
    isHostNetwork: spec.hostNetwork === true,
    isEnding: meta.deletionTimestamp !== undefined ||
      ["Succeeded", "Failed"].includes(textIn(status.phase)),
  };
}

/** Returns what is kept of any pod. */
export function peerPodIn(value: unknown, shelf: Shelf): PeerPod | undefined {
  const [meta, spec, status] = partsOf(value);
  const own = identityIn(meta, shelf);
  if (!own) return undefined;
  return {
    ...own,
    labels: pairsIn(meta.labels, shelf),
    node: shelf.same(textIn(spec.nodeName)),
    addresses: addressesIn(status),
    ports: listIn(spec.containers).flatMap((one) => listIn(one.ports)).map((one) =>
      portIn(one, shelf)
    ).filter((one) => one !== undefined),
  };
}

/** Returns what is kept of a namespace. */
export function namespaceIn(value: unknown, shelf: Shelf): KubeNamespace | undefined {
  const [meta, , status] = partsOf(value);
  const own = identityIn(meta, shelf);
  return own && {
    ...own,
    labels: pairsIn(meta.labels, shelf),
    annotations: pairsIn(meta.annotations, shelf, (key) => key.startsWith(OURS)),
    isEnding: meta.deletionTimestamp !== undefined || status.phase === "Terminating",
  };
}

/** Returns what is kept of a NetworkPolicy. */
export function policyIn(value: unknown, shelf: Shelf): KubePolicy | undefined {
  const [meta, spec] = partsOf(value);
  const own = identityIn(meta, shelf);
  return own && { ...own, spec };
}

/** Returns the version of an object or a list; undefined where there is none. */
export function versionIn(value: unknown): string | undefined {
  return textIn(fieldsIn(fieldsIn(value).metadata).resourceVersion) || undefined;
}

function identityIn(meta: Fields, shelf: Shelf): KubeObject | undefined {
  const [uid, name] = [textIn(meta.uid), textIn(meta.name)];
  if (uid === "" || name === "") return undefined;
  return { uid, namespace: shelf.same(textIn(meta.namespace)), name };
}

function partsOf(value: unknown): [meta: Fields, spec: Fields, status: Fields] {
  const { metadata, spec, status } = fieldsIn(value);
  return [fieldsIn(metadata), fieldsIn(spec), fieldsIn(status)];
}

function pairsIn(value: unknown, shelf: Shelf, isWanted = (_: string) => true): Pairs {
  const pairs: Record<string, string> = {};
  for (const [key, text] of Object.entries(fieldsIn(value))) {
    if (typeof text === "string" && isWanted(key)) pairs[shelf.same(key)] = shelf.same(text);
  }
  return pairs;
}

/** `podIPs` has come with 1.16. */
function addressesIn(status: Fields): string[] {
  const several = listIn(status.podIPs).map((one) => textIn(one.ip));
  return (several.length > 0 ? several : [textIn(status.podIP)]).filter((one) => one !== "");
}

function portIn(value: Fields, shelf: Shelf): NamedPort | undefined {
  const [name, protocol, port] = [textIn(value.name), value.protocol ?? "TCP", value.containerPort];
  const isKnown = protocol === "TCP" || protocol === "UDP" || protocol === "SCTP";
  if (name === "" || !isKnown || typeof port !== "number") return undefined;
  return { name: shelf.same(name), protocol, port };
}

function listIn(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsIn) : [];
}

/** Returns the fields of an object; none of what is no object. */
export function fieldsIn(value: unknown): Fields {
  return typeof value === "object" && value !== null ? value as Fields : {};
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}
