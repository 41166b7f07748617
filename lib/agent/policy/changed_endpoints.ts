// Which endpoints must be compiled again: those with a changed record, attachment or pod, and those on
// this host whose network got another access tag or kind of gateway, and those whose network is routed
// otherwise. Needs no scan if it is known which records changed.

import { idOf, isDistributed } from "../../intent/reach_settings.ts";
import { readableAt } from "../../intent/readable.ts";
import type {
  AttachmentRecord,
  Documents,
  EndpointRecord,
  NetworkRecord,
} from "../../intent/records.ts";
import { keys } from "../../intent/records.ts";
import { attachmentsOf, endpointKeyOf, findNetwork, routesIn } from "../store/documents.ts";
import { AttachmentIndex } from "./attachment_index.ts";

/** Input of ChangedEndpoints. */
export interface EndpointInput {
  readonly documents: Documents;
  /** Keys of the changed documents; undefined if any may have changed. */
  readonly changed: ReadonlySet<string> | undefined;
  /** Pods `namespace/name` that were added, changed or removed. */
  readonly pods: readonly string[];
  readonly host: string;
  readonly tagOf: (network: NetworkRecord) => number | undefined;
}

/** An endpoint according to the records. */
export interface EndpointFacts {
  readonly key: string;
  readonly record: EndpointRecord;
  readonly attachment: AttachmentRecord | undefined;
  /** Its access tag if it is on this host. */
  readonly tag: number | undefined;
  /** Whether it is on this host, and its network has a distributed gateway. */
  readonly isDistributed: boolean;
  /** Networks (`tenant/network`) that its own is routed to. */
  readonly routedTo: readonly string[];
}

/** A network on this host. */
interface Place {
  readonly tag: number | undefined;
  readonly isDistributed: boolean;
}

const NO_ROUTES: readonly string[] = [];

/** Follows the endpoints of all hosts. */
export class ChangedEndpoints {
  readonly #attachments = new AttachmentIndex();
  /** The networks of this host's endpoints. */
  #places: ReadonlyMap<string, Place> = new Map();
  #routes: ReadonlyMap<string, readonly string[]> = new Map();

  /** Returns all endpoints that may have changed, in the order of the records. */
  follow(input: EndpointInput): EndpointFacts[] {
    const { documents, changed, pods, host } = input;
    const again = new Set<string>();
    for (const key of changed ?? this.#allOf(documents)) {
      if (key.startsWith("endpoints/")) again.add(key);
      if (!key.startsWith("attachments/")) continue;
      const record = readableAt<AttachmentRecord>(documents, key);
      for (const endpoint of this.#attachments.set(key, record)) again.add(endpoint);
    }
    for (const pod of pods) for (const key of this.#attachments.endpointsOf(pod)) again.add(key);
    for (const key of this.#retagged(input)) again.add(key);
    for (const key of this.#rerouted(input)) again.add(key);
    return inOrder(again, documents).flatMap((key): EndpointFacts[] => {
      const record = readableAt<EndpointRecord>(documents, key);
      // An unreadable record keeps its last known content.
      if (!record) return [];
      const attachment = this.#attachments.of(key, record);
      const isHere = attachment?.host === host;
      const place = isHere ? this.#places.get(networkKeyOf(attachment)) : undefined;
      const { tag, isDistributed = false } = place ?? {};
      const id = idOf({ tenant: record.tenant, name: record.network });
      const routedTo = this.#routes.get(id) ?? NO_ROUTES;
      return [{ key, record, attachment, tag, isDistributed, routedTo }];
    });
  }

  #allOf(documents: EndpointInput["documents"]): Iterable<string> {
    this.#attachments.clear();
    return documents.keys();
  }

  /** Returns the endpoints whose networks are routed otherwise than before. */
  #rerouted({ documents, changed }: EndpointInput): string[] {
    const isAbout = (key: string) => key.startsWith("networks/") || key.startsWith("tenants/");
    if (changed && ![...changed].some(isAbout)) return [];
    const before = this.#routes;
    const now = this.#routes = routesIn(documents);
    const textOf = (routes: typeof before, id: string) => routes.get(id)?.join() ?? "";
    const others = [...new Set([...before.keys(), ...now.keys()])]
      .filter((id) => textOf(before, id) !== textOf(now, id));
    if (others.length === 0) return [];
    const prefixes = new Set(others.map((id) => `endpoints/${id}/`));
    return [...documents.keys()].filter((key) =>
      prefixes.has(key.slice(0, key.lastIndexOf("/") + 1))
    );
  }

  /** Returns the endpoints on this host whose networks have another tag or gateway than before. */
  #retagged({ documents, host, tagOf }: EndpointInput): string[] {
    const before = this.#places;
    const now = new Map<string, Place>();
    this.#places = now;
    return attachmentsOf(documents, host).flatMap((attachment) => {
      const key = networkKeyOf(attachment);
      if (!now.has(key)) {
        const network = findNetwork(documents, attachment);
        now.set(key, {
          tag: network && tagOf(network),
          isDistributed: network !== undefined && isDistributed(network),
        });
      }
      const [is, was] = [now.get(key), before.get(key)];
      const isSame = is?.tag === was?.tag && is?.isDistributed === was?.isDistributed;
      return isSame ? [] : [endpointKeyOf(attachment)];
    });
  }
}

const networkKeyOf = ({ tenant, network }: AttachmentRecord) => keys.network(tenant, network);

/** Returns those of the keys that exist, in the order of the documents. */
function inOrder(selected: ReadonlySet<string>, documents: EndpointInput["documents"]): string[] {
  if (selected.size < 2) return [...selected];
  return [...documents.keys()].filter((key) => selected.has(key));
}
