// The one line that the log has for each attachment that is made or taken away.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { LogFields } from "../../util/log.ts";
import type { World } from "../world.ts";
import { bareAddress } from "./port_external_ids.ts";

/** Says that an attachment works, `startedMs` being when the work for it began. */
export function logAttached(world: World, one: AttachmentRecord, startedMs: number): void {
  world.log.info("attached", fieldsOf(world, one, startedMs));
}

/** Says that an attachment's port is gone; `why` where nobody asked for it by a teardown. */
export function logDetached(
  world: World,
  one: AttachmentRecord,
  startedMs: number,
  why?: string,
): void {
  world.log.info("detached", { ...fieldsOf(world, one, startedMs), why });
}

function fieldsOf({ now }: World, one: AttachmentRecord, startedMs: number): LogFields {
  return {
    pod: `${one.pod.namespace}/${one.pod.name}`,
    network: `${one.tenant}/${one.network}`,
    address: one.addresses.map(bareAddress).join(","),
    ms: Math.round((now() - startedMs) * 10) / 10,
  };
}
