// If the switch rejects a bundle of flows, the endpoints that it concerns are isolated, which needs only a
// few flows, until the rules are installed; and the frames of a trunk that bypasses the policies are
// dropped. Pure.

/** Returns the access tags of the networks that `lines` concern. */
export function tagsIn(lines: readonly string[]): Set<number> {
  return new Set(lines.flatMap((line) => {
    const tag = /[,=]reg0=(0x[0-9a-f]+)/.exec(line)?.[1];
    return tag === undefined ? [] : [Number(tag)];
  }));
}

/** Returns flows that drop all traffic from and to the policed endpoints of these networks. */
export function failClosedFlows(wanted: readonly string[], tags: ReadonlySet<number>): string[] {
  return wanted.flatMap((line) => {
    const found = /^(cookie=\S+ table=10, priority=)(?:20|40)(,ip,reg0=(\S+?),nw_\S+) actions=/
      .exec(line);
    return found && tags.has(Number(found[3])) ? [`${found[1]}60${found[2]} actions=drop`] : [];
  });
}

const TRUNK_DROP = "cookie=0x6b38000600000000, priority=200,dl_vlan=";

/** Returns the flow that drops frames from trunks with this tag. */
export function trunkDropFlow(tag: number): string {
  return `${TRUNK_DROP}${tag} actions=drop`;
}

/** Reports whether trunkDropFlow() returned this flow. */
export function isTrunkDropFlow(line: string): boolean {
  return line.startsWith(TRUNK_DROP);
}
