// A table of the host's packet filter for pods that policies guard in what they send: it judges their packets to
// services where the switch does not see the backend. The switch lets packets to services pass, and judges them
// when the host has translated them and sends them back (bridge_flows.ts): not those whose backend is in no pod's
// network, such as the API server, nor those that the host masquerades.
//
// It is a table of its own: what policies say may be unknown for a while, and what is installed stays meanwhile.
// Pure.

import { type PacketFilter, packetFilterOf } from "./packet_filter.ts";
import { HOST_PORT, type ReachModel } from "./reach_model.ts";

/** A rule for addresses; the policies' own type is the same. */
export interface EgressRule {
  readonly action: "allow" | "deny";
  /** CIDRs; undefined: any. */
  readonly blocks?: readonly string[];
  /** Undefined: any. */
  readonly services?: readonly {
    readonly protocol: number;
    readonly ports?: { readonly first: number; readonly last: number };
  }[];
}

/** A guarded pod on this host. */
export interface EgressGuard {
  /** Access tag of its network. */
  readonly tag: number;
  readonly address: string;
  /** Each tier must let a packet pass; in it, the first rule that matches decides, and without one it passes. */
  readonly tiers: readonly (readonly EgressRule[])[];
}

/** Name of the table. */
export const EGRESS_FILTER_NAME = "k8contivnet-egress";

/** Returns the table; undefined if no pod of a network with services is guarded. */
export function egressFilterOf(
  model: ReachModel,
  guards: readonly EgressGuard[],
): PacketFilter | undefined {
  const judged = guards.flatMap((guard) => {
    const source = sourceOf(model, guard);
    return source === undefined ? [] : [{ source, chain: chainText(guard) }];
  });
  if (judged.length === 0) return undefined;
  const names = new Map(
    [...new Set(judged.map(({ chain }) => chain))].sort().map((chain, at) => [chain, `pods${at}`]),
  );
  const { kept = [], service_cidrs: services = [] } = packetFilterOf(model).elements;
  return {
    name: EGRESS_FILTER_NAME,
    definition: definitionOf(names),
    elements: {
      kept,
      "service_cidrs": services,
      guards: judged.map(({ source, chain }) => `${source} : jump ${names.get(chain)}`),
    },
  };
}

/** Returns the address by which the host's stack knows the pod; undefined where it uses no services. */
function sourceOf({ networks }: ReachModel, { tag, address }: EgressGuard): string | undefined {
  const network = networks.find((one) => one.tag === tag);
  const pod = network?.local.find((one) => one.address === address);
  if (!network || !pod || !network.reach.has("services")) return undefined;
  return network.aliasedBecause === undefined ? pod.address : pod.alias?.address;
}

/** Returns the rules of a pod's tiers; `NAME` stands for its chain. */
function chainText({ tiers }: EgressGuard): string {
  const filled = tiers.filter((rules) => rules.length > 0);
  return [
    ...filled.map((rules, at) =>
      `chain NAME_${at} {\n${rules.flatMap(linesOf).map((line) => `  ${line}`).join("\n")}\n}`
    ),
    `chain NAME {\n${filled.map((_, at) => `  jump NAME_${at}`).join("\n")}\n}`,
  ].join("\n");
}

const PORTED: ReadonlyMap<number, string> = new Map([[6, "tcp"], [17, "udp"], [132, "sctp"]]);

function linesOf({ action, blocks, services }: EgressRule): string[] {
  const to = blocks ? `ip daddr { ${blocks.join(", ")} } ` : "";
  const verdict = action === "allow" ? "return" : "counter drop";
  if (!services) return [`${to}${verdict}`];
  return services.map(({ protocol, ports }) => {
    const name = PORTED.get(protocol);
    const what = ports && name
      ? `${name} dport ${ports.first}-${ports.last}`
      : `meta l4proto ${protocol}`;
    return `${to}${what} ${verdict}`;
  });
}

function definitionOf(names: ReadonlyMap<string, string>): string {
  return `
set service_cidrs { type ipv4_addr; flags interval; }
set kept { type ipv4_addr . ipv4_addr; flags interval; }
map guards { type ipv4_addr : verdict; }
${[...names].map(([chain, name]) => chain.replaceAll("NAME", name)).join("\n")}
chain forward {
  type filter hook forward priority filter - 6; policy accept;
  iifname "${HOST_PORT}" oifname "${HOST_PORT}" ip saddr . ip daddr @kept accept
  iifname "${HOST_PORT}" jump judge
}
chain input {
  type filter hook input priority filter - 6; policy accept;
  iifname "${HOST_PORT}" jump judge
}
chain judge {
  ct direction reply accept
  ct status ! dnat accept
  ct original ip daddr != @service_cidrs accept
  ip saddr vmap @guards
}
`.trim();
}
