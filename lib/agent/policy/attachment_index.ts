// The attachments of all hosts by endpoint and by pod, found without a scan of the store. It follows
// changes of attachments one at a time. Pure.

import type { AttachmentRecord, EndpointRecord } from "../../intent/records.ts";
import { endpointKeyOf } from "../store/documents.ts";

/** The attachments of all hosts. */
export class AttachmentIndex {
  readonly #byKey = new Map<string, AttachmentRecord>();
  readonly #byEndpoint = new Map<string, readonly AttachmentRecord[]>();
  readonly #byPod = new Map<string, readonly AttachmentRecord[]>();

  /** Records the attachment at `key`; returns the keys of its present and former endpoint. */
  set(key: string, now: AttachmentRecord | undefined): string[] {
    const before = this.#byKey.get(key);
    if (now) this.#byKey.set(key, now);
    else this.#byKey.delete(key);
    replaceIn(this.#byEndpoint, endpointKeyOf, before, now);
    replaceIn(this.#byPod, podNameOf, before, now);
    return [before, now].flatMap((one) => one ? [endpointKeyOf(one)] : []);
  }

  clear(): void {
    for (const map of [this.#byKey, this.#byEndpoint, this.#byPod]) map.clear();
  }

  /** Returns the attachment of the endpoint at `key` on the host to which it is bound. */
  of(key: string, { bound }: EndpointRecord): AttachmentRecord | undefined {
    return this.#byEndpoint.get(key)?.findLast(({ host, generation }) =>
      bound?.host === host && bound.generation === generation
    );
  }

  /** Returns the keys of the endpoints that a pod `namespace/name` may have. */
  endpointsOf(pod: string): string[] {
    return (this.#byPod.get(pod) ?? []).map(endpointKeyOf);
  }
}

/** Returns a pod's name with its namespace. */
export function podNameOf({ pod }: AttachmentRecord): string {
  return `${pod.namespace}/${pod.name}`;
}

type Lists = Map<string, readonly AttachmentRecord[]>;

/** Replaces `before` by `now`, or appends it; most lists have one element. */
function replaceIn(
  lists: Lists,
  nameOf: (one: AttachmentRecord) => string,
  before: AttachmentRecord | undefined,
  now: AttachmentRecord | undefined,
): void {
  const [was, is] = [before && nameOf(before), now && nameOf(now)];
  if (was !== undefined && was !== is) {
    const left = lists.get(was)?.filter((one) => one !== before) ?? [];
    if (left.length > 0) lists.set(was, left);
    else lists.delete(was);
  }
  if (is === undefined || !now) return;
  const list = lists.get(is) ?? [];
  const at = was === is ? list.findIndex((one) => one === before) : -1;
  lists.set(is, at < 0 ? [...list, now] : list.with(at, now));
}
