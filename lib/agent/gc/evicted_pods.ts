// Pods that lost their endpoint while this host was away: an operator removed the host (`gc --host`), and
// it came back after all. Their ports go, as no record has them; a pod that still runs is attached again
// like one that started before its endpoint was written, if no other pod has the endpoint by now.

import { LOST_ENDPOINT } from "../pods/unmatched_pods.ts";
import type { PortRow } from "../../ovs/switch.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import type { Log } from "../../util/log.ts";
import { attachmentFromPort } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import { attachmentsIn, findEndpoint, type HostView } from "../store/documents.ts";

/** What noting evicted pods works with. */
export interface EvictedPodsDeps extends HostView {
  readonly runtimes: Pick<Runtimes, "findSandbox">;
  readonly sandboxes: Pick<Sandboxes, "unmatched" | "tornDown">;
  readonly log: Pick<Log, "warn">;
}

const WHY = LOST_ENDPOINT.released;

/** Remembers the running pods of ports that were removed, so that they are attached again. */
export async function noteEvicted(deps: EvictedPodsDeps, rows: readonly PortRow[]): Promise<void> {
  const { store: { documents }, host, sandboxes: { tornDown, unmatched }, runtimes, log } = deps;
  for (const row of rows) {
    const evicted = attachmentFromPort(row);
    if (!evicted || evicted.host !== host || tornDown.has(evicted.sandbox)) continue;
    if (attachmentsIn(documents, host, evicted.sandbox).length > 0) continue;
    // An endpoint that is bound has its pod elsewhere.
    if (findEndpoint(documents, evicted)?.bound) continue;
    // If the runtime does not answer now, the set-up will find out.
    const sandbox = await runtimes.findSandbox(evicted.sandbox)
      .catch(() => ({ isRunning: true, labels: undefined }));
    if (!sandbox?.isRunning) continue;
    unmatched.add({ ...evicted.pod, sandbox: evicted.sandbox }, WHY, sandbox.labels);
    log.warn("pod has lost its endpoint", {
      pod: `${evicted.pod.namespace}/${evicted.pod.name}`,
      address: evicted.addresses.join(","),
      why: WHY,
    });
  }
}
