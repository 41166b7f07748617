// From an attachment's record to what the switch should have of it: adds this host's access tag, and the reach of
// its network.

import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import { Fault } from "../../util/errors.ts";
import { reachOfAttachment } from "../reach/attachment_reach.ts";
import { findNetwork } from "../store/documents.ts";
import type { LocalTags } from "./local_tags.ts";
import type { Desired } from "./steps.ts";

/** Returns `attachment` with its access tag and reach on this host. Faults: not_found, exhausted. */
export function desiredOf(
  tags: Pick<LocalTags, "tagOf">,
  documents: Documents,
  attachment: AttachmentRecord,
): Desired {
  const network = findNetwork(documents, attachment);
  if (!network) {
    throw new Fault(
      "not_found",
      `network ${attachment.tenant}/${attachment.network} does not exist`,
      {
        fix: "apply an intent that defines it",
      },
    );
  }
  const tag = tags.tagOf(documents, network);
  if (tag !== undefined) {
    return { attachment, tag, reach: reachOfAttachment(documents, attachment, network) };
  }
  throw new Fault("exhausted", `no local VLAN left for ${network.tenant}/${network.name}`, {
    why: "tenants' Vlans and networks take all of 1-4094",
    fix: "narrow a tenant's Vlans",
  });
}
