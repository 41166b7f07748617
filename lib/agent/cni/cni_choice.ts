// Which endpoint one interface of a container gets: an ADD asks for a single one, and a container with several
// interfaces is the subject of several ADDs. Otherwise the same rules as for a kubelet's set-up hold.

import {
  belongsElsewhere,
  type Choice,
  namedEndpoints,
  pinOf,
  type Placement,
} from "../../intent/bind.ts";
import { serves } from "../../intent/choice/choose.ts";
import type {
  KnownPod,
  RequestedNetwork,
  RequestedValue,
} from "../../intent/choice/requested_network.ts";
import { requestedBy } from "../../intent/choice/requested_network.ts";
import type { PodName } from "../../intent/dynamic.ts";
import { readableAt } from "../../intent/readable.ts";
import { type Documents, type EndpointRecord, keys } from "../../intent/records.ts";
import { Fault } from "../../util/errors.ts";
import { heldByOther, otherHolder } from "../pods/endpoint_holder.ts";
import { attachmentsIn, endpointKeyOf, networksOf, tenantsOf } from "../store/documents.ts";

/** What an ADD asks for; what is absent is chosen. */
export interface InterfaceRequest {
  readonly pod: PodName;
  /** The container's id. */
  readonly sandbox: string;
  /** Name of the interface in the container. */
  readonly interface: string;
  /** Name of the network configuration, for messages. */
  readonly config: string;
  readonly tenant?: string | undefined;
  readonly network?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly address?: string | undefined;
  readonly mac?: string | undefined;
  /** Ports of the host that another plugin shall map to the pod. */
  readonly hostPorts: readonly number[];
}

/** What the choice is made on. */
export interface ChoiceView {
  readonly host: string;
  readonly documents: Documents;
  /** Ids of attachments whose sandbox is gone. */
  readonly dead: ReadonlySet<string>;
}

/** Returns the endpoints that the request is about: those that name the pod, or the one that it names. */
export function requestedEndpoints(
  { host, documents }: Omit<ChoiceView, "dead">,
  request: InterfaceRequest,
): EndpointRecord[] {
  const { tenant, network, sandbox, pod, endpoint } = request;
  const isMeant = (one: EndpointRecord) =>
    (tenant === undefined || one.tenant === tenant) &&
    (network === undefined || one.network === network) && one.dynamic === undefined;
  if (endpoint !== undefined) return explicitEndpoints(documents, request).filter(isMeant);
  const placement = { host, namespace: pod.namespace, pod: pod.name, sandbox };
  return namedEndpoints(documents, placement).filter(isMeant);
}

/** Returns the endpoints of that name which serve the pod's namespace. */
function explicitEndpoints(
  documents: Documents,
  { endpoint = "", pod: { namespace } }: InterfaceRequest,
): EndpointRecord[] {
  const tenants = tenantsOf(documents);
  return networksOf(documents).flatMap((network) => {
    const key = keys.endpoint(network.tenant, network.name, endpoint);
    const one = readableAt<EndpointRecord>(documents, key);
    const tenant = tenants.find(({ name }) => name === network.tenant);
    if (!one || !tenant) return [];
    const isServed = one.namespace === undefined
      ? serves(tenant, namespace)
      : one.namespace === namespace;
    return isServed ? [one] : [];
  });
}

/**
 * Returns the endpoint for the interface; undefined where none is written for it: then a network is chosen.
 * Faults: conflict, where the endpoint belongs to another host or pod, or has another address or MAC than
 * requested; not_found, where the configuration names an endpoint that does not exist.
 */
export function chooseEndpoint(view: ChoiceView, request: InterfaceRequest): Choice | undefined {
  const { host, documents, dead } = view;
  const { pod, sandbox, interface: name } = request;
  const placement: Placement = { host, namespace: pod.namespace, pod: pod.name, sandbox };
  const meant = requestedEndpoints(view, request);
  if (request.endpoint !== undefined && meant.length === 0) throw noSuchEndpoint(request);
  const inUse = new Set(
    attachmentsIn(documents, host, sandbox).filter((one) => one.interface !== name)
      .map(endpointKeyOf),
  );
  const fits = meant.filter((one) =>
    !inUse.has(keyOf(one)) && (one.interface === undefined || one.interface === name)
  );
  const here = fits.filter((one) => [undefined, host].includes(pinOf(one)));
  if (fits[0] && here.length === 0) throw belongsElsewhere(placement, fits[0]);
  const holderOf = (one: EndpointRecord) => {
    const holder = otherHolder(documents, one, { pod, sandbox });
    return holder && !dead.has(holder.id) ? holder : undefined;
  };
  const free = here.filter((one) => !holderOf(one));
  const holder = here[0] && holderOf(here[0]);
  if (free.length === 0 && holder) {
    throw heldByOther({ pod, sandbox }, holder, { host, store: { documents } });
  }
  const chosen = free.find((one) => one.interface === name) ?? free[0];
  if (!chosen) return undefined;
  refuseOther(request, chosen);
  return { endpoint: chosen, interface: name, mac: request.mac };
}

function keyOf({ tenant, network, container }: EndpointRecord): string {
  return keys.endpoint(tenant, network, container);
}

function noSuchEndpoint({ config, endpoint, tenant, network, pod }: InterfaceRequest): Fault {
  const place = [tenant, network].filter((one) => one !== undefined).join("/");
  return new Fault("not_found", `endpoint "${endpoint}" is not available`, {
    why: `configuration ${config} names it, and no network${place ? ` ${place}` : ""} has it for ` +
      `namespace ${pod.namespace}`,
    fix: "apply an intent that has it, or change the configuration",
  });
}

/** An endpoint of the intent has its own address and perhaps MAC: it is that, and no other. */
function refuseOther({ address, mac }: InterfaceRequest, endpoint: EndpointRecord): void {
  const name = `${endpoint.tenant}/${endpoint.network}/${endpoint.container}`;
  const refuse = (what: string, wanted: string, has: string) => {
    throw new Fault("conflict", `endpoint ${name} has another ${what}`, {
      why: `${wanted} is requested, the intent says ${has}`,
      fix: `request ${has}, or none`,
    });
  };
  if (address !== undefined && address !== endpoint.address) {
    refuse("address", address, endpoint.address);
  }
  if (mac !== undefined && endpoint.mac !== undefined && mac !== endpoint.mac) {
    refuse("MAC", mac, endpoint.mac);
  }
}

/** Returns the network that the request names, or what the pod's labels and annotations ask for. */
export function requestedNetwork(
  { config, tenant, network }: InterfaceRequest,
  pod: KnownPod,
): RequestedNetwork {
  const value = (key: string, text: string | undefined): RequestedValue | undefined =>
    text === undefined
      ? undefined
      : { value: text, source: `${key} ${text} in configuration ${config}` };
  const named = { tenant: value("tenant", tenant), network: value("network", network) };
  if (named.network) return { ...named, group: undefined };
  const own = requestedBy(pod);
  return { ...own, tenant: named.tenant ?? own.tenant };
}
