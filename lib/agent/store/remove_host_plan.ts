// Plans the removal of a host that never comes back: what it leaves in the store, and the changes that
// remove it. Pure.
//
// An endpoint of an intent owns its address from its apply to its deletion: it only loses its binding, so
// that a set-up on any host can take it. An endpoint created by a set-up is released as at a teardown: its
// address is held for its pod if its network says so, otherwise it is deleted with the claim of its
// address. In both cases the host's name is removed: if the host comes back after all, no record assigns
// to its pods what they had.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import { folderOf, readableAt } from "../../intent/readable.ts";
import {
  type AttachmentRecord,
  checkOf,
  type ClaimRecord,
  type Documents,
  type EndpointRecord,
  type HostNumberRecord,
  keys,
} from "../../intent/records.ts";
import { indexWrites } from "../../intent/store_index.ts";
import { COMMIT_OPERATIONS, type Json } from "../../store/store.ts";
import type { GcAct } from "../api/repair_requests.ts";
import { type CommitPart, releasing } from "../pods/endpoint_release.ts";
import { attachmentKey, attachmentsOf, endpointKeyOf, endpointsOf } from "./documents.ts";

/** The removal of one endpoint from a host, of the host's number or of its report, with its checks and writes. */
export interface HostRemoval extends CommitPart {
  /** Only for an endpoint. */
  readonly act?: GcAct;
}

/** Returns the removals of `host` at `nowMs` of the epoch, by endpoint; its number and report are the last. */
export function planHostRemoval(documents: Documents, host: string, nowMs: number): HostRemoval[] {
  const attachments = Map.groupBy(attachmentsOf(documents, host), endpointKeyOf);
  const bound = endpointsOf(documents)
    .filter((one) => one.bound?.host === host && one.dynamic?.heldSince === undefined)
    .map(({ tenant, network, container }) => keys.endpoint(tenant, network, container));
  const endpoints = [...new Set([...attachments.keys(), ...bound])].sort()
    .map((key) =>
      removalOf(documents, { host, key, nowMs, attachments: attachments.get(key) ?? [] })
    );
  return [...endpoints, ...numberRemoval(documents, host), ...reportRemoval(documents, host)];
}

/** Other hosts send to its addresses in pods' networks as long as it has a number. */
function numberRemoval(documents: Documents, host: string): HostRemoval[] {
  const key = keys.hostNumber(host);
  const record = readableAt<HostNumberRecord>(documents, key);
  if (!record) return [];
  const claim = keys.hostNumberClaim(record.number);
  const isOwn = readableAt<ClaimRecord>(documents, claim)?.owner === key;
  const gone = isOwn ? [key, claim] : [key];
  return [{
    checks: gone.map((one) => checkOf(documents, one)),
    writes: gone.map((one) => ({ key: one, value: undefined })),
  }];
}

/** The doctor's last report of a host goes with it; while the intent has the host, it is kept for who looks for the cause. */
function reportRemoval(documents: Documents, host: string): HostRemoval[] {
  const key = keys.report(host);
  if (!documents.has(key) || documents.has(keys.host(host))) return [];
  return [{ checks: [checkOf(documents, key)], writes: [{ key, value: undefined }] }];
}

/** Returns the first of `removals` that fit into one commit with their indexes, beside `more` checks and writes. */
export function firstCommit(
  documents: Documents,
  removals: readonly HostRemoval[],
  more: number,
): HostRemoval[] {
  const first: HostRemoval[] = [];
  let operations = more;
  for (const removal of removals) {
    const { checks, writes } = removal;
    operations += checks.length + writes.length + indexWrites(documents, writes).length;
    if (operations > COMMIT_OPERATIONS) break;
    first.push(removal);
  }
  return first;
}

/** Returns the keys of a host's records that this version cannot read: they stay. */
export function unreadableOf(documents: Documents, host: string): string[] {
  return documentsIn(documents, groups.unreadable).map(([key]) => key)
    .filter((key) => folderOf(key) === "attachments" && key.split("/")[1] === host).sort();
}

/** Returns the host labels that any record names: hosts of the intent, agents, attachments, bindings. */
export function knownHosts(documents: Documents): ReadonlySet<string> {
  const named = [...documents.keys()].map((key) => key.split("/"))
    .filter(([folder = ""]) => ["hosts", "agents", "attachments", "hostnumbers"].includes(folder))
    .map(([, host = ""]) => host);
  const bound = endpointsOf(documents).flatMap((one) =>
    [one.bound?.host, one.pin?.host, one.host].filter((host) => host !== undefined)
  );
  return new Set([...named, ...bound]);
}

interface EndpointOnHost {
  readonly host: string;
  /** Key of the endpoint. */
  readonly key: string;
  readonly nowMs: number;
  readonly attachments: readonly AttachmentRecord[];
}

function removalOf(
  documents: Documents,
  { host, key, nowMs, attachments }: EndpointOnHost,
): HostRemoval {
  const endpoint = readableAt<EndpointRecord>(documents, key);
  const isHosts = endpoint?.bound?.host === host && endpoint.dynamic?.heldSince === undefined;
  const { verb, part } = endpoint && isHosts
    ? endpointRemoval(documents, key, endpoint, nowMs)
    : { verb: "forget" as const, part: { checks: [], writes: [] } };
  const [first] = attachments;
  const pod = first?.pod ??
    (endpoint?.dynamic && { namespace: endpoint.namespace, name: endpoint.dynamic.pod });
  const gone = attachments.map(attachmentKey);
  const pin = endpoint?.pin?.host ?? endpoint?.host;
  return {
    act: {
      act: verb,
      endpoint: nameOf(key),
      address: endpoint?.address ?? first?.addresses[0]?.split("/")[0] ?? "",
      pod: pod ? `${pod.namespace}/${pod.name}` : "",
      ...isHosts && pin === host ? { pinned: true } : {},
    },
    checks: [...gone.map((one) => checkOf(documents, one)), ...part.checks],
    writes: [...gone.map((one) => ({ key: one, value: undefined })), ...part.writes],
  };
}

function endpointRemoval(
  documents: Documents,
  key: string,
  endpoint: EndpointRecord,
  nowMs: number,
): { readonly verb: GcAct["act"]; readonly part: CommitPart } {
  const { bound: _, ...unbound } = endpoint;
  if (!endpoint.dynamic) {
    const writes = [{ key, value: unbound as unknown as Json }];
    return { verb: "unbind", part: { checks: [checkOf(documents, key)], writes } };
  }
  const part = releasing(documents, unbound, nowMs);
  const isHeld = part.writes.some((write) => write.key === key && write.value !== undefined);
  return { verb: isHeld ? "hold" : "release", part };
}
