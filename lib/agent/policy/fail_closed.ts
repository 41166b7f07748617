// If the switch rejects a bundle of flows, the endpoints that it concerns are isolated, which needs only a
// few flows, until the rules are installed; and the frames of a trunk that bypasses the policies are
// dropped. Pure.

/** Returns the access tags of the networks that `flows` concern. */
export function tagsIn(flows: readonly string[]): Set<number> {
  return new Set(flows.flatMap((flow) => {
    const tag = /[,=]reg0=(0x[0-9a-f]+)/.exec(flow)?.[1];
    return tag === undefined ? [] : [Number(tag)];
  }));
}

/** Returns flows that drop all traffic from and to the policed endpoints of these networks. */
export function failClosedFlows(desired: readonly string[], tags: ReadonlySet<number>): string[] {
  return desired.flatMap((flow) => {
    const found = /^(cookie=\S+ table=10, priority=)(?:20|40)(,ip,reg0=(\S+?),nw_\S+) actions=/
      .exec(flow);
    return found && tags.has(Number(found[3])) ? [`${found[1]}60${found[2]} actions=drop`] : [];
  });
}

const TRUNK_DROP = "cookie=0x6b38000600000000, priority=200,dl_vlan=";

/** Returns the flow that drops frames from trunks with this tag. */
export function trunkDropFlow(tag: number): string {
  return `${TRUNK_DROP}${tag} actions=drop`;
}

/** Reports whether trunkDropFlow() returned this flow. */
export function isTrunkDropFlow(flow: string): boolean {
  return flow.startsWith(TRUNK_DROP);
}
