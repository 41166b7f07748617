// CHECK: compares what a runtime was given with the record, and the record with links and Open vSwitch.

import { CNI_CODES, type CniCall, CniError, type CniResult } from "../../cni/cni_types.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import { desiredOf } from "../pods/desired.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { attachmentsIn, type HostView } from "../store/documents.ts";

/** What a CHECK works with. */
export interface CniCheckDeps extends HostView {
  readonly plumbing: Pick<Plumbing, "differences">;
  readonly tags: Pick<LocalTags, "tagOf">;
}

/** Succeeds if the interface is as its ADD left it. CniErrors: invalidConfig, unknownContainer, notAsRecorded. */
export async function checkInterface(deps: CniCheckDeps, call: CniCall): Promise<void> {
  const { host, store: { documents }, tags, plumbing } = deps;
  const { containerId, ifname, config: { prevResult } } = call;
  const attachment = attachmentsIn(documents, host, containerId)
    .find((one) => one.sandbox === containerId && one.cni?.ifname === ifname);
  if (!attachment) {
    throw new CniError(
      CNI_CODES.unknownContainer,
      `container ${containerId} has no interface ${ifname} on this host`,
      "its ADD has failed, or it was deleted",
    );
  }
  if (!prevResult) {
    throw new CniError(CNI_CODES.invalidConfig, "prevResult is missing, which CHECK requires");
  }
  const differences = [
    ...attachment.state === "ready" ? [] : [`it is ${attachment.state}${reasonOf(attachment)}`],
    ...resultDifferences(attachment, prevResult),
    ...await plumbing.differences(desiredOf(tags, documents, attachment)),
  ];
  if (differences.length === 0) return;
  throw new CniError(
    CNI_CODES.notAsRecorded,
    `interface ${ifname} of container ${containerId} is not as it was added`,
    differences.slice(0, 10).join("; "),
  );
}

function reasonOf({ reason }: AttachmentRecord): string {
  return reason ? ` (${reason})` : "";
}

/**
 * Returns what of an attachment the runtime's result does not say. Plugins behind ours may have added to it,
 * and changed MAC or MTU, as tuning does: only names and addresses are compared. Pure.
 */
export function resultDifferences(
  { interface: name, netns, addresses }: AttachmentRecord,
  { interfaces, ips }: CniResult,
): string[] {
  const has = interfaces.some((one) => one.name === name && one.sandbox === netns);
  return [
    ...has ? [] : [`prevResult has no interface ${name} in ${netns}`],
    ...addresses.filter((one) => !ips.some(({ address }) => address === one))
      .map((one) => `prevResult has no address ${one}`),
  ];
}
