// Late binding: which endpoints a pod gets when it is scheduled. An endpoint belongs to a pod's name, in a
// namespace; or it is bound to one sandbox by the sandbox's id.

import { Fault } from "../util/errors.ts";
import { documentsIn, groups, uuidOf } from "./indexed_documents.ts";
import { readableAt } from "./readable.ts";
import { type Documents, type EndpointRecord, keys, type TenantRecord } from "./records.ts";

/** A pod that was scheduled to `host`. */
export interface Placement {
  readonly host: string;
  readonly namespace: string;
  readonly pod: string;
  /** Id of its infra container; absent for a pod that has none yet. */
  readonly sandbox?: string | undefined;
}

/** An endpoint for a pod, and its interface's name there. */
export interface Choice {
  readonly endpoint: EndpointRecord;
  readonly interface: string;
  /** MAC that the runtime asks for; otherwise the endpoint's, or one made from its address. */
  readonly mac?: string | undefined;
}

/** What a sandbox has already, and what others have. */
export interface Present {
  /** Names of interfaces in the sandbox that are not ours. */
  readonly taken?: readonly string[];
  /** Interfaces of ours in the sandbox, by the keys of their endpoints. */
  readonly interfaces?: ReadonlyMap<string, string>;
  /** Reports whether another pod has an endpoint. */
  readonly isHeld?: (endpoint: EndpointRecord) => boolean;
}

/**
 * Returns the endpoints of a pod, sorted by tenant and network; none where no endpoint names it, or other
 * pods have them. An interface that exists keeps its name; a new one gets its endpoint's own interface name,
 * else eth0, then net1, net2…, without those in use.
 * Faults: conflict, where they belong to another host, or two need the same interface name.
 */
export function chooseEndpoints(
  documents: Documents,
  placement: Placement,
  { taken = [], interfaces = new Map(), isHeld = () => false }: Present = {},
): Choice[] {
  const named = matching(documents, placement);
  const isHome = (endpoint: EndpointRecord) =>
    [undefined, placement.host].includes(pinOf(endpoint));
  const elsewhere = named.find((endpoint) => !isHome(endpoint));
  // Containers on several hosts may have the same name; then the endpoints pinned here are meant.
  const isPinnedHere = named.some((endpoint) => pinOf(endpoint) === placement.host);
  if (elsewhere && !isPinnedHere) throw belongsElsewhere(placement, elsewhere);
  const chosen = named.filter(isHome).filter((endpoint) => !isHeld(endpoint)).sort(byPlace);
  return nameInterfaces(chosen, placement, { taken, interfaces });
}

/** Returns the endpoints that name a pod, whatever their host, sorted by tenant and network. */
export function namedEndpoints(documents: Documents, placement: Placement): EndpointRecord[] {
  return matching(documents, placement).sort(byPlace);
}

/**
 * Reports whether no endpoint names the pod, but one does with namespace and name exchanged, which is the
 * order of the original's guide.
 */
export function matchesSwapped(documents: Documents, placement: Placement): boolean {
  const { namespace, pod } = placement;
  if (namespace === pod || matching(documents, placement).length > 0) return false;
  return matching(documents, { ...placement, namespace: pod, pod: namespace }).length > 0;
}

function matching(documents: Documents, placement: Placement): EndpointRecord[] {
  const { pod, sandbox } = placement;
  // Every match is in one of these groups.
  const bySandbox = sandbox === undefined ? [] : [groups.shortUuid(sandbox)];
  const near = [groups.podName(pod), groups.uuid(pod), ...bySandbox]
    .flatMap((group) => documentsIn<EndpointRecord>(documents, group));
  return [...new Map(near).values()].filter((endpoint) =>
    isBoundTo(sandbox, endpoint) ||
    namesPod(
      endpoint,
      placement,
      readableAt<TenantRecord>(documents, keys.tenant(endpoint.tenant)),
    )
  );
}

/** Reports whether `endpoint`, of `tenant`, is for the pod by its name. */
export function namesPod(
  endpoint: EndpointRecord,
  { namespace, pod }: Pick<Placement, "namespace" | "pod">,
  tenant: Pick<TenantRecord, "namespaces"> | undefined,
): boolean {
  if (endpoint.container !== pod && uuidOf(endpoint) !== pod) return false;
  if (endpoint.namespace !== undefined) return endpoint.namespace === namespace;
  return (tenant?.namespaces ?? ["default"]).includes(namespace);
}

/**
 * Reports whether an endpoint's AttachUUID is that sandbox's id. Docker's short ids have 12 digits; anything
 * shorter is a name.
 */
export function isBoundTo(sandbox: string | undefined, endpoint: EndpointRecord): boolean {
  const uuid = uuidOf(endpoint);
  if (sandbox === undefined || uuid === undefined || !/^[0-9a-f]{12,64}$/.test(uuid)) return false;
  return sandbox.startsWith(uuid) || (sandbox.length >= 12 && uuid.startsWith(sandbox));
}

/** Returns the host that an endpoint is pinned to, if any. */
export function pinOf({ pin, host }: EndpointRecord): string | undefined {
  return pin?.host ?? host;
}

/** Returns why a pod cannot have `endpoint` on this host: it is pinned to another one. */
export function belongsElsewhere(
  { namespace, pod, host }: Placement,
  endpoint: EndpointRecord,
): Fault {
  const { tenant, network, container } = endpoint;
  const home = pinOf(endpoint);
  return new Fault("conflict", `pod ${namespace}/${pod} is not connected on ${host}`, {
    why: `its endpoint ${tenant}/${network}/${container} belongs on ${home}`,
    fix: `place the pod on ${home}, or "k8contivnet bind ${container} ${host}"`,
  });
}

function byPlace(a: EndpointRecord, b: EndpointRecord): number {
  const place = ({ tenant, network, container }: EndpointRecord) => [tenant, network, container];
  const [left, right] = [place(a), place(b)];
  for (const [index, word] of left.entries()) {
    const other = right[index] ?? "";
    if (word !== other) return word < other ? -1 : 1;
  }
  return 0;
}

function nameInterfaces(
  endpoints: readonly EndpointRecord[],
  { namespace, pod }: Placement,
  { taken, interfaces }: Required<Omit<Present, "isHeld">>,
): Choice[] {
  const keyOf = ({ tenant, network, container }: EndpointRecord) =>
    keys.endpoint(tenant, network, container);
  const present = endpoints.flatMap((endpoint) => interfaces.get(keyOf(endpoint)) ?? []);
  const names = new Set([...taken, ...present]);
  for (const endpoint of endpoints) {
    const { interface: name } = endpoint;
    if (name === undefined || interfaces.has(keyOf(endpoint))) continue;
    if (names.has(name)) {
      throw new Fault("conflict", `pod ${namespace}/${pod} would have two interfaces ${name}`, {
        fix: "give one of its endpoints another Interface",
      });
    }
    names.add(name);
  }
  return endpoints.map((endpoint) => {
    const name = interfaces.get(keyOf(endpoint)) ?? endpoint.interface ?? freeInterfaceName(names);
    names.add(name);
    return { endpoint, interface: name };
  });
}

/** Returns the name of a pod's next interface: eth0, else net1, net2… */
export function freeInterfaceName(names: ReadonlySet<string>): string {
  if (!names.has("eth0")) return "eth0";
  for (let number = 1;; number++) if (!names.has(`net${number}`)) return `net${number}`;
}
