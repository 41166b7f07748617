// Who has an address: the endpoint and pod in each network with it, or what else it is there. Several tenants may have
// the same subnet, so there may be several answers. Pure.

import { heldUntil } from "../../intent/dynamic.ts";
import { poolOf } from "../../intent/field_rules.ts";
import { clusterSettingsIn, idOf } from "../../intent/reach_settings.ts";
import { readableAt } from "../../intent/readable.ts";
import {
  type AttachmentRecord,
  type ClaimRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type NetworkRecord,
} from "../../intent/records.ts";
import { poolHas, refusalOf } from "../../ipam/addresses.ts";
import { addressesOfHost, type HostRange, parseHostRange } from "../../ipam/host_range.ts";
import { addressToText, parseAddress, parseSubnet, sizeOf, subnetHas } from "../../ipam/subnets.ts";
import type { EventItem } from "../api/listed_items.ts";
import { bareAddress } from "../pods/port_external_ids.ts";
import {
  allAttachments,
  attachmentsAt,
  connectionOf,
  endpointKeyOf,
  endpointsAt,
  hostNumbersOf,
  hostsOf,
  networksOf,
  tenantsOf,
} from "../store/documents.ts";

/** An item of GET /v1/addresses: what an address is in one network, or for the hosts. */
export interface AddressItem {
  readonly address: string;
  /**
   * attached: a pod has it. endpoint: it belongs to an endpoint without a pod. held: for a pod that may come back.
   * claimed: its claim has no endpoint. kept: gateway, reserve, or the first or last of the subnet. host: VTEP, NODE or
   * NAT of a host, or in their range. alias: of a pod. service: in a ServiceCIDR. pool: of a tenant, in no network yet.
   * outside: in no network's subnet.
   */
  readonly state:
    | "attached"
    | "endpoint"
    | "held"
    | "claimed"
    | "kept"
    | "free"
    | "host"
    | "alias"
    | "service"
    | "pool"
    | "outside";
  /** All of this in a sentence. */
  readonly message: string;
  readonly tenant?: string;
  readonly network?: string;
  readonly endpoint?: string;
  /** `namespace/name` */
  readonly pod?: string;
  readonly host?: string;
  readonly interface?: string;
  /** ISO 8601, UTC; only where it is known. */
  readonly since?: string;
  readonly until?: string;
}

/** Who asks where an address is: what it is, and what is known of when pods got theirs. */
interface Question {
  readonly documents: Documents;
  /** Normalised. */
  readonly address: string;
  /** Events of this host, oldest first. */
  readonly events: readonly EventItem[];
}

/** Returns what `text` is, in each network that has it; never nothing. Faults: usage, if it is not an IPv4 address. */
export function addressItems(
  documents: Documents,
  text: string,
  events: readonly EventItem[] = [],
): AddressItem[] {
  const address = addressToText(parseAddress(bareAddress(text)));
  const question = { documents, address, events };
  const held = [...inNetworks(question), ...ofHosts(question)];
  const items = held.length > 0 ? held : ofRanges(question);
  if (items.length > 0) return items;
  return [{ address, state: "outside", message: "it is in no network's subnet" }];
}

function inNetworks(question: Question): AddressItem[] {
  const { documents, address } = question;
  return networksOf(documents)
    .filter(({ subnet }) => subnetHas(parseSubnet(subnet), parseAddress(address)))
    .sort((a, b) => idOf(a) < idOf(b) ? -1 : 1)
    .flatMap((network) => {
      const holders = holdersIn(question, network);
      return holders.length > 0 ? holders : [unheld(question, network)];
    });
}

/** Returns the pods and endpoints with the address; of a pod that keeps an older address both may be one each. */
function holdersIn(question: Question, network: NetworkRecord): AddressItem[] {
  const { documents, address } = question;
  const attachments = attachmentsAt(documents, network)
    .filter(({ addresses }) => addresses.map(bareAddress).includes(address));
  const attached = new Set(attachments.map(endpointKeyOf));
  const endpoints = endpointsAt(documents, network).filter((one) =>
    one.address === address && !attached.has(endpointKeyIn(one))
  );
  return [
    ...attachments.map((one) => attachedItem(question, one)),
    ...endpoints.map((one) => endpointItem(question, one)),
  ];
}

function endpointKeyIn({ tenant, network, container }: EndpointRecord): string {
  return keys.endpoint(tenant, network, container);
}

function attachedItem({ address, events }: Question, one: AttachmentRecord): AddressItem {
  const { tenant, network, endpoint, host, state } = one;
  const pod = `${one.pod.namespace}/${one.pod.name}`;
  const since = events.findLast((event) =>
    event.kind === "attach" && event.host === host && event.pod === pod &&
    event.network === `${tenant}/${network}` && event.address?.split(",").includes(address)
  )?.at;
  const message = `pod ${pod} on ${host} has it, on ${one.interface}` +
    (state === "ready" ? "" : ` (${state})`) + (since === undefined ? "" : `, since ${since}`) +
    `, by endpoint ${tenant}/${network}/${endpoint}`;
  return {
    ...{ address, state: "attached", message, tenant, network, endpoint, pod, host },
    interface: one.interface,
    ...since === undefined ? {} : { since },
  };
}

