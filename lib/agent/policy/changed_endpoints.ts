// Which endpoints have to be looked at again: those whose record, attachment or pod changed, and those
// here whose network got another access tag. Found without a walk where it is known which records changed.

import { readableAt } from "../../intent/readable.ts";
import type {
  AttachmentRecord,
  Documents,
  EndpointRecord,
  NetworkRecord,
} from "../../intent/records.ts";
import { keys } from "../../intent/records.ts";
import { attachmentsOf, endpointKeyOf, findNetwork } from "../store/documents.ts";
import { AttachmentIndex } from "./attachment_index.ts";

/** What there is to follow. */
export interface EndpointInput {
  readonly documents: Documents;
  /** Keys of the documents that changed; undefined where that may be any. */
  readonly changed: ReadonlySet<string> | undefined;
  /** Pods `namespace/name` that came, changed or went. */
  readonly pods: readonly string[];
  readonly host: string;
  readonly tagOf: (network: NetworkRecord) => number | undefined;
}

/** An endpoint as the records have it now. */
export interface EndpointFacts {
  readonly key: string;
  readonly record: EndpointRecord;
  readonly attachment: AttachmentRecord | undefined;
  /** Its access tag where it is on this host. */
  readonly tag: number | undefined;
}

/** Follows the endpoints of all hosts. */
export class ChangedEndpoints {
  readonly #attached = new AttachmentIndex();
  /** Access tags of the networks of this host's endpoints. */
  #tags: ReadonlyMap<string, number | undefined> = new Map();

  /** Returns all endpoints that may be another than before, in the order of the records. */
  follow(input: EndpointInput): EndpointFacts[] {
    const { documents, changed, pods, host } = input;
    const again = new Set<string>();
    for (const key of changed ?? this.#allOf(documents)) {
      if (key.startsWith("endpoints/")) again.add(key);
      if (!key.startsWith("attachments/")) continue;
      const record = readableAt<AttachmentRecord>(documents, key);
      for (const endpoint of this.#attached.set(key, record)) again.add(endpoint);
    }
    for (const pod of pods) for (const key of this.#attached.endpointsOf(pod)) again.add(key);
    for (const key of this.#retagged(input)) again.add(key);
    return inOrder(again, documents).flatMap((key): EndpointFacts[] => {
      const record = readableAt<EndpointRecord>(documents, key);
      // What cannot be read (any more) stays as it was known.
      if (!record) return [];
      const attachment = this.#attached.of(key, record);
      const isHere = attachment?.host === host;
      const tag = isHere ? this.#tags.get(networkKeyOf(attachment)) : undefined;
      return [{ key, record, attachment, tag }];
    });
  }

  #allOf(documents: EndpointInput["documents"]): Iterable<string> {
    this.#attached.clear();
    return documents.keys();
  }

  /** Returns the endpoints here whose networks have another tag than before. */
  #retagged({ documents, host, tagOf }: EndpointInput): string[] {
    const before = this.#tags;
    const now = new Map<string, number | undefined>();
    this.#tags = now;
    return attachmentsOf(documents, host).flatMap((attachment) => {
      const key = networkKeyOf(attachment);
      if (!now.has(key)) {
        const network = findNetwork(documents, attachment);
        now.set(key, network && tagOf(network));
      }
      return now.get(key) === before.get(key) ? [] : [endpointKeyOf(attachment)];
    });
  }
}

const networkKeyOf = ({ tenant, network }: AttachmentRecord) => keys.network(tenant, network);

/** Returns those of the keys that are there, as a walk would meet them. */
function inOrder(wanted: ReadonlySet<string>, documents: EndpointInput["documents"]): string[] {
  if (wanted.size < 2) return [...wanted];
  return [...documents.keys()].filter((key) => wanted.has(key));
}
