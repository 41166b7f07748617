// What of the host's own packet filter drops the packets of tunnels, which arrive as UDP at one port. Read only.

import type { Hindrance } from "./host_stack.ts";
import {
  type Answer,
  answerMatch,
  answerValue,
  isAboutPort,
  type NftValue,
  objectOf,
  type TunnelPacket,
} from "./nft_match.ts";
import { listChains, type NftChain, type NftRule, type NftTable, readTable } from "./nft_rules.ts";

/** A chain that drops tunnels' packets. */
export interface TunnelFilter extends Hindrance {
  /** False: it drops some of them perhaps, by conditions that only a packet decides. */
  readonly isSure: boolean;
}

/** Packets of tunnels. */
export interface TunnelArrival {
  /** The link by which they arrive; undefined if that may be any. */
  readonly device: string | undefined;
  readonly port: number;
}

const HOOKS: readonly (string | undefined)[] = ["prerouting", "input"];

/** Returns the chains that drop what arrives. Faults: unavailable, timeout, failed. */
export async function findTunnelFilters(
  arrival: TunnelArrival,
  limitMs: number,
): Promise<TunnelFilter[]> {
  const endMs = performance.now() + limitMs;
  const bases = (await listChains(limitMs)).filter(isJudged);
  const tables = new Map(bases.map((one) => [`${one.family} ${one.table}`, one]));
  const found = await Promise.all(
    [...tables.values()].map(async (chain) =>
      tunnelFiltersOf(await readTable(chain, Math.max(1, endMs - performance.now())), arrival)
    ),
  );
  return found.flat();
}

/** Chains of type nat translate, and Kubernetes has very many rules in their tables. */
function isJudged({ family, hook, type }: NftChain): boolean {
  return HOOKS.includes(hook) && ["ip", "inet"].includes(family) && type !== "nat";
}

/** Returns the chains of one table that drop what arrives. Pure. */
export function tunnelFiltersOf(table: NftTable, { device, port }: TunnelArrival): TunnelFilter[] {
  return table.chains.filter(isJudged).flatMap((base): TunnelFilter[] => {
    const walk = new Walk(table, { device, port, elements: table.elements });
    const end = walk.through(base.name);
    const isPolicy = end === "through" && base.policy === "drop";
    const isDropped = end === "dropped" || isPolicy;
    const { isSure, mayDropPort, mayDropAll } = walk;
    if (isDropped && isSure) {
      const what = walk.isByPort && !isPolicy ? `UDP port ${port}` : "what it does not know";
      return [{ ...hindrance(base, port, [`drops ${what}`, "no tunnel works"]), isSure: true }];
    }
    if (!isDropped && !mayDropPort && !(mayDropAll && end === "through")) return [];
    const doubt = [`may drop UDP port ${port}`, "tunnels may not work"] as const;
    return [{ ...hindrance(base, port, doubt), isSure: false }];
  });
}

/** `through`: the packet comes to the end of the chain, or returns from it. */
type End = "accepted" | "dropped" | "through";

/** A packet's way through the rules, in their order. An accept that may be meant ends it: then nothing is wrong. */
class Walk {
  /** False: a rule before may have let the packet pass. */
  isSure = true;
  /** The rule that dropped it names its port. */
  isByPort = false;
  /** A rule that names the port may drop it. */
  mayDropPort = false;
  /** A rule for all packets drops it if no rule before has let it pass. */
  mayDropAll = false;
  readonly #chains: ReadonlyMap<string, readonly NftRule[]>;
  readonly #packet: TunnelPacket;

  constructor({ rules }: NftTable, packet: TunnelPacket) {
    this.#chains = Map.groupBy(rules, ({ chain }) => chain);
    this.#packet = packet;
  }

  through(chain: string, within: Condition = ALL): End {
    for (const { expr } of this.#chains.get(chain) ?? []) {
      for (const way of waysOf(expr, this.#packet)) {
        if (way.answer === "yes" && "return" in way.verdict) return "through";
        const end = this.#take(bothOf(way, within), way.verdict);
        if (end !== undefined) return end;
      }
    }
    return "through";
  }

  /** Returns how the chain ends with this verdict; undefined if the next rule follows. */
  #take(condition: Condition, verdict: NftValue): End | undefined {
    if (condition.answer === "no" || "continue" in verdict) return undefined;
    if ("drop" in verdict || "reject" in verdict) return this.#drop(condition);
    const { target } = objectOf(verdict.jump ?? verdict.goto);
    if (typeof target === "string") {
      const end = this.through(target, condition);
      if (end !== "through" || "jump" in verdict) return end === "through" ? undefined : end;
      if (condition.answer === "yes") return "through";
    } else if (!("return" in verdict) && !condition.isUnread) {
      return "accepted";
    }
    this.isSure = false;
    return undefined;
  }

