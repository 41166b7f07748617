// Actions of a port's flows as data, and as the text of ovs-ofctl; action_bytes.ts encodes the same as OpenFlow
// bytes. What each does is in ovs-actions(7), the fields are in ovs-fields(7). Pure.

/** Fields that an action may copy or set, with their names in its text: alone, and in `move`. */
const NAMES = {
  ethSrc: ["eth_src", "NXM_OF_ETH_SRC[]"],
  ethDst: ["eth_dst", "NXM_OF_ETH_DST[]"],
  arpOp: ["arp_op", "NXM_OF_ARP_OP[]"],
  arpSpa: ["arp_spa", "NXM_OF_ARP_SPA[]"],
  arpTpa: ["arp_tpa", "NXM_OF_ARP_TPA[]"],
  arpSha: ["arp_sha", "NXM_NX_ARP_SHA[]"],
  arpTha: ["arp_tha", "NXM_NX_ARP_THA[]"],
  reg0: ["reg0", "NXM_NX_REG0[]"],
  reg10: ["reg10", "NXM_NX_REG10[]"],
  ctMark: ["ct_mark", "NXM_NX_CT_MARK[]"],
} as const;

/** One of these fields. */
export type Field = keyof typeof NAMES;

/** Sets a field: MAC, dotted address or number. */
export interface SetField {
  readonly set: Field;
  readonly value: string | number;
}

/** Through the connection tracker, and on in another table; known connections keep their translation. */
export interface Track {
  readonly zone: number;
  readonly table: number;
  /** Remembers the connection. */
  readonly commit?: true;
  /** Translates an address of a new connection's packets to this one; without both, only of known ones. */
  readonly nat?: { readonly src?: string; readonly dst?: string };
  /** Mark of the remembered connection. */
  readonly mark?: number;
}

/** One action. */
export type Action =
  | SetField
  | { readonly move: readonly [from: Field, to: Field] }
  | { readonly output: number | "IN_PORT" }
  | { readonly resubmit: number }
  | { readonly track: Track };

/** Returns actions as `ovs-ofctl dump-flows` prints them. */
export function actionsText(actions: readonly Action[]): string {
  return actions.map(textOf).join();
}

function textOf(action: Action): string {
  if ("move" in action) return `move:${action.move.map((field) => NAMES[field][1]).join("->")}`;
  if ("set" in action) return setText(action);
  if ("output" in action) {
    return action.output === "IN_PORT" ? "IN_PORT" : `output:${action.output}`;
  }
  if ("resubmit" in action) return `resubmit(,${action.resubmit})`;
  return trackText(action.track);
}

function setText({ set, value }: SetField): string {
  const isPlain = typeof value === "string" || set === "arpOp" || value === 0;
  return `set_field:${isPlain ? value : `0x${value.toString(16)}`}->${NAMES[set][0]}`;
}

function trackText({ zone, table, commit, nat, mark }: Track): string {
  const [[side, address] = []] = Object.entries(nat ?? {});
  return `ct(${
    [
      commit ? "commit" : "",
      `table=${table}`,
      `zone=${zone}`,
      nat ? side === undefined ? "nat" : `nat(${side}=${address})` : "",
      mark === undefined ? "" : `exec(${setText({ set: "ctMark", value: mark })})`,
    ].filter(Boolean).join()
  })`;
}
