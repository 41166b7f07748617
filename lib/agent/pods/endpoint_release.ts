// What becomes of an endpoint that a set-up made when its pod's attachment goes: held for the pod's
// return where its network says so, else gone together with its address's claim. Pure; goes into the
// commit that deletes the attachment, so that no crash leaves one without the other.

import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
} from "../../intent/records.ts";
import type { Check, Json, Write } from "../../store/store.ts";
import { attachmentsOf, endpointKeyOf, findEndpoint, findNetwork } from "../store/documents.ts";

/** A part of a commit. */
export interface Part {
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
}

/** Returns what `gone` leave behind, at `nowMs` of the epoch. */
export function planRelease(
  documents: Documents,
  gone: readonly AttachmentRecord[],
  nowMs: number,
): Part {
  const ids = new Set(gone.map(({ id }) => id));
  const parts = new Map<string, Part>();
  for (const one of gone) {
    const endpoint = findEndpoint(documents, one);
    if (!endpoint?.dynamic || !isLast(documents, one, endpoint, ids)) continue;
    parts.set(endpointKeyOf(one), releasing(documents, endpoint, nowMs));
  }
  const all = [...parts.values()];
  return {
    checks: all.flatMap(({ checks }) => checks),
    writes: all.flatMap(({ writes }) => writes),
  };
}

/** Returns what becomes of an endpoint that a set-up made when its pod has gone at `nowMs` of the epoch. */
export function releasing(documents: Documents, endpoint: EndpointRecord, nowMs: number): Part {
  const hold = findNetwork(documents, endpoint)?.holdAddress ?? 0;
  const key = keys.endpoint(endpoint.tenant, endpoint.network, endpoint.container);
  return hold > 0 ? holding(documents, key, endpoint, nowMs) : deleting(documents, key);
}

/** One that has moved on to another host, or another sandbox of this one, is no longer this one's. */
function isLast(
  documents: Documents,
  { host, generation }: AttachmentRecord,
  endpoint: EndpointRecord,
  gone: ReadonlySet<string>,
): boolean {
  if (endpoint.bound?.host !== host || endpoint.bound.generation !== generation) return false;
  const key = keys.endpoint(endpoint.tenant, endpoint.network, endpoint.container);
  return !attachmentsOf(documents, host).some((one) =>
    !gone.has(one.id) && endpointKeyOf(one) === key
  );
}

function holding(
  documents: Documents,
  key: string,
  { group: _, ...endpoint }: EndpointRecord,
  nowMs: number,
): Part {
  const { pod, rule } = endpoint.dynamic ?? { pod: "", rule: "" };
  const value = { ...endpoint, dynamic: { pod, rule, heldSince: nowMs } };
  return { checks: [checkOf(documents, key)], writes: [{ key, value: value as unknown as Json }] };
}

/** Returns what ends the endpoint at `key`: it goes, and what it claims. */
export function deleting(documents: Documents, key: string): Part {
  const endpoint = documents.get(key)?.value as EndpointRecord | undefined;
  if (!endpoint) return { checks: [], writes: [] };
  const claim = keys.addressClaim(endpoint.tenant, endpoint.network, endpoint.address);
  const holder = documents.get(claim)?.value as { readonly owner: string } | undefined;
  return {
    checks: [checkOf(documents, key)],
    writes: [
      { key, value: undefined },
      ...(holder?.owner === key ? [{ key: claim, value: undefined }] : []),
    ],
  };
}

function checkOf(documents: Documents, key: string): Check {
  return { key, revision: documents.get(key)?.revision ?? 0 };
}
