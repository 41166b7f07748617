// Worlds of endpoints and policies from a seed: small enough that everything meets everything.

import type {
  ContivRule,
  KubePeer,
  KubePort,
  NetworkPolicy,
  TenantPolicies,
} from "../../../lib/policy/input.ts";
import type { LabelSelector } from "../../../lib/util/label_selectors.ts";
import type { TestEndpoint, TestPacket, TestWorld } from "./evaluator.ts";

/** An endpoint with the network that it is in: two tenants have the same addresses. */
export interface PlacedEndpoint extends TestEndpoint {
  readonly network: string;
  readonly tag: number;
  readonly isHere: boolean;
  /** Its network has a distributed gateway. @default false */
  readonly isDistributed?: boolean;
  /** Networks (`tenant/network`) that its own is routed to. @default none */
  readonly routedTo?: readonly string[];
}

/** A world with all that is needed to change it a little. */
export interface RandomWorld extends TestWorld {
  readonly endpoints: readonly PlacedEndpoint[];
}

/** Chooses, always the same for one seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** Returns a whole number below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

const NAMESPACES = ["one", "two", "three"];
const PLACES = [
  { tenant: "t1", network: "n1", tag: 11, prefix: "10.1.1." },
  { tenant: "t1", network: "n2", tag: 12, prefix: "10.1.2." },
  { tenant: "t2", network: "n1", tag: 21, prefix: "10.1.1." },
];
const SUBNETS = { n1: "10.1.1.0/24", n2: "10.1.2.0/24" };
const GROUPS = ["red", "green"];

/** Returns a world. */
export function randomWorld(dice: Dice): RandomWorld {
  return {
    endpoints: Array.from({ length: 9 }, (_, n) => randomEndpoint(dice, n)),
    namespaces: NAMESPACES.slice(0, 2 + dice.below(2)).map((name) => ({
      name,
      labels: { name, team: dice.one(["blue", "grey"]) },
    })),
    policies: Array.from({ length: dice.below(5) }, (_, n) => randomPolicy(dice, `p${n}`)),
    tenants: ["t1", "t2"].map((tenant) => randomTenant(dice, tenant)),
  };
}

/** Returns endpoint number `n`, which has the same address each time in the same place. */
export function randomEndpoint(dice: Dice, n: number): PlacedEndpoint {
  const { tenant, network, tag, prefix } = PLACES[n % PLACES.length]!;
  return {
    ...{ id: `e${n}`, tenant, network, tag, ip: `${prefix}${2 + Math.floor(n / 3)}` },
    isHere: dice.chance(60),
    ...dice.chance(60) ? { group: dice.one(GROUPS) } : {},
    namespace: dice.one(NAMESPACES),
    labels: {
      app: dice.one(["web", "db", "cache"]),
      ...dice.chance(50) ? { tier: dice.one(["front", "back"]) } : {},
    },
    ports: [
      { name: "http", protocol: 6, port: dice.one([80, 8080]) },
      ...dice.chance(40) ? [{ name: "dns", protocol: 17, port: 53 }] : [],
      ...dice.chance(40) ? [{ name: "dns", protocol: 6, port: 53 }] : [],
      ...dice.chance(40) ? [{ name: "sig", protocol: 132, port: dice.one([36, 3868]) }] : [],
    ],
  };
}

/** Returns a NetworkPolicy. */
export function randomPolicy(dice: Dice, name: string): NetworkPolicy {
  const types = dice.one([["Ingress"], ["Egress"], ["Ingress", "Egress"], undefined] as const);
  return {
    namespace: dice.one(NAMESPACES),
    name,
    podSelector: randomSelector(dice),
    ...types ? { policyTypes: types } : {},
    ...dice.chance(80)
      ? {
        ingress: dice.some(3, () => ({
          ...dice.chance(75) ? { from: dice.some(2, () => randomPeer(dice)) } : {},
          ...dice.chance(70) ? { ports: dice.some(2, () => randomPort(dice)) } : {},
        })),
      }
      : {},
    ...dice.chance(60)
      ? {
        egress: dice.some(3, () => ({
          ...dice.chance(75) ? { to: dice.some(2, () => randomPeer(dice)) } : {},
          ...dice.chance(70) ? { ports: dice.some(2, () => randomPort(dice)) } : {},
        })),
      }
      : {},
  };
}

function randomSelector(dice: Dice): LabelSelector {
  if (dice.chance(30)) return {};
  return {
    ...dice.chance(60) ? { matchLabels: { app: dice.one(["web", "db", "cache"]) } } : {},
    ...dice.chance(40)
      ? {
        matchExpressions: [dice.one(
          [
            { key: "tier", operator: "Exists" },
            { key: "tier", operator: "DoesNotExist" },
            { key: "app", operator: "In", values: ["web", "db"] },
            { key: "app", operator: "In", values: ["cache"] },
            { key: "tier", operator: "NotIn", values: ["front"] },
          ] as const,
        )],
      }
      : {},
  };
}

