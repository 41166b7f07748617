// Reads the packet filter's table as nftables does (nft(8), "Expressions" and "Verdict statements"), as far as the
// table's text goes: so tests judge the text itself, and not another idea of it.

import { parseAddress, parseSubnet, subnetHas } from "../../../lib/ipam/subnets.ts";
import type { PacketFilter } from "../../../lib/reach/packet_filter.ts";

/** What rules look at. */
export interface FilteredPacket {
  readonly source: string;
  readonly destination: string;
  /** Destination of the connection's first packet, before its translation. */
  readonly original: string;
  readonly isDnat: boolean;
  readonly state: "new" | "established";
  /** Link by which it came; undefined for one of the host itself. */
  readonly iif?: string | undefined;
  /** Link by which it leaves; undefined for one to the host itself. */
  readonly oif?: string | undefined;
}

/** What a chain decides; `masquerade` means the first address of the link. */
export type Verdict =
  | { readonly kind: "accept" | "drop" | "masquerade" }
  | { readonly kind: "snat"; readonly to: string };

/** A table that judges packets. */
export class PacketFilterReader {
  readonly #chains: ReadonlyMap<string, readonly (readonly string[])[]>;
  readonly #elements: PacketFilter["elements"];
  /** Addresses of the host itself. */
  readonly #local: ReadonlySet<string>;

  constructor({ definition, elements }: PacketFilter, local: ReadonlySet<string>) {
    this.#chains = chainsOf(definition);
    this.#elements = elements;
    this.#local = local;
  }

  /** Returns what a base chain decides on a packet; each has the policy to accept. */
  verdict(chain: string, packet: FilteredPacket): Verdict {
    return this.#run(chain, packet) ?? { kind: "accept" };
  }

  #run(chain: string, packet: FilteredPacket): Verdict | undefined {
    const rules = this.#chains.get(chain);
    if (!rules) throw new Error(`no chain ${chain}`);
    for (const rule of rules) {
      const verdict = this.#rule([...rule], packet);
      if (verdict) return verdict;
    }
    return undefined;
  }

  /** Returns the verdict of a rule; undefined if it does not match, or decides nothing. */
  #rule(words: string[], packet: FilteredPacket): Verdict | undefined {
    while (words.length > 0) {
      const word = words.shift()!;
      if (word === "counter") continue;
      if (word === "accept" || word === "drop" || word === "masquerade") return { kind: word };
      if (word === "jump") return this.#run(words.shift()!, packet);
      if (word === "snat") return this.#snat(words, packet);
      if (!this.#matches(word, words, packet)) return undefined;
    }
    return undefined;
  }

  #snat(words: string[], { source, destination }: FilteredPacket): Verdict | undefined {
    const [, to = "", ...rest] = words;
    if (rest.length === 0) return { kind: "snat", to };
    const text = words.join(" ");
    const map = /^to ip saddr \. ip daddr map @(\w+)$/.exec(text)?.[1];
    if (map === undefined) throw new Error(`unknown snat ${text}`);
    const found = (this.#elements[map] ?? []).map((one) => one.split(" : "))
      .find(([key]) => key === `${source} . ${destination}`);
    return found && { kind: "snat", to: found[1]! };
  }

  /** Takes the rest of a match off `words`, and reports whether the packet fits. */
  #matches(word: string, words: string[], packet: FilteredPacket): boolean {
    if (word === "iifname" || word === "oifname") {
      const isNot = negation(words);
      const link = JSON.parse(words.shift()!);
      return (packet[word === "iifname" ? "iif" : "oif"] === link) !== isNot;
    }
    if (word === "ct") return this.#tracked(words, packet);
    if (word === "fib") {
      if (words.splice(0, 3).join(" ") !== "saddr type local") throw new Error("unknown fib");
      return this.#local.has(packet.source);
    }
    if (word !== "ip") throw new Error(`unknown match ${word}`);
    const value = words.shift() === "saddr" ? packet.source : packet.destination;
    if (words[0] !== ".") return this.#compare(words, [value]);
    words.splice(0, 3);
    return this.#compare(words, [packet.source, packet.destination]);
  }

  #tracked(words: string[], { state, isDnat, original }: FilteredPacket): boolean {
    switch (words.shift()) {
      case "state":
        return words.shift()!.split(",").includes(state);
      case "status": {
        const isNot = negation(words);
        if (words.shift() !== "dnat") throw new Error("unknown status");
        return isDnat !== isNot;
      }
      case "original":
        if (words.splice(0, 2).join(" ") !== "ip daddr") throw new Error("unknown original");
        return this.#compare(words, [original]);
      default:
        throw new Error("unknown ct");
    }
  }

  /** Compares with `@SET`, `{ LIST }`, an address or a block. */
  #compare(words: string[], values: readonly string[]): boolean {
    const isNot = negation(words);
    const first = words.shift()!;
    if (first.startsWith("@")) {
      const set = this.#elements[first.slice(1)];
      if (!set) throw new Error(`no set ${first}`);
      return set.some((one) => isIn(one, values)) !== isNot;
    }
    const list = first === "{" ? words.splice(0, words.indexOf("}")) : [first];
    if (first === "{") words.shift();
    return list.some((one) => isIn(one.replace(/,$/, ""), values)) !== isNot;
  }
}

/** Returns the words of each rule, by chain. */
function chainsOf(definition: string): Map<string, string[][]> {
  const chains = new Map<string, string[][]>();
  let rules: string[][] | undefined;
  for (const line of definition.split("\n")) {
    const words = line.trim().split(/\s+/);
    if (words[0] === "chain") chains.set(words[1]!, rules = []);
    else if (line === "}") rules = undefined;
    else if (words[0] !== "type") rules?.push(words);
  }
  return chains;
}

function negation(words: string[]): boolean {
  if (words[0] !== "!=" && words[0] !== "!") return false;
  words.shift();
  return true;
}

/** Reports whether values are in an element: addresses or blocks, `A . B` for two of them. */
function isIn(element: string, values: readonly string[]): boolean {
  const parts = element.split(" . ");
  return parts.length === values.length && parts.every((part, at) => {
    const value = values[at]!;
    return part.includes("/") ? subnetHas(parseSubnet(part), parseAddress(value)) : part === value;
  });
}
