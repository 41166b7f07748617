// Pods that have lost their place while this host was away: an operator has given the host up
// (`gc --host`), and it came back after all. Their ports go, as no record has them; a pod that lives on
// is connected again as one that came before its endpoint, where nobody else has its place by now.

import type { PortRow } from "../../ovs/switch.ts";
import { attachmentFromPort } from "../pods/port_external_ids.ts";
import { attachmentsIn, findEndpoint } from "../store/documents.ts";
import type { World } from "../world.ts";

const WHY = "its place was given up while this host was away";

/** Remembers the living pods of ports that were taken away, so that they are connected again. */
export async function noteEvicted(world: World, rows: readonly PortRow[]): Promise<void> {
  const { store: { documents }, host, tornDown, unmatched, runtimes, log } = world;
  for (const row of rows) {
    const told = attachmentFromPort(row);
    if (!told || told.host !== host || tornDown.has(told.sandbox)) continue;
    if (attachmentsIn(documents, host, told.sandbox).length > 0) continue;
    // Who is bound somewhere has its place there.
    if (findEndpoint(documents, told)?.bound) continue;
    // One that cannot be asked about now is found out by whoever connects it.
    const sandbox = await runtimes.findSandbox(told.sandbox)
      .catch(() => ({ isRunning: true, labels: undefined }));
    if (!sandbox?.isRunning) continue;
    unmatched.add({ ...told.pod, sandbox: told.sandbox }, WHY, sandbox.labels);
    log.warn("pod has lost its place", {
      pod: `${told.pod.namespace}/${told.pod.name}`,
      address: told.addresses.join(","),
      why: WHY,
    });
  }
}