  #drop({ answer, isAboutPort }: Condition): End | undefined {
    if (answer === "yes" && this.isSure) {
      this.isByPort = isAboutPort;
      return "dropped";
    }
    this.mayDropPort ||= isAboutPort;
    this.mayDropAll ||= answer === "yes";
    return undefined;
  }
}

/** What of a packet a verdict depends on. */
interface Condition {
  readonly answer: Answer;
  readonly isAboutPort: boolean;
  /** It is one of iptables' extensions, of which `nft -j` has the name only; mostly the state of a connection. */
  readonly isUnread: boolean;
}

const ALL: Condition = { answer: "yes", isAboutPort: false, isUnread: false };

/** Returns a condition that holds where both do. */
function bothOf(one: Condition, other: Condition): Condition {
  const answers = [one.answer, other.answer];
  const [isAboutPort, isUnread] = [
    one.isAboutPort || other.isAboutPort,
    one.isUnread || other.isUnread,
  ];
  return {
    answer: answers.includes("no") ? "no" : answers.includes("maybe") ? "maybe" : "yes",
    ...{ isAboutPort, isUnread: isUnread && !isAboutPort },
  };
}

/** A verdict, and when it is given. */
interface Way extends Condition {
  readonly verdict: NftValue;
}

const VERDICTS: readonly string[] = [
  ...["accept", "drop", "reject", "return", "jump", "goto", "queue", "tproxy"],
];
/** Statements that neither end a rule nor are conditions. */
const NEUTRAL: readonly string[] = ["counter", "log", "mangle", "notrack", "ct helper", "flow"];

/** Returns the verdicts of a rule: one, those of its verdict map, or none. */
function waysOf(expr: readonly unknown[], packet: TunnelPacket): Way[] {
  let condition = ALL;
  for (const statement of expr.map(objectOf)) {
    const [name = ""] = Object.keys(statement);
    if (VERDICTS.includes(name)) return [{ ...condition, verdict: statement }];
    if (name === "vmap") return mapWays(objectOf(statement.vmap), condition, packet);
    if (!NEUTRAL.includes(name)) condition = bothOf(condition, conditionOf(statement, packet));
  }
  return [];
}

function conditionOf({ match, xt, ...others }: NftValue, packet: TunnelPacket): Condition {
  if (match !== undefined) {
    const { left } = objectOf(match);
    return { ...ALL, answer: answerMatch(objectOf(match), packet), isAboutPort: isAboutPort(left) };
  }
  const { name, type } = objectOf(xt);
  if (name === "comment" || type === "target") return ALL;
  if (name === "udp" || name === "multiport") return { ...ALL, answer: "maybe", isAboutPort: true };
  return { ...ALL, answer: "maybe", isUnread: Object.keys(others).length === 0 };
}

function mapWays({ key, data }: NftValue, condition: Condition, packet: TunnelPacket): Way[] {
  const elements = typeof data === "string"
    ? packet.elements.get(data.slice(1))
    : objectOf(data).set;
  // One that is filled by others may have any verdict.
  if (!Array.isArray(elements)) {
    return [{ ...condition, answer: "maybe", verdict: { accept: null } }];
  }
  return elements.flatMap((element: unknown): Way[] => {
    const [value, verdict] = Array.isArray(element) ? element : [];
    const own = { ...ALL, answer: answerValue(key, value, packet), isAboutPort: isAboutPort(key) };
    return [{ ...bothOf(condition, own), verdict: objectOf(verdict) }];
  });
}

function hindrance(
  { family, table, name }: NftChain,
  port: number,
  [does, so]: readonly [does: string, so: string],
): Hindrance {
  return {
    what: `this host's packet filter ${does} (chain ${family} ${table} ${name}): ${so}`,
    fix: `iptables -I INPUT -p udp --dport ${port} -j ACCEPT, or in nftables: nft insert rule ` +
      `${family} ${table} ${name} udp dport ${port} accept`,
  };
}
