// What is done when the switch refuses a bundle of rules: the endpoints that they guard are cut off,
// which needs few flows, until the rules are in force; and where a trunk goes round the policies, its
// frames are dropped. Pure.

/** Returns the access tags of the networks that any of `lines` is about. */
export function tagsIn(lines: readonly string[]): Set<number> {
  return new Set(lines.flatMap((line) => {
    const tag = /[,=]reg0=(0x[0-9a-f]+)/.exec(line)?.[1];
    return tag === undefined ? [] : [Number(tag)];
  }));
}

/** Returns lines that drop all from and to the guarded endpoints of these networks. */
export function failClosedFlows(wanted: readonly string[], tags: ReadonlySet<number>): string[] {
  return wanted.flatMap((line) => {
    const found = /^(cookie=\S+ table=10, priority=)(?:20|40)(,ip,reg0=(\S+?),nw_\S+) actions=/
      .exec(line);
    return found && tags.has(Number(found[3])) ? [`${found[1]}60${found[2]} actions=drop`] : [];
  });
}

const SHUT = "cookie=0x6b38000600000000, priority=200,dl_vlan=";

/** Returns the line that drops what trunks bring in with that tag. */
export function shutLine(tag: number): string {
  return `${SHUT}${tag} actions=drop`;
}

/** Reports whether shutLine() gave that line. */
export function isShutLine(line: string): boolean {
  return line.startsWith(SHUT);
}
