// The host's own stack as far as reach needs one: routes, the packet filter's table, translations of services as
// kube-proxy makes them, and the tracker of connections.

import { longestMatch } from "./addresses.ts";
import { HOST_PORT } from "../../../lib/reach/reach_model.ts";
import type { HostSide } from "../../../lib/reach/host_side.ts";
import { PacketFilterReader } from "./packet_filter_reader.ts";

/** A packet of TCP; both ports are those of its connection. */
export interface StackPacket {
  readonly from: string;
  readonly to: string;
  readonly ports: readonly [from: number, to: number];
}

/** Link to the world outside. */
export const UPLINK = "eth0";

/** What kube-proxy translates: an address of a service, and that of its backend. */
export interface Translation {
  readonly backend: string;
  /** Connections of the host itself are masqueraded, too. */
  readonly marksHosts: boolean;
}

interface Connection {
  readonly first: StackPacket;
  readonly translated: StackPacket;
  readonly isDnat: boolean;
}

/** Where a packet goes: to the host itself, or out by a link. */
export interface StackEnding {
  readonly at: "host" | typeof HOST_PORT | typeof UPLINK | "dropped";
  readonly packet: StackPacket;
}

/** The stack of one host. */
export class SimulatedStack {
  readonly #side: HostSide;
  readonly #uplinkAddress: string;
  readonly #filter: PacketFilterReader;
  readonly #services: ReadonlyMap<string, Translation>;
  readonly #connections: Connection[] = [];

  constructor(
    side: HostSide,
    { uplinkAddress, services }: {
      readonly uplinkAddress: string;
      readonly services: ReadonlyMap<string, Translation>;
    },
  ) {
    this.#side = side;
    this.#uplinkAddress = uplinkAddress;
    this.#services = services;
    this.#filter = new PacketFilterReader(side.filter, this.#local);
  }

  get #local(): ReadonlySet<string> {
    return new Set([...this.#side.addresses, this.#uplinkAddress]);
  }

  /** Returns where a packet of the host's own goes. */
  send({ to, ports }: Omit<StackPacket, "from">): StackEnding {
    const from = longestMatch(this.#side.routes, to, (route) => route.to)?.source ??
      this.#uplinkAddress;
    return this.receive({ from, to, ports });
  }

  /** Returns where a packet goes that came by a link, or from the host itself. */
  receive(packet: StackPacket, iif?: string): StackEnding {
    const known = this.#find(packet);
    if (known) {
      const oif = this.#oif(known.packet.to);
      const facts = { ...known, state: "established", iif, oif } as const;
      // As the kernel does: the filter sees a new destination, but not yet a new source.
      const judged = this.#judge({ ...known.packet, from: packet.from }, facts);
      return { ...judged, packet: known.packet };
    }
    const service = this.#services.get(packet.to);
    const routed = service ? { ...packet, to: service.backend } : packet;
    const oif = this.#oif(routed.to);
    const facts = {
      isDnat: service !== undefined,
      original: packet.to,
      state: "new",
      iif,
    } as const;
    const judged = this.#judge(routed, { ...facts, oif });
    if (judged.at === "dropped") return judged;
    const translated = { ...routed, from: this.#source(routed, { ...facts, oif, service }) };
    this.#connections.push({ first: packet, translated, isDnat: service !== undefined });
    return { ...judged, packet: translated };
  }

  #judge(packet: StackPacket, facts: Facts): StackEnding {
    const { iif, oif } = facts;
    const chains = oif === undefined
      ? ["input"]
      : iif === undefined
      ? []
      : ["forward", "unanswered"];
    const asked = { ...facts, source: packet.from, destination: packet.to };
    const isOpen = chains.every((chain) => this.#filter.verdict(chain, asked).kind === "accept");
    if (!isOpen) return { at: "dropped", packet };
    return { at: oif ?? "host", packet };
  }

  /** Returns the source after the translations: the table's chain comes first. */
  #source(
    packet: StackPacket,
    facts: Facts & { readonly service: Translation | undefined },
  ): string {
    const { oif, service, iif } = facts;
    if (oif === undefined) return packet.from;
    const asked = { ...facts, source: packet.from, destination: packet.to };
    const verdict = this.#filter.verdict("postrouting", asked);
    if (verdict.kind === "snat") return verdict.to;
    // As with --detect-local-mode=InterfaceNamePrefix: what does not come from pods is masqueraded. A kube-proxy
    // that does not know pods' addresses leaves out the host's own.
    const isStranger = iif === UPLINK || (iif === undefined && service?.marksHosts);
    const isMarked = service && (isStranger || packet.from === packet.to);
    return verdict.kind === "masquerade" || isMarked ? this.#firstOf(oif) : packet.from;
  }

  #firstOf(link: string): string {
    return link === HOST_PORT ? this.#side.addresses[0]! : this.#uplinkAddress;
  }

  #oif(to: string): typeof HOST_PORT | typeof UPLINK | undefined {
    if (this.#local.has(to)) return undefined;
    return longestMatch(this.#side.routes, to, (route) => route.to) ? HOST_PORT : UPLINK;
  }

  #find(packet: StackPacket): Omit<Facts, "state" | "iif" | "oif"> & Found | undefined {
    for (const { first, translated, isDnat } of this.#connections) {
      const facts = { isDnat, original: first.to };
      if (isSame(packet, first)) return { packet: translated, ...facts };
      if (isSame(packet, answerTo(translated))) return { packet: answerTo(first), ...facts };
    }
    return undefined;
  }
}

interface Found {
  readonly packet: StackPacket;
}

interface Facts {
  readonly isDnat: boolean;
  readonly original: string;
  readonly state: "new" | "established";
  readonly iif: string | undefined;
  readonly oif: typeof HOST_PORT | typeof UPLINK | undefined;
}

/** Returns the answer to a packet. */
export function answerTo({ from, to, ports: [first, second] }: StackPacket): StackPacket {
  return { from: to, to: from, ports: [second, first] };
}

function isSame(a: StackPacket, b: StackPacket): boolean {
  return a.from === b.from && a.to === b.to && a.ports.join() === b.ports.join();
}