function randomPeer(dice: Dice): KubePeer {
  switch (dice.below(5)) {
    case 0:
      return {
        ipBlock: dice.one([
          { cidr: "10.1.1.0/24" },
          { cidr: "10.0.0.0/8", except: ["10.1.1.0/29", "10.1.2.3/32"] },
          { cidr: "0.0.0.0/0", except: ["10.1.0.0/16"] },
          { cidr: "0.0.0.0/0" },
          { cidr: "10.1.1.2/31", except: ["10.1.1.2/31"] },
        ]),
      };
    case 1:
      return { podSelector: randomSelector(dice) };
    case 2:
      return { namespaceSelector: dice.one([{}, { matchLabels: { team: "blue" } }]) };
    case 3:
      return {
        namespaceSelector: { matchLabels: { name: dice.one(NAMESPACES) } },
        podSelector: randomSelector(dice),
      };
    default:
      return {
        namespaceSelector: { matchExpressions: [{ key: "team", operator: "Exists" }] },
        podSelector: randomSelector(dice),
      };
  }
}

function randomPort(dice: Dice): KubePort {
  return dice.one<KubePort>([
    { port: 80 },
    { protocol: "TCP", port: "http" },
    { protocol: "TCP" },
    { protocol: "TCP", port: 70, endPort: 85 },
    { protocol: "TCP", port: 81, endPort: 8081 },
    { protocol: "UDP", port: 53 },
    { protocol: "UDP", port: "dns" },
    { protocol: "TCP", port: "dns" },
    { protocol: "SCTP", port: 3868 },
    { protocol: "SCTP", port: "sig" },
    { protocol: "UDP", port: 1, endPort: 65_535 },
  ]);
}

function randomTenant(dice: Dice, tenant: string): TenantPolicies {
  const names = ["p1", "p2", "p3"];
  const isIdle = dice.chance(30);
  return {
    tenant,
    groups: GROUPS.map((name) => ({
      name,
      policies: isIdle ? [] : names.filter(() => dice.chance(40)),
    })),
    policies: names.map((name) => ({
      name,
      rules: Array.from({ length: dice.below(5) }, (_, n) => randomRule(dice, String(n))),
    })),
    subnets: SUBNETS,
  };
}

function randomRule(dice: Dice, id: string): ContivRule {
  const protocol = dice.one([undefined, "tcp", "tcp", "udp", "icmp", "132", "0"]);
  const hasPort = (protocol === "tcp" || protocol === "udp") && dice.chance(70);
  return {
    id,
    priority: dice.one([1, 1, 2, 50, 100]),
    direction: dice.one(["in", "out"]),
    ...dice.one([
      {},
      { group: "red" },
      { group: "green" },
      { network: "n2" },
      { block: "10.1.1.3" },
      { block: "10.1.0.0/16" },
      { block: "0.0.0.0/0" },
    ]),
    ...protocol === undefined ? {} : { protocol },
    ...hasPort ? { port: dice.one([80, 53, 8080, 0]) } : {},
    action: dice.one(["allow", "deny"]),
  };
}

/** Returns every packet that may show a difference: each pair and some strangers, each service. */
export function packetsOf({ endpoints }: RandomWorld): (TestPacket & { readonly tag: number })[] {
  const pairs = endpoints.flatMap((from) => [
    ...endpoints.filter((to) => to.id !== from.id && to.tenant === from.tenant)
      .map((to) => ({ from, to, fromIp: from.ip, toIp: to.ip, tag: to.tag })),
    ...["10.1.1.200", "192.0.2.7"].flatMap((ip) => [
      { from, fromIp: from.ip, toIp: ip, tag: from.tag },
      { to: from, fromIp: ip, toIp: from.ip, tag: from.tag },
    ]),
  ]);
  return pairs.flatMap((pair) => SERVICES.map((service) => ({ ...pair, ...service })));
}

const SERVICES = [
  { protocol: 6, fromPort: 40_000, toPort: 80 },
  { protocol: 6, fromPort: 40_000, toPort: 8080 },
  { protocol: 6, fromPort: 40_000, toPort: 53 },
  { protocol: 17, fromPort: 40_000, toPort: 53 },
  { protocol: 132, fromPort: 40_000, toPort: 3868 },
  { protocol: 132, fromPort: 3868, toPort: 40_000 },
  { protocol: 132, fromPort: 36, toPort: 3868 },
  { protocol: 1, fromPort: 0, toPort: 0 },
];
