// Which attachments a sandbox should have, and the one store transaction that says so. Pure.

import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
} from "../../intent/records.ts";
import type { Choice } from "../../intent/bind.ts";
import { whyUnreadable } from "../../intent/readable.ts";
import { Fault } from "../../util/errors.ts";
import type { Check, Json, Write } from "../../store/store.ts";
import { attachmentKey, attachmentsIn, attachmentsOf, findNetwork } from "../store/documents.ts";

/** The sandbox as the claim needs it. */
export interface Place {
  readonly host: string;
  readonly sandbox: string;
  readonly netns: string;
  readonly netnsInode: number;
  readonly startTime?: number | undefined;
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly podUid?: string | undefined;
}

/** What a claim decided. */
export interface Claim {
  readonly attachments: readonly AttachmentRecord[];
  /** Whether none of them was there before: then nothing of them is on this host either. */
  readonly isNew: boolean;
  /** Attachments that yield: of these endpoints elsewhere on this host, or not wanted here any more. */
  readonly stale: readonly AttachmentRecord[];
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
}

/** What planClaim() is told of the world. */
export interface ClaimOptions {
  readonly newId: () => string;
  readonly mtuOf: (network: NetworkRecord) => number;
}

/**
 * Returns the attachments of `choices` in `place`, keeping those that are there and still right, and
 * what to commit. The newest sandbox wins an endpoint: kubelets replace an infra container without
 * tearing the old one down.
 */
export function planClaim(
  documents: Documents,
  place: Place,
  choices: readonly Choice[],
  options: ClaimOptions,
): Claim {
  const present = attachmentsIn(documents, place.host, place.sandbox);
  const attachments = choices.map((choice, index) =>
    keepOrRenew(present, attachmentFor(documents, place, choice, index === 0, options))
  );
  const chosen = new Set(choices.map(({ endpoint }) => endpointKey(endpoint)));
  const kept = new Set(attachments.map((one) => one.id));
  const stale = attachmentsOf(documents, place.host).filter((one) =>
    !kept.has(one.id) && (one.sandbox === place.sandbox ||
      chosen.has(keys.endpoint(one.tenant, one.network, one.endpoint)))
  );
  const isNew = attachments.every((one) => !present.includes(one));
  return {
    attachments,
    isNew,
    stale,
    ...claimCommit(documents, place.host, choices, attachments, stale),
  };
}

function attachmentFor(
  documents: Documents,
  place: Place,
  { endpoint, interface: name }: Choice,
  isFirst: boolean,
  { newId, mtuOf }: ClaimOptions,
): AttachmentRecord {
  const network = findNetwork(documents, endpoint);
  if (!network) throw new Error(`endpoint without its network ${endpoint.network}`);
  const { gateway } = network;
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
    addresses: [`${endpoint.address}/${network.subnet.split("/")[1]}`],
    // One default route a pod: that of its first interface.
    ...(gateway && isFirst ? { gateway } : {}),
    mac: endpoint.mac ?? macOf(endpoint.address),
    mtu: mtuOf(network),
    generation: generationAt(place.host, endpoint),
    state: "planned",
  };
}

// All that makes an attachment what it is. Fields that a newer version has added are its own.
const ESSENCE = [
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
  "gateway",
  "mac",
  "mtu",
  "generation",
] as const satisfies readonly (keyof AttachmentRecord)[];

/** Returns the present attachment where it differs from `wanted` in nothing but its id and state. */
function keepOrRenew(
  present: readonly AttachmentRecord[],
  wanted: AttachmentRecord,
): AttachmentRecord {
  const essence = (one: AttachmentRecord) => JSON.stringify(ESSENCE.map((field) => one[field]));
  return present.find((one) => essence(one) === essence(wanted)) ?? wanted;
}

function claimCommit(
  documents: Documents,
  host: string,
  choices: readonly Choice[],
  attachments: readonly AttachmentRecord[],
  stale: readonly AttachmentRecord[],
): { checks: Check[]; writes: Write[] } {
  const revisionOf = (key: string) => documents.get(key)?.revision ?? 0;
  const checks: Check[] = [];
  const writes = new Map<string, Write>();
  for (const one of stale) {
    const key = attachmentKey(one);
    checks.push({ key, revision: revisionOf(key) });
    writes.set(key, { key, value: undefined });
  }
  for (const one of attachments) {
    const key = attachmentKey(one);
    const known = documents.get(key);
    const why = known && whyUnreadable(key, known.value);
    if (why !== undefined) throw standsInTheWay(key, why);
    if (!writes.has(key)) checks.push({ key, revision: known?.revision ?? 0 });
    if (known?.value !== one) writes.set(key, { key, value: one as unknown as Json });
  }
  for (const { endpoint } of choices) {
    const key = endpointKey(endpoint);
    const networkKey = keys.network(endpoint.tenant, endpoint.network);
    checks.push({ key, revision: revisionOf(key) });
    // Its subnet gives the address its length; two endpoints may share it.
    if (!checks.some((check) => check.key === networkKey)) {
      checks.push({ key: networkKey, revision: revisionOf(networkKey) });
    }
    if (endpoint.bound?.host === host && documents.get(key)?.value === endpoint) continue;
    const bound = { host, generation: generationAt(host, endpoint) };
    writes.set(key, { key, value: { ...endpoint, bound } as unknown as Json });
  }
  return { checks, writes: [...writes.values()] };
}

function standsInTheWay(key: string, why: string): Fault {
  return new Fault("conflict", `record ${key} stands in the way`, {
    why,
    fix: 'see "k8contivnet ipam check"',
  });
}

/** An endpoint that comes from another host, or is bound for the first time, is one generation on. */
function generationAt(host: string, { bound }: EndpointRecord): number {
  if (bound?.host === host) return bound.generation;
  return (bound?.generation ?? 0) + 1;
}

function endpointKey({ tenant, network, container }: EndpointRecord): string {
  return keys.endpoint(tenant, network, container);
}

/** Returns the MAC of an address: locally administered `02:02`, then its four bytes. */
export function macOf(address: string): string {
  const bytes = address.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return ["02", "02", ...bytes].join(":");
}
