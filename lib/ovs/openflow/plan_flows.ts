// The difference between the flows that exist and the desired ones. Pure.

/**
 * Returns the changes for `ovs-ofctl --bundle add-flows` that turn `existing` into `desired`, both as
 * flowText() writes them. A flow that stays is not mentioned, so that it keeps its counters.
 */
export function planFlows(existing: readonly string[], desired: readonly string[]): string[] {
  const [have, want] = [new Set(existing), new Set(desired)];
  return [
    ...[...have].filter((flow) => !want.has(flow)).map((flow) =>
      `delete_strict ${selectorOf(flow)}`
    ),
    ...[...want].filter((flow) => !have.has(flow)).map((flow) => `add ${flow}`),
  ];
}

/**
 * Returns what selects exactly this flow for deletion: its match and cookie, without actions, timeouts
 * and the flags that another program may have set.
 */
function selectorOf(flow: string): string {
  return flow.replace(/ actions=.*$/, "")
    .replace(/ (idle_timeout|hard_timeout|importance)=\d+,/g, "")
    .replace(/ (send_flow_rem|check_overlap|reset_counts|no_packet_counts|no_byte_counts)\b/g, "")
    .replace(",", "/-1,");
}

/** As planFlows(); flows that only get other actions are modified, so that they keep their counters. */
export function planFlowsKeepingCounters(
  existing: readonly string[],
  desired: readonly string[],
): string[] {
  const have = new Map(existing.map((flow) => [withoutActions(flow), flow]));
  const isModified = (flow: string) => (have.get(withoutActions(flow)) ?? flow) !== flow;
  const modified = desired.filter(isModified);
  const known = new Set(modified.map(withoutActions));
  const isOther = (flow: string) => !known.has(withoutActions(flow));
  return [
    ...planFlows(existing.filter(isOther), desired.filter(isOther)),
    ...modified.map((flow) => `modify_strict ${flow}`),
  ];
}

function withoutActions(flow: string): string {
  return flow.replace(/ actions=.*$/, "");
}
