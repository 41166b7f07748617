// Restores the records of attachments whose port is on the bridge and whose record is not in the store: a
// store that was lost is rebuilt from Open vSwitch. An endpoint that was written anew and has the same address is bound to
// its pod again; one with another address is left to a set-up.

import { namedEndpoints, pinOf } from "../../intent/bind.ts";
import { type AttachmentRecord, checkOf, type Documents, keys } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import type { Json } from "../../store/store.ts";
import type { Log } from "../../util/log.ts";
import type { CommitPart } from "../pods/endpoint_release.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { attachmentFromPort, hostEndOf } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import type { Actual } from "../pods/steps.ts";
import { isStillBound } from "../pods/teardown.ts";
import {
  attachmentKey,
  attachmentsOf,
  endpointKeyOf,
  findEndpoint,
  findNetwork,
  type HostView,
} from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { isAliveOrUnknown } from "./sandbox_liveness.ts";

/** What restoring attachments works with. */
export interface RestoreAttachmentsDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly plumbing: Pick<Plumbing, "observe">;
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Restores the records of rows of ours that the store does not have. */
export async function restoreAttachments(
  deps: RestoreAttachmentsDeps,
  { rows }: Actual,
): Promise<void> {
  const { host, store, sandboxes } = deps;
  for (const row of rows) {
    const attachment = attachmentFromPort(row);
    if (!attachment || attachment.host !== host) continue;
    if (store.documents.has(attachmentKey(attachment))) continue;
    // Checked again in the sandbox's turn: a teardown may be between row and record.
    await sandboxes.queue.run(attachment.sandbox, () => restore(deps, attachment));
  }
}

async function restore(deps: RestoreAttachmentsDeps, one: AttachmentRecord): Promise<void> {
  const { host, store, plumbing, log } = deps;
  const { rows } = await plumbing.observe((name) => name === hostEndOf(one));
  // A warm port keeps its row when it is taken from its pod.
  const isThere = rows.some((row) => attachmentFromPort(row)?.id === one.id);
  if (!isThere || !planBinding(deps, one)) return;
  if (!await isAliveOrUnknown(deps, one)) return;
  const isRestored = await store.commit((documents) => {
    const holder = attachmentsOf(documents, host).find((other) =>
      endpointKeyOf(other) === endpointKeyOf(one)
    );
    const binding = planBinding({ host, store: { documents } }, one);
    if (!binding || holder || documents.has(attachmentKey(one))) return undefined;
    return {
      checks: [{ key: attachmentKey(one), revision: 0 }, ...binding.checks],
      writes: [{ key: attachmentKey(one), value: one as unknown as Json }, ...binding.writes],
    };
  });
  if (isRestored) log.info("attachment restored from its port", { port: hostEndOf(one) });
}

/** Returns what binds the endpoint to its pod; undefined if it is not there, or not for this pod as it is. */
export function planBinding(view: HostView, one: AttachmentRecord): CommitPart | undefined {
  if (isStillBound(view, one)) return { checks: [], writes: [] };
  const { host, store: { documents } } = view;
  const endpoint = findEndpoint(documents, one);
  if (!endpoint || endpoint.bound || !isAsWritten(documents, host, one)) return undefined;
  const key = endpointKeyOf(one);
  const bound = { ...endpoint, bound: { host, generation: one.generation } };
  return {
    checks: [checkOf(documents, key)],
    writes: [{ key, value: bound as unknown as Json }],
  };
}

/** Reports whether an intent's endpoint names the pod, may be on this host, and has what the pod has. */
function isAsWritten(documents: Documents, host: string, one: AttachmentRecord): boolean {
  const { pod: { namespace, name: pod }, sandbox, addresses, mac } = one;
  const length = findNetwork(documents, one)?.subnet.split("/")[1];
  return namedEndpoints(documents, { host, namespace, pod, sandbox }).some((endpoint) =>
    keys.endpoint(endpoint.tenant, endpoint.network, endpoint.container) === endpointKeyOf(one) &&
    endpoint.dynamic === undefined && [undefined, host].includes(pinOf(endpoint)) &&
    addresses.includes(`${endpoint.address}/${length}`) && [undefined, mac].includes(endpoint.mac)
  );
}
