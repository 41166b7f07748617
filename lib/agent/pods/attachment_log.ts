// The one log line for each attachment that is made or removed.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Clock } from "../../util/clock.ts";
import type { Log, LogFields } from "../../util/log.ts";
import { bareAddress } from "./port_external_ids.ts";

/** What the line is written with. */
export interface AttachmentLogDeps {
  readonly log: Pick<Log, "info">;
  readonly clock: Pick<Clock, "now">;
}

/** Logs that an attachment works; `startedMs` is when the work for it began (monotonic). */
export function logAttached(
  deps: AttachmentLogDeps,
  one: AttachmentRecord,
  startedMs: number,
): void {
  deps.log.info("attached", fieldsOf(deps, one, startedMs));
}

/** Logs that an attachment's port is removed, and `why` where it was not a teardown. */
export function logDetached(
  deps: AttachmentLogDeps,
  one: AttachmentRecord,
  startedMs: number,
  why?: string,
): void {
  deps.log.info("detached", { ...fieldsOf(deps, one, startedMs), why });
}

function fieldsOf(
  { clock }: AttachmentLogDeps,
  one: AttachmentRecord,
  startedMs: number,
): LogFields {
  return {
    pod: `${one.pod.namespace}/${one.pod.name}`,
    network: `${one.tenant}/${one.network}`,
    address: one.addresses.map(bareAddress).join(","),
    ms: Math.round((clock.now() - startedMs) * 10) / 10,
  };
}