function endpointItem({ documents, address }: Question, one: EndpointRecord): AddressItem {
  const { tenant, network, container: endpoint, dynamic, pin, bound } = one;
  const base = { address, tenant, network, endpoint };
  const until = heldUntil(documents, one);
  const host = pin?.host ?? one.host ?? bound?.host;
  if (dynamic?.heldSince !== undefined && until !== undefined) {
    const pod = `${one.namespace}/${dynamic.pod}`;
    const times = {
      since: new Date(dynamic.heldSince).toISOString(),
      until: new Date(until).toISOString(),
    };
    const message =
      `it is held for pod ${pod}, which is gone since ${times.since}, until ${times.until}`;
    return { ...base, state: "held", message, pod, ...times };
  }
  const where = host === undefined ? "" : `, of host ${host}`;
  const message =
    `endpoint ${tenant}/${network}/${endpoint} has it, and no pod is attached${where}`;
  return { ...base, state: "endpoint", message, ...host === undefined ? {} : { host } };
}

/** Returns what an address without a holder is in a network. */
function unheld({ documents, address }: Question, network: NetworkRecord): AddressItem {
  const { tenant, name } = network;
  const base = { address, tenant, network: name };
  const pool = poolOf((key) => key, idOf(network), network, parseSubnet(network.subnet));
  const number = parseAddress(address);
  const kept = refusalOf(pool, number);
  if (kept !== undefined) {
    const isGateway = address === network.gateway;
    const { gatewayType } = connectionOf(documents, network);
    const whose = gatewayType === "distributed"
      ? ", which every host is"
      : ", a router of the fabric";
    return { ...base, state: "kept", message: `${kept}${isGateway ? whose : ""}` };
  }
  const claim = readableAt<ClaimRecord>(documents, keys.addressClaim(tenant, name, address));
  if (claim) {
    const message = `${claim.owner} claims it, but has no record with this address; ` +
      "run k8contivnet ipam check";
    return { ...base, state: "claimed", message };
  }
  const range = poolHas(pool, number)
    ? ""
    : `, outside AllocRange ${network.allocRange}: for IpAddress only`;
  return { ...base, state: "free", message: `it is free${range}` };
}

/** Returns the hosts that have the address: as VTEP, in pods' networks, or for a pod of an aliased network. */
function ofHosts({ documents, address }: Question): AddressItem[] {
  const range = parseHostRange(clusterSettingsIn(documents).hostRange);
  const vteps = hostsOf(documents).filter(({ vtepIp }) => vtepIp === address)
    .map(({ name: host }) => ({
      host,
      message: `it is the tunnel address (VtepIp) of host ${host}`,
    }));
  const own = hostNumbersOf(documents).flatMap(({ host, number }) => {
    const { node, nat } = addressesOfHost(range, number);
    if (address === node) return [{ host, message: `pods see host ${host} under it (NODE)` }];
    return address === nat
      ? [{
        host,
        message: `host ${host} uses it as the source address of translated packets (NAT)`,
      }]
      : [];
  });
  const aliases = allAttachments(documents).flatMap((one): AddressItem[] => {
    if (one.alias === undefined || !isAlias(range, one.alias, address)) return [];
    const { tenant, network, endpoint, host } = one;
    const pod = `${one.pod.namespace}/${one.pod.name}`;
    const message = `host ${host} knows pod ${pod} of ${tenant}/${network} by it`;
    return [{ address, state: "alias", message, tenant, network, endpoint, pod, host }];
  });
  return [
    ...[...vteps, ...own].map((one) => ({ address, state: "host" as const, ...one })),
    ...aliases,
  ];
}

/** Reports whether an address is a pod's alias, or that alias for its packets to itself. */
function isAlias({ aliases }: HostRange, alias: string, address: string): boolean {
  const distance = parseAddress(address) - parseAddress(alias);
  return distance === 0 || distance === sizeOf(aliases.length + 1);
}

/** Returns the ranges that an address is in that no network and no host has. */
function ofRanges({ documents, address }: Question): AddressItem[] {
  const isIn = (cidr: string) => subnetHas(parseSubnet(cidr), parseAddress(address));
  const { hostRange, serviceCidrs } = clusterSettingsIn(documents);
  const hosts = isIn(hostRange)
    ? [{
      state: "host" as const,
      message: `it is in the hosts' range ${hostRange}, and no host has it`,
    }]
    : [];
  const services = serviceCidrs.filter(isIn)
    .map((cidr) => ({
      state: "service" as const,
      message: `it is in ServiceCIDR ${cidr}: of a service, if any`,
    }));
  const pools = tenantsOf(documents).filter(({ subnetPool }) => isIn(subnetPool))
    .map(({ name: tenant, subnetPool }) => ({
      ...{ state: "pool" as const, tenant },
      message: `it is in the pool ${subnetPool} of tenant ${tenant}, and in no network's subnet`,
    }));
  return [...hosts, ...services, ...pools].map((one) => ({ address, ...one }));
}
