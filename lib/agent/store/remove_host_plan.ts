// What a host that never comes back leaves in the store, and what gives it up. Pure.
//
// An endpoint that an intent wrote owns its address from its apply to its deletion: it only loses its
// binding, so that a set-up on any host takes it. One that a set-up made goes as at a teardown: held
// for its pod where its network says so, else gone with its address's claim. Either way without the
// host's name: should the host come back after all, what its pods had is not theirs by any record.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import { folderOf, readableAt } from "../../intent/readable.ts";
import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
} from "../../intent/records.ts";
import { COMMIT_OPERATIONS, type Json } from "../../store/store.ts";
import type { GcAct } from "../api.ts";
import { type Part, releasing } from "../pods/endpoint_release.ts";
import { attachmentKey, attachmentsOf, endpointKeyOf, endpointsOf } from "./documents.ts";

/** One act that gives a part of a host up, with what must hold for it and what it writes. */
export interface HostRemoval extends Part {
  readonly act: GcAct;
}

/** Returns what is to be given up of `host` at `nowMs` of the epoch, by endpoint. */
export function planHostRemoval(documents: Documents, host: string, nowMs: number): HostRemoval[] {
  const attachments = Map.groupBy(attachmentsOf(documents, host), endpointKeyOf);
  const bound = endpointsOf(documents)
    .filter((one) => one.bound?.host === host && one.dynamic?.heldSince === undefined)
    .map(({ tenant, network, container }) => keys.endpoint(tenant, network, container));
  return [...new Set([...attachments.keys(), ...bound])].sort()
    .map((key) => lossOf(documents, { host, key, nowMs, attachments: attachments.get(key) ?? [] }));
}

/** Returns the first of `losses` that fit into one commit beside `more` checks and writes. */
export function firstCommit(losses: readonly HostRemoval[], more: number): HostRemoval[] {
  const first: HostRemoval[] = [];
  let operations = more;
  for (const loss of losses) {
    operations += loss.checks.length + loss.writes.length;
    if (operations > COMMIT_OPERATIONS) break;
    first.push(loss);
  }
  return first;
}

/** Returns the keys of a host's records that this version cannot read: those stay. */
export function unreadableOf(documents: Documents, host: string): string[] {
  return documentsIn(documents, groups.unreadable).map(([key]) => key)
    .filter((key) => folderOf(key) === "attachments" && key.split("/")[1] === host).sort();
}

/** Returns the labels that any record names: hosts of the intent, agents, places of pods. */
export function knownHosts(documents: Documents): ReadonlySet<string> {
  const named = [...documents.keys()].map((key) => key.split("/"))
    .filter(([folder = ""]) => ["hosts", "agents", "attachments"].includes(folder))
    .map(([, host = ""]) => host);
  const bound = endpointsOf(documents).flatMap((one) =>
    [one.bound?.host, one.pin?.host, one.host].filter((host) => host !== undefined)
  );
  return new Set([...named, ...bound]);
}

interface Leaving {
  readonly host: string;
  /** The endpoint's. */
  readonly key: string;
  readonly nowMs: number;
  readonly attachments: readonly AttachmentRecord[];
}

function lossOf(documents: Documents, { host, key, nowMs, attachments }: Leaving): HostRemoval {
  const endpoint = readableAt<EndpointRecord>(documents, key);
  const isHosts = endpoint?.bound?.host === host && endpoint.dynamic?.heldSince === undefined;
  const { verb, part } = endpoint && isHosts
    ? endpointLoss(documents, key, endpoint, nowMs)
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

function endpointLoss(
  documents: Documents,
  key: string,
  endpoint: EndpointRecord,
  nowMs: number,
): { readonly verb: GcAct["act"]; readonly part: Part } {
  const { bound: _, ...unbound } = endpoint;
  if (!endpoint.dynamic) {
    const writes = [{ key, value: unbound as unknown as Json }];
    return { verb: "unbind", part: { checks: [checkOf(documents, key)], writes } };
  }
  const part = releasing(documents, unbound, nowMs);
  const isHeld = part.writes.some((write) => write.key === key && write.value !== undefined);
  return { verb: isHeld ? "hold" : "release", part };
}

function checkOf(documents: Documents, key: string) {
  return { key, revision: documents.get(key)?.revision ?? 0 };
}
