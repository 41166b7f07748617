// Which rule of the host's packet filter translates a service's address, from `nft -j list ruleset`: those that
// kube-proxy writes, by iptables or by nftables. Pure.

/** A destination. */
export interface Destination {
  readonly address: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** 0 for icmp. */
  readonly port: number;
}

interface Rule {
  readonly table: string;
  readonly chain: string;
  readonly expr: readonly Record<string, unknown>[];
}

interface NamedMap {
  readonly table: string;
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/**
 * Returns where a destination is looked up, such as `chain KUBE-SERVICES of table nat`; undefined where no rule
 * and no map names it.
 */
export function translationOf(ruleset: string, destination: Destination): string | undefined {
  const { nftables } = JSON.parse(ruleset) as { nftables: { rule?: Rule; map?: NamedMap }[] };
  for (const { rule, map } of nftables) {
    if (rule && leadsOn(rule) && names(rule, destination)) {
      return `chain ${rule.chain} of table ${rule.table}`;
    }
    if (map?.elem?.some((one) => isKey(one, destination))) {
      return `map ${map.name} of table ${map.table}`;
    }
  }
  return undefined;
}

/** Reports whether a rule leads to others or translates by itself: what filters names addresses, too. */
function leadsOn({ expr }: Rule): boolean {
  return expr.some(({ jump, goto, dnat, xt }) =>
    jump !== undefined || goto !== undefined || dnat !== undefined ||
    (xt as { name?: string } | undefined)?.name === "DNAT"
  );
}

/** Reports whether a rule has the address, and no other protocol or port. */
function names({ expr }: Rule, { address, protocol, port }: Destination): boolean {
  const values = (key: string) =>
    expr.flatMap(({ match }) => {
      const { left, right, op } = (match ?? {}) as { left?: Left; right?: unknown; op?: string };
      const field = left?.payload?.field ?? left?.meta?.key;
      return field === key && op === "==" ? [right] : [];
    });
  return values("daddr").includes(address) &&
    values("l4proto").every((one) => one === protocol) &&
    values("dport").every((one) => one === port);
}

interface Left {
  readonly payload?: { readonly field?: string };
  readonly meta?: { readonly key?: string };
}

/** Reports whether an element of a map has the address, and the protocol and the port, as its key. */
function isKey(element: unknown, { address, protocol, port }: Destination): boolean {
  const key = Array.isArray(element) ? element[0] : element;
  const { concat } = (key ?? {}) as { concat?: readonly unknown[] };
  return concat !== undefined && [address, protocol, port].every((one) => concat.includes(one));
}
