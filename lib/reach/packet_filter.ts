// The table of the host's packet filter (nftables) for pods: who may come in by contivHost, where to, and
// under which address. It repeats what the switch allows, statefully: each of the two holds alone. Pure.
//
// A subnet that the fabric routes is masqueraded all the same towards other hosts and behind services: the other
// host's answers would come back over its own switch, past the connection that this stack keeps. So are the host's own
// connections to services whose backend is not a pod: they begin with NODE, and kube-proxy masquerades them
// only where it knows pods' addresses.
//
// What comes in by another link never has the address of a service, a host's address for pods, or that of a pod whose
// packets leave masqueraded: policies would take a stranger for a pod. It is dropped.
//
// What is still for a service's address when it is forwarded has no backend: kube-proxy's own chain, between ours,
// refuses it, so that a client need not wait for its time limit. What nobody refuses is dropped behind it.
//
// An `accept` here does not overrule another table's drop, and a drop here is final. The chains come just
// before the usual ones, so that addresses are translated here and not by kube-proxy where both would.

import { HOST_PORT, type ReachModel, type ReachNetwork, type ReachWord } from "./reach_model.ts";

/** A table: what seldom changes as text, and the elements of its sets and maps by their names. */
export interface PacketFilter {
  /** Name of the table, of family `ip`. */
  readonly name: string;
  /** Sets, maps and chains, as `nft -f` reads them inside of the table. */
  readonly definition: string;
  /** A definition that forwards nothing, in force while a table that is lost is made anew. */
  readonly closed?: string;
  readonly elements: Readonly<Record<string, readonly string[]>>;
}

/** Name of the table. */
export const FILTER_NAME = "k8contivnet";

/** Returns the table for the host of `model`. */
export function packetFilterOf(model: ReachModel): PacketFilter {
  return {
    name: FILTER_NAME,
    definition: definitionOf(model),
    closed: CLOSED,
    elements: elementsOf(model),
  };
}

// A connection that begins while the rules are made would keep its pod's own address for as long as it lasts: chains,
// rules and elements of sets come into force one after the other.
const CLOSED = `
chain forward {
  type filter hook forward priority filter - 5; policy accept;
  iifname "${HOST_PORT}" drop
  oifname "${HOST_PORT}" drop
}
`.trim();

function elementsOf(
  { networks, others, serviceCidrs, aliasRange }: ReachModel,
): PacketFilter["elements"] {
  const pods = ownSubnets(networks, aliasRange, () => true);
  const words = (word: ReachWord) =>
    networks.filter(({ reach }) => reach.has(word)).flatMap(sourcesOf);
  return {
    pods,
    hosts: [...new Set(others.flatMap(({ vtep }) => vtep ?? []))],
    nodes: others.flatMap(({ node, nat }) => [node, nat]),
    leaving: ownSubnets(networks, aliasRange, ({ natOutgoing }) => natOutgoing),
    host: words("host"),
    services: words("services"),
    outside: words("outside"),
    // A pod without an address of its own in this stack cannot be the target of a translation.
    ports: networks.filter((one) => isOwner(one) && one.reach.has("ports")).map((one) =>
      one.subnet
    ),
    "service_cidrs": [...serviceCidrs],
    kept: networks.flatMap((one) => keptPairs(one, networks)),
    hairpins: networks.flatMap(({ local }) =>
      local.flatMap(({ address, alias }) =>
        alias ? [`${alias.address} . ${address} : ${alias.hairpin}`] : []
      )
    ),
  };
}

const isOwner = ({ aliasedBecause }: ReachNetwork) => aliasedBecause === undefined;

/** Returns by which sources this stack knows the pods of a network. */
function sourcesOf(network: ReachNetwork): string[] {
  if (isOwner(network)) return [network.subnet];
  return network.local.flatMap(({ alias }) => alias ? [alias.address] : []);
}

function ownSubnets(
  networks: readonly ReachNetwork[],
  aliasRange: string,
  isIncluded: (network: ReachNetwork) => boolean,
): string[] {
  const owners = networks.filter((one) => isOwner(one) && isIncluded(one));
  return [
    ...owners.map(({ subnet }) => subnet),
    ...networks.some((one) => !isOwner(one)) ? [aliasRange] : [],
  ];
}

/**
 * Returns the pairs of source and destination between which pods are seen by their own addresses: their own
 * network, and those that the switch routes to. An aliased network is no destination: in this stack its subnet
 * is another network's. Only its own pods find it there, as the switch decides by who asks.
 */
function keptPairs(network: ReachNetwork, all: readonly ReachNetwork[]): string[] {
  const routed = all.filter((one) => isOwner(one) && network.routedTo.includes(one.id));
  const subnets = [network.subnet, ...routed.map(({ subnet }) => subnet)];
  return sourcesOf(network).flatMap((source) => subnets.map((to) => `${source} . ${to}`));
}

function definitionOf({ self: { node, nat } }: ReachModel): string {
  const sets = [
    "pods",
    "hosts",
    "nodes",
    "leaving",
    "host",
    "services",
    "outside",
    "ports",
    "service_cidrs",
  ];
  return `
${sets.map((name) => `set ${name} { type ipv4_addr; flags interval; }`).join("\n")}
set kept { type ipv4_addr . ipv4_addr; flags interval; }
map hairpins { type ipv4_addr . ipv4_addr : ipv4_addr; }
chain postrouting {
  type nat hook postrouting priority srcnat - 5; policy accept;
  oifname "${HOST_PORT}" jump to_pods
  oifname != "${HOST_PORT}" jump to_uplink
}
chain to_uplink {
  ip saddr @leaving masquerade
  ip saddr @pods ct status dnat masquerade
  ip saddr @pods ip daddr @hosts masquerade
  ip saddr { ${node}, ${nat} } masquerade
}
chain to_pods {
  snat to ip saddr . ip daddr map @hairpins
  ip saddr @pods ip saddr . ip daddr != @kept snat to ${nat}
  fib saddr type local ip saddr != { ${node}, ${nat} } snat to ${node}
}
chain forward {
  type filter hook forward priority filter - 5; policy accept;
  iifname != "${HOST_PORT}" oifname != "${HOST_PORT}" accept
  iifname != "${HOST_PORT}" jump from_others
  ct state established,related accept
  iifname "${HOST_PORT}" jump from_pods
  iifname != "${HOST_PORT}" ct status dnat ip daddr @ports accept
  counter drop
}
chain from_others {
  ip saddr @service_cidrs counter drop
  ip saddr @leaving counter drop
  ip saddr @nodes counter drop
}
chain from_pods {
  oifname "${HOST_PORT}" ct status ! dnat jump untranslated
  ip saddr @services ct original ip daddr @service_cidrs accept
  oifname "${HOST_PORT}" ip saddr @outside ip daddr @ports accept
  oifname "${HOST_PORT}" ip saddr @host ip daddr @ports accept
  oifname != "${HOST_PORT}" ip saddr @outside ip daddr != 169.254.0.0/16 ct state new accept
  counter drop
}
chain untranslated {
  ip saddr @services ip daddr @service_cidrs accept
  counter drop
}
chain unanswered {
  type filter hook forward priority filter + 5; policy accept;
  iifname "${HOST_PORT}" oifname "${HOST_PORT}" ip daddr @service_cidrs counter drop
}
chain input {
  type filter hook input priority filter - 5; policy accept;
  iifname != "${HOST_PORT}" accept
  ct state established,related accept
  ip saddr @services ct original ip daddr @service_cidrs accept
  ip saddr @host accept
  counter drop
}
`.trim();
}
