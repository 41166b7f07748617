// Where each endpoint is, as the records have it. A label that changes at the API server changes nothing
// of that: it is read out of the records once for each state of theirs.

import { IndexedDocuments } from "../../intent/lookup.ts";
import { readableAt } from "../../intent/readable.ts";
import type { AttachmentRecord, EndpointRecord, NetworkRecord } from "../../intent/records.ts";
import { findNetwork } from "../record/documents.ts";
import type { Document } from "../record/mirror.ts";
import { attachmentByEndpoint } from "./input.ts";

type Documents = ReadonlyMap<string, Document>;

/** An endpoint's record, and what it leads to. */
export interface Place {
  readonly key: string;
  /** Undefined where this version cannot read it. */
  readonly record: EndpointRecord | undefined;
  readonly attachment: AttachmentRecord | undefined;
  /** `NAMESPACE/NAME` of the pod that it is attached to. */
  readonly podName: string | undefined;
  /** Where it is attached on this host. */
  readonly network: NetworkRecord | undefined;
}

/** Remembers the last answer. */
export class Places {
  #last: { documents: Documents; version: number; host: string; all: Place[] } | undefined;

  /** Gives all endpoints of the records. */
  of(documents: Documents, host: string): readonly Place[] {
    const last = this.#last;
    const version = documents instanceof IndexedDocuments ? documents.version : undefined;
    const isSame = last?.documents === documents && last.host === host && last.version === version;
    if (isSame) return last.all;
    const all = placesIn(documents, host);
    this.#last = version === undefined ? undefined : { documents, version, host, all };
    return all;
  }
}

function placesIn(documents: Documents, host: string): Place[] {
  const attachments = attachmentByEndpoint(documents);
  const keys = [...documents.keys()].filter((key) => key.startsWith("endpoints/"));
  return keys.map((key) => {
    const attachment = attachments.get(key);
    return {
      key,
      record: readableAt<EndpointRecord>(documents, key),
      attachment,
      podName: attachment && `${attachment.pod.namespace}/${attachment.pod.name}`,
      network: attachment?.host === host ? findNetwork(documents, attachment) : undefined,
    };
  });
}
