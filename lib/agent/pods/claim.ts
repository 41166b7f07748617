// Plans the attachments of a sandbox, and the one store commit that records them. Pure.

import {
  type AttachmentRecord,
  checkOf,
  type CniNames,
  type Documents,
  type EndpointRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
} from "../../intent/records.ts";
import type { Choice } from "../../intent/bind.ts";
import { chooseAlias } from "./pod_alias.ts";
import { whyUnreadable } from "../../intent/readable.ts";
import { macOf } from "../../ipam/macs.ts";
import { Fault } from "../../util/errors.ts";
import type { Check, Json, Write } from "../../store/store.ts";
import {
  attachmentKey,
  attachmentsIn,
  attachmentsOf,
  endpointKeyOf,
  findNetwork,
} from "../store/documents.ts";

/** The sandbox and its pod. */
export interface Place {
  readonly host: string;
  readonly sandbox: string;
  readonly netns: string;
  readonly netnsInode: number;
  readonly startTime?: number | undefined;
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly podUid?: string | undefined;
  /** Only for a CNI runtime, which asks for one interface at a time: the sandbox keeps its other ones. */
  readonly cni?: CniNames | undefined;
}

/** A planned claim. */
export interface Claim {
  readonly attachments: readonly AttachmentRecord[];
  /** Whether all of them are new: then nothing of them exists on this host. */
  readonly isNew: boolean;
  /** Attachments to delete: of these endpoints in other sandboxes, or no longer desired in this one. */
  readonly stale: readonly AttachmentRecord[];
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
}

/** Options of planClaim(). */
export interface ClaimOptions {
  readonly newId: () => string;
  readonly mtuOf: (network: NetworkRecord) => number;
  /** Reports whether another set-up is about to take that alias. */
  readonly isAliasTaken: (alias: string) => boolean;
  /** Returns the warm port for a new attachment to `network`; undefined if it gets a port of its own. @default none */
  readonly portFor?: (network: NetworkRecord, interfaceName: string) => string | undefined;
}

/**
 * Returns the attachments of `choices` in `place`, keeping existing ones that are still right, and the
 * commit. The newest sandbox gets an endpoint: kubelets replace an infra container without tearing down
 * the old one.
 */
export function planClaim(
  documents: Documents,
  place: Place,
  choices: readonly Choice[],
  options: ClaimOptions,
): Claim {
  const present = attachmentsIn(documents, place.host, place.sandbox);
  const first = firstOf(present, choices, place.cni !== undefined);
  const attachments: AttachmentRecord[] = [];
  for (const choice of choices) {
    const isAliasTaken = (alias: string) =>
      options.isAliasTaken(alias) || attachments.some((one) => one.alias === alias);
    const desired = attachmentFor(documents, place, choice, {
      ...{ ...options, isAliasTaken, isFirst: choice === first },
    });
    attachments.push(keepOrRenew(present, desired));
  }
  const chosen = new Set(choices.map(({ endpoint }) => endpointKey(endpoint)));
  const kept = new Set(attachments.map((one) => one.id));
  const interfaces = new Set(choices.map((choice) => choice.interface));
  const isReplaced = (one: AttachmentRecord) =>
    one.sandbox === place.sandbox && (!place.cni || interfaces.has(one.interface));
  const stale = attachmentsOf(documents, place.host).filter((one) =>
    !kept.has(one.id) && (isReplaced(one) || chosen.has(endpointKeyOf(one)))
  );
  const isNew = attachments.every((one) => !present.includes(one));
  return {
    attachments,
    isNew,
    stale,
    ...claimCommit(documents, place.host, choices, attachments, stale),
  };
}

/**
 * Returns the choice that gets the pod's default route: the one that has it already, else the one of the
 * interface that is there already. A choice that comes later does not take it away from a running pod; a CNI
 * runtime asks for one interface at a time, so there any other interface was first.
 */
function firstOf(
  present: readonly AttachmentRecord[],
  choices: readonly Choice[],
  isCni: boolean,
): Choice | undefined {
  const names = choices.map((choice) => choice.interface);
  if (isCni && present.some((one) => !names.includes(one.interface))) return undefined;
  const attachmentOf = ({ endpoint }: Choice) =>
    present.find((one) => endpointKeyOf(one) === endpointKey(endpoint));
  return choices.find((choice) => attachmentOf(choice)?.gateway) ??
    choices.find((choice) => attachmentOf(choice)) ?? choices[0];
}

