// Plans the release of an endpoint created by a set-up when its attachment is deleted: it is held for the
// pod's return if its network says so, otherwise deleted together with the claim of its address. Pure; part
// of the commit that deletes the attachment, so that a crash never leaves one without the other.

import {
  type AttachmentRecord,
  checkOf,
  type Documents,
  type EndpointRecord,
  keys,
} from "../../intent/records.ts";
import type { Check, Json, Write } from "../../store/store.ts";
import { attachmentsOf, endpointKeyOf, findEndpoint, findNetwork } from "../store/documents.ts";

/** A part of a commit. */
export interface CommitPart {
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
}

/** Returns the release of the endpoints of the attachments `gone`, at `nowMs` of the epoch. */
export function planRelease(
  documents: Documents,
  gone: readonly AttachmentRecord[],
  nowMs: number,
): CommitPart {
  const ids = new Set(gone.map(({ id }) => id));
  const parts = new Map<string, CommitPart>();
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

/** Returns the release of an endpoint created by a set-up whose pod is gone at `nowMs` of the epoch. */
export function releasing(
  documents: Documents,
  endpoint: EndpointRecord,
  nowMs: number,
): CommitPart {
  const hold = findNetwork(documents, endpoint)?.holdAddress ?? 0;
  const key = keys.endpoint(endpoint.tenant, endpoint.network, endpoint.container);
  return hold > 0 ? holding(documents, key, endpoint, nowMs) : deleting(documents, key);
}

/** Reports whether the attachment is the last of its endpoint, which may have moved to another sandbox. */
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
): CommitPart {
  const { pod, rule } = endpoint.dynamic ?? { pod: "", rule: "" };
  const value = { ...endpoint, dynamic: { pod, rule, heldSince: nowMs } };
  return { checks: [checkOf(documents, key)], writes: [{ key, value: value as unknown as Json }] };
}

/** Returns the deletion of the endpoint at `key` and of its claim. */
export function deleting(documents: Documents, key: string): CommitPart {
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