function attachmentFor(
  documents: Documents,
  place: Place,
  { endpoint, interface: name, mac }: Choice,
  { newId, mtuOf, isAliasTaken, portFor = () => undefined, isFirst }: ClaimOptions & {
    readonly isFirst: boolean;
  },
): AttachmentRecord {
  const network = findNetwork(documents, endpoint);
  if (!network) throw new Error(`endpoint without its network ${endpoint.network}`);
  const { gateway } = network;
  const at = { host: place.host, address: endpoint.address };
  const alias = chooseAlias(documents, at, network, isAliasTaken);
  const port = portFor(network, name);
  return {
    schema: SCHEMA,
    id: newId(),
    host: place.host,
    tenant: endpoint.tenant,
    network: endpoint.network,
    endpoint: endpoint.container,
    pod: place.pod,
    sandbox: place.sandbox,
    netns: place.netns,
    netnsInode: place.netnsInode,
    ...(place.startTime === undefined ? {} : { startTime: place.startTime }),
    ...(place.podUid === undefined ? {} : { podUid: place.podUid }),
    interface: name,
    ...(port === undefined ? {} : { port }),
    addresses: [`${endpoint.address}/${network.subnet.split("/")[1]}`],
    // One default route per pod: that of its first interface.
    ...(gateway && isFirst ? { gateway } : {}),
    mac: mac ?? endpoint.mac ?? macOf(endpoint.address),
    mtu: mtuOf(network),
    ...(alias === undefined ? {} : { alias }),
    generation: generationAt(place.host, endpoint),
    state: "planned",
    ...(place.cni ? { cni: place.cni } : {}),
  };
}

// The fields in which attachments are compared. A running pod keeps its MAC, and follows MTU, default route and alias
// in place: these do not count, nor do fields added by a newer version.
const COMPARED = [
  "host",
  "tenant",
  "network",
  "endpoint",
  "pod",
  "sandbox",
  "netns",
  "netnsInode",
  "startTime",
  "interface",
  "addresses",
  "generation",
  "cni",
] as const satisfies readonly (keyof AttachmentRecord)[];

/** Returns the present attachment if its interface can stay as it is. */
function keepOrRenew(
  present: readonly AttachmentRecord[],
  desired: AttachmentRecord,
): AttachmentRecord {
  const text = (one: AttachmentRecord) => JSON.stringify(COMPARED.map((field) => one[field]));
  return present.find((one) => text(one) === text(desired)) ?? desired;
}

function claimCommit(
  documents: Documents,
  host: string,
  choices: readonly Choice[],
  attachments: readonly AttachmentRecord[],
  stale: readonly AttachmentRecord[],
): { checks: Check[]; writes: Write[] } {
  const checks: Check[] = [];
  const writes = new Map<string, Write>();
  for (const one of stale) {
    const key = attachmentKey(one);
    checks.push(checkOf(documents, key));
    writes.set(key, { key, value: undefined });
  }
  for (const one of attachments) {
    const key = attachmentKey(one);
    const known = documents.get(key);
    const why = known && whyUnreadable(key, known.value);
    if (why !== undefined) throw unreadableFault(key, why);
    if (!writes.has(key)) checks.push(checkOf(documents, key));
    if (known?.value !== one) writes.set(key, { key, value: one as unknown as Json });
  }
  for (const { endpoint } of choices) {
    const key = endpointKey(endpoint);
    const networkKey = keys.network(endpoint.tenant, endpoint.network);
    checks.push(checkOf(documents, key));
    // Its subnet determines the prefix length; two endpoints may share it.
    if (!checks.some((check) => check.key === networkKey)) {
      checks.push(checkOf(documents, networkKey));
    }
    if (endpoint.bound?.host === host && documents.get(key)?.value === endpoint) continue;
    const bound = { host, generation: generationAt(host, endpoint) };
    writes.set(key, { key, value: { ...endpoint, bound } as unknown as Json });
  }
  return { checks, writes: [...writes.values()] };
}

function unreadableFault(key: string, why: string): Fault {
  return new Fault("conflict", `record ${key} cannot be replaced`, {
    why,
    fix: 'run "k8contivnet ipam check"',
  });
}

/** Returns the generation of an endpoint on `host`: one higher if it comes from another host or was unbound. */
function generationAt(host: string, { bound }: EndpointRecord): number {
  if (bound?.host === host) return bound.generation;
  return (bound?.generation ?? 0) + 1;
}

function endpointKey({ tenant, network, container }: EndpointRecord): string {
  return keys.endpoint(tenant, network, container);
}
